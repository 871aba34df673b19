package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// output is the format that a command prints in; "" is text for people.
type output string

const (
	outputText output = ""
	outputJSON output = "json"
)

func (o *output) String() string { return string(*o) }

// Type names the value in the usage text.
func (o *output) Type() string { return "format" }

// Set parses the flag.
func (o *output) Set(s string) error {
	switch s {
	case "text":
		*o = outputText
	case "json":
		*o = outputJSON
	default:
		return fmt.Errorf("unknown output format %q: text or json expected", s)
	}
	return nil
}

func (o *output) flag(cmd *cobra.Command) {
	cmd.Flags().VarP(o, "output", "o", "output format: text or json")
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return failed(enc.Encode(v))
}
