package argo

import "testing"

// TestOwns: an Application outside of Argo CD's namespace is of a project that
// says so, and of no other.
func TestOwns(t *testing.T) {
	tests := []struct {
		namespaces []string
		in         string
		want       bool
	}{
		{nil, "argocd", true},
		{nil, "", true},
		{nil, "team-a", false},
		{[]string{"team-*"}, "team-a", true},
		{[]string{"team-*"}, "my-team-a", false},
		{[]string{"/team-.$/"}, "my-team-a", true},
		{[]string{"/team-(/", "other"}, "team-(", false},
		{[]string{"["}, "[", false},
		{[]string{"*"}, "anything", true},
	}
	for _, test := range tests {
		p := CompileProject(Key{Namespace: "argocd", Name: "p"}, ProjectSpec{SourceNamespaces: test.namespaces})
		reason, ok := p.Owns(Key{Namespace: test.in, Name: "web"}, "argocd")
		if ok != test.want || (reason == "") != ok {
			t.Errorf("%q owns an Application of %q: %v %q, want %v", test.namespaces, test.in, ok, reason, test.want)
		}
	}
}
