package registry

import (
	"net/url"
	"strings"
)

// nextLink finds the target of the first link with rel=next in values of the
// Link header (RFC 8288, 3); "" if there is none.
func nextLink(values []string) string {
	for _, value := range values {
		for value != "" {
			var target, relation string
			target, relation, value = cutLink(value)
			for _, r := range strings.Fields(relation) {
				if strings.EqualFold(r, "next") {
					return target
				}
			}
		}
	}
	return ""
}

// cutLink reads <target>; name=value; … up to the comma that ends the link.
func cutLink(s string) (target, relation, rest string) {
	s = strings.TrimLeft(s, " \t,")
	if !strings.HasPrefix(s, "<") {
		return "", "", ""
	}
	target, s, ok := strings.Cut(s[1:], ">")
	if !ok {
		return "", "", ""
	}
	for {
		s = strings.TrimLeft(s, " \t")
		if !strings.HasPrefix(s, ";") {
			return target, relation, s
		}
		p := challengeParser{rest: s[1:]}
		p.skip(" \t;")
		name := p.token()
		p.skip(" \t")
		if strings.HasPrefix(p.rest, "=") {
			p.rest = p.rest[1:]
			p.skip(" \t")
			value, ok := p.linkValue()
			if !ok {
				return target, relation, ""
			}
			if strings.EqualFold(name, "rel") && relation == "" {
				relation = value
			}
		}
		s = p.rest
	}
}

// linkValue is a value that ends before the next parameter as well.
func (p *challengeParser) linkValue() (string, bool) {
	if strings.HasPrefix(p.rest, `"`) {
		return p.value()
	}
	value := p.token()
	return value, value != ""
}

// follow gives the address of the next page. Only the query of the link is
// taken: Artifactory and Nexus behind a proxy or on a port of their own name
// paths that do not exist there, and no registry is known to move on to
// another path. A link to another server is an error, whatever its path.
func (s *session) follow(page *url.URL, link string) (*url.URL, error) {
	target, err := page.Parse(link)
	if err != nil {
		return nil, broken("the link to the next page is no URL: %q", s.quote(link))
	}
	if !sameServer(target, page) {
		return nil, broken("the link to the next page leads to %s://%s", s.quote(target.Scheme), s.quote(target.Host))
	}
	next := *page
	next.RawQuery = target.RawQuery
	return &next, nil
}
