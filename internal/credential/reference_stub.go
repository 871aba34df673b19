package credential

import (
	"fmt"
	"strings"
)

// ParseReference parses the reference of a registry's credential.
func ParseReference(s string) (Reference, error) {
	kind, definition, _ := strings.Cut(s, ":")
	kinds := map[string]Kind{"pullsecret": PullSecret, "secret": Secret, "env": Env, "ext": Script}
	ref := Reference{Kind: kinds[kind], Name: definition}
	switch ref.Kind {
	case None:
		return Reference{}, fmt.Errorf("reference %q: unknown type", s)
	case PullSecret, Secret:
		ref.Namespace, ref.Name, _ = strings.Cut(definition, "/")
		ref.Name, ref.Field, _ = strings.Cut(ref.Name, "#")
	}
	return ref, nil
}

// ParseGitReference parses what stands after git: in a write-back method.
func ParseGitReference(s string) (Reference, error) {
	if s == "" || s == "repocreds" {
		return Reference{Kind: RepoCreds}, nil
	}
	definition, ok := strings.CutPrefix(s, "secret:")
	if !ok || definition == "" {
		return Reference{}, fmt.Errorf("git credential %q: repocreds or secret: expected", s)
	}
	namespace, name, ok := strings.Cut(definition, "/")
	if !ok {
		return Reference{Kind: Secret, Name: definition}, nil
	}
	return Reference{Kind: Secret, Namespace: namespace, Name: name}, nil
}
