package argo

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
)

// Address is what matters of a Git URL to who looks for a repository or logs in
// to it. It is comparable: spellings that no server keeps apart are one Address.
type Address struct {
	// Protocol is the scheme in lower case; "ssh" for user@host:path, "file" for
	// a path. A login for one protocol is none for another.
	Protocol string
	// Place is host/path in lower case, without user, slash at the end and .git.
	// The port stays, unless it is that of an SSH server, which says nothing about
	// the web address of the same host.
	Place string
}

// ParseAddress takes a Git URL apart; every text has an Address. What it takes
// for the host is what is connected to, however the text tries to look like the
// address of another one (RFC 3986, section 3.2, and git-fetch(1), Git URLs).
func ParseAddress(url string) Address {
	s := strings.ToLower(strings.TrimRightFunc(url, unicode.IsSpace))
	protocol, rest, _ := strings.Cut(s, ":")
	rest, ok := strings.CutPrefix(rest, "//")
	if !ok || protocol == "" {
		return schemeless(s)
	}
	end := strings.IndexAny(rest+"/", "/?#\\")
	host, path := rest[:end], rest[end:]
	host = host[strings.LastIndexByte(host, '@')+1:]
	host = unescaped(host)
	if protocol == "ssh" {
		host, _, _ = strings.Cut(host, ":")
	}
	return Address{Protocol: protocol, Place: place(host, path)}
}

// unescaped is a host as a client of HTTP understands it (RFC 3986, section
// 3.2.2).
func unescaped(host string) string {
	name, err := url.PathUnescape(host)
	if err != nil {
		return host // which no client takes
	}
	return strings.ToLower(name)
}

// scpPattern is user@host:path or user@host:port:path as Git clients take it,
// and hostPattern what templates of Argo CD cut off of it.
var (
	scpPattern  = regexp.MustCompile(`^(?:[^@]+@)?([^:\s]+):(?:[0-9]{1,5}:)?([^\\].*)$`)
	hostPattern = regexp.MustCompile(`^[^@/:\s]+@([^@/:\s]+):?$`)
)

// schemeless is the address of user@host:path, or of a path.
func schemeless(s string) Address {
	if m := hostPattern.FindStringSubmatch(s); m != nil {
		return Address{Protocol: "ssh", Place: m[1]}
	}
	m := scpPattern.FindStringSubmatch(s)
	if before, _, _ := strings.Cut(s, ":"); m == nil || strings.Contains(before, "/") {
		return Address{Protocol: "file", Place: place("", s)}
	}
	return Address{Protocol: "ssh", Place: place(m[1], m[2])}
}

func place(host, path string) string {
	return strings.TrimSuffix(host+"/"+strings.TrimSuffix(strings.Trim(path, "/"), ".git"), "/")
}

// Host is the name of the server, without a port; "" for a path.
func (a Address) Host() string {
	host, _, _ := strings.Cut(a.Place, "/")
	host, _, _ = strings.Cut(host, ":")
	return host
}

// Above are the addresses that the address is below of, itself first and the
// host alone last: of https git.corp/team/app also git.corp/team and git.corp.
// The host git.corp is above nothing of git.corp.example.com.
func (a Address) Above() []Address {
	var out []Address
	for place := a.Place; place != ""; {
		out = append(out, Address{Protocol: a.Protocol, Place: place})
		place = place[:max(0, strings.LastIndexByte(place, '/'))]
	}
	return out
}

// SameRepository reports whether two URLs name one Git repository, whatever
// protocol, user, case, trailing slash or .git suffix they are written with.
func SameRepository(a, b string) bool { return ParseAddress(a).Place == ParseAddress(b).Place }

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
