package itest

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cgi"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// The kinds of request that a GitServer counts.
const (
	KindUploadRefs  = "upload-refs"  // GET info/refs of a fetch
	KindUploadPack  = "upload-pack"  // POST of a fetch; with protocol v2 also ls-refs
	KindReceiveRefs = "receive-refs" // GET info/refs of a push
	KindReceivePack = "receive-pack" // POST of a push
	KindGitOther    = "other"
)

// GitOptions are how a GitServer is started. The zero value serves over plain
// HTTP, offers partial clone and lets everybody in.
type GitOptions struct {
	// Root is the folder that holds the bare repositories.
	Root string
	TLS  bool
	// Username and Password are asked for by basic authentication; none if empty.
	Username, Password string
	// NoFilter announces neither filters nor exact wants, as old servers do.
	NoFilter bool
}

// GitServer serves the repositories of a folder over smart HTTP, through git
// http-backend, behind a Front.
type GitServer struct {
	*server
	root string
}

// StartGit starts a Git server. It needs the git program with its
// http-backend.
func StartGit(o GitOptions) (*GitServer, error) {
	root, err := filepath.Abs(o.Root)
	if err != nil {
		return nil, fmt.Errorf("git server in %s: %w", o.Root, err)
	}
	out, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return nil, fmt.Errorf("git --exec-path: %w", err)
	}
	backend := &cgi.Handler{
		Path:   filepath.Join(strings.TrimSpace(string(out)), "git-http-backend"),
		Dir:    root,
		Env:    append(environment(), serverEnvironment(root, !o.NoFilter)...),
		Logger: log.New(io.Discard, "", 0),
		Stderr: io.Discard,
	}
	handler := basicAuth(wholeBody(backend), o.Username, o.Password)
	s, err := serve(newFront(handler, gitKind), o.TLS)
	if err != nil {
		return nil, err
	}
	return &GitServer{server: s, root: root}, nil
}

// serverEnvironment configures every repository of a server at once.
func serverEnvironment(root string, filter bool) []string {
	config := [][2]string{
		{"http.receivepack", "true"},
		{"uploadpack.allowFilter", strconv.FormatBool(filter)},
		{"uploadpack.allowAnySHA1InWant", strconv.FormatBool(filter)},
		{"gc.auto", "0"},
	}
	env := []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=" + strconv.Itoa(len(config))}
	for i, kv := range config {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, kv[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, kv[1]))
	}
	return env
}

// URL is the address of the repository name.git below the root.
func (s *GitServer) URL(name string) string { return s.http.URL + "/" + name + ".git" }

// Init makes an empty bare repository below the root, served at URL(name).
func (s *GitServer) Init(name string) (*Repo, error) {
	return InitRepo(filepath.Join(s.root, name+".git"))
}

func gitKind(r *http.Request) string {
	service := r.URL.Query().Get("service")
	switch {
	case lastElements(r.URL.Path, "info", "refs") && service == "git-upload-pack":
		return KindUploadRefs
	case lastElements(r.URL.Path, "info", "refs") && service == "git-receive-pack":
		return KindReceiveRefs
	case lastElements(r.URL.Path, "git-upload-pack"):
		return KindUploadPack
	case lastElements(r.URL.Path, "git-receive-pack"):
		return KindReceivePack
	}
	return KindGitOther
}

// wholeBody reads a chunked body to its end first: CGI announces a length.
func wholeBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength < 0 {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
		}
		next.ServeHTTP(w, r)
	})
}
