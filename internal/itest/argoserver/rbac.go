package argoserver

import (
	"fmt"
	"regexp"
	"strings"
)

// policy is what Argo CD's RBAC knows of Applications.
type policy struct {
	rules  []rule
	groups map[string][]string // roles by account
}

// rule is one line that begins with p. Its last four fields are globs, in which
// * matches slashes too.
type rule struct {
	subject                  string
	resource, action, object *regexp.Regexp
	deny                     bool
}

func parsePolicy(text string) (policy, error) {
	p := policy{groups: map[string][]string{}}
	for line := range strings.Lines(text) {
		fields := strings.Split(line, ",")
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		switch {
		case len(fields) == 1 && fields[0] == "" || strings.HasPrefix(fields[0], "#"):
		case fields[0] == "g" && len(fields) == 3:
			p.groups[fields[1]] = append(p.groups[fields[1]], fields[2])
		case fields[0] == "p" && len(fields) == 6:
			p.rules = append(p.rules, rule{
				subject:  fields[1],
				resource: glob(fields[2]), action: glob(fields[3]), object: glob(fields[4]),
				deny: fields[5] == "deny",
			})
		default:
			return policy{}, fmt.Errorf("policy: %q: p with six fields or g with three expected", line)
		}
	}
	return p, nil
}

func glob(pattern string) *regexp.Regexp {
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$")
}

// allows reports whether an account may do something with an object of
// applications: <project>/<name>, or <project>/<namespace>/<name> outside of
// Argo CD's own namespace. One rule that denies is enough to deny.
func (p policy) allows(account, action, object string) bool {
	allowed := false
	for _, r := range p.rules {
		if !p.is(account, r.subject) || !r.resource.MatchString("applications") || !r.action.MatchString(action) || !r.object.MatchString(object) {
			continue
		}
		if r.deny {
			return false
		}
		allowed = true
	}
	return allowed
}

func (p policy) is(account, subject string) bool {
	if account == subject {
		return true
	}
	for _, role := range p.groups[account] {
		if p.is(role, subject) {
			return true
		}
	}
	return false
}
