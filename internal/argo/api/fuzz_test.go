package api

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// FuzzAnswers: whatever a server says, it is a list of named Applications or an
// error that is the server's fault; and none of it gets the token out.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		`{"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"web","namespace":"a","resourceVersion":"3"},"spec":{"source":{"repoURL":"x"}}},{"metadata":{"name":"odd"},"spec":5}]}`,
		`{"items":null}`, `{"items":[`, `[]`, ``, `<html>`,
		`{"result":{"type":"ADDED","application":{"metadata":{"name":"web"}}}}`,
		`{"result":{"type":"DELETED","application":{"metadata":{"name":"web","resourceVersion":"x"}}}}`,
		`{"error":{"grpc_code":16,"http_code":401,"message":"` + token + `"}}`,
		`{"error":"denied","code":7,"message":"denied"}`,
		`data: {"error":{"message":"denied"}}`,
	} {
		f.Add(seed)
	}
	client, err := New(Options{Address: "argocd.example.com", Token: token})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l := list{admits: client.admits, admitsKey: client.admitsKey}
		if err := l.read(strings.NewReader(text)); err == nil {
			for _, e := range l.entries {
				if e.err == nil && e.app.Name == "" {
					t.Errorf("an Application without a name: %+v", e.app)
				}
			}
		}
		s := newShelf()
		s.replace(nil, 0)
		if err := client.event(s, changes(), []byte(text)); err != nil && fact(err) != "unavailable" {
			t.Error(err)
		}
		resp := &http.Response{Body: io.NopCloser(strings.NewReader(text))}
		if words, _ := client.words(resp); strings.Contains(words, token) || strings.ContainsAny(words, "\n\r\x1b") || len([]rune(words)) > maxWords+1 {
			t.Errorf("%q", words)
		}
	})
}
