// Package credential holds what a credential reference says and what a
// credential is. Reading Secrets, variables and files is the work of its
// child packages.
//
// A credential never prints itself: every type that holds a secret formats as
// "(redacted)".
package credential

// Kind is the form of a credential reference.
type Kind uint8

// The forms. None is the zero Reference: nothing was asked for.
const (
	None       Kind = iota
	PullSecret      // pullsecret:<namespace>/<name>: a Secret with a docker config
	Secret          // secret:<namespace>/<name>[#<field>]
	Env             // env:<VARIABLE> holding user:password
	Script          // ext:<absolute path> printing user:password
	RepoCreds       // Argo CD's own repository credentials (Git only)
)

// Reference says where a credential is found. It holds no secret and may be
// printed, compared and used as a map key.
type Reference struct {
	Kind      Kind
	Namespace string // PullSecret and Secret; "" is the Application's own
	Name      string // name of the Secret, the variable, or the script's path
	Field     string // Secret only; "" for the whole Secret
}

// Registry is what a registry is logged in with. The zero value is anonymous.
type Registry struct {
	Username      string
	Password      string
	IdentityToken string // OAuth2 refresh token of the distribution token specification; excludes the others
	CA            string // PEM certificates to trust besides the system's and those of registries.conf
	From          string // the place it comes from, for messages: "env:DOCKERHUB", "secret:argocd/creds"
}

// Git is what a Git server is logged in with. The zero value is anonymous.
type Git struct {
	Username   string
	Password   string
	Bearer     string // token of HTTP, in place of user and password (RFC 6750)
	ClientCert []byte // PEM certificate that TLS shows to the server, with ClientKey
	ClientKey  []byte // PEM
	SSHKey     []byte // PEM or OpenSSH private key
	Passphrase string // of SSHKey
	KnownHosts []byte // lines of a known_hosts file; nil: the user's own files
	CA         []byte // PEM certificates to trust besides the system's
	Insecure   bool   // neither host key nor certificate is checked; only where the Secret itself says so
	Proxy      string // URL of the proxy to go through, with its login; "": the environment tells, of HTTP
	NoProxy    string // hosts that Proxy is not for, as in the variable NO_PROXY
	From       string // the place it comes from, for messages
	TrustFrom  string // the place that KnownHosts or CA come from, for messages; "": the user's own files
}

const redacted = "(redacted)"

// String hides the secret and tells its origin.
func (r Registry) String() string { return redacted + " " + r.From }

// GoString hides the secret from %#v as well.
func (r Registry) GoString() string { return r.String() }

// MarshalText hides the secret from JSON and structured logs.
func (r Registry) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String hides the secret and tells its origin.
func (g Git) String() string { return redacted + " " + g.From }

// GoString hides the secret from %#v as well.
func (g Git) GoString() string { return g.String() }

// MarshalText hides the secret from JSON and structured logs.
func (g Git) MarshalText() ([]byte, error) { return []byte(g.String()), nil }
