// Command build builds the servers of the tests, if they are not there.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"argocd-image-updater/test/cluster/kubeapi"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	_, err := kubeapi.Build(ctx, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
