package house_test

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// packageState forbids init functions and package-level variables that can
// change. What stays:
//   - blank variables, which only assert that a type has some methods;
//   - values that nobody can change: errors.New and fmt.Errorf under a name
//     that begins with Err or err, regexp.MustCompile, strings.NewReplacer,
//     and embedded files that are no []byte;
//   - tables: unexported composite literals that their package only reads, by
//     index, range, len or a function that is known only to read.
func packageState(p *pkg) []finding {
	var found []finding
	tables := map[string]bool{}
	for _, f := range p.product() {
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				found = append(found, p.finding(fn, "init function; construct it where it is used"))
			}
			for _, v := range packageVars(decl) {
				switch {
				case constant(v) || setFromOutside[p.dir+"."+v.name.Name] != "":
				case isTable(v):
					tables[v.name.Name] = true
				default:
					found = append(found, p.finding(v.name, "package-level variable %s may change; make it a constant, a function or a field", v.name.Name))
				}
			}
		}
	}
	for _, f := range p.product() {
		for _, use := range notReadOnly(f, tables) {
			found = append(found, p.finding(use, "table %s is not only read here; tables may be indexed, ranged over and measured", use.Name))
		}
	}
	return found
}

// packageVar is one name of a package-level var declaration.
type packageVar struct {
	name     *ast.Ident
	typ      ast.Expr // nil if it follows from the value
	value    ast.Expr // nil if there is none
	embedded bool     // by a go:embed directive
}

func packageVars(decl ast.Decl) []packageVar {
	gen, ok := decl.(*ast.GenDecl)
	if !ok || gen.Tok != token.VAR {
		return nil
	}
	var vars []packageVar
	for _, spec := range gen.Specs {
		spec := spec.(*ast.ValueSpec)
		for i, name := range spec.Names {
			v := packageVar{name: name, typ: spec.Type, embedded: embeds(gen.Doc) || embeds(spec.Doc)}
			if i < len(spec.Values) {
				v.value = spec.Values[i]
			}
			vars = append(vars, v)
		}
	}
	return vars
}

func embeds(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

// constant reports whether nobody can change v. Go allows an assignment to any
// variable, so the word is trusted where the assignment would be absurd; a
// plain number or string belongs in a const.
func constant(v packageVar) bool {
	if v.name.Name == "_" {
		return true
	}
	if v.embedded {
		_, slice := v.typ.(*ast.ArrayType)
		return !slice
	}
	switch called(v.value) {
	case "errors.New", "fmt.Errorf":
		return strings.HasPrefix(v.name.Name, "Err") || strings.HasPrefix(v.name.Name, "err")
	case "regexp.MustCompile", "strings.NewReplacer":
		return true
	}
	return false
}

// called is pkg.Function if e calls it, and "" otherwise.
func called(e ast.Expr) string {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return ""
	}
	if s, ok := call.Fun.(*ast.SelectorExpr); ok {
		if x, ok := s.X.(*ast.Ident); ok {
			return x.Name + "." + s.Sel.Name
		}
	}
	if id, ok := call.Fun.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

func isTable(v packageVar) bool {
	_, literal := v.value.(*ast.CompositeLit)
	return literal && !v.name.IsExported()
}

// readers are functions that only read the slices and maps they are given.
var readers = []string{
	"len", "slices.Contains", "slices.ContainsFunc", "slices.Index", "slices.IndexFunc", "slices.BinarySearch",
	"slices.Clone", "slices.Concat", "slices.Equal", "slices.Values", "slices.All", "slices.Max", "slices.Min",
	"maps.Keys", "maps.Values", "maps.All", "maps.Clone", "maps.Equal", "strings.Join", "reflect.TypeOf",
}

// notReadOnly lists the mentions of tables that could change them or hand
// them to somebody who does.
func notReadOnly(f file, tables map[string]bool) []*ast.Ident {
	read := map[*ast.Ident]bool{} // mentions that only read, or are no mentions
	written := map[ast.Node]bool{}
	mark := func(e ast.Expr) {
		if id, ok := e.(*ast.Ident); ok {
			read[id] = true
		}
	}
	var found []*ast.Ident
	ast.Inspect(f.File, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, lhs := range n.Lhs {
				written[lhs] = true
			}
		case *ast.IncDecStmt:
			written[n.X] = true
		case *ast.UnaryExpr:
			written[n.X] = n.Op == token.AND
		case *ast.IndexExpr:
			written[n.X] = written[n]
			if !written[n] {
				mark(n.X)
			}
		case *ast.SelectorExpr:
			written[n.X] = written[n]
			mark(n.Sel)
			if !written[n] {
				mark(n.X)
			}
		case *ast.RangeStmt:
			mark(n.X)
		case *ast.CallExpr:
			if slices.Contains(readers, called(n)) {
				for _, arg := range n.Args {
					mark(arg)
				}
			}
		case *ast.KeyValueExpr:
			mark(n.Key) // a field, or a mention as a key, which is a copy
		case *ast.Ident:
			if tables[n.Name] && !read[n] && !declares(n) {
				found = append(found, n)
			}
		}
		return true
	})
	return found
}

// declares reports whether id is a table's own declaration, or names something
// local of the same name.
func declares(id *ast.Ident) bool {
	if id.Obj == nil {
		return false
	}
	spec, ok := id.Obj.Decl.(*ast.ValueSpec)
	return !ok || slices.Contains(spec.Names, id)
}
