package registry

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/settings"
)

func TestParseChallenges(t *testing.T) {
	bearer := func(pairs ...string) challenge {
		c := challenge{scheme: "bearer", parameters: map[string]string{}}
		for i := 0; i < len(pairs); i += 2 {
			c.parameters[pairs[i]] = pairs[i+1]
		}
		return c
	}
	basic := challenge{scheme: "basic", parameters: map[string]string{"realm": "x, y"}}
	tests := []struct {
		in   []string
		want []challenge
	}{
		{nil, nil},
		{[]string{""}, nil},
		{[]string{`Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull"`},
			[]challenge{bearer("realm", "https://auth.docker.io/token", "service", "registry.docker.io", "scope", "repository:a/b:pull")}},
		{[]string{`bearer Realm = "a" , scope="x:y:pull,push",error="insufficient_scope"`},
			[]challenge{bearer("realm", "a", "scope", "x:y:pull,push", "error", "insufficient_scope")}},
		{[]string{`Bearer realm=https://a.example/t?x=y,service=s`}, []challenge{bearer("realm", "https://a.example/t?x=y", "service", "s")}},
		{[]string{`Bearer realm="a \"quoted\" \\ word"`}, []challenge{bearer("realm", `a "quoted" \ word`)}},
		{[]string{`Basic realm="x, y", Bearer realm="a"`}, []challenge{basic, bearer("realm", "a")}},
		{[]string{`Basic realm="x, y"`, `Bearer realm="a"`}, []challenge{basic, bearer("realm", "a")}},
		{[]string{`Negotiate, Basic realm="x, y"`}, []challenge{{scheme: "negotiate", parameters: map[string]string{}}, basic}},
		{[]string{`Basic`}, []challenge{{scheme: "basic", parameters: map[string]string{}}}},
		{[]string{`Bearer realm="never ends`}, []challenge{bearer()}},
		{[]string{`"Bearer`, `=x`}, nil},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, parseChallenges(tt.in), cmp.AllowUnexported(challenge{})); diff != "" {
			t.Errorf("%q: %s", tt.in, diff)
		}
	}
}

func TestNextLink(t *testing.T) {
	for in, want := range map[string]string{
		"":                                 "",
		`</v2/a/tags?n=1>; rel="next"`:     "/v2/a/tags?n=1",
		`<x>;rel=next`:                     "x",
		`<x>; REL=Next`:                    "x",
		`<x>; rel="prev next"`:             "x",
		`<x>; title="a, b; c"; rel="next"`: "x",
		`<x>; rel=first, <y>; rel="next"`:  "y",
		`<x,y>; rel="next"`:                "x,y",
		`<x>; rel="first"; rel="next"`:     "", // the first rel counts (RFC 8288, 3.3)
		`<x>`:                              "",
		`x; rel="next"`:                    "",
		`<x; rel="next"`:                   "",
		`<x>; rel="next`:                   "",
	} {
		if got := nextLink([]string{in}); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	if got := nextLink([]string{`<x>; rel=first`, `<y>; rel=next`}); got != "y" {
		t.Errorf("two headers: %q", got)
	}
}

func FuzzChallenges(f *testing.F) {
	f.Add(`Bearer realm="https://a/t",service="s",scope="repository:a/b:pull"`)
	f.Add(`Basic realm="x, y", Bearer realm=a`)
	f.Add(`Negotiate a==, Digest x="\""`)
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range parseChallenges([]string{s}) {
			if c.scheme == "" || c.scheme != strings.ToLower(c.scheme) || c.parameters == nil {
				t.Errorf("%q: %+v", s, c)
			}
		}
	})
}

func FuzzLink(f *testing.F) {
	f.Add(`</v2/a/tags/list?n=1000&last=x>; rel="next"`)
	f.Add(`<https://evil/x>; rel=next`)
	f.Add(`<x>; title="a, b", <y>; rel="prev next"`)
	page, err := url.Parse("https://ghcr.io/v2/a/b/tags/list?n=1000")
	if err != nil {
		f.Fatal(err)
	}
	of, err := New(Options{}).open(Target{Endpoint: settings.Endpoint{Registry: settings.Registry{API: "https://ghcr.io"}, Path: "a/b"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		next, err := of.follow(page, nextLink([]string{s}))
		if err == nil && (next.Host != "ghcr.io" || next.Scheme != "https" || next.Path != page.Path) {
			t.Errorf("%q leads to %s", s, next)
		}
	})
}

func FuzzManifest(f *testing.F) {
	const hash = "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
	f.Add([]byte(`{"schemaVersion":2,"config":{"mediaType":"`+typeOCIConfig+`","digest":"`+hash+`"},"layers":[]}`), typeOCIImage)
	f.Add([]byte(`{"schemaVersion":2,"manifests":[{"digest":"`+hash+`","platform":{"os":"linux"}}]}`), typeOCIIndex)
	f.Add([]byte(`{"schemaVersion":1}`), typeSchema1+"+prettyjws")
	f.Fuzz(func(t *testing.T, body []byte, kind string) {
		m, err := parseManifest(body, kind)
		if err != nil {
			return
		}
		if m.config != "" && m.children != nil {
			t.Errorf("%q (%s) is an image and an index", body, kind)
		}
		digests := []image.Digest{m.config}
		for _, child := range m.children {
			digests = append(digests, child.digest)
		}
		for _, d := range digests {
			if _, err := image.ParseDigest(string(d)); err != nil && d != "" {
				t.Errorf("%q (%s): %v", body, kind, err)
			}
		}
	})
}

func FuzzTags(f *testing.F) {
	f.Add(`{"name":"a/b","tags":["v1","v2"]}`)
	f.Add(`{"tags":null,"x":[{}]}`)
	f.Add(`{"tags":["v1"`)
	f.Fuzz(func(t *testing.T, body string) {
		tags, err := readTags(strings.NewReader(body), 5)
		bad := func(tag string) bool { return !image.ValidTag(tag) }
		if err == nil && (len(tags) > 5 || slices.ContainsFunc(tags, bad)) {
			t.Errorf("%q: %q", body, tags)
		}
	})
}
