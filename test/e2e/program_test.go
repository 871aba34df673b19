package e2e_test

import (
	"os"

	"argocd-image-updater/internal/cli"
)

// programs are what scripts can run with exec besides what is installed. Each
// runs in a process of its own and ends it.
func programs() map[string]func() {
	return map[string]func(){"argocd-image-updater": func() { os.Exit(cli.Main()) }}
}
