package registry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"argocd-image-updater/internal/fault"
)

const (
	maxTokenBody = 1 << 20
	// tokenLife is how long a token is good for where its server does not say
	// (distribution token specification, expires_in).
	tokenLife = 60 * time.Second
	// tokenMargin is how long before its end a token is no longer used.
	tokenMargin = 10 * time.Second
)

// grant is what was accepted last to log in with: a token for one repository,
// or user and password for a server.
type grant struct {
	header  string    // value of Authorization
	scopes  []string  // of a token, sorted
	expires time.Time // of a token
}

// authorization is the header to send, as far as one is known: a login is only
// made where the registry asks for it.
func (s *session) authorization() string {
	if g, ok := s.client.grants.Get(s.key); ok && s.client.options.Now().Before(g.expires) {
		return g.header
	}
	g, _ := s.client.grants.Get(s.serverKey)
	return g.header
}

// login answers the challenges of a 401 and gives the header to try again
// with, or "" where we have nothing more to offer than what was refused.
func (s *session) login(ctx context.Context, challenges []challenge, refused string) (string, error) {
	for _, c := range challenges {
		if c.scheme == "bearer" && c.parameters["realm"] != "" {
			return s.bearer(ctx, c, refused)
		}
	}
	login := s.target.Credential
	isBasic := func(c challenge) bool { return c.scheme == "basic" }
	if !slices.ContainsFunc(challenges, isBasic) || login.Password == "" {
		return "", nil
	}
	header := "Basic " + base64.StdEncoding.EncodeToString([]byte(login.Username+":"+login.Password))
	if header == refused {
		return "", nil
	}
	s.client.grants.Add(s.serverKey, grant{header: header})
	return header, nil
}

// bearer gets a token for the scopes that are asked for, and those that were
// needed before: registries such as ACR ask for another scope to list tags
// than to read manifests.
func (s *session) bearer(ctx context.Context, c challenge, refused string) (string, error) {
	scopes := strings.Fields(c.parameters["scope"])
	if len(scopes) == 0 {
		scopes = []string{"repository:" + s.target.Endpoint.Path + ":pull"}
	}
	old, _ := s.client.grants.Get(s.key)
	scopes = append(scopes, old.scopes...)
	slices.Sort(scopes)
	scopes = slices.Compact(scopes)
	flight := "token " + s.key + " " + strings.Join(scopes, " ")
	return share(ctx, &s.client.flights, flight, func() (string, error) {
		// Somebody else may have logged in since our request was sent.
		g, _ := s.client.grants.Get(s.key)
		if now := s.authorization(); now != "" && now != refused && slices.Equal(g.scopes, scopes) {
			return now, nil
		}
		fresh, err := s.token(ctx, c, scopes)
		if err != nil {
			return "", err
		}
		s.client.grants.Add(s.key, fresh)
		return fresh.header, nil
	})
}

// token asks the token server (distribution token specification): with GET
// and, where there is a password, Basic authentication; an identity token is
// exchanged with POST (OAuth 2 refresh).
func (s *session) token(ctx context.Context, c challenge, scopes []string) (grant, error) {
	realm, err := s.realm(c.parameters["realm"])
	if err != nil {
		return grant{}, err
	}
	client := &http.Client{Transport: s.http.Transport, CheckRedirect: checkTokenRedirect}
	var fresh grant
	err = s.client.persist(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, s.client.options.RequestTimeout)
		defer cancel()
		req, err := s.tokenRequest(ctx, realm, c.parameters["service"], scopes)
		if err != nil {
			return err
		}
		return s.perform(client, req, func(resp *http.Response) (err error) {
			fresh, err = s.readToken(resp)
			return err
		})
	})
	fresh.scopes = scopes
	return fresh, tokenFault(realm, err)
}

// realm checks the address of the token server. The registry names it, so it
// may be anywhere, but a credential is not sent with less security than the
// registry itself has.
func (s *session) realm(address string) (*url.URL, error) {
	realm, err := url.Parse(address)
	if err != nil || realm.Host == "" || realm.User != nil {
		return nil, broken("the registry names a token server that is no URL: %q", s.quote(address))
	}
	if realm.Scheme != "https" && (realm.Scheme != "http" || s.base.Scheme != "http") {
		return nil, broken("the registry names the token server %s://%s: no login is sent over anything but https", s.quote(realm.Scheme), realm.Host)
	}
	return realm, nil
}

func (s *session) tokenRequest(ctx context.Context, realm *url.URL, service string, scopes []string) (*http.Request, error) {
	login := s.target.Credential
	if login.IdentityToken != "" {
		form := url.Values{
			"grant_type": {"refresh_token"}, "refresh_token": {login.IdentityToken},
			"service": {service}, "client_id": {"argocd-image-updater"}, "scope": {strings.Join(scopes, " ")},
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, realm.String(), strings.NewReader(form.Encode()))
		if err == nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		return req, err
	}
	address := *realm
	query := address.Query()
	if service != "" {
		query.Set("service", service)
	}
	query["scope"] = scopes
	address.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err == nil && login.Password != "" {
		req.SetBasicAuth(login.Username, login.Password)
	}
	return req, err
}

func (s *session) readToken(resp *http.Response) (grant, error) {
	var answer struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"` // seconds
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, resp.Body, maxTokenBody))
	if err == nil {
		err = json.Unmarshal(body, &answer)
	}
	if err != nil {
		return grant{}, breakage("the token", err)
	}
	token := answer.Token
	if token == "" {
		token = answer.AccessToken
	}
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return grant{}, broken("the answer holds no token")
	}
	life := tokenLife
	if answer.ExpiresIn > 0 {
		life = time.Duration(min(answer.ExpiresIn, 1<<30)) * time.Second
	}
	return grant{header: "Bearer " + token, expires: s.client.options.Now().Add(life - tokenMargin)}, nil
}

// tokenFault says that it was the token server which failed. What is an error
// of the request there, such as 400 for a refresh token that ran out, is a
// refused login.
func tokenFault(realm *url.URL, err error) error {
	var f *failure
	if !errors.As(err, &f) {
		return err
	}
	fact := f.fact
	switch f.status {
	case http.StatusBadRequest:
		fact = fault.ErrDenied
	case http.StatusNotFound:
		fact = fault.ErrUnavailable
	}
	return &failure{text: "token from " + realm.Host + ": " + f.text, fact: fact}
}
