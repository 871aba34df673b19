package edit

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// page is the page that shows the golden cases to users.
const page = "../../docs/edits.md"

// TestPage keeps the page equal to the golden files: behind a comment with the
// name of a case stands its difference, and in the table of refusals its
// message.
func TestPage(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	shown, cells := map[string]string{}, map[string]string{}
	for _, g := range goldens(t) {
		shown[g.name] = fmt.Sprintf("<!-- %s -->\n```diff\n%s```", g.name, lineDiff(string(g.bytes("in")), string(g.bytes("out"))))
		cells[g.name] = strings.TrimSpace(string(g.section("refused")))
	}
	example := regexp.MustCompile("(?ms)^<!-- ([a-z]+/[a-z-]+) -->(?:\n```diff\n.*?\n```)?")
	want := example.ReplaceAllStringFunc(string(text), func(s string) string {
		name := example.FindStringSubmatch(s)[1]
		if shown[name] == "" {
			t.Errorf("%s shows %s, which is no case", page, name)
		}
		return shown[name]
	})
	row := regexp.MustCompile("(?m)^(\\| .* \\| )(?:`([a-z]+/[a-z-]+)`|.* <!-- ([a-z]+/[a-z-]+) -->) \\|$")
	want = row.ReplaceAllStringFunc(want, func(s string) string {
		m := row.FindStringSubmatch(s)
		name := m[2] + m[3]
		if cells[name] == "" {
			t.Errorf("%s shows the refusal %s, which is none", page, name)
		}
		return m[1] + cells[name] + " <!-- " + name + " --> |"
	})
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("%s shows something else than happens (run with -update; -want +got):\n%s", page, diff)
	}
}

// lineDiff shows all lines, those that go with - and those that come with +.
func lineDiff(a, b string) string {
	old, got := lines([]byte(a)), lines([]byte(b))
	// common[i][j]: how many lines old[i:] and got[j:] have in common.
	common := make([][]int, len(old)+1)
	for i := range common {
		common[i] = make([]int, len(got)+1)
	}
	for i := len(old) - 1; i >= 0; i-- {
		for j := len(got) - 1; j >= 0; j-- {
			common[i][j] = max(common[i+1][j], common[i][j+1])
			if old[i] == got[j] {
				common[i][j] = common[i+1][j+1] + 1
			}
		}
	}
	var out strings.Builder
	i, j := 0, 0
	for i < len(old) || j < len(got) {
		switch {
		case i < len(old) && j < len(got) && old[i] == got[j]:
			writeLine(&out, " ", old[i])
			i++
			j++
		case j == len(got) || i < len(old) && common[i+1][j] >= common[i][j+1]:
			writeLine(&out, "-", old[i])
			i++
		default:
			writeLine(&out, "+", got[j])
			j++
		}
	}
	return out.String()
}

func writeLine(out *strings.Builder, sign, line string) {
	if line != "" { // behind the last line break
		out.WriteString(strings.TrimRight(sign+line, " \n") + "\n")
	}
}
