package server

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

// The ports where none is given.
const (
	DefaultHealthPort  = 8080
	DefaultMetricsPort = 8081
)

// Flags are those about listening, of both lines of the incumbent. What is nil
// or "" was not given. An address counts more than a port.
type Flags struct {
	HealthPort     *int    // --health-port; 0 switches off
	HealthAddress  *string // --health-probe-bind-address; "" and "0" switch off
	MetricsPort    *int    // --metrics-port; 0 switches off
	MetricsAddress *string // --metrics-bind-address; "" and "0" switch off
	// MetricsSecure is --metrics-secure: metrics over HTTPS. Not given, it is yes
	// for an address and no for a port, as in the lines that have these flags.
	MetricsSecure *bool
	// MetricsCertificate is --metrics-cert-path: a folder with tls.crt and
	// tls.key. Not given, a certificate is made at the start.
	MetricsCertificate string
	MinVersion         string // --tlsminversion: 1.2 or 1.3; not given: 1.3
	MaxVersion         string // --tlsmaxversion; not given: 1.3
	Ciphers            string // --tlsciphers: names, with colons between them; not given: Go's choice
	// Protocols is what --enable-http2 is about.
	Protocols Protocols
}

// Protocols are the versions of HTTP that are spoken over TLS.
type Protocols int

// The choices.
const (
	HTTP1 Protocols = iota
	HTTP1And2
)

// Endpoints say where to listen.
type Endpoints struct {
	Health  Endpoint
	Metrics Endpoint
	// Warnings tell what was given and does nothing.
	Warnings []string
}

// Endpoint is one address.
type Endpoint struct {
	Address string // host:port, the host may be missing; "" is switched off
	Flag    string // that decides the address, with its dashes
	TLS     *TLS   // nil is plain HTTP
}

// The flags that decide addresses.
const (
	healthPort     = "--health-port"
	healthAddress  = "--health-probe-bind-address"
	metricsPort    = "--metrics-port"
	metricsAddress = "--metrics-bind-address"
)

// ParseFlags works out where to listen. The error names the flag, its value
// and what is expected.
func ParseFlags(f Flags) (Endpoints, error) {
	var e Endpoints
	var err error
	if e.Health, err = endpoint(address{healthAddress, f.HealthAddress}, port{healthPort, f.HealthPort, DefaultHealthPort}); err != nil {
		return Endpoints{}, err
	}
	if e.Metrics, err = endpoint(address{metricsAddress, f.MetricsAddress}, port{metricsPort, f.MetricsPort, DefaultMetricsPort}); err != nil {
		return Endpoints{}, err
	}
	secure, warning, err := f.tls()
	if err != nil {
		return Endpoints{}, err
	}
	if warning != "" {
		e.Warnings = append(e.Warnings, warning)
	}
	if f.secure() {
		e.Metrics.TLS = &secure
	}
	// Who names only an address for health comes from the line that has it at
	// the port where the other one has metrics, and that has none unless asked.
	if e.Health.Flag == healthAddress && e.Metrics.Flag == metricsPort && f.MetricsPort == nil && samePort(e.Health.Address, e.Metrics.Address) {
		e.Warnings = append(e.Warnings, fmt.Sprintf("%s %s takes the port of metrics, which are switched off: choose another with %s",
			healthAddress, e.Health.Address, metricsPort))
		e.Metrics.Address = ""
	}
	return e, nil
}

func (f Flags) secure() bool {
	if f.MetricsSecure != nil {
		return *f.MetricsSecure
	}
	return f.MetricsAddress != nil
}

// address and port are flags that decide an Endpoint.
type address struct {
	flag  string
	given *string
}

type port struct {
	flag  string
	given *int
	zero  int // where it is not given
}

func endpoint(a address, p port) (Endpoint, error) {
	if a.given == nil {
		return p.endpoint()
	}
	e := Endpoint{Flag: a.flag}
	if *a.given == "" || *a.given == "0" {
		return e, nil
	}
	e.Address = *a.given
	if err := checkAddress(e.Address); err != nil {
		return Endpoint{}, fmt.Errorf("%s %q: %w", a.flag, e.Address, err)
	}
	return e, nil
}

func (p port) endpoint() (Endpoint, error) {
	n := p.zero
	if p.given != nil {
		n = *p.given
	}
	e := Endpoint{Flag: p.flag}
	if n < 0 || n > maxPort {
		return Endpoint{}, fmt.Errorf("%s %d: a port from 1 to 65535, or 0 for none, expected", p.flag, n)
	}
	if n > 0 {
		e.Address = ":" + strconv.Itoa(n)
	}
	return e, nil
}

const maxPort = 1<<16 - 1

func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		port = ""
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errors.New("an address such as :8081 or 127.0.0.1:8081, or 0 for none, expected")
	}
	return nil
}

func samePort(a, b string) bool {
	_, x, errX := net.SplitHostPort(a)
	_, y, errY := net.SplitHostPort(b)
	return errX == nil && errY == nil && x == y
}
