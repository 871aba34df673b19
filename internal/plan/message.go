package plan

import (
	"fmt"
	"strings"

	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/settings"
)

// messageFields is what a commit message template sees.
type messageFields struct {
	AppName      string
	AppNamespace string
	AppChanges   []messageChange
	// The first change, for templates written against one image.
	Image  string
	OldTag string
	NewTag string
}

type messageChange struct {
	Image     string // name without registry
	Alias     string
	OldTag    string // the digest where there is no tag
	NewTag    string
	OldDigest string
	NewDigest string
	Labels    map[string]string
}

// DefaultMessage is the template where none is configured.
const DefaultMessage = `build: automatic update of {{ .AppName }}

{{ range .AppChanges -}}
updates image {{ .Image }} tag '{{ .OldTag }}' to '{{ .NewTag }}'
{{ end -}}
`

// maxMessage bounds a commit message, in bytes.
const maxMessage = 64 << 10

// CompileMessage compiles a commit message template.
func CompileMessage(text string) (*settings.Template, error) {
	return settings.CompileTemplate(text, ".AppChanges", ".Labels")
}

// Trailer is the key of the trailer by which commits of the updater are known.
const Trailer = "Image-Updater-Application"

// Message renders the commit message for the changes of p. A template that
// fails on these changes gives the short default subject, as users of the
// incumbent know it, and the failure as a warning.
func Message(t *settings.Template, p Plan, trailers Trailers) (text, warning string) {
	changed := p.Changed()
	data := messageFields{AppName: p.App.Name, AppNamespace: p.App.Namespace}
	for _, it := range changed {
		data.AppChanges = append(data.AppChanges, messageChange{
			Image: nameInRegistry(it.Image), Alias: it.Alias,
			OldTag: tagOrDigest(it.Old()), NewTag: tagOrDigest(it.New),
			OldDigest: string(it.Old().Digest), NewDigest: string(it.New.Digest),
			Labels: it.Decision.Choice.Labels,
		})
	}
	if len(data.AppChanges) > 0 {
		first := data.AppChanges[0]
		data.Image, data.OldTag, data.NewTag = first.Image, first.OldTag, first.NewTag
	}
	text, err := t.Render(data, maxMessage)
	if text = tidy(text); err != nil || text == "" {
		text = "build: update of application " + p.App.Name
	}
	if err != nil {
		warning = fmt.Sprintf("commit message: %v; the default subject is used", err)
	}
	if trailers == WithTrailers {
		separator := "\n\n"
		if endsInTrailers(text) {
			separator = "\n" // Git takes only the last paragraph for trailers
		}
		text += separator + trailer(p, changed)
	}
	return text + "\n", warning
}

// endsInTrailers reports whether the last of several paragraphs is trailers,
// git-interpret-trailers(1).
func endsInTrailers(text string) bool {
	i := strings.LastIndex(text, "\n\n")
	if i < 0 {
		return false
	}
	for line := range strings.SplitSeq(text[i+2:], "\n") {
		key, _, ok := strings.Cut(line, ": ")
		if !ok || strings.Trim(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

// Trailers says whether machine-readable trailers end the message.
type Trailers uint8

// The choices.
const (
	WithTrailers Trailers = iota
	WithoutTrailers
)

func trailer(p Plan, changed []Item) string {
	lines := []string{Trailer + ": " + p.App.String()}
	for _, it := range changed {
		old := it.Old().Version()
		if old == "" {
			old = "none"
		}
		lines = append(lines, fmt.Sprintf("Image-Updater-Change: %s %s -> %s", it.Image.Repo, old, it.New.Version()))
	}
	return strings.Join(lines, "\n")
}

func tagOrDigest(ref image.Ref) string {
	if ref.Tag != "" {
		return ref.Tag
	}
	return string(ref.Digest)
}

// tidy does what git's default cleanup does: no white space at line ends, no
// blank lines at the ends, no runs of blank lines.
func tidy(s string) string {
	var out []string
	for line := range strings.SplitSeq(s, "\n") {
		line = strings.TrimRight(line, " \t\r")
		if line == "" && (len(out) == 0 || out[len(out)-1] == "") {
			continue
		}
		out = append(out, line)
	}
	return strings.TrimRight(strings.Join(out, "\n"), "\n")
}
