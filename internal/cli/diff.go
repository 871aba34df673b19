package cli

import (
	"bytes"
	"fmt"

	"github.com/rogpeppe/go-internal/diff"

	"argocd-image-updater/internal/plan"
)

// unifiedDiff is a diff of the files, in the form that git apply takes.
func unifiedDiff(files []plan.FileEdit) []byte {
	var out bytes.Buffer
	for _, f := range files {
		before, after := "a/"+f.Path, "b/"+f.Path
		fmt.Fprintf(&out, "diff --git %s %s\n", before, after)
		if f.Before == nil {
			out.WriteString("new file mode 100644\n")
			before = "/dev/null"
		}
		body := diff.Diff(before, f.Before, after, f.After)
		// The library repeats the command line, which we have written already.
		if _, rest, ok := bytes.Cut(body, []byte("\n")); ok {
			body = rest
		}
		out.Write(body)
	}
	return out.Bytes()
}
