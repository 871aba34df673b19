package registry

import (
	"strings"
)

// challenge is one way in which a server wants to be logged in to (RFC 9110,
// 11.6.1). Scheme and names of parameters are lower case.
type challenge struct {
	scheme     string
	parameters map[string]string
}

// parseChallenges reads the values of WWW-Authenticate, each of which may hold
// several challenges. What is not understood ends the value it stands in; the
// challenges before it count.
func parseChallenges(values []string) []challenge {
	var found []challenge
	for _, value := range values {
		p := challengeParser{rest: value}
		for p.challenge() {
		}
		found = append(found, p.found...)
	}
	return found
}

type challengeParser struct {
	rest  string
	found []challenge
}

// challenge reads a scheme with its parameters and reports whether there may
// be another.
func (p *challengeParser) challenge() bool {
	p.skip(" \t,")
	scheme := p.token()
	if scheme == "" {
		return false
	}
	c := challenge{scheme: strings.ToLower(scheme), parameters: map[string]string{}}
	p.found = append(p.found, c)
	for {
		p.skip(" \t,")
		before := p.rest
		name := p.token()
		p.skip(" \t")
		if name == "" || !strings.HasPrefix(p.rest, "=") {
			// A token without = is the scheme of the next challenge.
			p.rest = before
			return name != ""
		}
		p.rest = p.rest[1:]
		p.skip(" \t")
		value, ok := p.value()
		if !ok {
			return false
		}
		c.parameters[strings.ToLower(name)] = value
	}
}

func (p *challengeParser) skip(set string) { p.rest = strings.TrimLeft(p.rest, set) }

// token reads a token of RFC 9110, 5.6.2.
func (p *challengeParser) token() string {
	end := strings.IndexFunc(p.rest, func(r rune) bool {
		return r > '~' || r <= ' ' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
	if end < 0 {
		end = len(p.rest)
	}
	token := p.rest[:end]
	p.rest = p.rest[end:]
	return token
}

// value reads a token or a quoted string. Some servers leave the quotes out
// around URLs and scopes, so that a bare value goes on to the next comma or
// space.
func (p *challengeParser) value() (string, bool) {
	if !strings.HasPrefix(p.rest, `"`) {
		end := strings.IndexAny(p.rest, ", \t\"")
		if end < 0 {
			end = len(p.rest)
		}
		value := p.rest[:end]
		p.rest = p.rest[end:]
		return value, value != ""
	}
	var value strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return value.String(), true
		case c == '\\' && i+1 < len(p.rest):
			i++
			value.WriteByte(p.rest[i])
		default:
			value.WriteByte(c)
		}
	}
	return "", false
}
