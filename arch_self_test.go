package house_test

import (
	"fmt"
	"go/token"
	"strings"
	"testing"
)

// TestWallsStand builds on the wrong side of every wall and looks whether the
// wall notices, and on the right side and looks whether it keeps quiet.
func TestWallsStand(t *testing.T) {
	for _, c := range []struct {
		name string
		dir  string
		file string // "" is x.go
		code string // after the package clause
		want string // in the one finding; "" for none
	}{
		{"words import nothing", "internal/image", "", `import _ "argocd-image-updater/internal/fault"`, "it may import nothing of ours"},
		{"judgement imports words", "internal/edit", "", `import _ "argocd-image-updater/internal/image"`, ""},
		{"judgement does not look sideways", "internal/edit", "", `import _ "argocd-image-updater/internal/plan"`, "internal/edit imports internal/plan"},
		{"effects do not know each other", "internal/git", "", `import _ "argocd-image-updater/internal/registry"`, "internal/git imports internal/registry"},
		{"a child finds its row", "internal/argo/file", "", `import _ "argocd-image-updater/internal/argo"`, ""},
		{"a child does not look up", "internal/credential/env", "", `import _ "argocd-image-updater/internal/update"`, "internal/credential/env imports internal/update"},
		{"the line does not name effects", "internal/update", "", `import _ "argocd-image-updater/internal/git"`, "internal/update imports internal/git"},
		{"the line is tested with real effects", "internal/update", "x_test.go", `import _ "argocd-image-updater/internal/git"`, ""},
		{"no test looks up", "internal/git", "x_test.go", `import _ "argocd-image-updater/internal/cli"`, "internal/git imports internal/cli"},
		{"the test world is for tests", "internal/git", "x_test.go", `import _ "argocd-image-updater/internal/itest"`, ""},
		{"the test world is for nobody else", "internal/cli", "", `import _ "argocd-image-updater/internal/itest"`, "internal/cli imports internal/itest"},
		{"an unknown room", "internal/attic", "", ``, "no row in the import table"},

		{"context", "internal/policy", "", `import _ "context"`, "imports context"},
		{"below a closed path", "internal/edit", "", `import _ "os/exec"`, "(os/...)"},
		{"beside a closed path", "internal/settings", "", `import _ "net/url"`, ""},
		{"yaml in policy", "internal/policy", "", `import _ "go.yaml.in/yaml/v3"`, "closed to it"},
		{"yaml in edit", "internal/edit", "", `import _ "go.yaml.in/yaml/v3"`, ""},
		{"loggers in effects", "internal/registry", "", `import _ "log/slog"`, "imports log/slog"},
		{"loggers in the line", "internal/update", "", `import _ "log/slog"`, ""},
		{"tests read files", "internal/edit", "x_test.go", `import _ "os"`, ""},

		{"clock", "internal/plan", "", "import \"time\"\nfunc f() { _ = time.Now() }", "time.Now in a pure room"},
		{"renamed clock", "internal/plan", "", "import c \"time\"\nfunc f() { _ = c.Since }", "time.Since in a pure room"},
		{"clock above", "internal/git", "", "import \"time\"\nfunc f() { _ = time.Now() }", ""},

		{"goroutine in a pure room", "internal/policy", "", `func f() { go f(); select {} }`, "go statement in a pure room"},
		{"goroutine that nobody joins", "internal/git", "", `func f() { go f() }`, "without a visible join"},
		{"goroutine that is joined", "internal/git", "", `func f(c chan int) { go f(c); <-c }`, ""},

		{"environment", "internal/git", "", "import \"os\"\nfunc f() { os.Getenv(\"X\") }", "os.Getenv outside of internal/cli"},
		{"environment in cli", "internal/cli", "", "import \"os\"\nfunc f() { os.Getenv(\"X\") }", ""},

		{"init", "internal/image", "", `func init() {}`, "init function"},
		{"counter", "internal/image", "", `var n = 1`, "variable n may change"},
		{"from the linker", "internal/cli", "", `var version = "dev"`, ""},
		{"sentinel", "internal/fault", "", "import \"errors\"\nvar ErrX = errors.New(\"x\")", ""},
		{"exported table", "internal/image", "", `var T = []int{1}`, "variable T may change"},
		{"table that is read", "internal/image", "", `var t = map[string]int{"a": 1}; func f() (int, int) { for range t {}; return t["a"], len(t) }`, ""},
		{"table that is written", "internal/image", "", `var t = map[string]int{}; func f() { t["a"] = 1 }`, "table t is not only read"},
		{"table that is handed out", "internal/image", "", `var t = []int{1}; func f() []int { return t }`, "table t is not only read"},
		{"table whose address is taken", "internal/image", "", `var t = []int{1}; func f() *int { return &t[0] }`, "table t is not only read"},
		{"local of the same name", "internal/image", "", `var t = []int{1}; func f(t []int) { t[0]++ }`, ""},

		{"package name", "internal/image", "utils.go", ``, "package name utils"},
		{"type suffix", "internal/image", "", `type TagManager struct{}`, "suffix Manager"},
		{"not a suffix", "internal/policy", "", `type Metadata struct{}`, ""},
		{"long function", "internal/image", "", "func f() {\n" + strings.Repeat("f()\n", maxFunction+1) + "}", "f has 61 lines"},
		{"function within budget", "internal/image", "", "func f() {\n" + strings.Repeat("f()\n", maxFunction) + "}", ""},
		{"long file", "internal/image", "", strings.Repeat("// x\n", maxFile+1), "file of 401 lines"},
		{"long test", "internal/image", "x_test.go", strings.Repeat("// x\n", maxFile+1), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := build(t, c.dir, c.file, c.code); got != c.want && (c.want == "" || !strings.Contains(got, c.want)) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// build runs every rule on one file and joins the findings.
func build(t *testing.T, dir, name, code string) string {
	t.Helper()
	clause := "package x; "
	switch name {
	case "":
		name = "x.go"
	case "utils.go":
		clause = "package utils; "
	}
	p := &pkg{dir: dir, fset: token.NewFileSet()}
	if err := p.parse(dir+"/"+name, clause+code); err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, rule := range rules {
		for _, f := range rule.check(p) {
			found = append(found, fmt.Sprint(f))
		}
	}
	return strings.Join(found, "; ")
}
