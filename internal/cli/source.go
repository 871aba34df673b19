package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"argocd-image-updater/api/v1alpha1"
	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/argo/api"
	"argocd-image-updater/internal/argo/kube"
	"argocd-image-updater/internal/controller"
	"argocd-image-updater/internal/update"
)

// The values of --applications-api.
const (
	apiKubernetes = "kubernetes"
	apiArgoCD     = "argocd"
)

// defaultNamespace is Argo CD's own where there is no cluster to tell.
const defaultNamespace = "argocd"

// sourceOptions say where Applications come from.
type sourceOptions struct {
	files           []string // manifests; none: from an API
	api             string   // kubernetes or argocd
	kubeconfig      string
	noKubernetes    bool
	namespace       string // Argo CD's own; "": ours in a cluster, else argocd
	watchNamespaces string // "", "*" or a list with commas
	only            filter
	server          serverOptions
	// alone: no Applications are wanted, only what may be needed to ask a
	// registry.
	alone bool
}

// serverOptions are about the Argo CD API server.
type serverOptions struct {
	address   string
	token     string
	grpcWeb   bool // accepted, does nothing
	insecure  bool
	plaintext bool
	ca        string
}

func (o *sourceOptions) flags(cmd *cobra.Command, sh shell) {
	f := cmd.Flags()
	f.StringSliceVar(&o.files, "applications", nil, "file or folder of Application manifests, instead of an API; may be repeated")
	f.StringVar(&o.api, "applications-api", cmp.Or(sh.env("APPLICATIONS_API"), apiKubernetes), "API that Applications are read from and patched through: kubernetes or argocd")
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file (default: as kubectl finds it, or the Pod's ServiceAccount)")
	f.BoolVar(&o.noKubernetes, "disable-kubernetes", false, "with --applications-api argocd: ask no Kubernetes API for Secrets")
	f.StringVar(&o.namespace, "argocd-namespace", sh.env("ARGOCD_NAMESPACE"), "namespace of Argo CD, and of manifests that name none (default: our own in a cluster, else argocd)")
	f.StringVar(&o.watchNamespaces, "watch-namespaces", sh.env("IMAGE_UPDATER_WATCH_NAMESPACES"), "namespaces of Applications and ImageUpdaters, with commas between them; * is all (default: all, or our own where that is forbidden)")
	f.StringVar(&o.only.namespace, "application-namespace", "", "look at Applications of this namespace only")
	f.StringSliceVar(&o.only.names, "match-application-name", nil, "look at Applications with this name only (glob); may be repeated")
	f.StringVar(&o.only.label, "match-application-label", "", "look at Applications with this label only (key=value, or a selector as in kubectl -l)")
	f.StringVar(&o.server.address, "argocd-server-addr", sh.env("ARGOCD_SERVER"), "address of the Argo CD API server (default: argocd-server.<namespace of Argo CD>)")
	f.StringVar(&o.server.token, "argocd-auth-token", "", "token of an Argo CD account (better: the variable ARGOCD_TOKEN)")
	f.BoolVar(&o.server.grpcWeb, "argocd-grpc-web", sh.truth("ARGOCD_GRPC_WEB"), "accepted; REST is spoken, which passes wherever gRPC-Web does")
	f.BoolVar(&o.server.insecure, "argocd-insecure", sh.truth("ARGOCD_INSECURE"), "do not check the certificate of the Argo CD API server")
	f.BoolVar(&o.server.plaintext, "argocd-plaintext", sh.truth("ARGOCD_PLAINTEXT"), "speak HTTP without TLS to the Argo CD API server")
	f.StringVar(&o.server.ca, "argocd-ca-file", "", "certificates (PEM) to trust besides the system's when speaking to the Argo CD API server")
}

// truth reads a variable that is true or anything else, as the incumbent does.
func (sh shell) truth(name string) bool { return strings.EqualFold(sh.env(name), "true") }

// truthUnless is truth for a variable whose absence means true.
func (sh shell) truthUnless(name string) bool { return sh.env(name) == "" || sh.truth(name) }

// check finds what is wrong with the flags.
func (o *sourceOptions) check() error {
	if o.api != apiKubernetes && o.api != apiArgoCD {
		return fmt.Errorf("--applications-api %q: kubernetes or argocd expected", o.api)
	}
	if o.noKubernetes && o.api == apiKubernetes && len(o.files) == 0 {
		return fmt.Errorf("--disable-kubernetes: Applications are read from the Kubernetes API: set --applications-api argocd, or name manifests with --applications")
	}
	return o.only.check()
}

// namespaces are those to look into; none is all.
func (o *sourceOptions) namespaces() []string {
	if o.only.namespace != "" {
		return []string{o.only.namespace}
	}
	var out []string
	for name := range strings.SplitSeq(o.watchNamespaces, ",") {
		switch name = strings.TrimSpace(name); name {
		case "":
		case "*":
			return nil
		default:
			out = append(out, name)
		}
	}
	return out
}

// source is where Applications come from, and what else is there.
type source struct {
	update.Applications
	writer   update.Writer   // nil: they can only be read
	projects update.Projects // nil: nothing is known of projects
	// limits are the projects that say which repositories may be used; nil
	// leaves that to Argo CD.
	limits update.Projects
	// problems are objects that cannot be used, as of the last list.
	problems func() []error
	// notices are what should be known once and is no error.
	notices func() []string

	watched watched          // nil where they are read anew each time
	files   *files           // nil unless they come from files
	cluster *kube.Client     // nil unless they come from a Kubernetes API
	leases  *kube.Client     // where replicas compete; nil without a Kubernetes API
	access  *kube.Connection // nil without a Kubernetes API
}

// watched are Applications that are kept in memory while they are watched.
type watched interface {
	Watch(ctx context.Context) error
	// Synced reports whether all that there is was read, or is refused.
	Synced() bool
}

// observed tells of requests; nil functions are told nothing.
type observed struct {
	kubernetes func(kube.Request)
	argocd     func(server string, r api.Request)
	changed    func(kube.Change)
}

// open finds the source. It asks nobody anything yet.
func (o *sourceOptions) open(sh shell, tell observed) (source, error) {
	if err := o.check(); err != nil && !o.alone {
		return source{}, &exit{exitUsage, err}
	}
	if len(o.files) > 0 {
		o.namespace = cmp.Or(o.namespace, defaultNamespace)
		f := &files{paths: o.files, namespace: o.namespace, only: o.only}
		return source{Applications: f, projects: f, limits: f, problems: f.problems, notices: f.notices, files: f}, nil
	}
	access, err := o.connect(tell)
	if err != nil {
		return source{}, err
	}
	if access != nil {
		o.namespace = cmp.Or(o.namespace, access.Namespace)
	}
	o.namespace = cmp.Or(o.namespace, defaultNamespace)
	switch {
	case o.alone:
		return source{access: access}, nil
	case o.api == apiArgoCD:
		return o.openServer(sh, access, tell)
	}
	c, err := kube.New(access, kube.Options{
		Namespace: o.namespace, Namespaces: o.namespaces(), Names: o.only.names, Labels: o.only.label, OnChange: tell.changed,
	})
	if err != nil {
		return source{}, err
	}
	return source{Applications: c, writer: c, projects: c, limits: c, problems: c.Problems, notices: c.Notices, watched: c, cluster: c, leases: c, access: access}, nil
}

// connect reaches the Kubernetes API; nil if it is not wanted, or if it is only
// wanted for Secrets and is not there.
func (o *sourceOptions) connect(tell observed) (*kube.Connection, error) {
	if o.noKubernetes {
		return nil, nil
	}
	access, err := kube.Connect(kube.Access{Kubeconfig: o.kubeconfig, Observe: tell.kubernetes})
	switch {
	case err != nil && (o.alone || o.api == apiArgoCD) && o.kubeconfig == "":
		return nil, nil
	case err != nil && o.kubeconfig == "":
		return nil, &exit{exitUsage, fmt.Errorf("%w; or name manifests with --applications, or an Argo CD API server with --applications-api argocd", err)}
	}
	return access, err
}

func (o *sourceOptions) openServer(sh shell, access *kube.Connection, tell observed) (source, error) {
	var ca []byte
	if o.server.ca != "" {
		var err error
		if ca, err = os.ReadFile(o.server.ca); err != nil {
			return source{}, fmt.Errorf("--argocd-ca-file: %w", err)
		}
	}
	address := cmp.Or(o.server.address, api.DefaultAddress(o.namespace))
	c, err := api.New(api.Options{
		Address: address, Token: api.Token(cmp.Or(o.server.token, sh.env("ARGOCD_TOKEN"))),
		Plaintext: o.server.plaintext, Insecure: o.server.insecure, CA: ca,
		Namespaces: o.namespaces(), Names: o.only.names, Labels: o.only.label,
		OnChange: func(key argo.Key) {
			if tell.changed != nil {
				tell.changed(kube.Change{Resource: "applications", Key: key})
			}
		},
		Observe: func(r api.Request) {
			if tell.argocd != nil {
				tell.argocd(address, r)
			}
		},
	})
	if err != nil {
		return source{}, err
	}
	out := source{Applications: c, writer: c, projects: c, problems: c.Problems, notices: c.Notices, watched: c, access: access}
	if access != nil {
		out.leases, err = kube.New(access, kube.Options{Namespace: o.namespace})
	}
	return out, err
}

// imageUpdaters are those of the cluster; none without one.
func (s source) imageUpdaters(ctx context.Context) ([]v1alpha1.ImageUpdater, error) {
	if s.cluster == nil {
		return nil, nil
	}
	return s.cluster.ImageUpdaters(ctx)
}

// told is a cluster that is told of statuses and events.
type told struct{ *kube.Client }

// Event implements controller.Cluster.
func (t told) Event(ctx context.Context, e controller.Event) error {
	out := kube.Event{
		Of:       kube.Reference{APIVersion: e.APIVersion, Kind: e.Kind, Key: e.Object, UID: e.UID},
		Severity: kube.Normal, Reason: e.Reason, Message: e.Message, Annotations: e.Annotations,
	}
	if e.Warning {
		out.Severity = kube.Warning
	}
	return t.Client.Event(ctx, out)
}
