package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	coordination "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/argo/kube"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/itest"
	"argocd-image-updater/test/cluster"
)

// lease is the record that replicas compete for.
func lease(t *testing.T, w *cluster.World) coordination.Lease {
	t.Helper()
	var l coordination.Lease
	if err := w.Client().Get(t.Context(), client.ObjectKey{Namespace: w.Namespace, Name: "c21b75f2.argoproj.io"}, &l); err != nil {
		t.Fatal(err)
	}
	return l
}

func holder(t *testing.T, w *cluster.World) string {
	t.Helper()
	if id := lease(t, w).Spec.HolderIdentity; id != nil {
		return *id
	}
	return ""
}

// replica is a program and its ports.
type replica struct {
	*cluster.Program
	health, metrics string
}

// start starts one as the shipped Deployment does, but for its ports and for an
// interval that a test can wait for.
func start(w *cluster.World) replica {
	w.Helper()
	r := replica{health: w.Port(), metrics: w.Port()}
	r.Program = w.Start("run", "--interval", "2s", "--registries-conf-path", conf(w), "--health-port", r.health, "--metrics-port", r.metrics)
	return r
}

func (r replica) leads(t *testing.T) bool {
	t.Helper()
	_, body := page(t, r.metrics, "/metrics")
	return strings.Contains(body, "\nargocd_image_updater_leader 1\n")
}

// Of two replicas one works and the other is ready to; when the first loses its
// power the other takes over.
func TestLeaderKilled(t *testing.T) {
	t.Parallel()
	w, _ := withImage(t, suite)
	w.Apply(annotated)
	first := start(w)
	tagged(w, "1.3.0")
	second := start(w)
	answers(t, w, second.health, "/readyz", http.StatusOK)
	if !first.leads(t) || second.leads(t) {
		t.Errorf("leads: %v and %v, want the first alone", first.leads(t), second.leads(t))
	}
	w.Push("team/web:1.4.0")
	tagged(w, "1.4.0")
	if strings.Contains(second.Said(), "Checking") {
		t.Error("the second works beside the first")
	}

	first.Kill()
	killed := time.Now()
	w.Push("team/web:1.5.0")
	tagged(w, "1.5.0")
	if took := time.Since(killed); took > 30*time.Second {
		t.Errorf("took over after %s", took)
	}
	if !second.leads(t) {
		t.Error("the second wrote without the Lease")
	}
	if n := *lease(t, w).Spec.LeaseTransitions; n != 1 {
		t.Errorf("the Lease changed hands %d times", n)
	}
	if n := updates(t, w); n > 3 {
		t.Errorf("%d events of three updates", n)
	}
}

// withRepository is a world whose Application is updated in Git.
func withRepository(t *testing.T) (*cluster.World, *itest.GitServer, *itest.Repo) {
	t.Helper()
	w, _ := withImage(t, suite)
	server := w.Git(itest.GitOptions{})
	repo := w.Seed(server, "team/config", map[string]string{"web/values.yaml": "image: {tag: 1.2.3}\n"})
	w.Apply(committed)
	return w, server, repo
}

func hasTag(w *cluster.World, repo *itest.Repo, want string) {
	w.Helper()
	w.Until("Git has the tag "+want, func() error {
		text, err := repo.File("main", "web/values.yaml")
		if err == nil && !strings.Contains(text, want) {
			err = errors.New(text)
		}
		return err
	})
}

// A leader that does not reach the API server any more stops to write to Git
// before another begins.
func TestLeaderCutOff(t *testing.T) {
	t.Parallel()
	w, server, repo := withRepository(t)
	wire := w.Wire()
	first := start(w)
	hasTag(w, repo, "1.3.0")
	w.Kubeconfig = ""
	second := start(w)
	answers(t, w, second.health, "/readyz", http.StatusOK)

	wire.Stall()
	// It works from memory for as long as its Lease is good, and no longer.
	w.Until("the first has given up", func() error {
		if first.leads(t) {
			return errors.New("it leads")
		}
		return nil
	})
	if second.leads(t) {
		t.Error("the second has begun before the first had ended")
	}
	server.Reset()
	w.Push("team/web:1.4.0")
	hasTag(w, repo, "1.4.0")
	if !second.leads(t) {
		t.Error("a push by somebody who does not lead")
	}
	if n := server.Count(itest.KindReceivePack).Requests; n != 1 {
		t.Errorf("%d pushes", n)
	}
	answers(t, w, first.health, "/readyz", http.StatusServiceUnavailable)
	answers(t, w, first.health, "/healthz", http.StatusOK)

	wire.Mend()
	answers(t, w, first.health, "/readyz", http.StatusOK)
	if first.leads(t) || !second.leads(t) {
		t.Error("the first took the Lease back from a leader that holds it")
	}
	if log, err := repo.Log("main"); err != nil || len(log) != 3 {
		t.Errorf("commits %q, %v", log, err)
	}
}

// A leader that is told to end while it pushes ends its push, then gives up the
// Lease; the other need not wait for the Lease to end.
func TestLeaderStoppedInAPush(t *testing.T) {
	t.Parallel()
	w, server, repo := withRepository(t)
	pushing, proceed := make(chan struct{}), make(chan struct{})
	server.Break(itest.Fault{Kind: itest.KindReceivePack, Times: 1, Harm: itest.Before(func() {
		close(pushing)
		<-proceed
	})})
	first := start(w)
	<-pushing
	me := holder(t, w)
	second := start(w)
	answers(t, w, second.health, "/readyz", http.StatusOK)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		first.Stop()
	}()
	time.Sleep(time.Second) // SIGTERM has arrived, and the other has looked at the Lease
	atPush := holder(t, w)
	close(proceed)
	<-stopped
	if atPush != me || me == "" {
		t.Errorf("%q held the Lease during the push of %q", atPush, me)
	}
	hasTag(w, repo, "1.3.0")
	if !strings.Contains(first.Said(), "images_updated=1 errors=0") {
		t.Error("the first does not know that it pushed")
	}
	ended := time.Now()
	w.Until("the second leads", func() error {
		if !second.leads(t) {
			return errors.New("it does not")
		}
		return nil
	})
	if took := time.Since(ended); took > 10*time.Second {
		t.Errorf("took over after %s, the Lease was not given up", took)
	}
	if log, err := repo.Log("main"); err != nil || len(log) != 2 {
		t.Errorf("commits %q, %v", log, err)
	}
}

// A replica that may not look at the Lease says so and is not ready.
func TestLeaseForbidden(t *testing.T) {
	t.Parallel()
	w, _ := withImage(t, suite)
	role := w.Get("rbac.authorization.k8s.io/v1", "Role", "argocd-image-updater")
	rules := role.Object["rules"].([]any)
	role.Object["rules"] = rules[:len(rules)-1]
	if !strings.Contains(fmt.Sprint(rules[len(rules)-1]), "leases") {
		t.Fatalf("the last rule is %v", rules[len(rules)-1])
	}
	if err := w.Client().Update(t.Context(), role); err != nil {
		t.Fatal(err)
	}
	r := start(w)
	if line := r.Until("Could not look at the Lease"); !strings.Contains(line, `grant \"get\" on \"leases\"`) {
		t.Error(line)
	}
	answers(t, w, r.health, "/readyz", http.StatusServiceUnavailable)
	answers(t, w, r.health, "/healthz", http.StatusOK)
}

// A Lease is written as one version of it, and what people wrote on it stays.
func TestLease(t *testing.T) {
	t.Parallel()
	w := suite.World(t)
	install(w)
	access, err := kube.Connect(kube.Access{Kubeconfig: w.KubeconfigOf(w.ServiceAccount)})
	if err != nil {
		t.Fatal(err)
	}
	c, err := kube.New(access, kube.Options{Namespace: w.Namespace})
	if err != nil {
		t.Fatal(err)
	}
	key := argo.Key{Namespace: w.Namespace, Name: "c21b75f2.argoproj.io"}
	mine, other := c.Lease(key), c.Lease(key)
	for _, l := range []*kube.Lease{mine, other} {
		if _, err := l.Get(t.Context()); !errors.Is(err, fault.ErrNotFound) {
			t.Fatalf("got %v, want that there is none", err)
		}
	}
	now := time.Now().Truncate(time.Microsecond)
	record := kube.LeaseRecord{Holder: "me", Duration: 15 * time.Second, Acquired: now, Renewed: now, Transitions: 3}
	if err := mine.Put(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	if err := other.Put(t.Context(), record); !errors.Is(err, fault.ErrLostRace) {
		t.Errorf("made twice: %v", err)
	}
	l := lease(t, w)
	l.Labels = map[string]string{"team": "web"}
	if err := w.Client().Update(context.WithoutCancel(t.Context()), &l); err != nil {
		t.Fatal(err)
	}
	if err := mine.Put(t.Context(), record); !errors.Is(err, fault.ErrLostRace) {
		t.Errorf("wrote over another version: %v", err)
	}
	got, err := other.Get(t.Context())
	if err != nil || !got.Renewed.Equal(record.Renewed) || got.Holder != "me" || got.Duration != record.Duration || got.Transitions != 3 {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := other.Put(t.Context(), kube.LeaseRecord{Duration: time.Second, Renewed: now, Acquired: now}); err != nil {
		t.Fatal(err)
	}
	l = lease(t, w)
	if *l.Spec.HolderIdentity != "" || l.Labels["team"] != "web" {
		t.Errorf("%+v", l)
	}
	// Who held one that somebody deleted has to find out, and can make it anew.
	if err := w.Client().Delete(context.WithoutCancel(t.Context()), &l); err != nil {
		t.Fatal(err)
	}
	if err := other.Put(t.Context(), record); !errors.Is(err, fault.ErrLostRace) {
		t.Errorf("wrote one that was deleted: %v", err)
	}
	if _, err := other.Get(t.Context()); !errors.Is(err, fault.ErrNotFound) {
		t.Errorf("got %v, want that there is none", err)
	}
	if err := other.Put(t.Context(), record); err != nil {
		t.Error(err)
	}
}
