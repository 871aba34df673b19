package settings

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// maxBranch bounds the name of a branch, in bytes. Git itself is bounded by the
// file names of the server.
const maxBranch = 255

// Head is the compiled template of a branch to push to.
type Head struct{ template *Template }

// HeadFields is what a head template may use.
type HeadFields struct {
	AppName      string
	AppNamespace string
	TargetKey    string      // identifies repository, base and target
	SHA256       string      // hex; identifies the changes
	Images       []HeadImage // those that change, in the order of the image list
}

// HeadImage is one image that changes.
type HeadImage struct {
	Name   string // without registry
	Alias  string
	OldTag string // the digest where there is one
	NewTag string
}

// String is the template as it was written.
func (h *Head) String() string { return h.template.String() }

// Render gives the name of the branch, cut after 255 bytes. The error says why
// the result is no branch.
func (h *Head) Render(f HeadFields) (string, error) {
	text, err := h.template.Render(f, maxBranch)
	if err != nil && !errors.Is(err, ErrTooLong) {
		return "", err
	}
	name := strings.TrimSpace(text)
	return name, CheckBranch(name)
}

// branch reads base, base:template or :template.
func (r *reader) branch(v value) (base string, head *Head) {
	base, text, hasHead, err := splitBranch(v.text)
	switch {
	case err != nil:
		r.fail(v, err.Error())
		return "", nil
	case strings.Contains(base, "{{"):
		r.fail(v, "the base is no template: <base>:<template>, or :<template> on the source's own branch, expected")
	case base != "":
		if err := CheckBranch(base); err != nil {
			r.fail(v, err.Error())
		}
	}
	if !hasHead {
		return base, nil
	}
	if head, err = compileHead(text); err != nil {
		r.fail(v, err.Error())
	}
	return base, head
}

// splitBranch splits at the one colon that is not part of a template action.
func splitBranch(text string) (base, head string, hasHead bool, err error) {
	base = text
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "{{"):
			i += actionLength(text[i:]) - 1
		case text[i] == ':' && hasHead:
			return "", "", false, errors.New("one colon between base and template expected; no branch has one in its name")
		case text[i] == ':':
			base, head, hasHead = text[:i], text[i+1:], true
		}
	}
	return strings.TrimSpace(base), strings.TrimSpace(head), hasHead, nil
}

// actionLength is the length of the template action that s begins with, all of
// s if it does not end.
func actionLength(s string) int {
	var quote byte
	for i := len("{{"); i < len(s); i++ {
		switch c := s[i]; {
		case quote == 0 && strings.HasPrefix(s[i:], "}}"):
			return i + len("}}")
		case quote == 0 && (c == '"' || c == '`' || c == '\''):
			quote = c
		case quote != 0 && quote != '`' && c == '\\':
			i++
		case c == quote:
			quote = 0
		}
	}
	return len(s)
}

// compileHead compiles a template and tries it, so that a field that does not
// exist is found now and not when the first image changes.
func compileHead(text string) (*Head, error) {
	if text == "" {
		return nil, errors.New("a template is missing after the colon")
	}
	t, err := CompileTemplate(text, ".Images")
	if err != nil {
		return nil, err
	}
	head := &Head{template: t}
	_, err = head.Render(HeadFields{
		AppName: "app", AppNamespace: "argocd", TargetKey: "0123abcd", SHA256: strings.Repeat("0", 64),
		Images: []HeadImage{{Name: "org/image", Alias: "image", OldTag: "1.0.0", NewTag: "1.1.0"}},
	})
	return head, err
}

// CheckBranch reports why a name is no branch by the rules of
// git-check-ref-format; nil if it is one.
func CheckBranch(name string) error {
	fault := branchFault(name)
	if fault == "" {
		return nil
	}
	return fmt.Errorf("branch %q %s", name, fault)
}

func branchFault(name string) string {
	switch {
	case name == "":
		return "is empty"
	case len(name) > maxBranch:
		return fmt.Sprintf("is longer than %d bytes", maxBranch)
	case strings.ContainsFunc(name, unicode.IsControl), strings.ContainsAny(name, ` ~^:?*[\`):
		return `has a space, a control character or one of ~ ^ : ? * [ \`
	case strings.Contains(name, ".."), strings.Contains(name, "@{"), name == "@":
		return "has .. or @{, or is @"
	case strings.HasPrefix(name, "-"), strings.HasSuffix(name, "."):
		return "begins with - or ends with ."
	case slices.ContainsFunc(strings.Split(name, "/"), isBadPart):
		return "has an empty part between slashes, or one that begins with . or ends with .lock"
	}
	return ""
}

func isBadPart(part string) bool {
	return part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock")
}
