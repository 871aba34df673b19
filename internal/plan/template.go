package plan

import (
	"bytes"
	"errors"
	"fmt"
	"text/template"
	"text/template/parse"
)

// maxRendered bounds what a template may print, in bytes.
const maxRendered = 64 << 10

var errTooLong = fmt.Errorf("template prints more than %d bytes", maxRendered)

// ParseTemplate compiles a text/template of a user. Loops over numbers are
// refused: nothing in the data has such a length, and they are the one way in
// which a template can run for ever.
func ParseTemplate(name, text string) (*template.Template, error) {
	t, err := template.New(name).Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, err
	}
	for _, each := range t.Templates() {
		if each.Tree != nil && loopsOverNumber(each.Root) {
			return nil, fmt.Errorf("template %s: a range over a number is not allowed", name)
		}
	}
	return t, nil
}

func loopsOverNumber(n parse.Node) bool {
	switch n := n.(type) {
	case *parse.ListNode:
		for _, child := range n.Nodes {
			if loopsOverNumber(child) {
				return true
			}
		}
	case *parse.RangeNode:
		return !rangesOverData(n.Pipe) || loopsInBranch(&n.BranchNode)
	case *parse.IfNode:
		return loopsInBranch(&n.BranchNode)
	case *parse.WithNode:
		return loopsInBranch(&n.BranchNode)
	}
	return false
}

func loopsInBranch(n *parse.BranchNode) bool {
	return loopsOverNumber(n.List) || n.ElseList != nil && loopsOverNumber(n.ElseList)
}

// rangesOverData admits a plain field, variable or dot: what functions and
// literals may give, numbers among it, is not data.
func rangesOverData(p *parse.PipeNode) bool {
	if len(p.Cmds) != 1 || len(p.Cmds[0].Args) != 1 {
		return false
	}
	switch p.Cmds[0].Args[0].(type) {
	case *parse.FieldNode, *parse.DotNode, *parse.ChainNode:
		return true
	}
	return false
}

// render executes a template into at most maxRendered bytes.
func render(t *template.Template, data any) (string, error) {
	var out limited
	if err := t.Execute(&out, data); err != nil {
		if errors.Is(err, errTooLong) {
			err = errTooLong
		}
		return "", fmt.Errorf("template %s: %w", t.Name(), err)
	}
	return out.String(), nil
}

type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxRendered {
		return 0, errTooLong
	}
	return l.Buffer.Write(p)
}
