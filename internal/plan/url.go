package plan

import (
	"net/url"
	"strings"
)

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

// Key is equal for locations that are one repository by one credential.
func (l Location) Key() Location {
	l.URL = repositoryKey(l.URL)
	return l
}
