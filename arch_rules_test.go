package house_test

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

func clock(p *pkg) []finding {
	if p.band() > judgement {
		return nil
	}
	var found []finding
	for _, f := range p.product() {
		for _, use := range f.uses("time", "Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer") {
			found = append(found, p.finding(use, "time.%s in a pure room; take the time as a value", use.Sel.Name))
		}
	}
	return found
}

// goroutines: none in the pure rooms, and above them a go statement stands
// in a function that also waits (Wait, or a receive), so that a reader sees
// who joins it.
func goroutines(p *pkg) []finding {
	var found []finding
	for _, f := range p.product() {
		for _, decl := range f.Decls {
			for _, stmt := range goStatements(decl) {
				switch {
				case p.band() <= judgement:
					found = append(found, p.finding(stmt, "go statement in a pure room"))
				case !waits(decl):
					found = append(found, p.finding(stmt, "go statement without a visible join: its function neither waits nor receives"))
				}
			}
		}
	}
	return found
}

func goStatements(in ast.Node) []*ast.GoStmt {
	var stmts []*ast.GoStmt
	ast.Inspect(in, func(n ast.Node) bool {
		if g, ok := n.(*ast.GoStmt); ok {
			stmts = append(stmts, g)
		}
		return true
	})
	return stmts
}

func waits(in ast.Node) bool {
	found := false
	ast.Inspect(in, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			found = found || n.Sel.Name == "Wait"
		case *ast.UnaryExpr:
			found = found || n.Op == token.ARROW
		}
		return !found
	})
	return found
}

func environment(p *pkg) []finding {
	if p.dir == "internal/cli" {
		return nil
	}
	var found []finding
	for _, f := range p.product() {
		for _, pkg := range []string{"os", "syscall"} {
			for _, use := range f.uses(pkg, "Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv", "Unsetenv") {
				found = append(found, p.finding(use, "%s.%s outside of internal/cli; take the value as an option", pkg, use.Sel.Name))
			}
		}
	}
	return found
}

func names(p *pkg) []finding {
	packages := []string{"common", "util", "utils", "helper", "helpers", "types", "models", "shared", "misc", "base", "argocd"}
	suffixes := []string{"Manager", "Helper", "Info", "Data", "Impl"}
	var found []finding
	for _, f := range p.files {
		if slices.Contains(packages, strings.TrimSuffix(f.Name.Name, "_test")) {
			found = append(found, p.finding(f.Name, "package name %s says nothing", f.Name.Name))
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok {
				if i := slices.IndexFunc(suffixes, func(s string) bool { return strings.HasSuffix(spec.Name.Name, s) }); i >= 0 {
					found = append(found, p.finding(spec, "type name %s: the suffix %s says nothing", spec.Name.Name, suffixes[i]))
				}
			}
			return true
		})
	}
	return found
}

const (
	maxFile     = 400
	maxFunction = 60
)

func length(p *pkg) []finding {
	var found []finding
	for _, f := range p.product() {
		if n := p.fset.File(f.FileStart).LineCount(); n > maxFile && longFiles[f.path] == "" {
			found = append(found, p.finding(f, "file of %d lines; %d are the budget", n, maxFile))
		}
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			n := p.fset.Position(fn.Body.Rbrace).Line - p.fset.Position(fn.Body.Lbrace).Line - 1
			if n > maxFunction && longFunctions[p.dir+"."+functionName(fn)] == "" {
				found = append(found, p.finding(fn, "%s has %d lines; %d are the budget", functionName(fn), n, maxFunction))
			}
		}
	}
	return found
}

func functionName(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	t := fn.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if generic, ok := t.(*ast.IndexExpr); ok {
		t = generic.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name + "." + fn.Name.Name
	}
	return fn.Name.Name
}
