package cluster_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"argocd-image-updater/internal/itest"
	"argocd-image-updater/test/cluster"
)

// gitScene is a scene with a Git server that asks for a password and has a
// certificate of its own authority. Its repository is ${GIT_URL}/team/config.git.
func gitScene(t *testing.T) (*cluster.World, *itest.Repo) {
	t.Helper()
	w := scene(t)
	server := w.Git(itest.GitOptions{TLS: true, Username: "bot", Password: "s3cret"})
	repo := w.Seed(server, "team/config", map[string]string{"web/Chart.yaml": "name: web\n", "web/values.yaml": "image: {tag: 1.2.3}\n"})
	ca, err := json.Marshal(string(server.CA()))
	if err != nil {
		t.Fatal(err)
	}
	w.Apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: argocd-tls-certs-cm}\ndata: {127.0.0.1: " + string(ca) + "}\n")
	return w, repo
}

// ofArgoCD is the Secret that Argo CD has for the repository.
func ofArgoCD(w *cluster.World) string {
	return secret("config", "repository", map[string]string{"url": w.Expand("${GIT_URL}/team/config.git"), "username": "bot", "password": "s3cret"})
}

// plain is a Secret of anybody's with a name and a password.
func plain(name, password string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: %s}\nstringData: {username: bot, password: %s}\n", name, password)
}

// inGit is an Application whose images are written to values.yaml.
func inGit(name string, annotations ...string) string {
	manifest := app(name, append([]string{followed, "web.helm.image-tag: image.tag", "write-back-target: helmvalues"}, annotations...)...)
	return strings.Replace(manifest, "https://git.example.com/team/config.git", "${GIT_URL}/team/config.git", 1)
}

const refresh = "argocd.argoproj.io/refresh"

// wantPushed fails the test unless the branch main has so many commits and the
// value.
func wantPushed(t *testing.T, repo *itest.Repo, commits int, version string) {
	t.Helper()
	log, err := repo.Log("main")
	if err != nil || len(log) != commits {
		t.Errorf("commits %q, %v, want %d", log, err, commits)
	}
	if got, err := repo.File("main", "web/values.yaml"); err != nil || got != "image: {tag: "+version+"}\n" {
		t.Errorf("values.yaml: %q, %v, want tag %s", got, err, version)
	}
}

// Each way to name the credential of a repository, and what Argo CD is told
// after the push.
func TestWritesToGit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		secret      func(w *cluster.World) string
		annotations []string
		asleep      bool // no refresh
	}{
		"Secret of Argo CD": {secret: ofArgoCD, annotations: []string{"write-back-method: git"}},
		"credential template of Argo CD": {
			secret: func(w *cluster.World) string {
				return secret("all", "repo-creds", map[string]string{"url": w.Expand("${GIT_URL}"), "username": "bot", "password": "s3cret"})
			},
			annotations: []string{"write-back-method: git:repocreds", "git-branch: main"},
		},
		"Secret by name": {
			secret:      func(*cluster.World) string { return plain("own", "s3cret") },
			annotations: []string{"write-back-method: git:secret:${NAMESPACE}/own"},
		},
		"git-creds": {secret: func(*cluster.World) string { return plain("git-creds", "s3cret") }, annotations: []string{"write-back-method: git"}},
		"no refresh": {
			secret: ofArgoCD, annotations: []string{"write-back-method: git", `refresh-after-write: "false"`}, asleep: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, repo := gitScene(t)
			w.Apply(test.secret(w), inGit("web", test.annotations...))
			heard := overhear(w)
			once(w, 0)
			wantPushed(t, repo, 2, "1.3.0")
			live := w.Application("web")
			want := "normal"
			if test.asleep {
				want = ""
			}
			if got := live.GetAnnotations()[refresh]; got != want {
				t.Errorf("annotation %s is %q, want %q", refresh, got, want)
			}
			wantTags(w, map[string]string{"web": "1.2.3"}) // the Application itself is not what was to be changed
			heard.writes()
			once(w, 0)
			wantPushed(t, repo, 2, "1.3.0")
			if got := heard.writes(); len(got) > 0 {
				t.Errorf("a second cycle writes %q", got)
			}
		})
	}
}

// What goes wrong on the way to a repository is told in words that help, and
// nothing is pushed.
func TestGitRefused(t *testing.T) {
	t.Parallel()
	w, repo := gitScene(t)
	elsewhere := suite.World(t)
	elsewhere.Apply(plain("theirs", "s3cret"))
	w.Set("ELSEWHERE", elsewhere.Namespace)
	w.Apply(plain("wrong", "forgotten"), "apiVersion: v1\nkind: Secret\nmetadata: {name: shapeless}\nstringData: {token: x}\n")
	w.Apply(
		inGit("foreign", "write-back-method: git:secret:${ELSEWHERE}/theirs"),
		inGit("missing", "write-back-method: git:secret:nobody"),
		inGit("wrong", "write-back-method: git:secret:wrong"),
		inGit("shapeless", "write-back-method: git:secret:shapeless"),
		app("fine", followed),
	)
	r := once(w, 1)
	wantPushed(t, repo, 1, "1.2.3")
	wantTags(w, map[string]string{"fine": "1.3.0"})
	for name, parts := range map[string][]string{
		"foreign":   {"Invalid", "secret:" + elsewhere.Namespace + "/theirs", "may not be used here: move it to the Application's own namespace (" + w.Namespace + ")"},
		"missing":   {"Invalid", "secret:nobody", "create it, or name another one"},
		"wrong":     {"Denied", w.Namespace + "/wrong", "authentication required"},
		"shapeless": {"Invalid", w.Namespace + "/shapeless", "it has neither password nor bearerToken", "(fields: token)"},
	} {
		wantText(t, line(r.Stdout+r.Stderr, "application="+w.Namespace+"/"+name), append(parts[1:], "class="+parts[0])...)
	}
}

// line is the first line of a text that holds another.
func line(text, part string) string {
	for l := range strings.Lines(text) {
		if strings.Contains(l, part) {
			return l
		}
	}
	return "no line holds " + part + ":\n" + text
}

// Method git:noop does everything but write: the change stands in the status.
func TestGitNoop(t *testing.T) {
	t.Parallel()
	w, repo := gitScene(t)
	w.Apply(ofArgoCD(w), inGit("annotated", "write-back-method: git:noop"), strings.Replace(inGit("web"), followed, "mine: theirs", 1))
	w.Apply(imageUpdater("iu", "{writeBackConfig: {method: 'git:noop', gitConfig: {writeBackTarget: helmvalues}}, applicationRefs: [{namePattern: web, images: [{alias: web, imageName: reg.example.com/team/web, manifestTargets: {helm: {tag: image.tag}}}]}]}"))
	heard := overhear(w)
	r := once(w, 0)
	wantPushed(t, repo, 1, "1.2.3")
	for _, write := range heard.writes() {
		if strings.Contains(write, "PATCH applications") {
			t.Errorf("it writes: %s", write)
		}
	}
	wantText(t, cluster.Field(status(w, "iu"), "status.applications"), `"state":"Held"`, `"version":"1.3.0"`, "web/values.yaml: image.tag: 1.2.3 -\\u003e 1.3.0", "git:noop")
	wantText(t, r.Stdout, "Dry run - not committing 1 changes to application", "-image: {tag: 1.2.3}", "+image: {tag: 1.3.0}")
}

// The AppProject says when Applications are written, and to which repositories.
func TestProjectLimits(t *testing.T) {
	t.Parallel()
	w, repo := gitScene(t)
	start := time.Now().UTC().Add(-10 * time.Minute)
	opens := start.Truncate(time.Minute).Add(40 * time.Minute)
	w.Apply(ofArgoCD(w), project("closed", fmt.Sprintf("sourceRepos: ['*'], syncWindows: [{kind: deny, schedule: '%d %d * * *', duration: 40m, applications: ['*']}]", start.Minute(), start.Hour())))
	w.Apply(project("strict", "sourceRepos: ['https://git.example.com/other/*']"))
	in := func(project, manifest string) string {
		return strings.Replace(manifest, "project: default", "project: "+project, 1)
	}
	w.Apply(
		in("closed", app("held")), in("closed", app("hurried", followed, `respect-sync-windows: "false"`)),
		in("closed", inGit("held-in-git", "write-back-method: git")),
		in("strict", inGit("stranger", "write-back-method: git")),
		in("nowhere", app("homeless", followed)),
		app("free", followed), updaterOf("iu", "held"),
	)
	r := once(w, 1)
	wantPushed(t, repo, 1, "1.2.3")
	wantTags(w, map[string]string{"held": "1.2.3", "hurried": "1.3.0", "free": "1.3.0", "homeless": "1.2.3"})
	wantText(t, cluster.Field(status(w, "iu"), "status.applications"), `"state":"Held"`, "project "+w.Namespace+"/closed: spec.syncWindows[0], deny", "syncs are allowed again from "+opens.Format(time.RFC3339))
	wantText(t, line(r.Stdout+r.Stderr, "application="+w.Namespace+"/held-in-git alias=web image_name=reg.example.com/team/web state=Held"), "syncs are allowed again from")
	wantText(t, line(r.Stdout+r.Stderr, "application="+w.Namespace+"/stranger alias=web image_name"), "class=Denied", "project "+w.Namespace+"/strict", "sourceRepos", w.Expand("${GIT_URL}/team/config.git"))
	wantText(t, line(r.Stdout+r.Stderr, "application="+w.Namespace+"/homeless alias=web image_name"), "class=Invalid", "there is no AppProject of that name in namespace "+w.Namespace, "spec.project")
	if got := events(w, "Application"); slices.ContainsFunc(got, func(e string) bool { return strings.HasPrefix(e, "free Warning") }) {
		t.Errorf("events %q", got)
	}
}
