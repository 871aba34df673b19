package cluster_test

import (
	"os"
	"testing"

	"argocd-image-updater/test/cluster"
)

// suite is the control plane and the program of all tests.
var suite *cluster.Suite

func TestMain(m *testing.M) {
	if os.Getenv(interruptible) != "" {
		os.Exit(cluster.Main(waiting{}, &suite))
	}
	os.Exit(cluster.Main(m, &suite))
}
