package api

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// Token is the token of an Argo CD account. It does not print itself.
type Token string

const redacted = "(redacted)"

// String hides the token.
func (Token) String() string { return redacted }

// GoString hides the token from %#v as well.
func (Token) GoString() string { return redacted }

// MarshalText hides the token from JSON and structured logs.
func (Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// claims are what a token says of itself (RFC 7519, 4.1). Nothing is checked:
// they make messages and no decisions.
type claims struct {
	Subject string  `json:"sub"`
	Expires float64 `json:"exp"` // seconds since 1970; 0 is never
}

// claims of a token; zero if it is no JSON Web Token.
func (t Token) claims() claims {
	var c claims
	parts := strings.Split(string(t), ".")
	if len(parts) != 3 {
		return c
	}
	if text, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
		_ = json.Unmarshal(text, &c) // what could not be read is not told
	}
	return c
}

// account is the name of the account that the token was made for; "<account>"
// if it does not say.
func (c claims) account() string {
	if name, ok := strings.CutSuffix(c.Subject, ":apiKey"); ok {
		return name
	}
	return "<account>"
}

// expired is when the token ended; ok is false if it did not.
func (c claims) expired(now time.Time) (end time.Time, ok bool) {
	end = time.Unix(int64(c.Expires), 0).UTC()
	return end, c.Expires > 0 && !now.Before(end)
}
