package api

import (
	"net/http"
	"time"
)

// Request is one request to the server, for metrics.
type Request struct {
	Code int           // HTTP status; 0 if there was no answer
	Took time.Duration // until the head of the answer
}

// send sends a request and tells of it.
func (c *Client) send(req *http.Request) (*http.Response, error) {
	start := time.Now()
	resp, err := c.http.Do(req)
	if c.options.Observe != nil {
		seen := Request{Took: time.Since(start)}
		if err == nil {
			seen.Code = resp.StatusCode
		}
		c.options.Observe(seen)
	}
	return resp, err
}
