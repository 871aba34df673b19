package controller

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"argocd-image-updater/api/v1alpha1"
	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/settings"
	"argocd-image-updater/internal/update"
)

var write = flag.Bool("update", false, "write what is told into the golden files")

// cluster keeps ImageUpdaters as an API server does, and what was written.
type cluster struct {
	mu      sync.Mutex
	objects map[string]v1alpha1.ImageUpdater
	written []string
}

func (c *cluster) ImageUpdaters(context.Context) ([]v1alpha1.ImageUpdater, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.SortedFunc(maps.Values(c.objects), func(a, b v1alpha1.ImageUpdater) int { return strings.Compare(a.Name, b.Name) }), nil
}

// WriteStatus stores what JSON keeps of the status.
func (c *cluster) WriteStatus(_ context.Context, u v1alpha1.ImageUpdater) error {
	text, err := json.Marshal(u.Status)
	if err != nil {
		return err
	}
	var stored v1alpha1.ImageUpdaterStatus
	if err := json.Unmarshal(text, &stored); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.objects[u.Name]
	was.Status = stored
	c.objects[u.Name] = was
	c.written = append(c.written, describe(u.Name, stored))
	return nil
}

func (c *cluster) Release(_ context.Context, u v1alpha1.ImageUpdater) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.Contains(u.Finalizers, v1alpha1.Finalizer) {
		c.written = append(c.written, "released "+u.Name+"\n")
	}
	return nil
}

func (c *cluster) Event(_ context.Context, e Event) error {
	kind := "Normal"
	if e.Warning {
		kind = "Warning"
	}
	text := fmt.Sprintf("event of %s %s: %s %s: %s\n", e.Kind, e.Object.Name, kind, e.Reason, e.Message)
	for _, key := range slices.Sorted(maps.Keys(e.Annotations)) {
		text += fmt.Sprintf("  %s: %s\n", strings.TrimPrefix(key, "argocd-image-updater."), e.Annotations[key])
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written = append(c.written, text)
	return nil
}

// take is what was written since the last time, in an order of its own.
func (c *cluster) take() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(c.written)
	out := strings.Join(c.written, "")
	c.written = nil
	return out
}

// describe writes a status in a few lines; times are minutes after the start.
func describe(name string, s v1alpha1.ImageUpdaterStatus) string {
	var b strings.Builder
	fmt.Fprintf(&b, "status of %s: generation %d, checked at %s, %d applications, %d images\n", name, s.ObservedGeneration, minute(s.LastCheckedAt), s.ApplicationsMatched, s.ImagesManaged)
	for _, c := range s.Conditions {
		fmt.Fprintf(&b, "  %s %s %s since %s: %s\n", c.Type, c.Status, c.Reason, minute(&c.LastTransitionTime), c.Message)
	}
	for _, a := range s.Applications {
		fmt.Fprintf(&b, "  %s %s\n", a.Name, strings.TrimSpace(string(a.Class)+" "+a.Reason))
		for _, img := range a.Images {
			fmt.Fprintf(&b, "    %s %s %s since %s %s\n", img.Alias, img.State, img.Version, minute(img.Since), strings.TrimSpace(string(img.Class)+" "+img.Reason))
		}
	}
	for _, r := range s.RecentUpdates {
		fmt.Fprintf(&b, "  recent: %s %s in %d applications at %s: %s\n", r.Alias, r.NewVersion, r.ApplicationsUpdated, minute(&r.UpdatedAt), r.Message)
	}
	return strings.ReplaceAll(b.String(), " \n", "\n")
}

var start = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

func minute(t *metav1.Time) string {
	if t == nil {
		return "never"
	}
	return strconv.Itoa(int(t.Sub(start).Minutes()))
}

// What is told of cycles is a function of what they found. Each golden file
// holds cycles and, for each of them, what is written. The language of cycles:
//
//	updater NAME                an ImageUpdater; "broken", "annotations" or "deleted" may follow
//	cycle [MINUTES]             a cycle over the whole fleet, 1 minute after the last
//	poke app NAME               a cycle about an Application
//	poke updater NAME           a cycle about an ImageUpdater
//	restart                     the next cycle is one of a new process
//	APP UPDATER ALIAS STATE [VERSION|CLASS] REASON
//	                            what the cycle above found; UPDATER - is annotations,
//	                            ALIAS - the Application as a whole
func TestTold(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := told(t, string(archive.Files[0].Data))
			if *write {
				archive.Files = []txtar.File{archive.Files[0], {Name: "told", Data: []byte(got)}}
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(archive.Files[1].Data), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// play is one golden file, played.
type play struct {
	t       *testing.T
	cluster *cluster
	*Controller
	now   time.Time
	cycle *Cycle
	out   strings.Builder
	n     int
}

func told(t *testing.T, script string) string {
	p := &play{t: t, cluster: &cluster{objects: map[string]v1alpha1.ImageUpdater{}}, now: start}
	p.restart()
	for line := range strings.Lines(script) {
		if words := strings.Fields(line); len(words) > 0 && !strings.HasPrefix(words[0], "#") {
			p.line(words)
		}
	}
	p.end()
	return p.out.String()
}

func (p *play) restart() {
	p.Controller = &Controller{Cluster: p.cluster, Options: Options{Clock: func() time.Time { return p.now }}}
}

func (p *play) line(words []string) {
	switch words[0] {
	case "updater":
		p.end()
		u := v1alpha1.ImageUpdater{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: words[1], Generation: 1}}
		u.Status = p.cluster.objects[words[1]].Status
		u.Spec.ApplicationRefs = []v1alpha1.ApplicationRef{{NamePattern: "*"}}
		if slices.Contains(words, "broken") {
			u.Spec.ApplicationRefs[0].NamePattern = "["
		}
		if slices.Contains(words, "annotations") {
			u.Spec.ApplicationRefs[0].UseAnnotations = new(true)
		}
		if slices.Contains(words, "deleted") {
			u.DeletionTimestamp = &metav1.Time{Time: start}
		}
		p.cluster.objects[words[1]] = u
	case "restart":
		p.end()
		p.restart()
	case "cycle":
		p.begin(nil)
		if len(words) > 1 {
			minutes, err := strconv.Atoi(words[1])
			if err != nil {
				p.t.Fatal(err)
			}
			p.now = p.now.Add(time.Duration(minutes-1) * time.Minute)
			p.cycle.Began = p.now
		}
	case "poke":
		poke := update.Poke{App: argo.Key{Namespace: "argocd", Name: words[2]}}
		if words[1] == "updater" {
			poke = update.Poke{ImageUpdater: poke.App}
		}
		p.begin(p.ledger.widen([]update.Poke{poke}))
	default:
		p.found(words)
	}
}

func (p *play) begin(pokes []update.Poke) {
	p.end()
	p.n++
	p.now = p.now.Add(time.Minute)
	p.cycle = &Cycle{Began: p.now, Pokes: pokes}
}

// end tells of the cycle.
func (p *play) end() {
	if p.cycle == nil {
		return
	}
	objects, _ := p.cluster.ImageUpdaters(p.t.Context())
	p.cycle.Rules = settings.CompileRules(objects, settings.Defaults{})
	p.tell(p.t.Context(), *p.cycle, objects)
	fmt.Fprintf(&p.out, "%d\n", p.n)
	for line := range strings.Lines(p.cluster.take()) {
		p.out.WriteString("  " + line)
	}
	p.cycle = nil
}

// found adds an outcome to the cycle, and the plan that it is of.
func (p *play) found(words []string) {
	o := plan.Outcome{App: argo.Key{Namespace: "argocd", Name: words[0]}}
	if words[1] != "-" {
		o.ImageUpdater = argo.Key{Namespace: "argocd", Name: words[1]}
	}
	repo, err := image.ParseRef("reg.example.com/team/" + words[2])
	if err != nil && words[2] != "-" {
		p.t.Fatal(err)
	}
	if words[2] != "-" {
		o.Track, o.Alias, o.Image = words[2], words[2], repo
	}
	rest := words[4:]
	for s := plan.Pending; s <= plan.Failed; s++ {
		if s.String() == words[3] {
			o.State = s
		}
	}
	switch o.State {
	case plan.Failed:
		o.Reason = strings.Join(rest[1:], " ")
		o.Err = classed{o.Reason, map[string]error{
			"Denied": fault.ErrDenied, "Transient": fault.ErrUnavailable, "Conflict": settings.ErrConflict, "Invalid": errors.New("wrong"),
		}[rest[0]]}
	case plan.Updated, plan.AlreadyDeclared, plan.Pending, plan.Held:
		o.New, o.Declared = repo.With(rest[0], ""), repo.With("1.0.0", "")
		o.Reason = strings.Join(rest[1:], " ")
	default:
		o.Reason = strings.Join(rest, " ")
	}
	one := plan.Plan{App: o.App, ImageUpdater: o.ImageUpdater, UID: "uid", Items: []plan.Item{o.Item}}
	if o.Track == "" {
		one.Err, one.Items = o.Err, nil
	}
	p.cycle.Plans = append(p.cycle.Plans, one)
	p.cycle.Outcomes = append(p.cycle.Outcomes, o)
}

// classed is an error with words of its own.
type classed struct {
	text string
	fact error
}

func (c classed) Error() string { return c.text }
func (c classed) Unwrap() error { return c.fact }
