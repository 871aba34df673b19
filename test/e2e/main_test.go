// Package e2e_test tries the program as a person would: each script under
// testdata/script starts the servers it needs, runs the command line, and
// looks at what happened in Git, at the registry and on the terminal.
//
// The servers are real and in process: the Distribution registry and git's own
// http-backend. The module is one of its own because the registry brings some
// sixty dependencies that the updater does not need.
package e2e_test

import (
	"flag"
	"io"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/sirupsen/logrus"
)

func TestMain(m *testing.M) {
	logrus.SetOutput(io.Discard) // the Distribution registry's log; the scripts look at its answers
	testscript.Main(m, programs())
}

var update = flag.Bool("update", false, "write what the programs print into the scripts")

func TestScripts(t *testing.T) { runScripts(t, "testdata/script", nil) }

// runScripts runs the scripts of a folder, with more commands than the usual.
func runScripts(t *testing.T, dir string, more map[string]command) {
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		Setup:               setup,
		Cmds:                commands(more),
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}
