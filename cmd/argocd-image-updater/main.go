// Command argocd-image-updater watches container registries and writes new
// image versions where Argo CD reads them.
package main

import (
	"os"

	"argocd-image-updater/internal/cli"
)

func main() { os.Exit(cli.Main()) }
