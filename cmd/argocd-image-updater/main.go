// Command argocd-image-updater watches container registries and writes new
// image versions where Argo CD reads them.
package main

import (
	"os"
	_ "time/tzdata" // sync windows name time zones, and the machine may know none

	"argocd-image-updater/internal/cli"
)

func main() { os.Exit(cli.Main()) }
