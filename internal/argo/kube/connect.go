package kube

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// userAgent is under which name the API server's audit log knows us.
const userAgent = "argocd-image-updater"

// Access says how to reach an API server.
type Access struct {
	// Kubeconfig is the path of a kubeconfig file. "" is what kubectl takes: the
	// files of KUBECONFIG, else ~/.kube/config; and without any of them the
	// ServiceAccount of the Pod that this runs in.
	Kubeconfig string
	// Observe is told of each request after its answer began, from several
	// goroutines; nil tells nobody.
	Observe func(Request)
}

// Connection is how to reach an API server, and as whom.
type Connection struct {
	// Config is for every client of this server: of one Config they share their
	// connections, and Access.Observe sees the requests of all. Requests are not
	// slowed down on this side, since the server looks after itself (API
	// priority and fairness).
	Config *rest.Config
	// Namespace is our own: that of the Pod, or of the kubeconfig's context.
	Namespace string
}

// Transport is the URL of the server, and what makes requests of it as whom we
// are.
func (c *Connection) Transport() (server *url.URL, transport http.RoundTripper, err error) {
	server, _, err = rest.DefaultServerUrlFor(c.Config)
	if err == nil {
		transport, err = rest.TransportFor(c.Config)
	}
	if err != nil {
		err = fmt.Errorf("kubernetes: server %q: %w", c.Config.Host, err)
	}
	return server, transport, err
}

// Connect finds out how to reach the API server. It asks the server nothing.
func Connect(a Access) (*Connection, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = a.Kubeconfig
	rules.WarnIfAllMissing = false // the error below says so
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{})
	config, err := loader.ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, fmt.Errorf("kubernetes: no cluster is configured in %s, and this is no Pod with a ServiceAccount: name a kubeconfig", tried(rules))
	}
	if err != nil {
		return nil, fmt.Errorf("kubernetes: kubeconfig %s: %w", tried(rules), err)
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, fmt.Errorf("kubernetes: namespace of kubeconfig %s: %w", tried(rules), err)
	}
	config.UserAgent = userAgent
	config.QPS = -1
	config.WarningHandler = rest.NoWarnings{}
	if a.Observe != nil {
		config.Wrap(observe(a.Observe))
	}
	return &Connection{Config: config, Namespace: namespace}, nil
}

func tried(rules *clientcmd.ClientConfigLoadingRules) string {
	if rules.ExplicitPath != "" {
		return rules.ExplicitPath
	}
	return strings.Join(rules.Precedence, ", ")
}
