package credential

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The keys of Secrets, as kubectl and Argo CD write them.
const (
	keyDockerConfig = ".dockerconfigjson"
	keyDockerCfg    = ".dockercfg"
	keyUsername     = "username"
	keyPassword     = "password"
)

// FromUserPass takes apart user:password, at the first colon. A newline at the
// end does not belong to the password. The error does not quote s.
func FromUserPass(s string) (Registry, error) {
	user, password, ok := strings.Cut(trimNewline(s), ":")
	if !ok {
		return Registry{}, errors.New("user:password expected, and there is no colon in it")
	}
	return fromPair(user, password, "user:password")
}

func fromPair(user, password, what string) (Registry, error) {
	user, password = trimNewline(user), trimNewline(password)
	switch {
	case user == "":
		return Registry{}, fmt.Errorf("%s: the user is empty", what)
	case password == "":
		return Registry{}, fmt.Errorf("%s: the password is empty", what)
	}
	return Registry{Username: user, Password: password}, nil
}

func trimNewline(s string) string { return strings.TrimRight(s, "\r\n") }

// FromSecret takes the login that ref means out of a Secret's decoded content.
// The names are those of DockerConfig.Lookup; they are looked at where the
// Secret holds a docker config. That nothing fits is an error, which names the
// keys of the Secret and never their values.
func FromSecret(content map[string][]byte, ref Reference, names ...string) (Registry, error) {
	login, err := registryLogin(content, ref, names)
	if err != nil {
		return Registry{}, fmt.Errorf("credential %s: %w", ref, err)
	}
	login.From = ref.String()
	return login, nil
}

func registryLogin(content map[string][]byte, ref Reference, names []string) (Registry, error) {
	config, hasConfig := dockerConfigOf(content)
	switch {
	case ref.Kind == Secret && ref.Field != "":
		value, ok := content[ref.Field]
		if !ok {
			return Registry{}, fmt.Errorf("the Secret has no field %q (fields: %s)", ref.Field, keysOf(content))
		}
		return FromUserPass(string(value))
	case ref.Kind == Secret && content[keyPassword] != nil:
		return fromPair(string(content[keyUsername]), string(content[keyPassword]), "fields username and password")
	case !hasConfig && ref.Kind == PullSecret:
		return Registry{}, fmt.Errorf("the Secret has no field %s (fields: %s)", keyDockerConfig, keysOf(content))
	case !hasConfig:
		return Registry{}, fmt.Errorf("the Secret has neither username and password nor %s (fields: %s): name the field that holds user:password after a #",
			keyDockerConfig, keysOf(content))
	}
	return configLogin(config, names)
}

func dockerConfigOf(content map[string][]byte) ([]byte, bool) {
	for _, key := range []string{keyDockerConfig, keyDockerCfg} {
		if b, ok := content[key]; ok {
			return b, true
		}
	}
	return nil, false
}

func configLogin(b []byte, names []string) (Registry, error) {
	config, err := ParseDockerConfig(b)
	if err != nil {
		return Registry{}, err
	}
	login, found, err := config.Lookup(names...)
	if err == nil && !found {
		err = fmt.Errorf("the docker config has no login for %s, but for %s", strings.Join(names, " or "), config.hosts())
	}
	return login, err
}

// keysOf lists the keys of a Secret, for messages.
func keysOf(content map[string][]byte) string {
	keys := make([]string, 0, len(content))
	for key := range content {
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return "none"
	}
	slices.Sort(keys)
	return strings.Join(keys, ", ")
}
