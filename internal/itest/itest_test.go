package itest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"argocd-image-updater/internal/itest"
)

func startGit(t *testing.T, o itest.GitOptions) (*itest.GitServer, *itest.Repo) {
	t.Helper()
	o.Root = t.TempDir()
	server, err := itest.StartGit(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	repo, err := server.Init("team/config")
	if err != nil {
		t.Fatal(err)
	}
	return server, repo
}

func startRegistry(t *testing.T, o itest.RegistryOptions) *itest.Registry {
	t.Helper()
	server, err := itest.StartRegistry(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server
}

func commit(t *testing.T, repo *itest.Repo, c itest.Commit) {
	t.Helper()
	if err := repo.Commit(c); err != nil {
		t.Fatal(err)
	}
}

// git runs the program as a person would, with nobody's configuration.
func git(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.com")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mustGit(t *testing.T, dir string, args ...string) {
	t.Helper()
	if out, err := git(t, dir, args...); err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestGitCloneAndPush(t *testing.T) {
	server, repo := startGit(t, itest.GitOptions{})
	commit(t, repo, itest.Commit{Files: map[string]string{"a/b.yaml": "x: 1\n", "ü": "no newline"}, Links: map[string]string{"out": "../../etc"}})

	dir := filepath.Join(t.TempDir(), "clone")
	mustGit(t, ".", "clone", "--quiet", server.URL("team/config"), dir)
	if err := os.WriteFile(filepath.Join(dir, "a", "b.yaml"), []byte("x: 2\r\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	mustGit(t, dir, "commit", "--quiet", "--all", "-m", "second")
	mustGit(t, dir, "push", "--quiet", "origin", "main")

	for path, want := range map[string]string{"a/b.yaml": "x: 2\r\n", "ü": "no newline", "out": "../../etc"} {
		if got, err := repo.File("main", path); err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", path, got, err, want)
		}
	}
	if subjects, err := repo.Log("main"); err != nil || !cmp.Equal(subjects, []string{"second", "seed"}) {
		t.Errorf("log: %q, %v", subjects, err)
	}
	if err := repo.Check(); err != nil {
		t.Error(err)
	}
	for kind, want := range map[string]int{
		itest.KindUploadRefs: 1, itest.KindUploadPack: 2, // ls-refs and fetch of protocol v2
		itest.KindReceiveRefs: 1, itest.KindReceivePack: 1, itest.KindGitOther: 0,
	} {
		if got := server.Count(kind).Requests; got != want {
			t.Errorf("%s: %d requests, want %d", kind, got, want)
		}
	}
	if got := server.Count(itest.KindReceivePack); got.In == 0 || got.Out == 0 {
		t.Errorf("a push without bytes: %+v", got)
	}
}

// The same seed gives the same hash, whenever and in whatever order of files.
func TestGitSeedIsDeterministic(t *testing.T) {
	var heads []string
	for range 2 {
		_, repo := startGit(t, itest.GitOptions{})
		commit(t, repo, itest.Commit{Files: map[string]string{"a": "1", "b": "2", "c": "3"}})
		head, err := repo.Head("main")
		if err != nil {
			t.Fatal(err)
		}
		heads = append(heads, head)
	}
	if heads[0] != heads[1] {
		t.Errorf("%s and %s", heads[0], heads[1])
	}
}

func TestGitLargeSeed(t *testing.T) {
	_, repo := startGit(t, itest.GitOptions{})
	files := map[string]string{}
	for i := range 20_000 {
		files[fmt.Sprintf("apps/%03d/%05d.yaml", i%200, i)] = fmt.Sprintf("replicas: %d\n", i)
	}
	commit(t, repo, itest.Commit{Files: files})
	if got, err := repo.File("main", "apps/199/19999.yaml"); err != nil || got != "replicas: 19999\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestGitPartialClone(t *testing.T) {
	for _, c := range []struct {
		noFilter bool
		blobs    string // in the clone after the checkout-less clone
	}{{false, "0"}, {true, "2"}} {
		server, repo := startGit(t, itest.GitOptions{NoFilter: c.noFilter})
		commit(t, repo, itest.Commit{Files: map[string]string{"a": "1", "b": "2"}})
		dir := filepath.Join(t.TempDir(), "clone")
		mustGit(t, ".", "clone", "--quiet", "--bare", "--filter=blob:none", server.URL("team/config"), dir)
		out, err := git(t, dir, "cat-file", "--batch-check=%(objecttype)", "--batch-all-objects", "--unordered")
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(strings.Count(out, "blob")); got != c.blobs {
			t.Errorf("filter refused: %v: %s blobs were sent, want %s", c.noFilter, got, c.blobs)
		}
	}
}

func TestGitLoginAndTLS(t *testing.T) {
	server, repo := startGit(t, itest.GitOptions{TLS: true, Username: "bot", Password: "s3cret"})
	commit(t, repo, itest.Commit{Files: map[string]string{"a": "1"}})
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, server.CA(), 0o600); err != nil {
		t.Fatal(err)
	}
	address := server.URL("team/config")
	withLogin := strings.Replace(address, "https://", "https://bot:s3cret@", 1)
	for _, c := range []struct {
		name    string
		trust   string // file of the authority
		address string
		want    string // in what git prints; "" if it works
	}{
		{"stranger's certificate", os.DevNull, withLogin, "certificate"},
		{"no login", ca, address, "could not read Username"},
		{"wrong password", ca, strings.Replace(withLogin, "s3cret", "x", 1), "Authentication failed"},
		{"login", ca, withLogin, ""},
	} {
		t.Setenv("GIT_SSL_CAINFO", c.trust)
		out, err := git(t, ".", "ls-remote", c.address)
		if (err == nil) != (c.want == "") || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v\n%s", c.name, err, out)
		}
	}
}

func TestGitHarm(t *testing.T) {
	for _, c := range []struct {
		name string
		harm func(*itest.GitServer, *itest.Repo) error
		want string
	}{
		{"refused by the server", func(s *itest.GitServer, _ *itest.Repo) error {
			s.Break(itest.Fault{Kind: itest.KindReceivePack, Harm: itest.Status(http.StatusForbidden)})
			return nil
		}, "403"},
		{"refused by a hook", func(_ *itest.GitServer, r *itest.Repo) error {
			return r.Hook("pre-receive", "echo 'main is protected' >&2; exit 1\n")
		}, "main is protected"},
		{"cut", func(s *itest.GitServer, _ *itest.Repo) error {
			s.Break(itest.Fault{Kind: itest.KindReceiveRefs, Harm: itest.Cut()})
			return nil
		}, "fatal"},
		{"overtaken", func(s *itest.GitServer, r *itest.Repo) error {
			s.Break(itest.Fault{Kind: itest.KindReceivePack, Times: 1, Harm: itest.Before(func() {
				_ = r.Commit(itest.Commit{Message: "overtaking", Files: map[string]string{"c": "3"}})
			})})
			return nil
		}, "rejected"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server, repo := startGit(t, itest.GitOptions{})
			commit(t, repo, itest.Commit{Files: map[string]string{"a": "1"}})
			dir := filepath.Join(t.TempDir(), "clone")
			mustGit(t, ".", "clone", "--quiet", server.URL("team/config"), dir)
			mustGit(t, dir, "commit", "--quiet", "--allow-empty", "-m", "lost")
			if err := c.harm(server, repo); err != nil {
				t.Fatal(err)
			}
			out, err := git(t, dir, "push", "origin", "main")
			if err == nil || !strings.Contains(out, c.want) {
				t.Errorf("push: %v\n%s", err, out)
			}
			if subjects, err := repo.Log("main"); err != nil || strings.Contains(strings.Join(subjects, " "), "lost") {
				t.Errorf("log: %q, %v", subjects, err)
			}
		})
	}
}

func TestPushAndRead(t *testing.T) {
	for _, o := range []itest.RegistryOptions{
		{},
		{TLS: true},
		{Username: "bot", Password: "s3cret"},
		{Username: "bot", Password: "s3cret", Token: true},
	} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			server := startRegistry(t, o)
			pusher := itest.Pusher{Transport: server.Transport(), Username: o.Username, Password: o.Password}
			created := time.Date(2024, 5, 1, 10, 0, 0, 0, time.UTC)
			ref := server.Host() + "/myorg/myapp:1.2.3"
			digest, err := pusher.Push(t.Context(), ref, itest.Image{Created: created, Labels: map[string]string{"a": "b"}})
			if err != nil {
				t.Fatal(err)
			}
			server.Reset()
			if o.Username != "" {
				if _, err := (itest.Pusher{Transport: server.Transport()}).Push(t.Context(), ref, itest.Image{}); err == nil {
					t.Error("a stranger pushed")
				}
				return
			}
			tag, err := name.NewTag(ref)
			if err != nil {
				t.Fatal(err)
			}
			img, err := remote.Image(tag, remote.WithTransport(server.Transport()))
			if err != nil {
				t.Fatal(err)
			}
			config, err := img.ConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			hash, err := img.Digest()
			if err != nil || hash.String() != digest || !config.Created.Equal(created) || config.Config.Labels["a"] != "b" {
				t.Errorf("got %s, %v, %+v; pushed %s", hash, err, config, digest)
			}
			for kind, want := range map[string]int{itest.KindPing: 1, itest.KindManifest: 1, itest.KindBlob: 1, itest.KindWrite: 0} {
				if got := server.Count(kind).Requests; got != want {
					t.Errorf("%s: %d requests, want %d", kind, got, want)
				}
			}
		})
	}
}

func TestPushIndex(t *testing.T) {
	server := startRegistry(t, itest.RegistryOptions{})
	ref := server.Host() + "/a:multi"
	if _, err := (itest.Pusher{}).Push(t.Context(), ref, itest.Image{Platforms: []string{"linux/amd64", "linux/arm/v7"}}); err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(ref)
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(tag)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	got := make([]v1.Platform, 0, len(manifest.Manifests))
	for _, m := range manifest.Manifests {
		got = append(got, *m.Platform)
	}
	want := []v1.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm", Variant: "v7"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// get reads url and returns what a client that does not judge would see.
func get(url string) (status int, header http.Header, body string, err error) {
	res, err := http.Get(url)
	if err != nil {
		return 0, nil, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, res.Header, string(bytes.TrimSpace(b)), err
}

func TestRegistryHarm(t *testing.T) {
	const whole = `{"name":"a","tags":["1","2","3","4"]}`
	for _, c := range []struct {
		name   string
		harm   itest.Harm
		status int
		body   string
		header string // "Key: value"; "" is none
	}{
		{"limit", itest.Status(429, "Retry-After", "7"), 429, `{"errors":[{"code":"TOO_MANY_REQUESTS","message":"as the test wished"}]}`, "Retry-After: 7"},
		{"truncated", itest.Truncate(), 200, whole[:len(whole)/2], ""},
		{"half of the tags", itest.HalfTags(), 200, `{"name":"a","tags":["1","2"]}`, ""},
		{"foreign page", itest.LinkTo(`<http://evil.example/v2/>; rel="next"`), 200, whole, `Link: <http://evil.example/v2/>; rel="next"`},
		{"endless pages", itest.EndlessPages(), 200, whole, `Link: </v2/a/tags/list?n=100&last=t1>; rel="next"`},
		{"wrong digest", itest.WrongDigest(), 200, whole, "Docker-Content-Digest: sha256:" + strings.Repeat("0", 64)},
		{"slow", itest.Slow(time.Millisecond), 200, whole, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := startRegistry(t, itest.RegistryOptions{Handler: itest.TagServer{Tags: map[string][]string{"a": {"1", "2", "3", "4"}}}})
			server.Break(itest.Fault{Kind: itest.KindTags, Skip: 1, Times: 1, Harm: c.harm})
			for i, wantWhole := range []bool{true, false, true} {
				status, header, body, err := get(server.URL() + "/v2/a/tags/list")
				if err != nil {
					t.Fatal(err)
				}
				if wantWhole {
					if status != 200 || body != whole {
						t.Errorf("request %d was harmed: %d %s", i+1, status, body)
					}
					continue
				}
				if status != c.status || body != c.body {
					t.Errorf("got %d %s", status, body)
				}
				if key, value, ok := strings.Cut(c.header, ": "); ok && header.Get(key) != value {
					t.Errorf("%s: got %q", key, header.Get(key))
				}
			}
		})
	}
}

func TestCutBreaksTheConnection(t *testing.T) {
	server := startRegistry(t, itest.RegistryOptions{Handler: itest.TagServer{Tags: map[string][]string{"a": {"1"}}}})
	server.Break(itest.Fault{Harm: itest.Cut()})
	_, _, body, err := get(server.URL() + "/v2/a/tags/list")
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %q, %v", body, err)
	}
	server.Mend()
	if _, _, _, err := get(server.URL() + "/v2/a/tags/list"); err != nil {
		t.Errorf("mended: %v", err)
	}
}

func TestTagServerPages(t *testing.T) {
	server := startRegistry(t, itest.RegistryOptions{Handler: itest.TagServer{Tags: map[string][]string{"org/a": {"1", "2", "3", "4", "5"}}, MaxPage: 2}})
	var bodies []string
	for next := "/v2/org/a/tags/list?n=1000"; next != ""; {
		_, header, body, err := get(server.URL() + next)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, body)
		next, _, _ = strings.Cut(strings.TrimPrefix(header.Get("Link"), "<"), ">")
	}
	want := []string{`{"name":"org/a","tags":["1","2"]}`, `{"name":"org/a","tags":["3","4"]}`, `{"name":"org/a","tags":["5"]}`}
	if diff := cmp.Diff(want, bodies); diff != "" {
		t.Error(diff)
	}
	if got := server.Total().Requests; got != 3 {
		t.Errorf("%d requests", got)
	}
	if status, _, _, err := get(server.URL() + "/v2/org/b/tags/list"); err != nil || status != http.StatusNotFound {
		t.Errorf("unknown repository: %d, %v", status, err)
	}
}
