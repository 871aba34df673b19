package cluster_test

import (
	"strings"
	"testing"

	"argocd-image-updater/internal/itest"
)

// What a person asks from their own machine is answered as the service would
// decide it, and changes nothing.
func TestCommands(t *testing.T) {
	t.Parallel()
	w, repo := gitScene(t)
	w.Push("team/web:1.2.4", "team/web:nightly")
	w.Apply(ofArgoCD(w), inGit("committed", "write-back-method: git"), app("annotated", followed, "web.allow-tags: regexp:^1\\."), app("governed"), app("governed-too"),
		imageUpdater("iu", "{writeBackConfig: {gitConfig: {pullRequest: {github: {}}}}, applicationRefs: [{namePattern: 'governed*', images: [{alias: web, imageName: 'reg.example.com/team/web:~1.2'}]}]}"))
	heard := overhear(w)
	ask := func(code int, args ...string) string {
		t.Helper()
		r := w.Run(append(args, "--registries-conf-path", conf(w))...)
		if r.Code != code {
			t.Errorf("%s: exit code %d, want %d\n%s", args, r.Code, code, r.Stderr)
		}
		return r.Stdout + r.Stderr
	}
	wantText(t, ask(3, "plan", "--exit-code"),
		w.Namespace+"/annotated      web     Pending   1.2.3      1.3.0\n", w.Namespace+"/governed       web     Pending   1.2.3      1.2.4\n",
		"-image: {tag: 1.2.3}\n+image: {tag: 1.3.0}\n", "helm.parameters[image.name].value: nothing -> reg.example.com/team/web\n",
		"note: applications and imageupdaters are looked at in namespace "+w.Namespace+" alone")
	wantText(t, ask(0, "explain", "annotated", "web"), "chosen                  reg.example.com/team/web:1.3.0\n", "nightly   allow-tags   not matched by allow-tags regexp:^1\\.\n")
	wantText(t, ask(0, "explain", "governed"), "Application "+w.Namespace+"/governed, ImageUpdater "+w.Namespace+"/iu, write-back argocd\n", "1.3.0     constraint      outside the constraint ~1.2\n")
	wantText(t, ask(1, "explain", "nobody"), `application "nobody": none of the 4 applications that were read has this name and asks for updates`)
	wantText(t, ask(1, "explain", "governed", "nobody"), `the application follows no image of this alias or name, but ["web"]`)
	dry := ask(0, "run", "--once", "--dry-run")
	wantText(t, dry, "Dry run - not committing 1 changes to application", "+image: {tag: 1.3.0}")
	if n := strings.Count(dry, "imageupdater "+w.Namespace+"/iu: spec.writeBackConfig.gitConfig.pullRequest"); n != 1 {
		t.Errorf("a warning of the ImageUpdater is told %d times, want once:\n%s", n, dry)
	}

	w.Apply(plain("login", "s3cret"))
	w.Registry(itest.RegistryOptions{Username: "bot", Password: "s3cret"})
	w.Push("team/web:1.2.3", "team/web:1.5.0")
	wantText(t, ask(0, "test", "reg.example.com/team/web", "--credentials", "secret:"+w.Namespace+"/login"), "latest image according to constraint is reg.example.com/team/web:1.5.0\n")
	wantText(t, ask(1, "test", "reg.example.com/team/web", "--credentials", "secret:"+w.Namespace+"/nobody"), "secret "+w.Namespace+"/nobody: not found: create it, or name another one")
	wantText(t, ask(1, "test", "reg.example.com/team/web"), "401 UNAUTHORIZED", "(no credential)")
	if got := heard.writes(); len(got) > 0 {
		t.Errorf("asking writes %q", got)
	}
	wantPushed(t, repo, 1, "1.2.3")
}
