package itest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Harm is what a server in the field does to an answer: it wraps the handler
// that would have answered well.
type Harm func(next http.Handler) http.Handler

// Status answers with a status and an error body in the form of the OCI
// distribution specification. Headers are pairs of key and value.
func Status(code int, headers ...string) Harm {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i+1 < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			word := strings.ToUpper(strings.ReplaceAll(http.StatusText(code), " ", "_"))
			fmt.Fprintf(w, `{"errors":[{"code":%q,"message":"as the test wished"}]}`, word)
		})
	}
}

// Slow lets the client wait before the answer's headers, or until it gives up.
func Slow(wait time.Duration) Harm {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// Only when the body was read does the server watch for a client that leaves.
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			timer := time.NewTimer(wait)
			defer timer.Stop()
			select {
			case <-timer.C:
				next.ServeHTTP(w, r)
			case <-r.Context().Done():
			}
		})
	}
}

// Before does something, such as a push by somebody else, and then lets the
// request pass.
func Before(do func()) Harm {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			do()
			next.ServeHTTP(w, r)
		})
	}
}

// Cut announces the whole answer, sends half of it and drops the connection.
func Cut() Harm {
	return record(func(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
		body := answer.Body.Bytes()
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(answer.Code)
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
}

// Truncate sends half of the answer as if it were the whole.
func Truncate() Harm {
	return Rewrite(func(_ http.Header, body []byte) []byte { return body[:len(body)/2] })
}

// HalfTags answers a tag list with the first half of its tags and no Link: a
// whole answer that is not to be believed.
func HalfTags() Harm {
	return Rewrite(func(h http.Header, body []byte) []byte {
		var list tagList
		if json.Unmarshal(body, &list) != nil {
			return body
		}
		h.Del("Link")
		list.Tags = list.Tags[:len(list.Tags)/2]
		return encode(list)
	})
}

// EndlessPages gives every answer a Link to a next page of the same server.
func EndlessPages() Harm {
	var page atomic.Int64
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			link := fmt.Sprintf(`<%s?n=100&last=t%d>; rel="next"`, r.URL.Path, page.Add(1))
			LinkTo(link)(next).ServeHTTP(w, r)
		})
	}
}

// LinkTo gives every answer the Link header, such as one to another host.
func LinkTo(link string) Harm {
	return Rewrite(func(h http.Header, body []byte) []byte {
		h.Set("Link", link)
		return body
	})
}

// WrongDigest answers with the digest of something else.
func WrongDigest() Harm {
	return Rewrite(func(h http.Header, body []byte) []byte {
		h.Set("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))
		return body
	})
}

// Rewrite changes headers and body of an answer before they are sent.
func Rewrite(change func(h http.Header, body []byte) []byte) Harm {
	return record(func(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
		body := change(w.Header(), answer.Body.Bytes())
		if w.Header().Get("Content-Length") != "" && !bytes.Equal(body, answer.Body.Bytes()) {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(body)
	})
}

// record lets the request be answered into memory; send has the headers of
// that answer in w already.
func record(send func(w http.ResponseWriter, answer *httptest.ResponseRecorder)) Harm {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			for key, values := range answer.Header() {
				w.Header()[key] = values
			}
			send(w, answer)
		})
	}
}
