package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/policy"
	"argocd-image-updater/internal/settings"
)

func (sh shell) newTemplateCommand() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "template [PATH]",
		Short: "Show what a commit message template makes of sample changes",
		Long: `Renders the commit message template in the file PATH, or the default template,
with two changes of an Application named example-app.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path := ""
			if len(args) > 0 {
				path = args[0]
			}
			t, err := readTemplate(path)
			if err != nil {
				return failed(err)
			}
			return sh.runTemplate(t, out)
		},
	}
	out.flag(cmd)
	return cmd
}

// readTemplate compiles the template in a file; "" is the default template.
func readTemplate(path string) (*settings.Template, error) {
	text := plan.DefaultMessage
	if path != "" {
		b, err := os.ReadFile(path)
		if err != nil && (path != defaultMessage || !errors.Is(err, fs.ErrNotExist)) {
			return nil, fmt.Errorf("commit message template: %w", err)
		}
		if len(bytes.TrimSpace(b)) > 0 {
			text = string(b)
		}
	}
	t, err := plan.CompileMessage(text)
	if err != nil {
		return nil, fmt.Errorf("commit message template %q: %w", path, err)
	}
	return t, nil
}

func (sh shell) runTemplate(t *settings.Template, out output) error {
	message, warning := plan.Message(t, samplePlan(), plan.WithTrailers)
	if warning != "" {
		return failed(fmt.Errorf("%s", warning))
	}
	if out == outputJSON {
		return writeJSON(sh.out, map[string]string{"message": message})
	}
	_, err := fmt.Fprint(sh.out, message)
	return failed(err)
}

func samplePlan() plan.Plan {
	item := func(alias, name, before, after string) plan.Item {
		ref, err := image.ParseRef(name)
		if err != nil {
			panic(err) // the names below are constants
		}
		return plan.Item{
			Track: alias, Alias: alias, Image: ref, State: plan.Pending, Declared: ref.With(before, ""), New: ref.With(after, ""),
			Decision: policy.Decision{Choice: policy.Choice{Labels: map[string]string{"org.opencontainers.image.revision": "3f2a91c"}}},
		}
	}
	return plan.Plan{
		App: argo.Key{Namespace: "argocd", Name: "example-app"},
		Items: []plan.Item{
			item("web", "ghcr.io/example/web", "1.2.3", "1.3.0"),
			item("cache", "docker.io/library/redis", "7.2.4", "7.2.5"),
		},
	}
}
