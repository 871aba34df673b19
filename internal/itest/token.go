package itest

import (
	"net/http"
	"strings"
)

const (
	tokenPath = "/token"
	token     = "a-token-of-the-tests"
)

// tokenAuth sends who has no token to the token endpoint of the same server,
// which gives one to who knows the password.
func tokenAuth(next http.Handler, user, password string) http.Handler {
	give := basicAuth(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(encode(map[string]any{"token": token, "expires_in": 300}))
	}), user, password)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == tokenPath:
			give.ServeHTTP(w, r)
		case r.Header.Get("Authorization") == "Bearer "+token:
			next.ServeHTTP(w, r)
		default:
			Status(http.StatusUnauthorized, "WWW-Authenticate", challenge(r))(nil).ServeHTTP(w, r)
		}
	})
}

// challenge names realm, service and scope as the distribution token
// specification does.
func challenge(r *http.Request) string {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	c := `Bearer realm="` + scheme + r.Host + tokenPath + `",service="itest"`
	if parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/v2/"), "/"); len(parts) > 2 {
		actions := "pull"
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			actions = "pull,push"
		}
		c += `,scope="repository:` + strings.Join(parts[:len(parts)-2], "/") + ":" + actions + `"`
	}
	return c
}
