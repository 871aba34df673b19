package plan

import (
	"net/url"
	"strings"
	"unicode"
)

// ShownURL is a Git URL as it may be shown: without user and password, also
// where it is not written in the way that URLs are. The user of SSH stays: it
// is no secret and part of the address.
func ShownURL(raw string) string {
	raw = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return -1
		}
		return c
	}, strings.ToValidUTF8(raw, "?"))
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return raw
	}
	end := len(rest)
	if u, err := url.Parse(raw); err == nil {
		if u.Scheme == "ssh" && u.User != nil {
			u.User = url.User(u.User.Username())
			return u.String()
		}
		authority, _, _ := strings.Cut(rest, "/")
		end = len(authority)
	}
	return scheme + "://" + rest[strings.LastIndex(rest[:end], "@")+1:]
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

// Key is equal for locations that are one repository by one credential.
func (l Location) Key() Location {
	l.URL = repositoryKey(l.URL)
	return l
}
