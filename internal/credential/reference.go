package credential

import (
	"fmt"
	"regexp"
	"strings"
)

// forms is what a reference may look like, for error texts.
const forms = "pullsecret:<namespace>/<name>, secret:<namespace>/<name>[#<field>], env:<VARIABLE> or ext:</absolute/path> expected"

var (
	namespacePattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	namePattern      = regexp.MustCompile(`^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$`)
	fieldPattern     = regexp.MustCompile(`^[-._a-zA-Z0-9]{1,253}$`)
	variablePattern  = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
)

// ParseReference parses the reference of a registry's credential:
//
//	pullsecret:<namespace>/<name>          a Secret that holds a docker config
//	secret:<namespace>/<name>#<field>      a field that holds user:password
//	secret:<namespace>/<name>              username and password, or a docker config
//	env:<VARIABLE>                         user:password
//	ext:</absolute/path>                   a program that prints user:password
//
// The type is written in any case. A prefix <registry>= is accepted and says
// nothing.
func ParseReference(s string) (Reference, error) {
	kind, definition, _ := strings.Cut(withoutRegistry(strings.TrimSpace(s)), ":")
	var ref Reference
	var remedy string // "" if the definition is right
	switch strings.ToLower(kind) {
	case "pullsecret":
		ref, remedy = parseSecret(PullSecret, definition)
	case "secret":
		ref, remedy = parseSecret(Secret, definition)
	case "env":
		ref = Reference{Kind: Env, Name: definition}
		if !variablePattern.MatchString(definition) {
			remedy = "env: takes the name of an environment variable"
		}
	case "ext":
		ref = Reference{Kind: Script, Name: definition}
		if !strings.HasPrefix(definition, "/") || strings.ContainsFunc(definition, isControl) {
			remedy = "ext: takes the absolute path of a program"
		}
	default:
		remedy = fmt.Sprintf("unknown type %q: %s", kind, forms)
	}
	if remedy != "" {
		return Reference{}, fmt.Errorf("reference %q: %s", s, remedy)
	}
	return ref, nil
}

// parseSecret reads <namespace>/<name>, of a Secret proper with #<field> or
// without, or says what would be right.
func parseSecret(kind Kind, definition string) (ref Reference, remedy string) {
	if kind != Secret {
		ref = secretReference(kind, definition)
		if !ref.namesSecret() {
			return Reference{}, "pullsecret: takes <namespace>/<name> of a Secret"
		}
		return ref, ""
	}
	definition, field, hasField := strings.Cut(definition, "#")
	ref = secretReference(kind, definition)
	ref.Field = field
	switch {
	case hasField && !fieldPattern.MatchString(field):
		return Reference{}, "the field after # is one or more of letters, digits, - . _"
	case !ref.namesSecret():
		return Reference{}, "secret: takes <namespace>/<name> of a Secret, and #<field> if wanted"
	}
	return ref, ""
}

// withoutRegistry cuts off the prefix <registry>=. A = that comes after a type
// belongs to the definition.
func withoutRegistry(s string) string {
	kind, _, _ := strings.Cut(s, ":")
	switch strings.ToLower(kind) {
	case "pullsecret", "secret", "env", "ext":
		return s
	}
	if _, after, ok := strings.Cut(s, "="); ok {
		return after
	}
	return s
}

// ParseGitReference parses what stands after git: or git:branch: in a
// write-back method: nothing or repocreds for Argo CD's own repository
// credentials, secret:<namespace>/<name>, or secret:<name> for a Secret of
// the Application's own namespace.
func ParseGitReference(s string) (Reference, error) {
	s = strings.TrimSpace(s)
	kind, definition, _ := strings.Cut(s, ":")
	switch strings.ToLower(kind) {
	case "", "repocreds":
		if s == kind {
			return Reference{Kind: RepoCreds}, nil
		}
	case "secret":
		ref := secretReference(Secret, definition)
		if !strings.Contains(definition, "/") {
			ref = Reference{Kind: Secret, Name: definition}
		}
		if namePattern.MatchString(ref.Name) && (ref.namesSecret() || definition == ref.Name) {
			return ref, nil
		}
	}
	return Reference{}, fmt.Errorf("git credential %q: repocreds, secret:<namespace>/<name> or secret:<name> expected", s)
}

func secretReference(kind Kind, definition string) Reference {
	namespace, name, _ := strings.Cut(definition, "/")
	return Reference{Kind: kind, Namespace: namespace, Name: name}
}

func (r Reference) namesSecret() bool {
	return namespacePattern.MatchString(r.Namespace) && namePattern.MatchString(r.Name)
}

// IsSecret reports whether the reference names a Secret, of whatever namespace.
func (r Reference) IsSecret() bool { return r.Kind == PullSecret || r.Kind == Secret }

func isControl(c rune) bool { return c < ' ' || c == 0x7f }

// String writes the reference as it is parsed, without a registry prefix; ""
// for the zero Reference. It tells where a secret is and never the secret.
func (r Reference) String() string {
	where := r.Name
	if r.Namespace != "" {
		where = r.Namespace + "/" + r.Name
	}
	switch r.Kind {
	case PullSecret:
		return "pullsecret:" + where
	case Secret:
		if r.Field != "" {
			where += "#" + r.Field
		}
		return "secret:" + where
	case Env:
		return "env:" + r.Name
	case Script:
		return "ext:" + r.Name
	case RepoCreds:
		return "repocreds"
	}
	return ""
}
