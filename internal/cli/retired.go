package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// retired are flags of the incumbent that do nothing here. They are accepted,
// so that a command line that worked goes on to work, and say so when they are
// used. Flags that narrow what is done, or promise how, are not among them.
type retired struct {
	names    []string
	switches bool // they take no value
}

func retiredValues(names ...string) retired   { return retired{names: names} }
func retiredSwitches(names ...string) retired { return retired{names: names, switches: true} }

func retire(f *pflag.FlagSet, lists ...retired) {
	for _, list := range lists {
		for _, name := range list.names {
			f.String(name, "", "")
			if list.switches {
				f.Lookup(name).NoOptDefVal = "true"
			}
			_ = f.MarkDeprecated(name, "it does nothing here") // fails only for a flag that is not there
		}
	}
}

// unsupported are flags of the incumbent whose promise cannot be kept yet. To
// pass over them would do something else than was asked for.
func unsupported(f *pflag.FlagSet, names ...string) {
	for _, name := range names {
		f.Var(refused{name}, name, "")
		_ = f.MarkHidden(name) // fails only for a flag that is not there
	}
}

// refused is a flag that fails when it asks for something.
type refused struct{ name string }

func (refused) String() string { return "" }

// Type names the value in the usage text.
func (refused) Type() string { return "string" }

// Set refuses.
func (r refused) Set(value string) error {
	if value == "git" && r.name == "git-commit-method" || asksForNothing(value) {
		return nil
	}
	return fmt.Errorf("--%s is not supported yet", r.name)
}

// asksForNothing reports whether a value leaves off what cannot be done here.
func asksForNothing(value string) bool { return value == "" || strings.EqualFold(value, "false") }

// unsupportedVariables are the variables whose promise cannot be kept yet, with
// the keys of the ConfigMap that they come from.
func (sh shell) unsupportedVariables() error {
	for _, v := range []struct{ name, key string }{
		{"GIT_COMMIT_SIGNING_KEY", "git.commit-signing-key"},
		{"GIT_COMMIT_SIGN_KEY", "git.commit-sign-key"},
		{"GIT_COMMIT_SIGN_OFF", "git.commit-sign-off"},
	} {
		if !asksForNothing(sh.env(v.name)) {
			return fmt.Errorf("variable %s (%s): commits cannot be signed yet, and unsigned ones are not what was asked for: unset it, or keep what you have", v.name, v.key)
		}
	}
	if method := sh.env("GIT_COMMIT_METHOD"); method != "" && method != "git" {
		return fmt.Errorf("variable GIT_COMMIT_METHOD %q: commits cannot be made through a forge yet: unset it, or keep what you have", method)
	}
	return nil
}

// retiredVariables are the variables of the incumbent that are set and do
// nothing here.
func (sh shell) retiredVariables() []string {
	return slices.DeleteFunc([]string{
		"ACR_WEBHOOK_SECRET", "ALIYUN_ACR_WEBHOOK_SECRET", "ARGOCD_ASK_PASS_SOCK", "ARGOCD_EXEC_FATAL_TIMEOUT", "ARGOCD_EXEC_TIMEOUT",
		"ARGOCD_GIT_ATTEMPTS_COUNT", "ARGOCD_GIT_REQUEST_TIMEOUT", "ARGOCD_LOGLEVEL", "ARGOCD_SSH_DATA_PATH", "ARGOCD_TLS_DATA_PATH",
		"CLOUDEVENTS_WEBHOOK_SECRET", "DISABLE_TLS", "DOCKER_WEBHOOK_SECRET", "GHCR_WEBHOOK_SECRET", "GIT_COMMIT_SIGNING_METHOD",
		"HARBOR_WEBHOOK_SECRET", "MAX_CONCURRENT_RECONCILES", "OVERRIDE_MAX_RETRIES", "QUAY_WEBHOOK_SECRET", "WEBHOOK_PORT",
		"WEBHOOK_RATELIMIT_ALLOWED", "WEBHOOK_REQUIRE_SECRET",
	}, func(name string) bool { return sh.env(name) == "" })
}

// incumbentFlags are those of run.
func incumbentFlags(f *pflag.FlagSet) {
	retire(f,
		retiredValues("max-concurrent-reconciles",
			"webhook-port", "docker-webhook-secret", "ghcr-webhook-secret", "quay-webhook-secret", "harbor-webhook-secret", "aliyun-acr-webhook-secret",
			"acr-webhook-secret", "cloudevents-webhook-secret", "webhook-ratelimit-allowed", "git-commit-signing-method"),
		retiredSwitches("warmup-cache", "webhook-require-secret", "disable-tls"))
	unsupported(f, "enable-webhook", "git-commit-signing-key", "git-commit-sign-off", "git-commit-method")
	for _, name := range []string{"enable-webhook", "git-commit-sign-off"} {
		f.Lookup(name).NoOptDefVal = "true"
	}
}

// admits reports whether a name is one of the globs; none admit all.
func admits(globs []string, match func(glob string) bool) bool {
	return len(globs) == 0 || slices.ContainsFunc(globs, match)
}
