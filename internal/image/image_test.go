package image_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"argocd-image-updater/internal/image"
)

const (
	hex64  = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	sha256 = "sha256:" + hex64
	sha512 = "sha512:" + hex64 + hex64
)

func TestParseRepo(t *testing.T) {
	long := strings.Repeat("a", 255-len("docker.io/library/"))
	tests := []struct{ in, registry, path, base string }{
		{"nginx", "docker.io", "library/nginx", "nginx"},
		{"library/nginx", "docker.io", "library/nginx", "nginx"},
		{"docker.io/nginx", "docker.io", "library/nginx", "nginx"},
		{"index.docker.io/library/nginx", "docker.io", "library/nginx", "nginx"},
		{"registry-1.docker.io/nginx", "docker.io", "library/nginx", "nginx"},
		{"registry.hub.docker.com/nginx", "docker.io", "library/nginx", "nginx"},
		{"Docker.IO/nginx", "docker.io", "library/nginx", "nginx"},
		{"myorg/myapp", "docker.io", "myorg/myapp", "myapp"},
		{"ghcr.io/nginx", "ghcr.io", "nginx", "nginx"},
		{"reg.io/library/x", "reg.io", "library/x", "x"},
		{"GHCR.io/a/b/c", "ghcr.io", "a/b/c", "c"},
		{"localhost/x", "localhost", "x", "x"},
		{"localhost:5000/x", "localhost:5000", "x", "x"},
		{"[::1]:5000/a/b", "[::1]:5000", "a/b", "b"},
		{"10.0.0.1/a", "10.0.0.1", "a", "a"},
		{"a.b", "docker.io", "library/a.b", "a.b"}, // no slash, so no host
		{"a__b/c-d/e--f.g_h", "docker.io", "a__b/c-d/e--f.g_h", "e--f.g_h"},
		{long, "docker.io", "library/" + long, long},
	}
	for _, test := range tests {
		repo, err := image.ParseRepo(test.in)
		if err != nil {
			t.Errorf("%s: %v", test.in, err)
			continue
		}
		if repo.Registry() != test.registry || repo.Path() != test.path || repo.Base() != test.base {
			t.Errorf("%s: got %s, path %s, base %s", test.in, repo, repo.Path(), repo.Base())
		}
		if again, err := image.ParseRepo(repo.String()); err != nil || again != repo {
			t.Errorf("%s: printed as %s, parsed as %s (%v)", test.in, repo, again, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	tests := map[string]string{
		"":                       `image reference "": invalid image name "": an image name is lower-case letters, digits and single . _ - between them, in parts joined by /`,
		"MyApp":                  `image reference "MyApp": invalid image name "MyApp": image names are lower case`,
		"MyOrg/app":              `image reference "MyOrg/app": invalid image name "MyOrg/app": image names are lower case`,
		"ghcr.io/Org/app":        `image reference "ghcr.io/Org/app": invalid image name "Org/app": image names are lower case`,
		"nginx:":                 `image reference "nginx:": invalid tag ""`,
		"nginx:-1":               `image reference "nginx:-1": invalid tag "-1"`,
		"nginx:^1.2":             `image reference "nginx:^1.2": invalid tag "^1.2"`,
		"nginx:1.0@sha256:abc":   `image reference "nginx:1.0@sha256:abc": invalid digest "sha256:abc": sha256 takes 64 lower-case hex digits`,
		"nginx@":                 `image reference "nginx@": invalid digest "": sha256:<64 hex digits> or sha512:<128 hex digits> expected`,
		"nginx@" + sha256 + "@x": `image reference "nginx@` + sha256 + `@x": invalid digest "` + sha256 + `@x": sha256 takes 64 lower-case hex digits`,
		"-bad.io/x":              `image reference "-bad.io/x": invalid registry host "-bad.io"`,
		"a:b/x":                  `image reference "a:b/x": invalid registry host "a:b"`,
		strings.Repeat("a", 250): `image reference "` + strings.Repeat("a", 250) + `": image name of 268 characters with its registry: at most 255 are allowed`,
	}
	for in, want := range tests {
		if ref, err := image.ParseRef(in); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, %v\nwant %s", in, ref, err, want)
		}
	}
	for _, in := range []string{"a//b", "/a", "a/", "a b", "a___b", "a..b", "docker.io/", "a/b\n", "a/é", " a", "_a", "a_", "[::1/x", "a.io:/x"} {
		if ref, err := image.ParseRef(in); err == nil {
			t.Errorf("%q: got %v", in, ref)
		}
	}
}

func TestParseRef(t *testing.T) {
	tests := []struct {
		in, name, tag, digest, version string
		hasRegistry                    bool
	}{
		{"nginx", "nginx", "", "", "", false},
		{"nginx:1.25", "nginx", "1.25", "", "1.25", false},
		{"docker.io/nginx:1.25", "docker.io/nginx", "1.25", "", "1.25", true},
		{"myorg/app@" + sha256, "myorg/app", "", sha256, sha256, false},
		{"ghcr.io/a/b:v1@" + sha512, "ghcr.io/a/b", "v1", sha512, "v1@" + sha512, true},
		{"host:5000", "host", "5000", "", "5000", false},
		{"host:5000/app", "host:5000/app", "", "", "", true},
		{"host:5000/app:_x.Y-1", "host:5000/app", "_x.Y-1", "", "_x.Y-1", true},
		{"[::1]:5000/app:1", "[::1]:5000/app", "1", "", "1", true},
	}
	for _, test := range tests {
		ref, err := image.ParseRef(test.in)
		if err != nil {
			t.Errorf("%s: %v", test.in, err)
			continue
		}
		if ref.Name != test.name || ref.Tag != test.tag || string(ref.Digest) != test.digest {
			t.Errorf("%s: got %+v", test.in, ref)
		}
		if ref.String() != test.in || ref.Version() != test.version || ref.HasRegistry() != test.hasRegistry || ref.IsZero() {
			t.Errorf("%s: prints as %s, version %s, registry %v", test.in, ref, ref.Version(), ref.HasRegistry())
		}
	}
}

func TestWithKeepsTheSpelling(t *testing.T) {
	ref, err := image.ParseRef("index.docker.io/nginx:1.0@" + sha256)
	if err != nil {
		t.Fatal(err)
	}
	if got := ref.With("2.0", "").String(); got != "index.docker.io/nginx:2.0" {
		t.Errorf("got %s", got)
	}
	if ref.Tag != "1.0" {
		t.Errorf("the receiver changed: %s", ref)
	}
}

func TestZeroValues(t *testing.T) {
	var ref image.Ref
	var repo image.Repo
	if !ref.IsZero() || !repo.IsZero() || ref.String() != "" || repo.String() != "" || image.Digest("").Short() != "" {
		t.Errorf("got %q, %q, %q", ref, repo, image.Digest("").Short())
	}
}

func TestRepoCompare(t *testing.T) {
	names := []string{"nginx", "zoo/app", "ghcr.io/a/b", "ghcr.io/a/c", "quay.io/a"}
	for i, a := range names {
		for j, b := range names {
			x, errX := image.ParseRepo(a)
			y, errY := image.ParseRepo(b)
			if errX != nil || errY != nil {
				t.Fatal(errX, errY)
			}
			if got := x.Compare(y); got < 0 != (i < j) || got == 0 != (i == j) {
				t.Errorf("%s and %s: %d", a, b, got)
			}
		}
	}
}

func TestValidTag(t *testing.T) {
	for _, tag := range []string{"1", "latest", "_x", "v1.2.3-rc_1", "A", strings.Repeat("a", 128)} {
		if !image.ValidTag(tag) {
			t.Errorf("%q is refused", tag)
		}
	}
	for _, tag := range []string{"", ".1", "-1", "1+b", "a b", "a/b", "a:b", "é", "a\n", strings.Repeat("a", 129)} {
		if image.ValidTag(tag) {
			t.Errorf("%q is accepted", tag)
		}
	}
}

func TestParseDigest(t *testing.T) {
	for _, s := range []string{sha256, sha512} {
		d, err := image.ParseDigest(s)
		if err != nil || string(d) != s || d.Short() != s[:len("sha256:")]+"0123456789ab" {
			t.Errorf("%s: got %s (%s), %v", s, d, d.Short(), err)
		}
	}
	for _, s := range []string{"", ":", hex64, "sha256:", "sha256:" + hex64[1:], sha256 + "0", "sha512:" + hex64, "md5:" + hex64[:32],
		"SHA256:" + hex64, "sha256:" + strings.ToUpper(hex64), "sha256:" + hex64[:31] + "gg" + hex64[:31]} {
		if d, err := image.ParseDigest(s); err == nil {
			t.Errorf("%q: got %s", s, d)
		}
	}
}

func TestParsePlatform(t *testing.T) {
	for in, want := range map[string]image.Platform{
		"linux/amd64":      {OS: "linux", Arch: "amd64"},
		"linux/arm/v7":     {OS: "linux", Arch: "arm", Variant: "v7"},
		"windows/amd64":    {OS: "windows", Arch: "amd64"},
		"wasip1/wasm_x-.1": {OS: "wasip1", Arch: "wasm_x-.1"},
	} {
		got, err := image.ParsePlatform(in)
		if err != nil || got != want || got.String() != strings.TrimSpace(in) {
			t.Errorf("%q: got %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "linux", "arm64", "linux/", "/amd64", "linux//v7", "linux/arm/v7/x", "linux/a b", "linux/a,b", "linux/*", "linux/amd64:1"} {
		if got, err := image.ParsePlatform(in); err == nil {
			t.Errorf("%q: got %s", in, got)
		}
	}
}

func TestPlatformAdmits(t *testing.T) {
	tests := []struct {
		wanted, built string
		want          bool
	}{
		{"linux/amd64", "linux/amd64", true},
		{"linux/amd64", "linux/amd64/v3", true},
		{"linux/amd64", "linux/arm64", false},
		{"linux/amd64", "windows/amd64", false},
		{"linux/arm", "linux/arm/v6", true},
		{"linux/arm/v7", "linux/arm/v7", true},
		{"linux/arm/v7", "linux/arm/v6", false},
		{"linux/arm/v7", "linux/arm", true},
		{"linux/arm/v6", "linux/arm", false},
		{"linux/arm64/v8", "linux/arm64", true},
		{"linux/arm64", "linux/arm64/v8", true},
		{"linux/amd64/v1", "linux/amd64", true},
		{"linux/amd64/v2", "linux/amd64", false},
		{"linux/riscv64/x", "linux/riscv64", false},
	}
	for _, test := range tests {
		wanted, errWanted := image.ParsePlatform(test.wanted)
		built, errBuilt := image.ParsePlatform(test.built)
		if errWanted != nil || errBuilt != nil {
			t.Fatal(errWanted, errBuilt)
		}
		if got := wanted.Admits(built); got != test.want {
			t.Errorf("%s admits %s: %v", wanted, built, got)
		}
	}
}

// Names put together from the parts of the grammar, and broken at random:
// what parses prints as it was written and parses to the same value.
func TestParseAndPrintAreInverse(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	pick := func(from ...string) string { return from[rnd.IntN(len(from))] }
	parsed := 0
	for range 20_000 {
		s := pick("", "", "ghcr.io/", "index.docker.io/", "localhost/", "Host:5000/", "[::1]/") +
			pick("", "", "library/", "a/b/", "a__b/") + pick("nginx", "my-app", "x.y", "host") +
			pick("", ":1.2.3", ":latest", ":_", ":5000") + pick("", "", "@"+sha256, "@"+sha512)
		if rnd.IntN(2) == 0 {
			i := rnd.IntN(len(s) + 1)
			s = s[:i] + pick(":", "@", "/", ".", "-", "_", "A", " ", "é") + s[i:]
		}
		if checkInverse(t, s) {
			parsed++
		}
	}
	if parsed < 10_000 {
		t.Errorf("only %d of the names parsed", parsed)
	}
}

func checkInverse(t *testing.T, s string) bool {
	t.Helper()
	ref, err := image.ParseRef(s)
	if err != nil {
		if ref != (image.Ref{}) {
			t.Errorf("%q: an error and %+v", s, ref)
		}
		return false
	}
	if ref.String() != s {
		t.Errorf("%q prints as %q", s, ref)
	}
	if again, err := image.ParseRef(ref.String()); err != nil || again != ref {
		t.Errorf("%q parses as %+v, then as %+v (%v)", s, ref, again, err)
	}
	// The canonical name is a reference too, and to the same repository.
	canonical, err := image.ParseRef(ref.Repo.String())
	if err != nil || canonical.Repo != ref.Repo || canonical.Name != ref.Repo.String() {
		t.Errorf("%q is %s, which parses as %+v (%v)", s, ref.Repo, canonical, err)
	}
	if host := ref.Repo.Registry(); image.CanonicalHost(host) != host {
		t.Errorf("%q: host %s is not canonical", s, host)
	}
	return true
}

func FuzzParseRef(f *testing.F) {
	for _, s := range []string{"nginx", "nginx:1.2@" + sha256, "index.docker.io/library/x:_", "host:5000", "Host:5000/a__b:v1", "[::1]:5000/a@" + sha512,
		"a//b", "nginx:^1.2", "-bad.io/x", "", "localhost/x", strings.Repeat("a", 250)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkInverse(t, s) })
}

func FuzzParsePlatform(f *testing.F) {
	for _, s := range []string{"linux/amd64", " linux/arm/v7", "linux", "a/b/c/d", "linux//v7"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := image.ParsePlatform(s)
		if err != nil {
			return
		}
		if again, err := image.ParsePlatform(p.String()); err != nil || again != p {
			t.Errorf("%q: %+v prints as %s", s, p, p)
		}
		if !p.Admits(p) {
			t.Errorf("%s does not admit itself", p)
		}
	})
}

func FuzzParseDigest(f *testing.F) {
	for _, s := range []string{sha256, sha512, "sha256:", "md5:00", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := image.ParseDigest(s)
		if err == nil && (string(d) != s || !strings.HasPrefix(s, d.Short())) {
			t.Errorf("%q parses as %q", s, d)
		}
	})
}
