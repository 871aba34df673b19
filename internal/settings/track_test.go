package settings

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/credential"
)

// trackOf is the one Track of an Application with the list app=ghcr.io/org/app
// and the given annotations.
func trackOf(t *testing.T, keyValues ...string) Track {
	t.Helper()
	u, err := FromAnnotations(annotated(keyValues...), Defaults{})
	if err != nil {
		t.Fatal(err)
	}
	return u.Tracks[0]
}

func TestManaged(t *testing.T) {
	if !Managed(annotated()) || !Managed(annotated("image-list", "")) {
		t.Error("an Application with an image list is not managed")
	}
	if Managed(argo.Application{Annotations: map[string]string{Prefix + "update-strategy": "semver"}}) {
		t.Error("an Application without an image list is managed")
	}
}

func TestTrackNames(t *testing.T) {
	u, err := FromAnnotations(annotated("image-list", "org/web=docker.io/nginx:^1, ghcr.io/org/app, x=!"), Defaults{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, track := range u.Tracks {
		got = append(got, fmt.Sprintf("%s|%s|%s|%s|%s", track.Name, track.Alias, track.Image, track.Image.Repo, track.Constraint))
	}
	want := []string{
		"org/web|org/web|docker.io/nginx|docker.io/library/nginx|^1",
		"ghcr.io/org/app||ghcr.io/org/app|ghcr.io/org/app|",
		"x|x|||",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTrackKeys(t *testing.T) {
	tests := []struct {
		name         string
		keyValues    []string
		helm, plugin Keys
		kustomize    string
	}{
		{"none", nil, Keys{Name: "image.name", Tag: "image.tag"}, Keys{}, ""},
		{"both", []string{"app.helm.image-name", "web.image", "app.helm.image-tag", " web.tag "},
			Keys{Name: "web.image", Tag: "web.tag", Given: true}, Keys{}, ""},
		{"spec wins", []string{"app.helm.image-name", "web.image", "app.helm.image-tag", "web.tag", "app.helm.image-spec", "web.spec"},
			Keys{Spec: "web.spec", Given: true}, Keys{}, ""},
		{"the tag alone", []string{"app.helm.image-tag", "web.tag"}, Keys{Tag: "web.tag", Given: true}, Keys{}, ""},
		{"the name alone", []string{"app.helm.image-name", "web.image"}, Keys{Name: "web.image", Tag: "image.tag", Given: true}, Keys{}, ""},
		{"empty is the default", []string{"app.helm.image-spec", ""}, Keys{Name: "image.name", Tag: "image.tag"}, Keys{}, ""},
		{"without an alias nothing", []string{"helm.image-tag", "x", "plugin.image-tag", "X", "kustomize.image-name", "x"},
			Keys{Name: "image.name", Tag: "image.tag"}, Keys{}, ""},
		{"plugin", []string{"app.plugin.image-name", "IMAGE", "app.plugin.image-tag", "TAG"},
			Keys{Name: "image.name", Tag: "image.tag"}, Keys{Name: "IMAGE", Tag: "TAG", Given: true}, ""},
		{"plugin spec", []string{"app.plugin.image-spec", "SPEC", "app.plugin.image-tag", "TAG"},
			Keys{Name: "image.name", Tag: "image.tag"}, Keys{Spec: "SPEC", Given: true}, ""},
		{"kustomize", []string{"app.kustomize.image-name", "docker.io/org/original"},
			Keys{Name: "image.name", Tag: "image.tag"}, Keys{}, "docker.io/org/original"},
		{"slashes of an alias", []string{"image-list", "org/app=ghcr.io/org/app", "org_app.helm.image-tag", "web.tag"},
			Keys{Tag: "web.tag", Given: true}, Keys{}, ""},
		{"helm keys of an image without alias", []string{"image-list", "ghcr.io/org/app", "org_app.helm.image-tag", "web.tag", "org_app.plugin.image-tag", "X"},
			Keys{Tag: "web.tag", Given: true}, Keys{}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			track := trackOf(t, test.keyValues...)
			if track.Err != nil {
				t.Fatal(track.Err)
			}
			if track.Helm != test.helm || track.Plugin != test.plugin || track.KustomizeName != test.kustomize {
				t.Errorf("helm %+v, plugin %+v, kustomize %q", track.Helm, track.Plugin, track.KustomizeName)
			}
		})
	}
}

// What an image says wins over what its Application says, even if it says
// nothing; what neither says is the default.
func TestTrackPrecedence(t *testing.T) {
	secret := credential.Reference{Kind: credential.Secret, Namespace: "team", Name: "s", Field: "f"}
	type said struct {
		PullSecret     credential.Reference
		Force          bool
		Pin            Pin
		AllowDowngrade bool
	}
	tests := []struct {
		name      string
		keyValues []string
		want      said
	}{
		{"nothing", nil, said{}},
		{"Application", []string{"pull-secret", "env:CREDS", "force-update", "true", "pin", "digest", "allow-downgrade", "true"},
			said{PullSecret: credential.Reference{Kind: credential.Env, Name: "CREDS"}, Force: true, Pin: PinDigest, AllowDowngrade: true}},
		{"image", []string{"app.pull-secret", "secret:team/s#f", "app.force-update", "1", "app.pin", "tag+digest", "app.allow-downgrade", "T"},
			said{PullSecret: secret, Force: true, Pin: PinTagDigest, AllowDowngrade: true}},
		{"both", []string{"pull-secret", "env:CREDS", "app.pull-secret", "secret:team/s#f", "force-update", "true", "app.force-update", "false", "pin", "digest", "app.pin", "tag", "allow-downgrade", "true", "app.allow-downgrade", "false"},
			said{PullSecret: secret}},
		{"empty", []string{"pull-secret", "env:CREDS", "app.pull-secret", "", "force-update", "true", "app.force-update", "", "pin", "digest", "app.pin", " ", "allow-downgrade", "true", "app.allow-downgrade", ""},
			said{}},
		{"of another image", []string{"image-list", "app=ghcr.io/org/app, b=nginx", "b.force-update", "true"}, said{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			track := trackOf(t, test.keyValues...)
			got := said{track.PullSecret, track.Force, track.Pin, track.AllowDowngrade}
			if got != test.want || track.Err != nil {
				t.Errorf("%+v, %v; want %+v", got, track.Err, test.want)
			}
		})
	}
}

// A wrong value is an error of the images that it stands for, and of no other.
func TestTrackRefuses(t *testing.T) {
	const list = "app=ghcr.io/org/app, other=nginx"
	tests := []struct {
		name       string
		keyValues  []string
		want       string
		wantOthers bool
	}{
		{"force-update", []string{"app.force-update", "yes please"}, `image app: app.force-update "yes please": true or false expected`, false},
		{"force-update of all", []string{"force-update", "yes please"}, `image app: force-update "yes please": true or false expected`, true},
		{"allow-downgrade", []string{"app.allow-downgrade", "x"}, `image app: app.allow-downgrade "x"`, false},
		{"pin", []string{"app.pin", "tags"}, `image app: app.pin "tags": tag, digest or tag+digest expected`, false},
		{"pull-secret", []string{"app.pull-secret", "vault:x"}, `image app: app.pull-secret "vault:x": `, false},
		{"an entry", []string{"image-list", "app=Org/App, other=nginx"}, `image app: image-list "app=Org/App": `, false},
		{"one alias twice", []string{"image-list", "app=a, other=b, app=c"}, `image app: image-list: "app=a" and "app=c" cannot be told apart: give each an alias of its own`, false},
		{"one alias twice, in keys", []string{"image-list", "o/app=a, other=b, o_app=c"}, `image o/app: image-list: "o/app=a" and "o_app=c" cannot be told apart`, false},
		{"one image twice", []string{"image-list", "nginx, other=nginx, docker.io/library/nginx:1.x"},
			`image nginx: image-list: "nginx" and "docker.io/library/nginx:1.x" cannot be told apart`, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			u, err := FromAnnotations(annotated(append([]string{"image-list", list}, test.keyValues...)...), Defaults{})
			if err != nil {
				t.Fatal(err)
			}
			var wrong *ValueError
			if err := u.Tracks[0].Err; err == nil || !strings.HasPrefix(err.Error(), test.want) || !errors.As(err, &wrong) {
				t.Errorf("error %v; want %q", err, test.want)
			}
			if others := u.Tracks[1].Err != nil; others != test.wantOthers {
				t.Errorf("the other image: %v", u.Tracks[1].Err)
			}
			if len(u.Tracks) > 2 && u.Tracks[2].Err == nil {
				t.Error("the last of two equals has no error")
			}
		})
	}

	both := trackOf(t, "app.pin", "x", "app.force-update", "y").Err
	if both == nil || !strings.Contains(both.Error(), "app.pin") || !strings.Contains(both.Error(), "app.force-update") {
		t.Errorf("not all that is wrong is told: %v", both)
	}
}

func TestKeyWarnings(t *testing.T) {
	tests := []struct {
		name      string
		keyValues []string
		want      []string
	}{
		{"all known", []string{"write-back-method", "git", "app.tag-match", "", "app.allow-tags", "any", "platforms", "linux/amd64"}, nil},
		{"misspelt", []string{"update-stratgy", "semver"}, []string{"update-stratgy: unknown key, does nothing: did you mean update-strategy?"}},
		{"misspelt for an image", []string{"app.alow-tags", "any"}, []string{"app.alow-tags: unknown key, does nothing: did you mean app.allow-tags?"}},
		{"like nothing", []string{"colour", "blue"}, []string{"colour: unknown key, does nothing"}},
		{"no such alias", []string{"web.allow-tags", "any"}, []string{`web.allow-tags: image-list has no alias "web", so it does nothing: it has app`}},
		{"many aliases", []string{"image-list", "a=a, b=b, c=c, d=d, e=e, f=f", "web.pin", "tag"},
			[]string{`web.pin: image-list has no alias "web", so it does nothing: it has a, b, c, d, e, …`}},
		{"no alias at all", []string{"image-list", "nginx", "nginx.allow-tags", "any", "nginx.helm.image-tag", "tag"},
			[]string{`nginx.allow-tags: image-list has no alias "nginx", so it does nothing: give the image one, as in nginx=<image>`}},
		{"needs an alias", []string{"helm.image-tag", "tag"}, []string{"helm.image-tag: does nothing without an alias: write <alias>.helm.image-tag"}},
		{"tag-match", []string{"app.tag-match", "any"}, []string{"app.tag-match is an old name: write app.allow-tags"}},
		{"a digest in the list", []string{"image-list", "app=nginx:1@" + someDigest}, []string{"image app: the digest in image-list is not used: what is written is decided by pin"}},
		{"sorted", []string{"zzzzzzzz", "", "qqqqqqqq", ""}, []string{"qqqqqqqq: unknown key, does nothing", "zzzzzzzz: unknown key, does nothing"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			u, err := FromAnnotations(annotated(append([]string{"write-back-method", "git"}, test.keyValues...)...), Defaults{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, u.Warnings); diff != "" {
				t.Error(diff)
			}
		})
	}
}
