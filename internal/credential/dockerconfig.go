package credential

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"argocd-image-updater/internal/image"
)

// DockerConfig is a docker configuration file, as `docker login` writes it and
// as Secrets of type kubernetes.io/dockerconfigjson and
// kubernetes.io/dockercfg hold it. The zero value has no entries.
type DockerConfig struct {
	entries []dockerEntry     // sorted by key
	helpers map[string]string // program by canonical host
	store   string            // program for the hosts without a helper
}

// dockerEntry is one login. Its secrets are decoded when they are asked for,
// so that a broken entry harms its own host only.
type dockerEntry struct {
	key   string // as written
	name  string // canonical host, and the beginning of a path where the key has one
	login dockerLogin
}

type dockerLogin struct {
	Auth          string `json:"auth"`
	Username      string `json:"username"`
	Password      string `json:"password"`
	IdentityToken string `json:"identitytoken"`
}

func (l dockerLogin) isEmpty() bool {
	return l.IdentityToken == "" && l.Auth == "" && l.Password == ""
}

// ParseDockerConfig decodes a config.json, or the older .dockercfg which is
// the content of its auths alone. Errors hold no content of the file.
func ParseDockerConfig(b []byte) (DockerConfig, error) {
	var file struct {
		Auths       map[string]dockerLogin `json:"auths"`
		CredHelpers map[string]string      `json:"credHelpers"`
		CredsStore  string                 `json:"credsStore"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		return DockerConfig{}, jsonFault(err)
	}
	if file.Auths == nil && file.CredHelpers == nil && file.CredsStore == "" {
		// Keys that are no logins, such as HttpHeaders, have no host and so
		// never match.
		var legacy map[string]json.RawMessage
		if err := json.Unmarshal(b, &legacy); err != nil {
			return DockerConfig{}, jsonFault(err)
		}
		file.Auths = legacyLogins(legacy)
	}
	c := DockerConfig{helpers: map[string]string{}, store: file.CredsStore}
	for key, login := range file.Auths {
		c.entries = append(c.entries, dockerEntry{key: key, name: configName(key), login: login})
	}
	slices.SortFunc(c.entries, func(a, b dockerEntry) int { return strings.Compare(a.key, b.key) })
	for key, helper := range file.CredHelpers {
		c.helpers[configName(key)] = helper
	}
	return c, nil
}

func legacyLogins(file map[string]json.RawMessage) map[string]dockerLogin {
	logins := map[string]dockerLogin{}
	for key, raw := range file {
		var login dockerLogin
		if json.Unmarshal(raw, &login) == nil && !login.isEmpty() {
			logins[key] = login
		}
	}
	return logins
}

// jsonFault says where a JSON text breaks without quoting any of it.
func jsonFault(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("docker config is not JSON (byte %d)", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Errorf("docker config: %s expected at byte %d", kind.Type.Kind(), kind.Offset)
	}
	return errors.New("docker config is not JSON")
}

// configName makes a host, or host/path, of a key: keys are written with or
// without a scheme, and Docker Hub's is https://index.docker.io/v1/.
func configName(key string) string {
	key = strings.TrimSpace(key)
	if _, rest, ok := strings.Cut(key, "://"); ok {
		key = rest
	}
	key = strings.TrimRight(key, "/")
	host, path, _ := strings.Cut(key, "/")
	host = image.CanonicalHost(host)
	switch path {
	case "", "v1", "v2":
		return host
	}
	return host + "/" + path
}

// HelperError says that the login of a host is in the keeping of a program,
// which is not run.
type HelperError struct {
	Host   string
	Helper string // as in the file: "ecr-login", "desktop"
}

func (e *HelperError) Error() string {
	return fmt.Sprintf("the docker config leaves the login of %s to the program docker-credential-%s, which is not supported: "+
		"give this registry a credential of its own in registries.conf", e.Host, e.Helper)
}

// Lookup finds the login for a repository. Each name is a host or host/path
// ("ghcr.io/org/app"); the first name with a login is taken, for example the
// registry's name in images before the host of its API. An entry matches by
// its host, and by its path on the boundaries of elements where it has one;
// the longest match wins, and of keys that mean the same the first in
// alphabetical order.
//
// found is false where there is no login. The error is a *HelperError, or says
// which entry is broken.
func (c DockerConfig) Lookup(names ...string) (login Registry, found bool, err error) {
	for _, name := range names {
		name = configName(name)
		host, _, _ := strings.Cut(name, "/")
		if helper := c.helpers[host]; helper != "" {
			return Registry{}, false, &HelperError{Host: host, Helper: helper}
		}
		entry, ok := c.match(name)
		switch {
		case !ok:
			continue
		case !entry.login.isEmpty():
			login, err := entry.decode()
			return login, err == nil, err
		case c.store != "":
			return Registry{}, false, &HelperError{Host: host, Helper: c.store}
		}
	}
	return Registry{}, false, nil
}

// match finds the best entry for a canonical name; one with a login is better
// than one without.
func (c DockerConfig) match(name string) (dockerEntry, bool) {
	var best dockerEntry
	for _, e := range c.entries {
		if e.name != name && !strings.HasPrefix(name, e.name+"/") {
			continue
		}
		switch {
		case best.key == "", best.login.isEmpty() && !e.login.isEmpty():
			best = e
		case len(e.name) > len(best.name) && !e.login.isEmpty():
			best = e
		}
	}
	return best, best.key != ""
}

// decode gives the login of an entry: the identity token, or else the pair in
// auth, or else username and password.
func (e dockerEntry) decode() (Registry, error) {
	l := e.login
	if l.IdentityToken != "" {
		return Registry{IdentityToken: trimNewline(l.IdentityToken)}, nil
	}
	if l.Auth == "" {
		return fromPair(l.Username, l.Password, fmt.Sprintf("docker config entry %q", e.key))
	}
	pair, err := decodeBase64(l.Auth)
	if err != nil {
		return Registry{}, fmt.Errorf("docker config entry %q: auth is not base64 of user:password", e.key)
	}
	login, err := FromUserPass(pair)
	if err != nil {
		return Registry{}, fmt.Errorf("docker config entry %q: auth: %w", e.key, err)
	}
	return login, nil
}

// decodeBase64 accepts what is found in the field: with padding or without,
// broken into lines or not, and with the zero byte that old clients appended.
func decodeBase64(s string) (string, error) {
	s = strings.TrimRight(strings.Join(strings.Fields(s), ""), "=")
	b, err := base64.RawStdEncoding.DecodeString(s)
	return strings.TrimRight(string(b), "\x00"), err
}

// hosts lists the keys of the entries, for messages.
func (c DockerConfig) hosts() string {
	keys := make([]string, 0, len(c.entries))
	for _, e := range c.entries {
		keys = append(keys, e.key)
	}
	if len(keys) == 0 {
		return "no registry at all"
	}
	return strings.Join(keys, ", ")
}
