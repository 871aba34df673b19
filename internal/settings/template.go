package settings

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
)

// Template is a text/template of a user that ends soon, whatever is in it.
type Template struct {
	text     string
	template *template.Template
}

// maxPrinted bounds, in bytes, what one call of a printing function may make.
const maxPrinted = 256 << 10

// printers are the printing functions with a bound: a variable that is printed
// twice into itself, forty times over, is a terabyte before any of it is written.
func printers() map[string]any {
	return map[string]any{
		"print":   func(args ...any) (string, error) { return printed("", args, fmt.Sprint) },
		"println": func(args ...any) (string, error) { return printed("", args, fmt.Sprintln) },
		"printf": func(format string, args ...any) (string, error) {
			return printed(format, args, func(args ...any) string { return fmt.Sprintf(format, args...) })
		},
	}
}

// wide is a width or precision of more than three digits, or one that is given
// as an argument.
var wide = regexp.MustCompile(`%[^a-zA-Z%]*([0-9]{4}|\*)`)

// printed prints unless that could make more than maxPrinted: of each verb the
// longest argument, or as much as its width.
func printed(format string, args []any, sprint func(...any) string) (string, error) {
	sum, longest := len(format), 1000
	for _, arg := range args {
		text, _ := arg.(string)
		sum, longest = sum+len(text), max(longest, len(text))
	}
	if sum+strings.Count(format, "%")*longest > maxPrinted || wide.MatchString(format) {
		return "", fmt.Errorf("more than %d bytes in one variable, or a width of more than 999", maxPrinted)
	}
	return sprint(args...), nil
}

// templateFunctions are the functions that a template may call: those that
// read and compare, and print.
func templateFunctions() map[string]any {
	return map[string]any{
		"and": true, "or": true, "not": true, "eq": true, "ne": true, "lt": true, "le": true, "gt": true, "ge": true,
		"index": true, "len": true, "slice": true, "print": true, "printf": true, "println": true,
	}
}

// CompileTemplate compiles a template that may range over the given lists, such
// as ".Images", and over nothing else: a range over a number, a range in a
// range of the same list, or a template that calls itself need not end.
func CompileTemplate(text string, lists ...string) (*Template, error) {
	const name = "template"
	trees, err := parse.Parse(name, text, "", "", templateFunctions())
	if err != nil {
		return nil, fmt.Errorf("the template does not parse: %s", strings.TrimPrefix(err.Error(), "template: "+name+":"))
	}
	tree := trees[name]
	if tree == nil { // nothing but comments and definitions
		tree = &parse.Tree{Root: &parse.ListNode{NodeType: parse.NodeList}}
	}
	if len(trees) > 1 || !isBounded(tree.Root, lists) {
		return nil, fmt.Errorf("the template may range over %s, each once inside of the others, and define or call no other template", strings.Join(lists, ", "))
	}
	t, err := template.New(name).Funcs(printers()).AddParseTree(name, tree)
	return &Template{text: text, template: t}, err
}

// isBounded reports whether a template ends soon: it calls no others, and its
// loops are over lists that are not looped over already.
func isBounded(n parse.Node, lists []string) bool {
	switch n := n.(type) {
	case *parse.ListNode:
		return n == nil || !slices.ContainsFunc(n.Nodes, func(child parse.Node) bool { return !isBounded(child, lists) })
	case *parse.RangeNode:
		list, ok := listOf(n.Pipe, lists)
		rest := slices.DeleteFunc(slices.Clone(lists), func(l string) bool { return l == list })
		return ok && isBounded(n.List, rest) && isBounded(n.ElseList, lists)
	case *parse.IfNode:
		return isBounded(n.List, lists) && isBounded(n.ElseList, lists)
	case *parse.WithNode:
		return isBounded(n.List, lists) && isBounded(n.ElseList, lists)
	case *parse.TemplateNode:
		return false
	}
	return true
}

// listOf is the list that a range goes over.
func listOf(p *parse.PipeNode, lists []string) (string, bool) {
	if len(p.Cmds) != 1 || len(p.Cmds[0].Args) != 1 {
		return "", false
	}
	list := strings.TrimPrefix(p.Cmds[0].Args[0].String(), "$")
	return list, slices.Contains(lists, list)
}

// String is the template as it was written.
func (t *Template) String() string { return t.text }

// ErrTooLong says that a template printed more than it may.
var ErrTooLong = errors.New("the template prints too much")

// Render executes the template. It prints at most so many bytes; with ErrTooLong
// they are returned nevertheless.
func (t *Template) Render(data any, most int) (string, error) {
	out := bounded{left: most}
	err := t.template.Execute(&out, data)
	if errors.Is(err, ErrTooLong) {
		err = fmt.Errorf("%w: at most %d bytes", ErrTooLong, most)
	}
	return out.String(), err
}

// bounded takes so many bytes and then stops its writer.
type bounded struct {
	bytes.Buffer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(p) > b.left {
		b.Buffer.Write(p[:b.left])
		b.left = 0
		return 0, ErrTooLong
	}
	b.left -= len(p)
	return b.Buffer.Write(p)
}
