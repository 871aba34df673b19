package cli

import (
	"errors"
	"testing"

	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/credential/env"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/update"
)

// Whoever can write an Application names the registry that a login is sent to:
// the updater's variables are for those of its own namespaces.
func TestVariablesOfTheUpdaterStayInItsNamespaces(t *testing.T) {
	looked := 0
	machine := user{machine: env.New(env.Options{Lookup: func(string) (string, bool) {
		looked++
		return "bot:hunter2", true
	}})}
	ours := []string{"argocd", "updater"}
	sources := map[string]update.Credentials{
		"a cluster": clusterLogins{user: machine, alone: true, namespaces: ours}, "no cluster": remoteLogins{user: machine, namespaces: ours},
	}
	for name, source := range sources {
		for namespace, want := range map[string]bool{"": true, "argocd": true, "updater": true, "team": false} {
			looked = 0
			login, err := source.Registry(t.Context(), update.LoginQuestion{Reference: credential.Reference{Kind: credential.Env, Name: "LOGIN"}, Namespace: namespace})
			if ok := err == nil && login.Username == "bot"; ok != want || !want && (looked > 0 || !errors.Is(err, fault.ErrDenied)) {
				t.Errorf("%s, Application of namespace %q: %s, %v", name, namespace, login, err)
			}
		}
	}
}
