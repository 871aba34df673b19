// Package cli is the command line: it reads flags, environment and files,
// puts the rooms together, and prints values as text or JSON.
//
// A command is an options struct, newXCommand, which declares the flags, and
// runX, which does the work. Decisions are made elsewhere.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"argocd-image-updater/internal/update"
)

// Exit codes, the same for every command.
const (
	exitOK      = 0 // done, nothing to do, or held
	exitFailed  = 1 // something failed
	exitUsage   = 2 // the command line is wrong
	exitPending = 3 // with --exit-code: changes are pending
	exitHeld    = 4 // with --exit-code: nothing is pending and some tracks are held
)

// Main runs the program with the arguments, streams and environment of the
// process and returns its exit code. The first interrupt or SIGTERM ends the
// work in order, a second one at once.
func Main() int {
	frugal(os.Getenv("GOGC"))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	// A reader that leaves, such as head, must not end the program before it has
	// cleaned up; writing then fails and is passed over.
	signal.Ignore(syscall.SIGPIPE)
	sh := shell{name: os.Args[0], out: os.Stdout, err: os.Stderr, env: os.Getenv}
	sh.tty = term.IsTerminal(int(os.Stdout.Fd()))
	sh.errTTY = term.IsTerminal(int(os.Stderr.Fd()))
	return sh.run(ctx, os.Args[1:])
}

// frugal has the collector run when half as much as is in use has been thrown
// away, rather than as much: a cycle over a large fleet makes and drops many
// small values, and the peak of that is what a memory limit has to allow for.
// It costs about a tenth of the processor time of a cycle. GOGC overrides it.
func frugal(given string) {
	if given == "" {
		debug.SetGCPercent(50)
	}
}

// shell is what a command may touch of the process.
type shell struct {
	name     string // of the program, as it was called
	out, err io.Writer
	env      func(string) string
	tty      bool // out is a terminal
	errTTY   bool // err is a terminal
}

// exit is an error with an exit code. A nil cause has been printed already or
// needs no words.
type exit struct {
	code  int
	cause error
}

func (e *exit) Error() string {
	if e.cause == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.cause.Error()
}

func (e *exit) Unwrap() error { return e.cause }

func (sh shell) run(ctx context.Context, args []string) int {
	root := sh.newRootCommand()
	root.SetArgs(args)
	root.SetOut(sh.out)
	root.SetErr(sh.err)
	ran, err := root.ExecuteContextC(ctx)
	var e *exit
	switch {
	case err == nil:
		return exitOK
	case !errors.As(err, &e):
		e = &exit{exitUsage, fmt.Errorf("%w\nrun '%s --help' for usage", err, ran.CommandPath())}
	}
	if e.cause != nil {
		fmt.Fprintf(sh.err, "error: %v\n", e.cause)
		if f := ran.Flags().Lookup("output"); f != nil && f.Value.String() == string(outputJSON) {
			_ = writeJSON(sh.out, map[string]any{"error": e.cause.Error(), "class": string(update.Classify(e.cause))}) // it was told above
		}
	}
	return e.code
}

func (sh shell) newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "argocd-image-updater",
		Short: "Write new container image versions where Argo CD reads them",
		Long: `Watches container registries, picks the right tag for each image of each
Argo CD Application, and commits it to the Git repository that Argo CD deploys.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(
		sh.newRunCommand(), sh.newPlanCommand(), sh.newExplainCommand(), sh.newTestCommand(),
		sh.newTemplateCommand(), sh.newVersionCommand(), sh.newDemoCommand(),
	)
	return root
}

// failed wraps an error of the work itself, as opposed to one of the command
// line.
func failed(err error) error {
	var known *exit
	if err == nil || errors.As(err, &known) {
		return err
	}
	return &exit{exitFailed, err}
}
