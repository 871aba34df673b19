package api

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"argocd-image-updater/internal/itest"
	"argocd-image-updater/internal/itest/argoserver"
)

func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/argocd-api.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The rights that the page tells to grant are those that the tests run with.
func TestPagePolicy(t *testing.T) {
	for line := range strings.Lines(strings.TrimSpace(argoserver.Policy)) {
		if !strings.Contains(page(t), "\n    "+line) {
			t.Errorf("docs/argocd-api.md does not say %q", line)
		}
	}
}

// Whoever searches the page for a message finds it.
func TestPageMessages(t *testing.T) {
	tests := []struct {
		name    string
		options Options
		policy  string
		harm    itest.Harm
		call    func(*testing.T, *Client) error
	}{
		{name: "unknown token", options: Options{Token: "x"}},
		{name: "expired token", options: Options{Token: jwt(t, map[string]any{"exp": 1767225600})}},
		{name: "may not see", policy: "p, a, b, c, d, allow", call: func(t *testing.T, c *Client) error {
			_, err := c.Get(t.Context(), webKey())
			return err
		}},
		{name: "may not update", policy: "p, image-updater, applications, get, *, allow", call: func(t *testing.T, c *Client) error {
			app, err := c.Get(t.Context(), webKey())
			if err == nil {
				_, err = c.Patch(t.Context(), setTag(app, "1.21"))
			}
			return err
		}},
		{name: "redirect", harm: argoserver.RedirectTo("https://login.example.com/?to=argocd")},
		{name: "login page", harm: argoserver.LoginPage(http.StatusOK)},
		{name: "too large", harm: argoserver.Refuse(argoserver.ResourceExhausted, "grpc: received message larger than max (209715201 vs. 209715200)")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server, client := start(t, argoserver.Options{Policy: test.policy}, test.options)
			put(t, server, web)
			if test.harm != nil {
				server.Break(itest.Fault{Harm: test.harm})
			}
			call := test.call
			if call == nil {
				call = func(t *testing.T, c *Client) error {
					_, err := c.List(t.Context())
					return err
				}
			}
			err := call(t, client)
			for line := range strings.Lines(page(t)) {
				message, _, _ := strings.Cut(strings.TrimPrefix(line, "| `"), "` |")
				if err != nil && strings.HasPrefix(line, "| `") && strings.Contains(err.Error(), message) {
					return
				}
			}
			t.Errorf("docs/argocd-api.md does not explain %v", err)
		})
	}
}
