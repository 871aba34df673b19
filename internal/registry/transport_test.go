package registry_test

import (
	"context"
	"encoding/pem"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/registry"
)

// tlsWorld is a registry with a certificate of its own authority, which its
// target names.
type tlsWorld struct{ *world }

func (w *tlsWorld) authority() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.server.Certificate().Raw}))
}

func (w *tlsWorld) target(login credential.Registry) registry.Target {
	target := w.world.target(login)
	target.Endpoint.Registry.CAData = w.authority()
	return target
}

func TestTLS(t *testing.T) {
	w := serveTLS(t, answer(200, `{"tags":["v1"]}`))
	file := filepath.Join(t.TempDir(), "ca.pem")
	unknown := w.world.target(credential.Registry{})
	inData, inFile, insecure := w.target(credential.Registry{}), unknown, unknown
	inFile.Endpoint.Registry.CAFile = file
	insecure.Endpoint.Registry.Insecure = true
	ofHost := w.world.target(credential.Registry{CA: w.authority()})

	c := client(t, registry.Options{})
	_, err := c.Tags(t.Context(), unknown)
	fails(t, err, fault.ErrUnavailable, "certificate signed by unknown authority: name the authority in ca_file or ca_data of its entry in registries.conf")
	_, err = c.Tags(t.Context(), inFile)
	fails(t, err, nil, "list tags of registry.test/a/b: ca_file: open "+file)
	write(t, file, "nothing")
	_, err = c.Tags(t.Context(), inFile)
	fails(t, err, nil, "hold no PEM certificate")
	write(t, file, w.authority())
	for name, target := range map[string]registry.Target{"ca_data": inData, "ca_file": inFile, "insecure": insecure, "of the host": ofHost} {
		if got, err := c.Tags(t.Context(), target); err != nil || !slices.Equal(got, []string{"v1"}) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// A certificate authority that is written anew is taken up.
func TestCAFileChanges(t *testing.T) {
	one, two := serveTLS(t, answer(200, `{"tags":["v1"]}`)), serveTLS(t, answer(200, `{"tags":["v2"]}`))
	file := filepath.Join(t.TempDir(), "ca.pem")
	write(t, file, one.authority())
	c := client(t, registry.Options{})
	target := one.world.target(credential.Registry{})
	target.Endpoint.Registry.CAFile = file
	if _, err := c.Tags(t.Context(), target); err != nil {
		t.Error(err)
	}
	write(t, file, two.authority()+one.authority())
	target.Endpoint.Registry.API = two.server.URL
	if got, err := c.Tags(t.Context(), target); err != nil || !slices.Equal(got, []string{"v2"}) {
		t.Errorf("%q, %v", got, err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestHTTPWhereHTTPSIsExpected(t *testing.T) {
	w := serve(t, answer(200, `{"tags":["v1"]}`))
	target := w.target(credential.Registry{})
	target.Endpoint.Registry.API = "https://" + w.host()
	_, err := client(t, registry.Options{}).Tags(t.Context(), target)
	fails(t, err, fault.ErrUnavailable, "the registry does not speak TLS: write http:// in its api_url if that is intended")
}

func TestSlowRegistries(t *testing.T) {
	stall := make(chan struct{})
	slowHead := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stall })
	slowBody := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"tags":["v1",`))
		_ = http.NewResponseController(w).Flush()
		<-stall
	})
	head, body := serve(t, slowHead), serve(t, slowBody)
	t.Cleanup(func() { close(stall) })
	_, err := client(t, registry.Options{HeaderTimeout: 20 * time.Millisecond}).Tags(t.Context(), head.target(credential.Registry{}))
	fails(t, err, fault.ErrUnavailable, "timeout awaiting response headers, 4 times")
	_, err = client(t, registry.Options{RequestTimeout: 50 * time.Millisecond, Tries: 2}).Tags(t.Context(), body.target(credential.Registry{}))
	fails(t, err, fault.ErrUnavailable, "the list did not come in time, 2 times")
	_, err = client(t, registry.Options{RequestTimeout: 50 * time.Millisecond, Tries: 1}).Tags(t.Context(), head.target(credential.Registry{}))
	fails(t, err, fault.ErrUnavailable, "no answer in 50ms")
}

// The limit counts requests to the registry, whoever makes them.
func TestLimit(t *testing.T) {
	w := serve(t, pages(10, numbered(100)))
	clock := newClock()
	c := client(t, registry.Options{Now: clock.Now, Sleep: clock.Sleep})
	target := w.target(credential.Registry{})
	target.Endpoint.Registry.Limit = 5
	start := clock.Now()
	for range 3 {
		if _, err := c.Tags(t.Context(), target); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(w.requests()); n != 30 {
		t.Fatalf("%d requests", n)
	}
	if took := clock.Now().Sub(start); took < 5800*time.Millisecond || took > 5801*time.Millisecond {
		t.Errorf("30 requests at 5 a second took %s, want 29 pauses of 200ms", took)
	}
}

func TestObserve(t *testing.T) {
	var mu sync.Mutex
	var seen []registry.Observation
	w := serve(t, first(1, "", answer(500, ""), answer(200, `{"tags":["v1"]}`)))
	c := client(t, registry.Options{Observe: func(o registry.Observation) {
		mu.Lock()
		defer mu.Unlock()
		o.Elapsed = 0
		seen = append(seen, o)
	}})
	if _, err := c.Tags(t.Context(), w.target(credential.Registry{})); err != nil {
		t.Fatal(err)
	}
	want := []registry.Observation{
		{Registry: "registry.test", Host: w.host(), Status: 500},
		{Registry: "registry.test", Host: w.host(), Status: 200},
	}
	if !slices.Equal(seen, want) {
		t.Errorf("%+v", seen)
	}
}

// Whatever happens, connections are used again.
func TestConnectionsAreReused(t *testing.T) {
	w := serve(t, first(3, "", answer(500, `{"errors":[]}`), pages(10, numbered(200))))
	var mu sync.Mutex
	dials := 0
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		dials++
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	c := client(t, registry.Options{Dial: dial})
	for range 3 {
		if _, err := c.Tags(t.Context(), w.target(credential.Registry{})); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(w.requests()); n != 63 || dials != 1 {
		t.Errorf("%d requests over %d connections", n, dials)
	}
}
