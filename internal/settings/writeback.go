package settings

import (
	"path"
	"strings"
	"unicode"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/credential"
)

// defaultBranchPrefix begins the names of our own branches.
const defaultBranchPrefix = "image-update/"

// writeBack reads where and how updates are written.
func (r *reader) writeBack(d Defaults) WriteBack {
	var w WriteBack
	w.Method, w.Credential = r.method(r.application("write-back-method"))
	w.Target = r.target(r.application("write-back-target"))
	w.Repository = r.repository(r.application("git-repository"))
	w.Base, w.Head = r.branch(r.application("git-branch"))
	w.BranchPrefix = r.branchPrefix(r.application("git-branch-prefix"))
	w.NoTrailers = !r.parseBool(r.application("commit-trailers"), !d.NoTrailers)
	w.IgnoreWindows = !r.parseBool(r.application("respect-sync-windows"), !d.IgnoreWindows)
	w.NoRefresh = !r.parseBool(r.application("refresh-after-write"), !d.NoRefresh)
	if w.Method == MethodArgoCD {
		for _, key := range []string{"write-back-target", "git-branch", "git-branch-prefix", "git-repository"} {
			if v := r.application(key); v.text != "" {
				r.warn("%s does nothing with %s argocd: set %[2]s: git", v.key, r.word("write-back-method"))
			}
		}
	}
	return w
}

func (r *reader) method(v value) (Method, credential.Reference) {
	word, reference, _ := strings.Cut(v.text, ":")
	method := MethodGit
	switch word {
	case "", "argocd":
		if v.text != word {
			r.fail(v, "argocd takes no argument")
		}
		return MethodArgoCD, credential.Reference{}
	case "git":
	default:
		r.fail(v, "unknown method: argocd, git, git:branch or git:noop expected, a git form with :repocreds, :secret:<namespace>/<name> or :secret:<name> behind it where another credential is meant")
		return MethodArgoCD, credential.Reference{}
	}
	switch form, rest, _ := strings.Cut(reference, ":"); form {
	case "branch":
		method, reference = MethodGitBranch, rest
	case "noop":
		method, reference = MethodGitNoop, rest
	}
	ref, err := credential.ParseGitReference(reference)
	if err != nil || strings.HasSuffix(v.text, ":") {
		r.fail(v, "git, git:branch or git:noop expected, with nothing, :repocreds, :secret:<namespace>/<name> or :secret:<name> behind it")
	}
	return method, ref
}

// ImpliedType is the type of source that a target is for; TypeUnknown where
// the Application decides.
func (t Target) ImpliedType() argo.Type {
	switch t.Kind {
	case TargetKustomization:
		return argo.TypeKustomize
	case TargetHelmValues:
		return argo.TypeHelm
	case TargetManifests:
		return argo.TypeDirectory
	}
	return argo.TypeUnknown
}

func (r *reader) target(v value) Target {
	t, reason := parseTarget(v.text)
	switch {
	case reason != "":
		r.fail(v, reason)
	case t.Kind == TargetOverride && !strings.HasPrefix(path.Base(t.Path), ".argocd-source"):
		r.warn("%s %q: Argo CD reads no such file by itself, only .argocd-source files; for Helm values write helmvalues:%s", v.key, v.text, t.Path)
	}
	return t
}

// parseTarget parses a write-back target. The reason says what is wrong and
// what would be right.
func parseTarget(text string) (t Target, reason string) {
	t.Text = text
	word, rest, hasPath := strings.Cut(text, ":")
	switch {
	case text == "":
		return t, ""
	case strings.ContainsFunc(text, unicode.IsControl):
		return Target{}, "a path without control characters expected"
	case word == "kustomization":
		t.Kind = TargetKustomization
	case word == "helmvalues":
		t.Kind = TargetHelmValues
	case word == "manifests":
		t.Kind = TargetManifests
	case argo.IsKustomization(text):
		return Target{}, "a kustomization file is edited with kustomization, or kustomization:<folder>"
	case strings.HasPrefix(text, "kustomization"), strings.HasPrefix(text, "helmvalues"):
		return Target{}, "kustomization[:<folder>] or helmvalues[:<file>] expected"
	default:
		// A path of the user's choice is relative to the root, as ever.
		t.Kind, rest, hasPath = TargetOverride, "/"+strings.TrimPrefix(text, "/"), true
	}
	rest = strings.TrimSpace(rest)
	if hasPath && rest == "" {
		return Target{}, "a path is missing after the colon"
	}
	if leavesRoot(rest) {
		return Target{}, "the path leaves the repository"
	}
	t.Path = rest
	return t, ""
}

// leavesRoot reports whether a path from the repository's root leads out of it.
func leavesRoot(p string) bool {
	inside, fromRoot := strings.CutPrefix(p, "/")
	if !fromRoot {
		return false
	}
	inside = path.Clean(inside)
	return inside == ".." || strings.HasPrefix(inside, "../")
}

func (r *reader) repository(v value) string {
	_, rest, _ := strings.Cut(v.text, "://")
	host, _, _ := strings.Cut(rest, "/")
	user, _, hasUser := strings.Cut(host, "@")
	switch {
	case hasUser && strings.Contains(user, ":"):
		r.fail(value{key: v.key}, "the URL holds a password: take it out, and set "+r.word("write-back-method")+": git:secret:<namespace>/<name>")
	case strings.ContainsFunc(v.text, isSpaceOrControl):
		r.fail(v, "the URL of one Git repository expected")
	}
	return v.text
}

func isSpaceOrControl(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) }

func (r *reader) branchPrefix(v value) string {
	if v.text == "" {
		return defaultBranchPrefix
	}
	if err := CheckBranch(v.text + "x"); err != nil {
		r.fail(v, "no branch can begin so: "+err.Error())
	}
	return v.text
}
