package api

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/itest/argoserver"
)

// childAddress is set for a child process, whose memory is measured: the
// server's would be counted too in this one.
const childAddress = "ARGO_API_TEST_ADDRESS"

func TestMain(m *testing.M) {
	address := os.Getenv(childAddress)
	if address == "" {
		os.Exit(m.Run())
	}
	if err := child(address); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// child lists twice, as a loop does, and prints how many Applications there
// are and how much memory the process had at most, in kB.
func child(address string) error {
	client, err := New(Options{Address: address, Token: token})
	if err != nil {
		return err
	}
	var apps []argo.Application
	for range 2 {
		if apps, err = client.List(context.Background()); err != nil {
			return err
		}
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	var peak int
	for line := range strings.Lines(string(status)) {
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &peak); n == 1 {
			break
		}
	}
	fmt.Println(len(apps), peak)
	return nil
}

// fill puts Applications of 20 KB there, most of which is status.
func fill(t testing.TB, server *argoserver.Server, applications int) {
	t.Helper()
	resource := `{"group":"apps","version":"v1","kind":"Deployment","namespace":"shop","name":"backend","status":"Synced","health":{"status":"Healthy"}},`
	resources := strings.Repeat(resource, 18_000/len(resource))
	for i := range applications {
		err := server.Put(fmt.Sprintf(`{"metadata":{"name":"app-%05d","annotations":{"argocd-image-updater.argoproj.io/image-list":"app=ghcr.io/org/app, db=redis:7",
			"kubectl.kubernetes.io/last-applied-configuration":%q}},
			"spec":{"project":"shop","source":{"repoURL":"https://git.example.com/org/apps.git","path":"apps/app-%05d","targetRevision":"main","helm":{"valueFiles":["values.yaml"]}},
			"destination":{"server":"https://kubernetes.default.svc","namespace":"app-%05d"}},
			"status":{"sourceType":"Helm","summary":{"images":["ghcr.io/org/app:1.%d.0","redis:7.%d","busybox:1.37"]},"resources":[%s{}]}}`,
			i, strings.Repeat("x", 1000), i, i, i, i, resources))
		if err != nil {
			t.Fatal(err)
		}
	}
}

// measure gives the most memory that a process had which listed, in kB.
func measure(t testing.TB, server *argoserver.Server, applications int) int {
	t.Helper()
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childAddress+"="+server.Address())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var listed, peak int
	if _, err := fmt.Sscan(string(out), &listed, &peak); err != nil || listed != applications || peak == 0 {
		t.Fatalf("the child says %q: %v", out, err)
	}
	return peak
}

// BenchmarkList10000 lists a fleet of 10,000 Applications of 20 KB; its peak is
// of a process that did nothing else, twice.
func BenchmarkList10000(b *testing.B) {
	const applications = 10_000
	server, err := argoserver.Start(argoserver.Options{Accounts: map[string]string{token: "image-updater"}, Policy: argoserver.Policy})
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	fill(b, server, applications)
	client, err := New(Options{Address: server.Address(), Token: token})
	if err != nil {
		b.Fatal(err)
	}
	peak := measure(b, server, applications)
	server.Reset()
	for b.Loop() {
		if apps, err := client.List(b.Context()); err != nil || len(apps) != applications {
			b.Fatal(len(apps), err)
		}
	}
	b.ReportMetric(float64(peak)/1024, "MB-peak")
	b.ReportMetric(float64(server.Total().Requests)/float64(b.N), "requests/op")
	b.ReportMetric(float64(server.Total().Out)/float64(b.N)/1e6, "MB-sent/op")
}
