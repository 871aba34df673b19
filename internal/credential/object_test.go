package credential_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/credential"
)

// secret makes a Secret argocd/name from pairs of keys and values. The key
// type is the label by which Argo CD knows it.
func secret(name string, pairs ...string) credential.Object {
	o := credential.Object{Key: argo.Key{Namespace: "argocd", Name: name}, Labels: map[string]string{}, Data: map[string][]byte{}}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i] == "type" {
			o.Labels["argocd.argoproj.io/secret-type"] = pairs[i+1]
		} else {
			o.Data[pairs[i]] = []byte(pairs[i+1])
		}
	}
	return o
}

func TestObjectGit(t *testing.T) {
	const web, ssh, here = "https://git.corp/app", "git@git.corp:app", "/srv/git/app"
	for _, c := range []struct {
		url   string
		pairs []string
		want  credential.Git
	}{
		{web, []string{"username", "u\n", "password", "p\n"}, credential.Git{Username: "u", Password: "p"}},
		{web, []string{"password", "p", "forceHttpBasicAuth", "true"}, credential.Git{Password: "p"}},
		{web, []string{"password", "p", "bearerToken", "b\n"}, credential.Git{Bearer: "b"}},
		{web, []string{"password", "p", "bearerToken", "b", "forceHttpBasicAuth", "true"}, credential.Git{Password: "p"}},
		{web, []string{"bearerToken", "b", "forceHttpBasicAuth", "true"}, credential.Git{Bearer: "b"}},
		{web, []string{"tlsClientCertData", "C", "tlsClientCertKey", "K"}, credential.Git{ClientCert: []byte("C"), ClientKey: []byte("K")}},
		{web, []string{"password", "p", "tlsClientCertData", "C", "tlsClientCertKey", "K"}, credential.Git{Password: "p", ClientCert: []byte("C"), ClientKey: []byte("K")}},
		{web, []string{"password", "p", "insecure", "true"}, credential.Git{Password: "p", Insecure: true}},
		{web, []string{"password", "p", "insecure", "false\n"}, credential.Git{Password: "p"}},
		{web, []string{"password", "p", "proxy", "http://proxy:3128", "noProxy", "a,b"}, credential.Git{Password: "p", Proxy: "http://proxy:3128", NoProxy: "a,b"}},
		{web, []string{"password", "p", "sshPrivateKey", "K", "githubAppID", "1"}, credential.Git{Password: "p"}},
		{web, []string{"password", "p", "useAzureWorkloadIdentity", "false", "enableLfs", "true", "depth", "1", "type", "x"}, credential.Git{Password: "p"}},
		{ssh, []string{"sshPrivateKey", "K\n"}, credential.Git{SSHKey: []byte("K\n")}},
		{ssh, []string{"sshPrivateKey", "K", "password", "p", "tlsClientCertData", "C"}, credential.Git{SSHKey: []byte("K")}},
		{ssh, []string{"sshPrivateKey", "K", "insecureIgnoreHostKey", "true"}, credential.Git{SSHKey: []byte("K"), Insecure: true}},
		{ssh, []string{"sshPrivateKey", "K", "proxy", "socks5://u:p@proxy:1080"}, credential.Git{SSHKey: []byte("K"), Proxy: "socks5://u:p@proxy:1080"}},
		{"ssh://git@git.corp/app", []string{"sshPrivateKey", "K"}, credential.Git{SSHKey: []byte("K")}},
	} {
		o := secret("s", c.pairs...)
		got, err := o.Git(c.url)
		c.want.From = "secret argocd/s"
		if err != nil || !cmp.Equal(got, c.want) {
			t.Errorf("%s, %v: error %v, or another login", c.url, keys(c.pairs), err)
		}
		if !o.HasLogin(c.url) {
			t.Errorf("%s, %v: no login", c.url, keys(c.pairs))
		}
	}
	if secret("s", "password", "p").HasLogin(here) {
		t.Error("the local disk needs no login")
	}
}

func keys(pairs []string) (out []string) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, pairs[i])
	}
	return out
}

// What somebody who has to repair a Secret is told: which one, what it has and
// what would be right.
func TestObjectGitRefusals(t *testing.T) {
	const web, ssh = "https://git.corp/app", "git@git.corp:app"
	for _, c := range []struct {
		url   string
		pairs []string
		want  string
	}{
		{web, nil, "it has neither password nor bearerToken, and HTTP needs one (fields: none)"},
		{web, []string{"sshPrivateKey", hidden}, "it has neither password nor bearerToken, and HTTP needs one (fields: sshPrivateKey)"},
		{web, []string{"username", hidden, "token", hidden}, "it has neither password nor bearerToken, and HTTP needs one (fields: token, username)"},
		{ssh, []string{"username", hidden, "password", hidden}, "it has no sshPrivateKey, and SSH needs one (fields: password, username)"},
		{web, []string{"githubAppID", "1", "githubAppInstallationID", "2", "githubAppPrivateKey", hidden},
			"it holds a GitHub App (githubAppPrivateKey), which is not supported yet: put a token of the Git server under password, or use an SSH URL with sshPrivateKey"},
		{web, []string{"gcpServiceAccountKey", hidden},
			"it holds a Google service account (gcpServiceAccountKey), which is not supported yet: put a token of the Git server under password, or use an SSH URL with sshPrivateKey"},
		{web, []string{"useAzureWorkloadIdentity", "true"},
			"it holds Azure workload identity (useAzureWorkloadIdentity), which is not supported yet: put a token of the Git server under password, or use an SSH URL with sshPrivateKey"},
		{web, []string{"password", hidden, "tlsClientCertData", "C"}, "tlsClientCertData and tlsClientCertKey go together, and one of them is missing (fields: password, tlsClientCertData)"},
		{web, []string{"password", hidden, "insecure", "maybe"}, "insecure is neither true nor false"},
		{web, []string{"password", hidden, "forceHttpBasicAuth", "2"}, "forceHttpBasicAuth is neither true nor false"},
		{web, []string{"password", hidden, "proxy", "u:" + hidden + "@proxy"}, "proxy: http://, https://, socks5://, socks5h://host:port expected for a repository over https"},
		{ssh, []string{"sshPrivateKey", hidden, "proxy", "http://u:" + hidden + "@proxy:1"}, "proxy: socks5://, socks5h://host:port expected for a repository over ssh"},
		{ssh, []string{"sshPrivateKey", hidden, "proxy", "socks5://u:" + hidden + "@proxy"}, "proxy has no port: write it as host:port"},
	} {
		login, err := secret("s", c.pairs...).Git(c.url)
		if err == nil || err.Error() != "secret argocd/s: "+c.want || !cmp.Equal(login, credential.Git{}) {
			t.Errorf("%s, %v:\n got %v\nwant secret argocd/s: %s", c.url, keys(c.pairs), err, c.want)
		}
	}
}

func TestObjectNeverPrintsItself(t *testing.T) {
	o := secret("creds", "password", hidden)
	asNumbers := fmt.Sprint([]byte(hidden))[1:] //nolint:staticcheck // it is the numbers that are wanted
	for _, value := range []any{o, &o, []any{o}, map[argo.Key]credential.Object{o.Key: o}, struct{ O credential.Object }{o}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			if text := fmt.Sprintf(verb, value); strings.Contains(text, hidden) || strings.Contains(text, asNumbers) || strings.Contains(text, fmt.Sprintf("%#x", hidden[0])) {
				t.Errorf("%s prints %s", verb, text)
			}
		}
		if text, err := json.Marshal(value); err == nil && strings.Contains(string(text), hidden) {
			t.Errorf("JSON of %T: %s", value, text)
		}
	}
}
