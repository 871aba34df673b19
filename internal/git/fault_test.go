package git_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/git"
	"argocd-image-updater/internal/itest"
	"argocd-image-updater/internal/plan"
)

// update is a whole turn: look, list, read and push one file.
func (s served) update() error {
	s.Helper()
	refs, err := s.client.Look(s.Context(), s.at)
	if err != nil {
		return err
	}
	old := refs.Branches["main"]
	list, err := s.client.List(s.Context(), s.at, old, []plan.Dir{{Path: "apps"}})
	if err != nil {
		return err
	}
	if n := len(list["apps"].Entries); n != 50 {
		s.Errorf("listed %d of 50 folders", n)
	}
	files, err := s.client.Read(s.Context(), s.at, old, []string{"apps/001/values.yaml", "apps/048/values.yaml"})
	if err != nil {
		return err
	}
	if got := string(files["apps/048/values.yaml"].Bytes); got != "tag: 48\n" {
		s.Errorf("read %q", got)
	}
	_, err = s.client.Push(s.Context(), s.at, plan.Push{Branch: "main", Old: old, Parent: old, Commits: []plan.Commit{commit("bump", "apps/049/values.yaml", "tag: new\n")}})
	return err
}

// Whatever is done to any answer of a server, the turn fails with the right
// fact, nothing is read in part, and a push is reported if and only if the
// branch moved. Without the harm the same client goes on.
func TestHarm(t *testing.T) {
	harms := map[string]struct {
		harm itest.Harm
		fact error
	}{
		"401":      {itest.Status(http.StatusUnauthorized), fault.ErrDenied},
		"403":      {itest.Status(http.StatusForbidden), fault.ErrDenied},
		"404":      {itest.Status(http.StatusNotFound), fault.ErrNotFound},
		"429":      {itest.Status(http.StatusTooManyRequests, "Retry-After", "1"), fault.ErrUnavailable},
		"500":      {itest.Status(http.StatusInternalServerError), fault.ErrUnavailable},
		"cut":      {itest.Cut(), fault.ErrUnavailable},
		"truncate": {itest.Truncate(), fault.ErrUnavailable},
		"nothing":  {itest.Rewrite(func(http.Header, []byte) []byte { return nil }), fault.ErrUnavailable},
		"a page": {itest.Rewrite(func(http.Header, []byte) []byte { return []byte("<html>log in, please</html>") }),
			fault.ErrUnavailable},
		"a byte": {itest.Rewrite(func(_ http.Header, body []byte) []byte {
			body = bytes.Clone(body)
			body[len(body)*2/3] ^= 0x20
			return body
		}), fault.ErrUnavailable},
		"slow": {itest.Slow(time.Minute), fault.ErrUnavailable},
	}
	s := serve(t, itest.GitOptions{}, itest.Commit{Files: many(50)})
	for name, h := range harms {
		for _, kind := range []string{itest.KindUploadRefs, itest.KindUploadPack, itest.KindReceiveRefs, itest.KindReceivePack} {
			for skip := range map[bool]int{true: 2, false: 1}[kind == itest.KindUploadPack] {
				if name == "a byte" && kind != itest.KindUploadPack {
					continue // no checksum: what is changed there may make sense
				}
				t.Run(fmt.Sprint(name, " ", kind, " ", skip), func(t *testing.T) {
					s := s
					s.T, s.client = t, git.New(git.Options{})
					if name == "slow" {
						s.client = git.New(git.Options{Timeout: 300 * time.Millisecond})
					}
					old := s.head("main")
					s.server.Break(itest.Fault{Kind: kind, Skip: skip, Harm: h.harm})
					err := s.update()
					moved := s.head("main") != old
					switch {
					case moved && kind != itest.KindReceivePack:
						t.Error("the branch moved")
					case moved && err != nil:
						t.Errorf("the push arrived, and got %v", err)
					case !moved && !errors.Is(err, h.fact):
						t.Errorf("got %v, want %v", err, h.fact)
					}
					s.server.Mend()
					if name == "slow" {
						s.client = git.New(git.Options{}) // with patience for a machine under load
					}
					if err := s.update(); err != nil {
						t.Errorf("afterwards: %v", err)
					}
				})
			}
		}
	}
}

// Whoever gives up is let go at once, and what was not sent is not pushed.
func TestCancel(t *testing.T) {
	for _, kind := range []string{itest.KindUploadRefs, itest.KindUploadPack, itest.KindReceiveRefs, itest.KindReceivePack} {
		s := serve(t, itest.GitOptions{}, itest.Commit{Files: many(2)})
		old := s.head("main")
		ctx, cancel := context.WithCancel(t.Context())
		s.server.Break(itest.Fault{Kind: kind, Harm: func(next http.Handler) http.Handler {
			cancel()
			return itest.Slow(time.Minute)(next)
		}})
		err := func() error {
			refs, err := s.client.Look(ctx, s.at)
			if err != nil {
				return err
			}
			if _, err := s.client.Read(ctx, s.at, refs.Branches["main"], []string{"apps/000/values.yaml"}); err != nil {
				return err
			}
			_, err = s.client.Push(ctx, s.at, plan.Push{Branch: "main", Old: old, Parent: old, Commits: []plan.Commit{commit("c", "a", "b")}})
			return err
		}()
		if !errors.Is(err, context.Canceled) || s.head("main") != old {
			t.Errorf("%s: got %v", kind, err)
		}
		s.server.Reset()
		if _, err := s.client.Push(ctx, s.at, plan.Push{Branch: "main", Old: old, Parent: old, Commits: []plan.Commit{commit("c", "a", "b")}}); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled before: got %v", err)
		}
		if n := s.server.Total().Requests; n != 0 {
			t.Errorf("cancelled before: %d requests", n)
		}
	}
}

// A hook that thinks for a minute does not hold us, on the local disk either.
func TestCancelLocal(t *testing.T) {
	s := serve(t, itest.GitOptions{}, itest.Commit{Files: many(1)})
	if err := s.repo.Hook("pre-receive", "exec sleep 20\n"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	old := s.head("main")
	start := time.Now()
	_, err := s.client.Push(ctx, plan.Remote{URL: s.repo.Dir}, plan.Push{Branch: "main", Old: old, Parent: old, Commits: []plan.Commit{commit("c", "a", "b")}})
	if !errors.Is(err, fault.ErrUnavailable) || time.Since(start) > 15*time.Second {
		t.Errorf("got %v after %v", err, time.Since(start))
	}
}

// A login goes to the host of the URL and to no other, not even later.
func TestRedirectsCarryNoLogin(t *testing.T) {
	s := serve(t, itest.GitOptions{}, itest.Commit{Files: many(50)})
	logins := 0
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			logins++
		}
		r.URL.Host = s.server.Host()
		res, err := http.Get(s.server.URL("deploy") + strings.TrimPrefix(r.URL.RequestURI(), "/deploy.git"))
		if err != nil || r.Method != http.MethodGet {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		defer res.Body.Close()
		w.Header().Set("Content-Type", res.Header.Get("Content-Type"))
		_ = res.Write(w)
	}))
	t.Cleanup(foreign.Close)
	redirecting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, foreign.URL+r.URL.RequestURI(), http.StatusFound)
	}))
	t.Cleanup(redirecting.Close)
	s.at = plan.Remote{URL: redirecting.URL + "/deploy.git", Auth: credential.Git{Username: "u", Password: "p"}}
	for range 2 { // the second look must not take the first one's way
		_, _ = s.client.Look(t.Context(), s.at)
		if err := s.update(); err == nil {
			t.Error("a push went through without a login")
		}
	}
	if logins > 0 {
		t.Errorf("the login went to another host %d times", logins)
	}
}

// A server that would not tell what became of a push gets none.
func TestNoReport(t *testing.T) {
	s := serve(t, itest.GitOptions{}, itest.Commit{Files: many(50)})
	s.server.Break(itest.Fault{Kind: itest.KindReceiveRefs, Harm: itest.Rewrite(func(_ http.Header, body []byte) []byte {
		// As many bytes as before, so that the lengths of the lines stay right.
		return bytes.ReplaceAll(body, []byte("report-status "), []byte("no-status-xxx "))
	})})
	old := s.head("main")
	if err := s.update(); err == nil || !strings.Contains(err.Error(), "nothing is pushed") || s.head("main") != old {
		t.Errorf("got %v", err)
	}
}

// A report about something else is none either.
func TestForeignReport(t *testing.T) {
	s := serve(t, itest.GitOptions{}, itest.Commit{Files: many(50)})
	s.server.Break(itest.Fault{Kind: itest.KindReceivePack, Harm: itest.Rewrite(func(_ http.Header, body []byte) []byte {
		return bytes.ReplaceAll(body, []byte("refs/heads/main"), []byte("refs/heads/niam"))
	})})
	if err := s.update(); !errors.Is(err, fault.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

// What a server sends is bounded, and shown in one short line.
func TestWordsOfServersAreBounded(t *testing.T) {
	s := serve(t, itest.GitOptions{}, itest.Commit{Files: many(1)})
	s.server.Break(itest.Fault{Harm: func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			for r.Context().Err() == nil {
				if _, err := w.Write(bytes.Repeat([]byte("no\x1b[31m\n"), 1000)); err != nil {
					return
				}
			}
		})
	}})
	_, err := s.client.Look(t.Context(), s.at)
	if !errors.Is(err, fault.ErrDenied) || len(err.Error()) > 1000 || strings.ContainsAny(err.Error(), "\n\x1b") {
		t.Errorf("got %q", err)
	}
}

func TestPackThatIsTooLarge(t *testing.T) {
	for _, o := range []itest.GitOptions{{}, {NoFilter: true}} {
		s := serve(t, o, itest.Commit{Files: many(400)})
		s.client = git.New(git.Options{MaxPack: 2000})
		if _, err := s.client.Look(t.Context(), s.at); err != nil {
			t.Fatal(err)
		}
		_, err := s.client.List(t.Context(), s.at, s.head("main"), []plan.Dir{{Path: "apps"}})
		if !errors.Is(err, fault.ErrUnavailable) || !strings.Contains(err.Error(), "larger than allowed") {
			t.Errorf("got %v", err)
		}
	}
}
