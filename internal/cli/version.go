package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker (see the Makefile) and never changed.
var version = "v0.0.0-dev"

// program tells about this program.
type program struct {
	Version    string `json:"version"`
	GitCommit  string `json:"gitCommit,omitempty"`
	BuildDate  string `json:"buildDate,omitempty"`
	GoVersion  string `json:"goVersion"`
	GoCompiler string `json:"goCompiler"`
	Platform   string `json:"platform"`
}

func thisProgram() program {
	b := program{
		Version: version, GoVersion: runtime.Version(), GoCompiler: runtime.Compiler, Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.GitCommit = s.Value
			case "vcs.time":
				b.BuildDate = s.Value
			}
		}
	}
	return b
}

func (sh shell) newVersionCommand() *cobra.Command {
	var short bool
	var out output
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b := thisProgram()
			switch {
			case out == outputJSON:
				return writeJSON(sh.out, b)
			case short:
				fmt.Fprintln(sh.out, b.Version)
			default:
				fmt.Fprintf(sh.out, "argocd-image-updater: %s\n  BuildDate: %s\n  GitCommit: %s\n  GoVersion: %s\n  GoCompiler: %s\n  Platform: %s\n",
					b.Version, b.BuildDate, b.GitCommit, b.GoVersion, b.GoCompiler, b.Platform)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&short, "short", false, "print the version number alone")
	out.flag(cmd)
	return cmd
}
