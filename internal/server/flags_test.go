package server_test

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"argocd-image-updater/internal/server"
)

func TestFlags(t *testing.T) {
	secure := &server.TLS{Min: tls.VersionTLS13, Max: tls.VersionTLS13}
	for name, c := range map[string]struct {
		flags server.Flags
		want  server.Endpoints
	}{
		"none": {server.Flags{}, server.Endpoints{
			Health: server.Endpoint{Address: ":8080", Flag: "--health-port"}, Metrics: server.Endpoint{Address: ":8081", Flag: "--metrics-port"},
		}},
		"ports": {server.Flags{HealthPort: new(0), MetricsPort: new(9000)}, server.Endpoints{
			Health: server.Endpoint{Flag: "--health-port"}, Metrics: server.Endpoint{Address: ":9000", Flag: "--metrics-port"},
		}},
		"addresses, as the newer line has them": {server.Flags{HealthAddress: new(":8081"), MetricsAddress: new(":8443")}, server.Endpoints{
			Health:  server.Endpoint{Address: ":8081", Flag: "--health-probe-bind-address"},
			Metrics: server.Endpoint{Address: ":8443", Flag: "--metrics-bind-address", TLS: secure},
		}},
		"an address counts more than a port": {server.Flags{HealthPort: new(1), HealthAddress: new("127.0.0.1:2"), MetricsPort: new(3), MetricsAddress: new("[::1]:4")}, server.Endpoints{
			Health:  server.Endpoint{Address: "127.0.0.1:2", Flag: "--health-probe-bind-address"},
			Metrics: server.Endpoint{Address: "[::1]:4", Flag: "--metrics-bind-address", TLS: secure},
		}},
		"switched off by address": {server.Flags{HealthAddress: new(""), MetricsAddress: new("0")}, server.Endpoints{
			Health:  server.Endpoint{Flag: "--health-probe-bind-address"},
			Metrics: server.Endpoint{Flag: "--metrics-bind-address", TLS: secure},
		}},
		"an address without TLS": {server.Flags{MetricsAddress: new(":8080"), HealthPort: new(0), MetricsSecure: new(false)}, server.Endpoints{
			Health:  server.Endpoint{Flag: "--health-port"},
			Metrics: server.Endpoint{Address: ":8080", Flag: "--metrics-bind-address"},
		}},
		"a port with TLS": {server.Flags{MetricsSecure: new(true), MetricsCertificate: "/certs", Protocols: server.HTTP1And2}, server.Endpoints{
			Health:  server.Endpoint{Address: ":8080", Flag: "--health-port"},
			Metrics: server.Endpoint{Address: ":8081", Flag: "--metrics-port", TLS: &server.TLS{Certificate: "/certs", Min: tls.VersionTLS13, Max: tls.VersionTLS13, Protocols: server.HTTP1And2}},
		}},
		"health where metrics would be": {server.Flags{HealthAddress: new(":8081")}, server.Endpoints{
			Health:   server.Endpoint{Address: ":8081", Flag: "--health-probe-bind-address"},
			Metrics:  server.Endpoint{Flag: "--metrics-port"},
			Warnings: []string{"--health-probe-bind-address :8081 takes the port of metrics, which are switched off: choose another with --metrics-port"},
		}},
		"TLS versions and ciphers": {server.Flags{MetricsSecure: new(true), MinVersion: "1.2", MaxVersion: "1.2", Ciphers: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"}, server.Endpoints{
			Health: server.Endpoint{Address: ":8080", Flag: "--health-port"},
			Metrics: server.Endpoint{Address: ":8081", Flag: "--metrics-port", TLS: &server.TLS{
				Min: tls.VersionTLS12, Max: tls.VersionTLS12,
				Ciphers: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
			}},
		}},
		"ciphers that do nothing": {server.Flags{Ciphers: "TLS_AES_128_GCM_SHA256"}, server.Endpoints{
			Health: server.Endpoint{Address: ":8080", Flag: "--health-port"}, Metrics: server.Endpoint{Address: ":8081", Flag: "--metrics-port"},
			Warnings: []string{"--tlsciphers does nothing: the ciphers of TLS 1.3 cannot be chosen; they count for --tlsminversion 1.2"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := server.ParseFlags(c.flags)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestWrongFlags(t *testing.T) {
	for want, f := range map[string]server.Flags{
		`--health-port 70000: a port from 1 to 65535, or 0 for none, expected`:                     {HealthPort: new(70000)},
		`--metrics-port -1: a port from 1 to 65535, or 0 for none, expected`:                       {MetricsPort: new(-1)},
		`--metrics-bind-address "8443": an address such as :8081 or 127.0.0.1:8081, or 0 for none`: {MetricsAddress: new("8443")},
		`--health-probe-bind-address ":http": an address such as`:                                  {HealthAddress: new(":http")},
		`--health-probe-bind-address ":65536": an address such as`:                                 {HealthAddress: new(":65536")},
		`--tlsminversion "1.1": 1.2 or 1.3 expected`:                                               {MinVersion: "1.1"},
		`--tlsmaxversion "TLS1.3": 1.2 or 1.3 expected`:                                            {MaxVersion: "TLS1.3"},
		`--tlsmaxversion 1.2: not below --tlsminversion, which is 1.3 unless it is given`:          {MaxVersion: "1.2"},
		`the closest is TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`:                                     {Ciphers: "ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
		`"TLS_RSA_WITH_RC4_128_SHA" is not among the cipher suites`:                                {Ciphers: "TLS_RSA_WITH_RC4_128_SHA"},
	} {
		got, err := server.ParseFlags(f)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		if diff := cmp.Diff(server.Endpoints{}, got); diff != "" {
			t.Errorf("%s: it still says where to listen:\n%s", want, diff)
		}
	}
}
