package policy_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/policy"
)

// The files in testdata and the examples in docs/strategies.md are written in
// a small language, one statement a line:
//
//	case NAME                       begins a case
//	update-strategy: VALUE          a setting, as in the annotations, and
//	constraint: VALUE               what stands after the image's name
//	tags: TAG TAG …                 what the registry lists; adds up
//	meta TAG PLATFORM CREATED       a build, dated 2024-05-01 or "undated"
//	meta TAG digest|empty|silent|gone   only a digest, no builds, nothing told, no manifest
//
// and what is expected, of which a case states what matters to it:
//
//	-> chosen TAG [DIGEST]          -> dropped N RULE, N RULE
//	-> nothing: REASON              -> eligible N of N
//	-> undecided: REASON            -> rejected TAG RULE: DETAIL   (in this order)
//	-> want builds|digest TAG …     -> admits TAG …   -> refuses TAG …
//	-> error: TEXT                  -> held TAG over TAG: REASON   -> writes TAG over TAG
//	-> deprecated: use NAME
type policyCase struct {
	name   string
	spec   policy.Spec
	in     policy.Input
	expect []string
}

func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no case files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range parseCases(t, string(text)) {
				t.Run(c.name, func(t *testing.T) { runCase(t, c) })
			}
		})
	}
}

func parseCases(t *testing.T, text string) []policyCase {
	t.Helper()
	var cases []policyCase
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if name, ok := strings.CutPrefix(line, "case "); ok {
			cases = append(cases, policyCase{
				name: name,
				spec: policy.Spec{DefaultPlatform: image.Platform{OS: "linux", Arch: "amd64"}},
				in:   policy.Input{Known: map[string]policy.Metadata{}},
			})
			continue
		}
		if len(cases) == 0 {
			t.Fatalf("line %d: %q stands before the first case", n+1, line)
		}
		if err := cases[len(cases)-1].statement(line); err != nil {
			t.Fatalf("line %d: %q: %v", n+1, line, err)
		}
	}
	return cases
}

func (c *policyCase) statement(line string) error {
	if expected, ok := strings.CutPrefix(line, "-> "); ok {
		c.expect = append(c.expect, expected)
		return nil
	}
	if meta, ok := strings.CutPrefix(line, "meta "); ok {
		return c.meta(strings.Fields(meta))
	}
	key, value, ok := strings.Cut(line, ":")
	if !ok {
		return errors.New("no statement")
	}
	value = strings.TrimSpace(value)
	switch key {
	case "update-strategy":
		c.spec.Strategy = value
	case "constraint":
		c.spec.Constraint = value
	case "allow-tags":
		c.spec.AllowTags = value
	case "ignore-tags":
		c.spec.IgnoreTags = strings.Split(value, ",")
	case "platforms":
		c.spec.Platforms = strings.Split(value, ",")
	case "tags":
		c.in.Tags = append(c.in.Tags, strings.Fields(value)...)
	default:
		return errors.New("unknown key")
	}
	return nil
}

func (c *policyCase) meta(words []string) error {
	if len(words) < 2 {
		return errors.New("meta TAG … expected")
	}
	tag := words[0]
	m := c.in.Known[tag]
	m.Digest = digestOf(tag)
	switch {
	case len(words) == 3:
		platform, err := image.ParsePlatform(words[1])
		if err != nil {
			return err
		}
		var created time.Time
		if words[2] != "undated" {
			if created, err = time.Parse(time.DateOnly, words[2]); err != nil {
				return err
			}
		}
		m.Builds = append(m.Builds, policy.Build{Platform: platform, Created: created})
	case words[1] == "digest":
	case words[1] == "empty":
		m.Builds = []policy.Build{}
	case words[1] == "silent":
		m = policy.Metadata{}
	case words[1] == "gone":
		m = policy.Metadata{Gone: true}
	default:
		return errors.New("unknown metadata")
	}
	c.in.Known[tag] = m
	return nil
}

func digestOf(tag string) image.Digest {
	return image.Digest(fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(tag))))
}

func runCase(t *testing.T, c policyCase) {
	t.Helper()
	if len(c.expect) == 0 {
		t.Fatal("the case expects nothing")
	}
	p, err := policy.Compile(c.spec)
	if err != nil {
		var specErr *policy.SpecError
		if !errors.As(err, &specErr) {
			t.Fatalf("error of type %T: %v", err, err)
		}
		if diff := cmp.Diff(c.expect, []string{"error: " + err.Error()}); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
		return
	}
	decision, rejections := p.Choose(c.in), p.Explain(c.in)
	var got []string
	for _, expected := range c.expect {
		got = append(got, answer(p, decision, &rejections, expected))
	}
	if diff := cmp.Diff(c.expect, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// answer says what really is, in the form of what is expected.
func answer(p policy.Policy, d policy.Decision, rejections *[]policy.Rejection, expected string) string {
	words := strings.Fields(expected)
	switch words[0] {
	case "dropped":
		return "dropped " + droppedText(d)
	case "eligible":
		return fmt.Sprintf("eligible %d of %d", d.Eligible, d.Total)
	case "deprecated:":
		return "deprecated: use " + p.Deprecated()
	case "admits", "refuses":
		return admitsText(p, words)
	case "held", "writes":
		reason, held := p.Guard(strings.TrimSuffix(words[3], ":"), words[1])
		if held {
			return fmt.Sprintf("held %s over %s %s", words[1], words[3], reason)
		}
		return fmt.Sprintf("writes %s over %s", words[1], words[3])
	case "rejected":
		for len(*rejections) > 0 {
			r := (*rejections)[0]
			*rejections = (*rejections)[1:]
			if r.Tag == words[1] {
				return fmt.Sprintf("rejected %s %s: %s", r.Tag, r.Rule, r.Detail)
			}
		}
		return "not rejected after the ones before: " + words[1]
	}
	return verdictText(d)
}

func admitsText(p policy.Policy, words []string) string {
	got := []string{words[0]}
	for _, tag := range words[1:] {
		if p.Admits(tag) == (words[0] == "admits") {
			got = append(got, tag)
		} else {
			got = append(got, "NOT:"+tag)
		}
	}
	return strings.Join(got, " ")
}

func droppedText(d policy.Decision) string {
	if d.Dropped == nil {
		return "none"
	}
	var drops []string
	for _, drop := range d.Dropped {
		drops = append(drops, fmt.Sprintf("%d %s", drop.Count, drop.Rule))
	}
	return strings.Join(drops, ", ")
}

func verdictText(d policy.Decision) string {
	switch d.Verdict {
	case policy.Chosen:
		text := "chosen " + d.Choice.Tag
		if d.Choice.Digest != "" {
			text += " " + d.Choice.Digest.Short()
		}
		return text
	case policy.NothingEligible:
		return "nothing: " + d.Reason
	case policy.Undecided:
		return "undecided: " + d.Reason
	case policy.Wanting:
		depth := map[policy.Depth]string{policy.DepthDigest: "digest", policy.DepthBuilds: "builds"}[d.Depth]
		return "want " + depth + " " + strings.Join(d.Want, " ")
	}
	return fmt.Sprintf("verdict %d: %s", d.Verdict, d.Reason)
}

// The examples of the page are cases like those in testdata, and the rows of
// its table of constraints are run as well.
func TestStrategiesPage(t *testing.T) {
	text, err := os.ReadFile("../../docs/strategies.md")
	if err != nil {
		t.Fatal(err)
	}
	cases := pageCases(t, string(text))
	if len(cases) < 40 {
		t.Fatalf("only %d examples found", len(cases))
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { runCase(t, c) })
	}
}

// pageCases takes the fenced blocks with a "-> " line, named by the heading
// above them, and the rows of three cells that begin with a code span:
// constraint, tags that it admits, tags that it refuses.
func pageCases(t *testing.T, text string) []policyCase {
	t.Helper()
	var cases []policyCase
	heading := ""
	for i, part := range strings.Split(text, "```") {
		if i%2 == 1 {
			if _, block, _ := strings.Cut(part, "\n"); strings.Contains(block, "\n-> ") {
				cases = append(cases, parseCases(t, "case "+heading+"\n"+block)...)
			}
			continue
		}
		for line := range strings.SplitSeq(part, "\n") {
			if strings.HasPrefix(line, "#") {
				heading = strings.TrimLeft(line, "# ")
			}
			if c, ok := rowCase(line); ok {
				cases = append(cases, c)
			}
		}
	}
	return cases
}

func rowCase(line string) (policyCase, bool) {
	row, ok := strings.CutPrefix(line, "| `")
	if !ok {
		return policyCase{}, false
	}
	cells := strings.Split(strings.ReplaceAll(row, `\|`, "\x00"), "|")
	if len(cells) != 4 { // the last is what follows the last bar
		return policyCase{}, false
	}
	clean := func(s string) string {
		return strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(s, "`", ""), "\x00", "|"))
	}
	constraint, admits, refuses := clean(cells[0]), clean(cells[1]), clean(cells[2])
	return policyCase{
		name:   constraint,
		spec:   policy.Spec{Constraint: constraint},
		expect: []string{"admits " + admits, "refuses " + refuses},
	}, true
}
