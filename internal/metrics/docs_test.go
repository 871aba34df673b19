package metrics_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the table of metrics into docs/metrics.md")

const (
	page       = "../../docs/metrics.md"
	dashboard  = "../../manifests/monitoring/grafana-dashboard.json"
	tableBegin = "<!-- metrics: begin (go test ./internal/metrics -update) -->\n"
	tableEnd   = "<!-- metrics: end -->\n"
)

// The table of the page is what is served: names, types, labels and help.
func TestDocumentedMetrics(t *testing.T) {
	old := read(t, page)
	head, rest, ok1 := strings.Cut(old, tableBegin)
	inside, tail, ok2 := strings.Cut(rest, tableEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s: the markers of the table are gone", page)
	}
	want := table(scrape(t, used(t)))
	if *update {
		if err := os.WriteFile(page, []byte(head+tableBegin+want+tableEnd+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, inside); diff != "" {
		t.Errorf("%s shows other metrics than are served; run go test ./internal/metrics -update (-served +shown)\n%s", page, diff)
	}
}

func table(families map[string]*dto.MetricFamily) string {
	var b strings.Builder
	b.WriteString("| name | type | labels | meaning |\n|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(families)) {
		f := families[name]
		var labels []string
		for _, l := range labelsOf(f) {
			labels = append(labels, "`"+l+"`")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", prefix+name, strings.ToLower(f.GetType().String()), strings.Join(labels, ", "), f.GetHelp())
	}
	return b.String()
}

func labelsOf(f *dto.MetricFamily) []string {
	var labels []string
	for _, l := range f.GetMetric()[0].GetLabel() {
		labels = append(labels, l.GetName())
	}
	return labels
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.FromSlash(path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// checkQuery fails for a metric that is not served, and for a label that its
// metrics do not have and scrapes do not add.
func checkQuery(t *testing.T, families map[string]*dto.MetricFamily, where, query string) {
	t.Helper()
	labels := []string{"namespace", "job", "pod"}
	names := regexp.MustCompile(prefix+`(\w+)`).FindAllStringSubmatch(query, -1)
	if len(names) == 0 && !strings.Contains(query, "process_") {
		t.Errorf("%s: %q asks for nothing of ours", where, query)
	}
	for _, found := range names {
		name := found[1]
		if short, ok := strings.CutSuffix(name, "_bucket"); ok && families[short].GetType() == dto.MetricType_HISTOGRAM {
			name = short
			labels = append(labels, "le")
		}
		if families[name] == nil {
			t.Errorf("%s: %s%s is not served", where, prefix, name)
			continue
		}
		labels = append(labels, labelsOf(families[name])...)
	}
	var asked []string
	for _, by := range regexp.MustCompile(`\bby \(([^)]*)\)`).FindAllStringSubmatch(query, -1) {
		asked = append(asked, strings.Split(by[1], ", ")...)
	}
	for _, matcher := range regexp.MustCompile(`(\w+)[!=]=?~?"`).FindAllStringSubmatch(query, -1) {
		asked = append(asked, matcher[1])
	}
	for _, label := range asked {
		if !slices.Contains(labels, label) {
			t.Errorf("%s: %q asks for the label %s, which is not there", where, query, label)
		}
	}
}

// States and classes that are asked for are those that there are.
func checkValues(t *testing.T, where, query string) {
	t.Helper()
	for _, found := range regexp.MustCompile(`state=~?"([^"]*)"`).FindAllStringSubmatch(query, -1) {
		for state := range strings.SplitSeq(found[1], "|") {
			outcomes(t, "web nginx "+state) // fails for no state
		}
	}
	for _, found := range regexp.MustCompile(`class=~?"([^"]*)"`).FindAllStringSubmatch(query, -1) {
		for class := range strings.SplitSeq(found[1], "|") {
			if !slices.Contains([]string{"Invalid", "Denied", "Transient", "Conflict"}, class) {
				t.Errorf("%s: no class is called %s", where, class)
			}
		}
	}
}

func TestAlerts(t *testing.T) {
	_, text, _ := strings.Cut(read(t, page), "## Alerts")
	_, text, _ = strings.Cut(text, "```yaml\n")
	text, _, _ = strings.Cut(text, "```\n")
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert       string
				Expr        string
				For         string
				Labels      map[string]string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalStrict([]byte(text), &file); err != nil {
		t.Fatal(err)
	}
	families, count := scrape(t, used(t)), 0
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			count++
			checkQuery(t, families, rule.Alert, rule.Expr)
			checkValues(t, rule.Alert, rule.Expr)
			if rule.For == "" || rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" {
				t.Errorf("%s is not whole: %+v", rule.Alert, rule)
			}
		}
	}
	if count == 0 {
		t.Error("no rules were found")
	}
}

// board is what Grafana needs of a dashboard, as far as we write it.
type board struct {
	Title         string  `json:"title"`
	UID           string  `json:"uid"`
	SchemaVersion int     `json:"schemaVersion"`
	Panels        []panel `json:"panels"`
	Templating    struct {
		List []struct {
			Name       string `json:"name"`
			Type       string `json:"type"`
			Definition string `json:"definition"`
		} `json:"list"`
	} `json:"templating"`
}

type panel struct {
	ID          int                            `json:"id"`
	Type        string                         `json:"type"`
	Title       string                         `json:"title"`
	Description string                         `json:"description"`
	GridPos     struct{ X, Y, W, H int }       `json:"gridPos"`
	Datasource  struct{ Type, UID string }     `json:"datasource"`
	Targets     []struct{ Expr, RefID string } `json:"targets"`
}

// Every query of the dashboard asks for something that is served, and no panel
// hides another.
func TestDashboard(t *testing.T) {
	var b board
	if err := json.Unmarshal([]byte(read(t, dashboard)), &b); err != nil {
		t.Fatal(err)
	}
	if b.Title == "" || b.UID == "" || b.SchemaVersion < 38 { // 38 is Grafana 10.0
		t.Errorf("%q, %q, schema %d", b.Title, b.UID, b.SchemaVersion)
	}
	families := scrape(t, used(t))
	for _, v := range b.Templating.List {
		if v.Type == "query" {
			checkQuery(t, families, "variable "+v.Name, v.Definition)
		}
	}
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range b.Panels {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d %q: a title, and an id of its own, expected", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("panel %q: at %d, %d there is %q", p.Title, x, y, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Description == "" || p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 {
			t.Errorf("panel %q: a description, the chosen data source, and a query expected", p.Title)
		}
		for _, target := range p.Targets {
			checkQuery(t, families, p.Title, target.Expr)
			checkValues(t, p.Title, target.Expr)
		}
	}
}

// Somebody sees every metric: on the dashboard, or in the middle of the night.
func TestEveryMetricIsShown(t *testing.T) {
	_, alerts, _ := strings.Cut(read(t, page), "## Alerts")
	shown := read(t, dashboard) + alerts
	// These are other names of what is shown.
	twice := []string{"applications_watched_total", "images_watched_total", "images_updated_total"}
	for name := range scrape(t, used(t)) {
		if !slices.Contains(twice, name) && !strings.Contains(shown, prefix+name) {
			t.Errorf("%s%s is in no panel and no alert", prefix, name)
		}
	}
}
