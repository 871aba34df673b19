package metrics

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"argocd-image-updater/internal/fault"
)

// requests are what is asked of other servers.
type requests struct {
	registry, registryFailed *prometheus.CounterVec
	registryTime             *prometheus.HistogramVec
	git                      *prometheus.CounterVec
	gitTime                  *prometheus.HistogramVec
	argocd, argocdFailed     *prometheus.CounterVec
	kube, kubeFailed         prometheus.Counter
	registries               *names
}

func newRequests() requests {
	return requests{
		registry:       counters("registry_requests_total", "Requests to a registry and its token server (incumbent's name).", "registry"),
		registryFailed: counters("registry_requests_failed_total", "Requests to a registry and its token server that failed (incumbent's name).", "registry"),
		registryTime:   histograms("registry_response_time", "Seconds until a registry or its token server answered, or was waited for no longer.", "registry"),
		git:            counters("git_operations_total", "Looks at branches, fetches and pushes; a lost push is one that somebody else was faster than.", "operation", "result"),
		gitTime:        histograms("git_operation_duration_seconds", "Time that looks at branches, fetches and pushes took.", "operation"),
		argocd:         counters("argocd_api_requests_total", "Requests to an Argo CD API server (incumbent's name).", "argocd_server"),
		argocdFailed:   counters("argocd_api_errors_total", "Requests to an Argo CD API server that failed (incumbent's name).", "argocd_server"),
		kube:           counter("k8s_api_requests_total", "Requests to the Kubernetes API (incumbent's name)."),
		kubeFailed:     counter("k8s_api_errors_total", "Requests to the Kubernetes API that failed (incumbent's name)."),
		registries:     &names{limit: maxRegistries},
	}
}

func (r requests) all() []prometheus.Collector {
	return []prometheus.Collector{
		r.registry, r.registryFailed, r.registryTime, r.git, r.gitTime, r.argocd, r.argocdFailed, r.kube, r.kubeFailed,
	}
}

// RegistryRequest counts a request to a registry or its token server. The status
// is that of the answer, 0 if there was none, and took the time until it came
// or was given up. A 401 is no failure: it is how registries ask for a login.
func (m *Metrics) RegistryRequest(registry string, status int, took time.Duration) {
	registry = m.requests.registries.admit(registry)
	m.requests.registry.WithLabelValues(registry).Inc()
	m.requests.registryTime.WithLabelValues(registry).Observe(took.Seconds())
	failures := m.requests.registryFailed.WithLabelValues(registry)
	if isFailure(status) && status != http.StatusUnauthorized {
		failures.Inc()
	}
}

// GitOperation counts a look, a fetch or a push.
func (m *Metrics) GitOperation(operation string, took time.Duration, err error) {
	result := done
	switch {
	case errors.Is(err, fault.ErrLostRace):
		result = lost
	case err != nil:
		result = failed
	}
	m.requests.git.WithLabelValues(operation, failed) // is there from the first operation on
	m.requests.git.WithLabelValues(operation, result).Inc()
	m.requests.gitTime.WithLabelValues(operation).Observe(took.Seconds())
}

// ArgoCDRequest counts a request to the Argo CD API server at an address; the
// status is 0 if there was no answer.
func (m *Metrics) ArgoCDRequest(server string, status int) {
	m.requests.argocd.WithLabelValues(server).Inc()
	failures := m.requests.argocdFailed.WithLabelValues(server)
	if isFailure(status) {
		failures.Inc()
	}
}

// KubernetesRequest counts a request to the Kubernetes API; the status is 0 if
// there was no answer.
func (m *Metrics) KubernetesRequest(status int) {
	m.requests.kube.Inc()
	if isFailure(status) {
		m.requests.kubeFailed.Inc()
	}
}

// isFailure tells whether a server did not serve. What is not there (404), was
// changed meanwhile (409) or is no longer known (410) is an answer.
func isFailure(status int) bool {
	switch status {
	case 0, http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	}
	return status >= http.StatusInternalServerError
}

// maxRegistries bounds the values of the label registry: who may write an
// Application may name any number of them.
const maxRegistries = 100

// other is the value for those beyond the bound.
const other = "other"

// names admits values of a label up to a limit.
type names struct {
	limit int

	mu   sync.Mutex
	seen map[string]bool
}

func (n *names) admit(name string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.seen[name]:
		return name
	case len(n.seen) >= n.limit:
		return other
	case n.seen == nil:
		n.seen = map[string]bool{}
	}
	n.seen[name] = true
	return name
}
