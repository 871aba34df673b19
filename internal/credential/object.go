package credential

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"argocd-image-updater/internal/argo"
)

// Object is a Secret of the core group, as a cluster or a manifest file holds
// it. It prints as its name.
type Object struct {
	argo.Key
	Type   string
	Labels map[string]string
	Data   map[string][]byte `json:"-"` // decoded

	settingsOf argo.Key // another Secret that part of Data comes from, or zero
}

// GoString hides the values from %#v, as String does elsewhere.
func (o Object) GoString() string { return o.String() }

// The keys of Secrets for Git, as Argo CD reads them (declarative setup,
// Repositories). A username and a password are those of registries.
const (
	keyURL        = "url"
	keyProject    = "project"
	keySSH        = "sshPrivateKey"
	keyBearer     = "bearerToken"
	keyForceBasic = "forceHttpBasicAuth"
	keyCert       = "tlsClientCertData"
	keyCertKey    = "tlsClientCertKey"
	keyInsecure   = "insecure"
	keyIgnoreHost = "insecureIgnoreHostKey"
	keyProxy      = "proxy"
	keyNoProxy    = "noProxy"
	keyAzure      = "useAzureWorkloadIdentity"
)

// exchangedLogins are logins of Argo CD that have to be exchanged for another one
// before a Git server takes them, and that is not done here.
var exchangedLogins = []struct{ key, what string }{
	{"githubAppPrivateKey", "a GitHub App"},
	{"githubAppID", "a GitHub App"},
	{"gcpServiceAccountKey", "a Google service account"},
	{"azureServicePrincipalClientSecret", "an Azure service principal"},
	{keyAzure, "Azure workload identity"},
}

func (o Object) has(key string) bool { return o.text(key) != "" }

func (o Object) text(key string) string { return strings.TrimSpace(string(o.Data[key])) }

// HasLogin reports whether the Secret holds something to log in with to a Git
// URL, by the protocol of it: a key says nothing to HTTPS, and a password
// nothing to SSH.
func (o Object) HasLogin(url string) bool {
	switch argo.ParseAddress(url).Protocol {
	case "ssh":
		return o.has(keySSH)
	case "http", "https":
		_, other := o.exchanged()
		return o.has(keyPassword) || o.has(keyBearer) || o.has(keyCert) || other
	}
	return false
}

func (o Object) exchanged() (what string, ok bool) {
	for _, e := range exchangedLogins {
		if o.has(e.key) && (e.key != keyAzure || strings.EqualFold(o.text(e.key), "true")) {
			return fmt.Sprintf("%s (%s)", e.what, e.key), true
		}
	}
	return "", false
}

// Git is what the Secret logs in with to a Git URL: over SSH its
// sshPrivateKey; over HTTP its username and password, its bearerToken, or the
// client certificate tlsClientCertData with tlsClientCertKey. insecure: "true"
// switches the check of host key and certificate off, proxy and noProxy say how
// the server is reached. A Secret without a login for the URL's protocol is an
// error, which names the keys of the Secret and never their values.
func (o Object) Git(url string) (Git, error) {
	login, err := o.git(argo.ParseAddress(url).Protocol)
	if err != nil {
		return Git{}, fmt.Errorf("%s: %w", o.origin(), err)
	}
	login.From = o.origin()
	return login, nil
}

func (o Object) origin() string {
	origin := "secret " + o.Key.String()
	if o.settingsOf != (argo.Key{}) {
		origin += " with the settings of " + o.settingsOf.String()
	}
	return origin
}

func (o Object) git(protocol string) (Git, error) {
	login, err := o.settings(protocol)
	if err != nil {
		return Git{}, err
	}
	if protocol == "ssh" {
		if !o.has(keySSH) {
			return Git{}, fmt.Errorf("it has no %s, and SSH needs one (fields: %s)", keySSH, keysOf(o.Data))
		}
		login.SSHKey = o.Data[keySSH]
		return login, nil
	}
	return o.web(login)
}

func (o Object) web(login Git) (Git, error) {
	if o.has(keyCert) != o.has(keyCertKey) {
		return Git{}, fmt.Errorf("%s and %s go together, and one of them is missing (fields: %s)", keyCert, keyCertKey, keysOf(o.Data))
	}
	login.ClientCert, login.ClientKey = o.Data[keyCert], o.Data[keyCertKey]
	basic, err := o.flag(keyForceBasic)
	if err != nil {
		return Git{}, err
	}
	switch what, other := o.exchanged(); {
	case o.has(keyBearer) && (!basic || !o.has(keyPassword)):
		login.Bearer = o.text(keyBearer)
	case o.has(keyPassword):
		login.Username, login.Password = trimNewline(string(o.Data[keyUsername])), trimNewline(string(o.Data[keyPassword]))
	case other:
		return Git{}, fmt.Errorf("it holds %s, which is not supported yet: put a token of the Git server under %s, or use an SSH URL with %s", what, keyPassword, keySSH)
	case !o.has(keyCert):
		return Git{}, fmt.Errorf("it has neither %s nor %s, and HTTP needs one (fields: %s)", keyPassword, keyBearer, keysOf(o.Data))
	}
	return login, nil
}

// Settings are how a server is reached and checked by what the Secret says, for
// a repository that is read without a login.
func (o Object) Settings(url string) (Git, error) {
	login, err := o.settings(argo.ParseAddress(url).Protocol)
	if err != nil {
		return Git{}, fmt.Errorf("%s: %w", o.origin(), err)
	}
	return login, nil
}

func (o Object) settings(protocol string) (Git, error) {
	insecure, err := o.flag(keyInsecure)
	if err != nil {
		return Git{}, err
	}
	ignore, err := o.flag(keyIgnoreHost)
	if err != nil {
		return Git{}, err
	}
	if err := checkProxy(o.text(keyProxy), protocol); err != nil {
		return Git{}, err
	}
	return Git{Insecure: insecure || ignore, Proxy: o.text(keyProxy), NoProxy: o.text(keyNoProxy)}, nil
}

func (o Object) flag(key string) (bool, error) {
	if !o.has(key) {
		return false, nil
	}
	on, err := strconv.ParseBool(o.text(key))
	if err != nil {
		return false, fmt.Errorf("%s is neither true nor false", key)
	}
	return on, nil
}

// checkProxy does not quote the proxy: its URL may hold a password.
func checkProxy(proxy, protocol string) error {
	if proxy == "" {
		return nil
	}
	schemes := []string{"http", "https", "socks5", "socks5h"}
	if protocol == "ssh" {
		schemes = schemes[2:]
	}
	u, err := url.Parse(proxy)
	if err != nil || u.Host == "" || !slices.Contains(schemes, u.Scheme) {
		return fmt.Errorf("%s: %s://host:port expected for a repository over %s", keyProxy, strings.Join(schemes, "://, "), protocol)
	}
	if protocol == "ssh" && u.Port() == "" {
		return errors.New(keyProxy + " has no port: write it as host:port")
	}
	return nil
}
