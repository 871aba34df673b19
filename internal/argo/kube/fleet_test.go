package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childEnv lets the test binary be the program whose memory is measured; its
// value is "list" or "watch".
const childEnv = "KUBE_TEST_CHILD"

func TestMain(m *testing.M) {
	if mode := os.Getenv(childEnv); mode != "" {
		if err := child(mode); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// child reads a fleet, and prints how many Applications it holds.
func child(mode string) error {
	conn, err := Connect(Access{})
	if err != nil {
		return err
	}
	c, err := New(conn, Options{Namespace: "argocd"})
	if err != nil {
		return err
	}
	if mode == "watch" {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() { _ = c.Watch(ctx) }()
		for !c.Synced() {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(2 * time.Second) // of churn
	}
	apps, err := c.List(context.Background())
	fmt.Println(len(apps))
	return err
}

// BenchmarkResident measures the peak memory of a process that reads
// Applications with 20 KB of status each: page by page, or by watch, with the
// status of a hundred of them changing each second.
func BenchmarkResident(b *testing.B) {
	for _, test := range []struct {
		mode string
		size int
	}{{"list", 0}, {"list", 3_000}, {"watch", 10_000}} {
		b.Run(fmt.Sprintf("%s-%d", test.mode, test.size), func(b *testing.B) {
			s := startServer(b)
			s.http.Config.Handler = fleet(test.size)
			path := s.kubeconfig()
			for b.Loop() {
				start := time.Now()
				cmd := exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), childEnv+"="+test.mode, "KUBECONFIG="+path)
				cmd.Stderr = os.Stderr
				out, err := cmd.Output()
				if err != nil || strings.TrimSpace(string(out)) != strconv.Itoa(test.size) {
					b.Fatalf("%s, %v", out, err)
				}
				usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
				b.ReportMetric(float64(usage.Maxrss)/1024, "MiB-resident")
				b.ReportMetric(time.Since(start).Seconds(), "s-in-all")
				b.ReportMetric(float64(usage.Utime.Nano()+usage.Stime.Nano())/1e9, "s-of-cpu")
			}
		})
	}
}

// fleet serves that many Applications, as an API server with streaming lists.
func fleet(size int) http.Handler {
	bulk := bulk()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, _ := parse(r)
		n := size
		if q.resource != "applications" {
			n = 0
		}
		if q.verb == "watch" {
			sendEvents(w, r, n, bulk)
			return
		}
		from, _ := strconv.Atoi(q.query.Get("continue"))
		to := n
		if limit, _ := strconv.Atoi(q.query.Get("limit")); limit > 0 {
			to = min(to, from+limit)
		}
		next := ""
		if to < n {
			next = strconv.Itoa(to)
		}
		fmt.Fprintf(w, `{"apiVersion":"argoproj.io/v1alpha1","kind":"List","metadata":{"resourceVersion":"1000000","continue":%q},"items":[`, next)
		for i := from; i < to; i++ {
			if i > from {
				_, _ = io.WriteString(w, ",")
			}
			member(w, i, i+1, bulk)
		}
		_, _ = io.WriteString(w, "]}")
	})
}

func sendEvents(w http.ResponseWriter, r *http.Request, n int, bulk string) {
	event := func(typ string, object func()) {
		fmt.Fprintf(w, `{"type":%q,"object":`, typ)
		object()
		_, _ = io.WriteString(w, "}\n")
	}
	for i := range n {
		event("ADDED", func() { member(w, i, i+1, bulk) })
	}
	event("BOOKMARK", func() {
		_, _ = io.WriteString(w, `{"metadata":{"resourceVersion":"1000000","annotations":{"k8s.io/initial-events-end":"true"}}}`)
	})
	version := 1000000
	for {
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(10 * time.Millisecond):
		}
		if n > 0 {
			version++
			event("MODIFIED", func() { member(w, version%n, version, bulk) })
		}
	}
}

// member writes an Application.
func member(w io.Writer, i, version int, bulk string) {
	fmt.Fprintf(w, `{"apiVersion":"argoproj.io/v1alpha1","kind":"Application","metadata":{"name":"app-%05d","namespace":"argocd","uid":"0b5c-%d","resourceVersion":"%d","generation":7,`+
		`"labels":{"team":"team-%d","env":"prod"},"annotations":{"argocd-image-updater.argoproj.io/image-list":"app=ghcr.io/org/app-%d:1.x","argocd-image-updater.argoproj.io/app.allow-tags":"regexp:^1\\.","argocd-image-updater.argoproj.io/write-back-method":"git"},%s,`+
		`"summary":{"images":["ghcr.io/org/app-%d:1.2.%d","docker.io/library/redis:7"]}}}`, i, i, version, i%50, i, bulk, i, i%10)
}

// bulk is what stands between the annotations and the summary of each
// Application: managed fields, spec, and a status of 20 KB.
func bulk() string {
	managed, err := json.Marshal(map[string]any{"f:status": strings.Repeat(`{"f:health":{}}`, 200)})
	if err != nil {
		panic(err)
	}
	var resources, results []string
	for i := range 60 {
		resources = append(resources, fmt.Sprintf(`{"group":"apps","health":{"status":"Healthy"},"kind":"Deployment","name":"deployment-%d","namespace":"production","status":"Synced","version":"v1"}`, i))
		results = append(results, fmt.Sprintf(`{"group":"apps","hookPhase":"Running","kind":"Deployment","message":"deployment.apps/deployment-%d configured","name":"deployment-%d","namespace":"production","status":"Synced","syncPhase":"Sync","version":"v1"}`, i, i))
	}
	return fmt.Sprintf(`"managedFields":[{"manager":"argocd-application-controller","operation":"Update","fieldsV1":%s}]},`+
		`"spec":{"project":"default","destination":{"server":"https://kubernetes.default.svc","namespace":"production"},"source":{"repoURL":"https://git.example.com/org/config.git","path":"production","targetRevision":"main","kustomize":{"images":["ghcr.io/org/app:1.2.3"]}},"syncPolicy":{"automated":{"prune":true}}},`+
		`"status":{"health":{"status":"Healthy"},"sync":{"status":"Synced"},"sourceType":"Kustomize","resources":[%s],"operationState":{"phase":"Succeeded","syncResult":{"revision":"abc","resources":[%s]}}`,
		managed, strings.Join(resources, ","), strings.Join(results, ","))
}
