package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"argocd-image-updater/internal/server"
)

// listen parses a command line.
func listen(t *testing.T, env map[string]string, args ...string) (server.Endpoints, error) {
	t.Helper()
	var o listenOptions
	cmd := &cobra.Command{}
	o.flags(cmd, shell{env: func(name string) string { return env[name] }})
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	return o.parse()
}

// The command lines of both lines of the incumbent mean what they meant.
func TestListenFlags(t *testing.T) {
	for _, c := range []struct {
		args            []string
		health, metrics string
		tls             bool
	}{
		{nil, ":8080", ":8081", false},
		{[]string{"--health-port", "0", "--metrics-port=9000"}, "", ":9000", false},
		{[]string{"--health-port=8080", "--metrics-port=8081"}, ":8080", ":8081", false},
		{[]string{"--health-probe-bind-address=:8081", "--metrics-bind-address=:8443", "--metrics-secure"}, ":8081", ":8443", true},
		{[]string{"--health-probe-bind-address=:8081", "--metrics-bind-address=:8080", "--metrics-secure=false"}, ":8081", ":8080", false},
		{[]string{"--health-probe-bind-address=:8081", "--metrics-bind-address=0"}, ":8081", "", true},
		{[]string{"--metrics-bind-address="}, ":8080", "", true},
		{[]string{"--metrics-secure"}, ":8080", ":8081", true},
	} {
		e, err := listen(t, nil, c.args...)
		if err != nil {
			t.Errorf("%q: %v", c.args, err)
		}
		if e.Health.Address != c.health || e.Metrics.Address != c.metrics || (e.Metrics.TLS != nil) != c.tls {
			t.Errorf("%q: %+v", c.args, e)
		}
	}
}

func TestListenEnvironment(t *testing.T) {
	env := map[string]string{"TLS_MIN_VERSION": "1.2", "TLS_CIPHERS": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"}
	fromEnv, err := listen(t, env, "--metrics-bind-address=:8443", "--enable-http2")
	if err != nil {
		t.Fatal(err)
	}
	fromFlags, err := listen(t, nil, "--metrics-bind-address=:8443", "--enable-http2", "--tlsminversion=1.2", "--tlsciphers=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fromFlags, fromEnv); diff != "" {
		t.Errorf("(-flags +environment)\n%s", diff)
	}
	if len(fromEnv.Metrics.TLS.Ciphers) != 1 || fromEnv.Metrics.TLS.Protocols != server.HTTP1And2 {
		t.Errorf("%+v", fromEnv.Metrics.TLS)
	}
	if _, err := listen(t, map[string]string{"TLS_MAX_VERSION": "1.1"}); err == nil {
		t.Error("a version that is not served was taken")
	}
}
