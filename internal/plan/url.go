package plan

import (
	"net/url"
	"strings"
)

// ShownURL is a Git URL as it may be shown: without user and password.
func ShownURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.User == nil {
		return raw
	}
	switch u.Scheme {
	case "ssh", "git+ssh":
		u.User = url.User(u.User.Username()) // no secret, and part of the address
	default:
		u.User = nil // a token may stand in place of the name
	}
	return u.String()
}

// repositoryKey is the same for two spellings of a URL that no server keeps
// apart: the case of scheme and host, a slash at the end, the suffix .git.
// Paths on the local disk are what they are.
func repositoryKey(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return raw
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	u.Path = strings.TrimSuffix(strings.TrimRight(u.Path, "/"), ".git")
	return u.String()
}

// SameRepository reports whether two locations are one repository, by whatever
// credential.
func (l Location) SameRepository(o Location) bool {
	return repositoryKey(l.URL) == repositoryKey(o.URL)
}

// Key is equal for locations that are one repository by one credential.
func (l Location) Key() Location {
	l.URL = repositoryKey(l.URL)
	return l
}
