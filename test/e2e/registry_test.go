package e2e_test

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/rogpeppe/go-internal/testscript"

	"argocd-image-updater/internal/itest"
)

// startRegistry: registry [-tls] [-auth USER:PASSWORD [-token]] [-page N]
//
// It sets $REGISTRY (host:port), $REGISTRY_URL and $REGISTRY_CA (a file).
func startRegistry(w *world, ts *testscript.TestScript, args []string) (string, error) {
	flags := flag.NewFlagSet("registry", flag.ContinueOnError)
	secure := flags.Bool("tls", false, "")
	token := flags.Bool("token", false, "")
	auth := flags.String("auth", "", "")
	page := flags.Int("page", 0, "")
	if err := flags.Parse(args); err != nil {
		return "", err
	}
	user, password, _ := strings.Cut(*auth, ":")
	who := login{user, password}
	o := itest.RegistryOptions{TLS: *secure, Token: *token}
	if *token { // asked for by the front instead
		o.Username, o.Password, who = user, password, login{}
	}
	handler, err := distribution(w.ctx, w.dir, who, *page)
	if err != nil {
		return "", err
	}
	o.Handler = handler
	if w.registry, err = itest.StartRegistry(o); err != nil {
		return "", err
	}
	ts.Defer(w.registry.Close)
	w.pusher = itest.Pusher{Transport: w.registry.Transport(), Username: user, Password: password}
	w.useRegistry(ts, w.registry.Host(), w.registry.URL())
	return "", w.writeCA(ts, "REGISTRY_CA", w.registry.CA())
}

// useRegistry tells the script and the commands where images go.
func (w *world) useRegistry(ts *testscript.TestScript, host, url string) {
	w.host = host
	ts.Setenv("REGISTRY", host)
	ts.Setenv("REGISTRY_URL", url)
}

// push: push IMAGE:TAG... [created=RFC3339] [platform=OS/ARCH[,…]] [label=KEY=VALUE]
//
// It prints the digests, one in a line.
func push(w *world, _ *testscript.TestScript, args []string) (string, error) {
	refs, settings := cutSettings(args)
	img := itest.Image{}
	for key, value := range settings {
		switch key {
		case "created":
			created, err := time.Parse(time.RFC3339, value)
			if err != nil {
				return "", err
			}
			img.Created = created
		case "platform":
			img.Platforms = strings.Split(value, ",")
		case "label":
			k, v, _ := strings.Cut(value, "=")
			img.Labels = map[string]string{k: v}
		default:
			return "", fmt.Errorf("unknown setting %s", key)
		}
	}
	var out strings.Builder
	for _, ref := range refs {
		digest, err := w.pusher.Push(w.ctx, w.host+"/"+ref, img)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(&out, digest)
	}
	return out.String(), nil
}

// tags: tags IMAGE prints the tags that the registry lists, page by page.
func tags(w *world, _ *testscript.TestScript, args []string) (string, error) {
	if len(args) != 1 {
		return "", errors.New("usage: tags IMAGE")
	}
	repo, err := name.NewRepository(w.host+"/"+args[0], name.Insecure)
	if err != nil {
		return "", err
	}
	options := []remote.Option{remote.WithContext(w.ctx), remote.WithPageSize(100)}
	if w.pusher.Transport != nil {
		options = append(options, remote.WithTransport(w.pusher.Transport))
	}
	if w.pusher.Username != "" {
		options = append(options, remote.WithAuth(&authn.Basic{Username: w.pusher.Username, Password: w.pusher.Password}))
	}
	list, err := remote.List(repo, options...)
	if err != nil {
		return "", err
	}
	slices.Sort(list)
	return lines(list), nil
}
