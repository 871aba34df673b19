package settings

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"unicode"
)

// maxBranch bounds the name of a branch, in bytes. Git itself is bounded by the
// file names of the server.
const maxBranch = 255

// Head is the compiled template of a branch to push to.
type Head struct {
	text     string
	template *template.Template
}

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
func (h *Head) String() string { return h.text }

// Render gives the name of the branch, cut after 255 bytes. The error says why
// the result is no branch.
func (h *Head) Render(f HeadFields) (string, error) {
	var out boundedBuffer
	if err := h.template.Execute(&out, f); err != nil && !errors.Is(err, errFull) {
		return "", err
	}
	name := strings.TrimSpace(out.String())
	return name, CheckBranch(name)
}

var errFull = errors.New("full")

// boundedBuffer takes maxBranch bytes and then stops its writer.
type boundedBuffer struct{ bytes.Buffer }

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if room := maxBranch - b.Len(); len(p) > room {
		b.Buffer.Write(p[:room])
		return room, errFull
	}
	return b.Buffer.Write(p)
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

// headFunctions are the functions that a head template may call: those that
// read and compare, and printf.
func headFunctions() map[string]any {
	return map[string]any{
		"and": true, "or": true, "not": true, "eq": true, "ne": true, "lt": true, "le": true, "gt": true, "ge": true,
		"index": true, "len": true, "slice": true, "print": true, "printf": true,
	}
}

// compileHead compiles a template and tries it, so that a field that does not
// exist is found now and not when the first image changes.
func compileHead(text string) (*Head, error) {
	if text == "" {
		return nil, errors.New("a template is missing after the colon")
	}
	const name = "git-branch"
	trees, err := parse.Parse(name, text, "", "", headFunctions())
	if err != nil {
		return nil, fmt.Errorf("the template does not parse: %w", err)
	}
	tree := trees[name]
	if len(trees) != 1 || tree == nil || !isBounded(tree.Root, 0) {
		return nil, errors.New("the template may range over .Images, not one range in another, and define or call no other template")
	}
	t, err := template.New(name).AddParseTree(name, tree)
	if err != nil {
		return nil, err
	}
	head := &Head{text: text, template: t}
	_, err = head.Render(HeadFields{
		AppName: "app", AppNamespace: "argocd", TargetKey: "0123abcd", SHA256: strings.Repeat("0", 64),
		Images: []HeadImage{{Name: "org/image", Alias: "image", OldTag: "1.0.0", NewTag: "1.1.0"}},
	})
	return head, err
}

// isBounded reports whether a template ends soon: it calls no others, which
// may call themselves, and its loops are over images, and not in loops.
func isBounded(n parse.Node, loops int) bool {
	switch n := n.(type) {
	case *parse.ListNode:
		return n == nil || !slices.ContainsFunc(n.Nodes, func(child parse.Node) bool { return !isBounded(child, loops) })
	case *parse.RangeNode:
		return loops == 0 && isImages(n.Pipe) && isBounded(n.List, 1) && isBounded(n.ElseList, 0)
	case *parse.IfNode:
		return isBounded(n.List, loops) && isBounded(n.ElseList, loops)
	case *parse.WithNode:
		return isBounded(n.List, loops) && isBounded(n.ElseList, loops)
	case *parse.TemplateNode:
		return false
	}
	return true
}

func isImages(p *parse.PipeNode) bool {
	if len(p.Cmds) != 1 || len(p.Cmds[0].Args) != 1 {
		return false
	}
	list := p.Cmds[0].Args[0].String()
	return list == ".Images" || list == "$.Images"
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
