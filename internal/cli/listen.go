package cli

import (
	"cmp"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"argocd-image-updater/internal/server"
)

// listenOptions are the options about ports, of both lines of the incumbent:
// one has ports, the other has addresses and HTTPS for metrics.
type listenOptions struct {
	set *pflag.FlagSet // tells which of them were given

	healthPort, metricsPort       int
	healthAddress, metricsAddress string
	metricsSecure, http2          bool
	flagged                       server.Flags // those that need no look at set
	// onRequest opens no port that no flag asks for: nobody probes a program that
	// works on somebody's files.
	onRequest bool
}

func (l *listenOptions) flags(cmd *cobra.Command, sh shell) {
	f := cmd.Flags()
	l.set = f
	f.IntVar(&l.healthPort, "health-port", server.DefaultHealthPort, "port of /healthz and /readyz; 0 is none, as it is with --applications unless given")
	f.IntVar(&l.metricsPort, "metrics-port", server.DefaultMetricsPort, "port of /metrics; 0 is none, as it is with --applications unless given")
	f.StringVar(&l.healthAddress, "health-probe-bind-address", "", "address of /healthz and /readyz, such as :8081, instead of the port; 0 is none")
	f.StringVar(&l.metricsAddress, "metrics-bind-address", "", "address of /metrics, such as :8443, instead of the port, with HTTPS; 0 is none")
	f.BoolVar(&l.metricsSecure, "metrics-secure", false, "serve /metrics over HTTPS, or =false not (not given: over HTTPS with --metrics-bind-address alone)")
	f.StringVar(&l.flagged.MetricsCertificate, "metrics-cert-path", "", "folder with tls.crt and tls.key for /metrics (default: a certificate made at the start)")
	f.BoolVar(&l.http2, "enable-http2", false, "speak HTTP/2 where HTTPS is served")
	f.StringVar(&l.flagged.MinVersion, "tlsminversion", cmp.Or(sh.env("TLS_MIN_VERSION"), "1.3"), "lowest version of TLS that is served: 1.2 or 1.3")
	f.StringVar(&l.flagged.MaxVersion, "tlsmaxversion", cmp.Or(sh.env("TLS_MAX_VERSION"), "1.3"), "highest version of TLS that is served: 1.2 or 1.3")
	f.StringVar(&l.flagged.Ciphers, "tlsciphers", sh.env("TLS_CIPHERS"), "cipher suites of TLS 1.2, with colons between them (default: Go's choice)")
}

// parse works out where to listen.
func (l *listenOptions) parse() (server.Endpoints, error) {
	f := l.flagged
	f.HealthPort = l.port("health-port", l.healthPort)
	f.HealthAddress = given(l.set, "health-probe-bind-address", l.healthAddress)
	f.MetricsPort = l.port("metrics-port", l.metricsPort)
	f.MetricsAddress = given(l.set, "metrics-bind-address", l.metricsAddress)
	f.MetricsSecure = given(l.set, "metrics-secure", l.metricsSecure)
	if l.http2 {
		f.Protocols = server.HTTP1And2
	}
	return server.ParseFlags(f)
}

// port is the value of a flag; where it was not given, nil or no port.
func (l *listenOptions) port(flag string, value int) *int {
	if l.onRequest && !l.set.Changed(flag) {
		return new(int)
	}
	return given(l.set, flag, value)
}

// given is the value of a flag, nil if it was not given.
func given[V any](set *pflag.FlagSet, name string, value V) *V {
	if !set.Changed(name) {
		return nil
	}
	return &value
}
