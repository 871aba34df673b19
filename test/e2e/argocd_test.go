package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"argocd-image-updater/internal/itest/argoserver"
)

// startArgoCD: argocd starts an Argo CD API server with an account that may do
// what docs/argocd-api.md tells to grant.
//
// It sets $ARGOCD_SERVER and $ARGOCD_TOKEN.
func startArgoCD(w *world, ts *testscript.TestScript, _ []string) (string, error) {
	const token = "the.account.token"
	var err error
	w.argocd, err = argoserver.Start(argoserver.Options{Accounts: map[string]string{token: "image-updater"}, Policy: argoserver.Policy})
	if err != nil {
		return "", err
	}
	ts.Defer(w.argocd.Close)
	ts.Setenv("ARGOCD_SERVER", w.argocd.Address())
	ts.Setenv("ARGOCD_TOKEN", token)
	return "", nil
}

// putApplications: put FILE... puts the Application in each file there, in the
// place of what it was.
func putApplications(w *world, ts *testscript.TestScript, args []string) (string, error) {
	for _, path := range args {
		if err := w.argocd.Put(ts.ReadFile(path)); err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
	}
	return "", nil
}

// showApplication: show NAME prints the spec of an Application in Argo CD's
// namespace, as JSON.
func showApplication(w *world, _ *testscript.TestScript, args []string) (string, error) {
	var object struct{ Spec json.RawMessage }
	if err := json.Unmarshal(w.argocd.Application("argocd", strings.Join(args, " ")), &object); err != nil {
		return "", err
	}
	var out bytes.Buffer
	err := json.Indent(&out, object.Spec, "", "  ")
	return out.String() + "\n", err
}

// setWindows: windows NAME [open|closed] gives an Application a deny window that
// is active or not; without a word, none.
func setWindows(w *world, _ *testscript.TestScript, args []string) (string, error) {
	night := []argoserver.Window{{Kind: "deny", Schedule: "0 0 * * *", Duration: "12h"}}
	switch {
	case len(args) == 1:
		w.argocd.SetWindows("argocd", args[0], argoserver.Windows{})
	case len(args) == 2 && args[1] == "open":
		w.argocd.SetWindows("argocd", args[0], argoserver.Windows{Assigned: night})
	case len(args) == 2 && args[1] == "closed":
		w.argocd.SetWindows("argocd", args[0], argoserver.Windows{Assigned: night, Active: night})
	default:
		return "", errors.New("usage: windows NAME [open|closed]")
	}
	return "", nil
}
