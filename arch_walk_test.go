package house_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pkg is the Go code of one folder.
type pkg struct {
	dir   string // slash-separated, from the module's root
	fset  *token.FileSet
	files []file
}

type file struct {
	*ast.File
	path string
	test bool
}

// finding is something on the wrong side of a wall.
type finding struct {
	at   token.Position
	text string
}

func (f finding) String() string { return fmt.Sprintf("%s:%d: %s", f.at.Filename, f.at.Line, f.text) }

func (p *pkg) finding(n ast.Node, format string, args ...any) finding {
	return finding{p.fset.Position(n.Pos()), fmt.Sprintf(format, args...)}
}

// load parses every package of the module in root, tests included, and no
// module below it.
func load(t *testing.T, root string) []*pkg {
	t.Helper()
	byDir := map[string]*pkg{}
	var dirs []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return enter(root, name)
		case filepath.Ext(name) != ".go":
			return nil
		}
		dir := filepath.ToSlash(filepath.Dir(name))
		if byDir[dir] == nil {
			byDir[dir] = &pkg{dir: dir, fset: token.NewFileSet()}
			dirs = append(dirs, dir)
		}
		return byDir[dir].parse(filepath.ToSlash(name), nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	pkgs := make([]*pkg, 0, len(dirs))
	for _, dir := range dirs {
		if dir != "." { // the walls themselves
			pkgs = append(pkgs, byDir[dir])
		}
	}
	if len(pkgs) == 0 {
		t.Fatal("no packages were found; the walls would pass on nothing")
	}
	return pkgs
}

func enter(root, dir string) error {
	base := filepath.Base(dir)
	if dir != root && (base == "testdata" || strings.HasPrefix(base, ".")) {
		return filepath.SkipDir
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil && dir != root {
		return filepath.SkipDir
	}
	return nil
}

// parse adds a file; src is nil for the one on disk.
func (p *pkg) parse(name string, src any) error {
	f, err := parser.ParseFile(p.fset, name, src, parser.ParseComments)
	if err != nil {
		return err
	}
	p.files = append(p.files, file{File: f, path: name, test: strings.HasSuffix(name, "_test.go")})
	return nil
}

// product are the files that are no tests.
func (p *pkg) product() []file {
	return slices.DeleteFunc(slices.Clone(p.files), func(f file) bool { return f.test })
}

// room is the package's row in the import table.
func (p *pkg) room() (room, bool) { return findRoom(p.dir) }

func findRoom(dir string) (room, bool) {
	name := strings.TrimPrefix(dir, "internal/")
	for _, r := range rooms {
		if parent, ok := strings.CutSuffix(r.name, "/*"); r.name == name || ok && path.Dir(name) == parent {
			return r, true
		}
	}
	return room{}, false
}

// band of a package without a row is the shells', which forbids the least;
// its missing row is a finding of its own.
func (p *pkg) band() band {
	if r, ok := p.room(); ok {
		return r.band
	}
	return shells
}

// admits reports whether r may import the room to.
func (r room) admits(to room) bool {
	for _, m := range r.may {
		if m == to.name || m == fmt.Sprintf("band %d", to.band) {
			return true
		}
	}
	return false
}

func importsOfOurs(p *pkg) []finding {
	r, ok := p.room()
	if !ok {
		return []finding{p.finding(p.files[0].Name, "package %s has no row in the import table of arch_test.go", p.dir)}
	}
	var found []finding
	for _, f := range p.files {
		for _, spec := range f.Imports {
			dir, ours := strings.CutPrefix(importPath(spec), module+"/")
			if !ours || dir == p.dir {
				continue
			}
			to, known := findRoom(dir)
			if known && (r.admits(to) || f.test && admitsInTest(r, to)) {
				continue
			}
			found = append(found, p.finding(spec, "%s imports %s; it may import %s", p.dir, dir, mayText(r)))
		}
	}
	return found
}

// admitsInTest: from the effects upwards, tests use the in-process world, and
// the line and the shells are tested with the real effects.
func admitsInTest(r, to room) bool {
	return r.band >= effects && to.band == tests || r.band >= line && r.band < tests && to.band <= r.band
}

func mayText(r room) string {
	if len(r.may) == 0 {
		return "nothing of ours"
	}
	return strings.Join(r.may, ", ")
}

func importsOfOthers(p *pkg) []finding {
	r, _ := p.room()
	never := slices.Concat(bands[p.band()].never, r.never)
	var found []finding
	for _, f := range p.product() {
		for _, spec := range f.Imports {
			if i := slices.IndexFunc(never, func(pattern string) bool { return matches(pattern, importPath(spec)) }); i >= 0 {
				found = append(found, p.finding(spec, "%s imports %s, which is closed to it (%s)", p.dir, importPath(spec), never[i]))
			}
		}
	}
	return found
}

func matches(pattern, imported string) bool {
	below, ok := strings.CutSuffix(pattern, "/...")
	return imported == below || ok && strings.HasPrefix(imported, below+"/")
}

func importPath(spec *ast.ImportSpec) string {
	s, _ := strconv.Unquote(spec.Path.Value) // the parser accepts string literals only
	return s
}

// uses lists the places where a file names one of the members of an imported
// package.
func (f file) uses(imported string, members ...string) []*ast.SelectorExpr {
	local := ""
	for _, spec := range f.Imports {
		if importPath(spec) == imported {
			local = path.Base(imported)
			if spec.Name != nil {
				local = spec.Name.Name
			}
		}
	}
	if local == "" {
		return nil
	}
	var found []*ast.SelectorExpr
	ast.Inspect(f.File, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && slices.Contains(members, s.Sel.Name) {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == local {
				found = append(found, s)
			}
		}
		return true
	})
	return found
}
