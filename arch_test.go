// Package house_test keeps the walls of the house: which room may import
// which, and what no room may do. The table below is the one place where that
// is decided; ARCHITECTURE.md prints it.
package house_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// module is the path of the Go module, and with it the prefix of every import
// of ours.
const module = "argocd-image-updater"

// band is a storey of the house. Imports point downwards.
type band int

const (
	words band = iota
	judgement
	effects
	line
	shells
	tests
)

// bands names each band and says what no package of it may import: a path, or
// a path with /... for everything below it as well.
var bands = []struct {
	name  string
	never []string
}{
	words:     {"0 words", pure},
	judgement: {"1 judgement", pure},
	effects:   {"2 effects", append([]string{"sigs.k8s.io/controller-runtime/..."}, loggers...)},
	line:      {"3 line", []string{"sigs.k8s.io/controller-runtime/...", "github.com/spf13/cobra/..."}},
	shells:    {"4 shells", nil},
	tests:     {"tests", nil},
}

// pure is what would let the world, the clock or chance into a decision.
var pure = append([]string{
	"context", "os/...", "io/ioutil", "syscall",
	"net", "net/http/...", "net/smtp", "net/rpc/...",
	"math/rand/...", "crypto/rand",
	"k8s.io/client-go/...", "sigs.k8s.io/controller-runtime/...", "github.com/argoproj/...",
}, loggers...)

var loggers = []string{"log/...", "github.com/lmittmann/tint/...", "github.com/go-logr/..."}

// room is a package of ours and what it may import of ours.
type room struct {
	// name is the path below internal/, or below the module for cmd and api. A
	// trailing /* stands for each child.
	name string
	band band
	// may lists rooms by name; "band N" stands for all rooms of that band.
	may []string
	// never lists packages besides those that the band refuses.
	never []string
}

// rooms is the import table. A package that has no row has no place.
var rooms = []room{
	{name: "image", band: words},
	{name: "fault", band: words},
	{name: "nearest", band: words},

	{name: "policy", band: judgement, may: []string{"band 0"}, never: yamls},
	{name: "edit", band: judgement, may: []string{"band 0"}},
	{name: "credential", band: judgement, may: []string{"band 0", "argo"}},
	{name: "argo", band: judgement, may: []string{"band 0"}},
	{name: "settings", band: judgement, may: []string{"band 0", "policy", "argo", "credential", "api/v1alpha1"}},
	{name: "plan", band: judgement, may: []string{"band 0", "policy", "edit", "credential", "argo", "settings"}},
	{name: "api/v1alpha1", band: judgement},

	{name: "argo/argotest", band: tests, may: []string{"band 0", "band 1", "itest"}}, // the conformance suite of the rooms below
	{name: "argo/*", band: effects, may: []string{"band 0", "band 1"}},
	{name: "registry", band: effects, may: []string{"band 0", "band 1"}},
	{name: "credential/*", band: effects, may: []string{"band 0", "band 1"}},
	{name: "verify", band: effects, may: []string{"band 0", "band 1"}},
	{name: "git", band: effects, may: []string{"band 0", "band 1"}},
	{name: "forge", band: effects, may: []string{"band 0", "band 1"}},
	{name: "forge/*", band: effects, may: []string{"band 0", "band 1", "forge"}},
	{name: "webhook", band: effects, may: []string{"band 0", "band 1"}},
	{name: "metrics", band: effects, may: []string{"band 0", "band 1"}},

	{name: "update", band: line, may: []string{"band 0", "band 1"}},

	{name: "controller", band: shells, may: []string{"band 0", "band 1", "update", "metrics"}},
	{name: "server", band: shells, may: []string{"band 0", "band 1", "update", "metrics"}},
	{name: "demo", band: shells, may: []string{"band 0", "band 1", "band 2", "update"}},
	{name: "cli", band: shells, may: []string{"band 0", "band 1", "band 2", "update", "controller", "server", "demo"}},
	{name: "cmd/argocd-image-updater", band: shells, may: []string{"cli"}},

	{name: "itest", band: tests},
	{name: "itest/*", band: tests, may: []string{"itest", "itest/*"}},
}

var yamls = []string{"go.yaml.in/yaml/...", "gopkg.in/yaml.v2", "gopkg.in/yaml.v3", "sigs.k8s.io/yaml/..."}

// longFunctions and longFiles may go over the budget, each for a reason that
// stands beside it. Keys are "internal/room/file.go" and
// "internal/room.Function" or "internal/room.Type.Method".
var (
	longFunctions = map[string]string{}
	longFiles     = map[string]string{
		"api/v1alpha1/zz_generated.deepcopy.go": "controller-gen writes it",
	}
)

// setFromOutside are package-level variables that something outside of Go
// sets before main.
var setFromOutside = map[string]string{
	"internal/cli.version": "the linker, see build in the Makefile",
}

// rules are all the walls. Each looks at one package and names what stands on
// the wrong side.
var rules = []struct {
	name  string
	check func(*pkg) []finding
}{
	{"imports of ours", importsOfOurs},
	{"imports of others", importsOfOthers},
	{"clock", clock},
	{"goroutines", goroutines},
	{"environment", environment},
	{"package state", packageState},
	{"names", names},
	{"length", length},
}

func TestWalls(t *testing.T) {
	pkgs := load(t, ".")
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			for _, p := range pkgs {
				for _, f := range rule.check(p) {
					t.Error(f)
				}
			}
		})
	}
}

var update = flag.Bool("update", false, "write the import table into ARCHITECTURE.md")

const (
	tableBegin = "<!-- import table: begin (make gen) -->\n"
	tableEnd   = "<!-- import table: end -->\n"
)

// TestImportTable fails if ARCHITECTURE.md shows another table than the one
// that is enforced.
func TestImportTable(t *testing.T) {
	const file = "ARCHITECTURE.md"
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := bytes.Cut(old, []byte(tableBegin))
	_, tail, ok2 := bytes.Cut(rest, []byte(tableEnd))
	if !ok1 || !ok2 {
		t.Fatalf("%s: the markers of the import table are gone", file)
	}
	want := slices.Concat(head, []byte(tableBegin+table()+tableEnd), tail)
	if bytes.Equal(old, want) {
		return
	}
	if !*update {
		t.Fatalf("%s: the import table differs from the one in arch_test.go; run make gen", file)
	}
	if err := os.WriteFile(file, want, 0o644); err != nil {
		t.Fatal(err)
	}
}

// table prints rooms and bands in Markdown.
func table() string {
	var b strings.Builder
	b.WriteString("| band | room | may import of ours |\n|---|---|---|\n")
	for _, r := range rooms {
		may := strings.Join(r.may, ", ")
		if may == "" {
			may = "nothing"
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s |\n", bands[r.band].name, r.name, may)
	}
	b.WriteString("\n| who | never imports |\n|---|---|\n")
	for _, s := range bands {
		if len(s.never) > 0 {
			fmt.Fprintf(&b, "| band %s | %s |\n", s.name, code(s.never))
		}
	}
	for _, r := range rooms {
		if len(r.never) > 0 {
			fmt.Fprintf(&b, "| `%s`, besides | %s |\n", r.name, code(r.never))
		}
	}
	return b.String()
}

func code(paths []string) string { return "`" + strings.Join(paths, "`, `") + "`" }
