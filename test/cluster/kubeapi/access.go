package kubeapi

import (
	"context"
	"fmt"

	authentication "k8s.io/api/authentication/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// connect makes the administrator's client.
func (p *Plane) connect() error {
	p.admin = p.config(token)
	p.admin.QPS = -1 // nobody else is kept waiting
	p.admin.WarningHandler = rest.NoWarnings{}
	var err error
	p.client, err = client.New(p.admin, client.Options{Scheme: scheme.Scheme, FieldOwner: FieldOwner})
	return err
}

func (p *Plane) config(bearer string) *rest.Config {
	return &rest.Config{
		Host:            fmt.Sprintf("https://127.0.0.1:%d", p.port),
		BearerToken:     bearer,
		TLSClientConfig: rest.TLSClientConfig{CAFile: p.caFile()},
	}
}

// FieldOwner is the name under which Client and Apply write.
const FieldOwner = "tests"

// Config is the administrator's, without a limit of requests in a second.
func (p *Plane) Config() *rest.Config { return rest.CopyConfig(p.admin) }

// Client is the administrator's. It knows the kinds of Kubernetes by their Go
// types, and every kind as unstructured.Unstructured.
func (p *Plane) Client() client.Client { return p.client }

// ServiceAccountConfig acts as a ServiceAccount, with a token that the API
// server issues for an hour. The ServiceAccount has to be there.
func (p *Plane) ServiceAccountConfig(ctx context.Context, namespace, name string) (*rest.Config, error) {
	account := &core.ServiceAccount{ObjectMeta: meta.ObjectMeta{Namespace: namespace, Name: name}}
	request := &authentication.TokenRequest{}
	if err := p.client.SubResource("token").Create(ctx, account, request); err != nil {
		return nil, fmt.Errorf("token for ServiceAccount %s/%s: %w", namespace, name, err)
	}
	return p.config(request.Status.Token), nil
}

// WriteKubeconfig writes a kubeconfig file that does what a configuration does,
// in a namespace.
func WriteKubeconfig(path string, config *rest.Config, namespace string) error {
	const name = "tests"
	file := clientcmdapi.NewConfig()
	file.CurrentContext = name
	file.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name, Namespace: namespace}
	file.Clusters[name] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthority: config.CAFile}
	file.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: config.BearerToken}
	return clientcmd.WriteToFile(*file, path)
}
