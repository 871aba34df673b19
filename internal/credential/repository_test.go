package credential_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/credential"
)

func TestRepositoriesFind(t *testing.T) {
	entry := func(name, url string, pairs ...string) credential.Object {
		return secret(name, append([]string{"type", "repository", "url", url}, pairs...)...)
	}
	template := func(name, url string, pairs ...string) credential.Object {
		return secret(name, append([]string{"type", "repo-creds", "url", url}, pairs...)...)
	}
	const url = "https://git.corp/team/app.git"
	p := []string{"password", "x"}
	for name, c := range map[string]struct {
		secrets []credential.Object
		url     string
		project string
		want    string // name of the Secret; "" for none
	}{
		"nothing":               {nil, url, "", ""},
		"the entry of its URL":  {[]credential.Object{entry("a", "https://git.corp/team/other", p...), entry("b", url, p...)}, url, "", "b"},
		"however it is spelled": {[]credential.Object{entry("a", "https://me@GIT.corp/Team/app/", p...)}, url, "", "a"},
		"of several the first by name": {
			[]credential.Object{entry("b", url, p...), entry("a", url, p...), entry("c", url, p...)}, url, "", "a"},
		"of several the one with a login": {
			[]credential.Object{entry("a", url), entry("b", url, p...)}, url, "", "b"},

		"the project's own first":   {[]credential.Object{entry("a", url, p...), entry("b", url, "project", "team", "password", "x")}, url, "team", "b"},
		"else the one of none":      {[]credential.Object{entry("a", url, p...), entry("b", url, "project", "team", "password", "x")}, url, "other", "a"},
		"never another project's":   {[]credential.Object{entry("b", url, "project", "team", "password", "x")}, url, "other", ""},
		"no project is the default": {[]credential.Object{entry("a", url, p...), entry("b", url, "project", "default", "password", "x")}, url, "", "b"},
		"the project's own without a login does not fall back to another entry": {
			[]credential.Object{entry("a", url, p...), entry("b", url, "project", "team"), template("t", "https://git.corp", p...)}, url, "team", "t"},

		"the longest template": {
			[]credential.Object{template("a", "https://git.corp", p...), template("b", "https://git.corp/team", p...), template("c", "https://git.corp/team/app2", p...)}, url, "", "b"},
		"the template that is the URL":              {[]credential.Object{template("a", url, p...)}, url, "", "a"},
		"a template with a slash at the end":        {[]credential.Object{template("a", "https://git.corp/team/", p...)}, url, "", "a"},
		"a template ends at a boundary":             {[]credential.Object{template("a", "https://git.corp/te", p...)}, url, "", ""},
		"a host is a whole one":                     {[]credential.Object{template("a", "https://git.corp", p...)}, "https://git.corp.example.com/app", "", ""},
		"a host in the login is none":               {[]credential.Object{template("a", "https://git.corp", p...)}, "https://git.corp:x@example.com/app", "", ""},
		"a host behind a question mark is none":     {[]credential.Object{template("a", "https://git.corp", p...)}, "https://example.com?@git.corp/app", "", ""},
		"a template without a host":                 {[]credential.Object{template("a", "https://", p...), template("b", "", p...)}, url, "", ""},
		"of templates the first by name":            {[]credential.Object{template("b", "https://git.corp", p...), template("a", "https://git.corp/", p...)}, url, "", "a"},
		"a template without a login passes":         {[]credential.Object{template("a", "https://git.corp", p...), template("b", "https://git.corp/team")}, url, "", "a"},
		"an entry before a template":                {[]credential.Object{entry("a", url, p...), template("b", url, p...)}, url, "", "a"},
		"an entry without a login takes a template": {[]credential.Object{entry("a", url), template("b", "https://git.corp", p...)}, url, "", "b"},
		"an entry with a user and no password":      {[]credential.Object{entry("a", url, "username", "u"), template("b", "https://git.corp", p...)}, url, "", "b"},
		"an entry without a login, and no template": {[]credential.Object{entry("a", url, "insecure", "true")}, url, "", "a"},
		"a template of a project is for all":        {[]credential.Object{template("a", "https://git.corp", "project", "team", "password", "x")}, url, "other", "a"},

		"HTTPS is not SSH":             {[]credential.Object{entry("a", url, p...)}, "git@git.corp:team/app", "", ""},
		"SSH is not HTTPS":             {[]credential.Object{entry("a", "git@git.corp:team/app", "sshPrivateKey", "x")}, url, "", ""},
		"HTTP is not HTTPS":            {[]credential.Object{entry("a", url, p...), template("b", "https://git.corp", p...)}, "http://git.corp/team/app", "", ""},
		"a key is no login for HTTPS":  {[]credential.Object{entry("a", url, "sshPrivateKey", "x"), template("b", "https://git.corp", p...)}, url, "", "b"},
		"two ways to write SSH":        {[]credential.Object{entry("a", "ssh://git@git.corp:22/team/app", "sshPrivateKey", "x")}, "git@git.corp:team/app.git", "", "a"},
		"a template for SSH":           {[]credential.Object{template("a", "git@git.corp:team", "sshPrivateKey", "x")}, "ssh://git@git.corp/team/app", "", "a"},
		"a template of an SSH host":    {[]credential.Object{template("a", "git@git.corp", "sshPrivateKey", "x")}, "git@git.corp:team/app", "", "a"},
		"a GitHub App counts as login": {[]credential.Object{entry("a", url, "githubAppID", "1"), template("b", "https://git.corp", p...)}, url, "", "a"},

		"what may push before what may read": {
			[]credential.Object{entry("a", url, p...), secret("w", "type", "repository-write", "url", url, "password", "x")}, url, "", "w"},
		"a template that may push": {
			[]credential.Object{entry("a", url, p...), secret("w", "type", "repo-write-creds", "url", "https://git.corp", "password", "x")}, url, "", "w"},
		"what may push, of the project": {
			[]credential.Object{entry("a", url, p...), secret("w", "type", "repository-write", "url", url, "project", "team", "password", "x")}, url, "other", "a"},
		"other Secrets of Argo CD": {
			[]credential.Object{secret("a", "type", "scm-creds", "url", "https://git.corp", "password", "x"), secret("b", "url", url, "password", "x")}, url, "", ""},
	} {
		for range 4 {
			rand.Shuffle(len(c.secrets), func(i, j int) { c.secrets[i], c.secrets[j] = c.secrets[j], c.secrets[i] })
			if got := credential.NewRepositories(c.secrets).Find(c.url, c.project); got.Name != c.want {
				t.Errorf("%s: Secret %q, want %q", name, got.Name, c.want)
			}
		}
	}
}

// A template lends its login, and what the entry says of the way to the server
// stays.
func TestRepositoriesFindMixes(t *testing.T) {
	const url = "https://git.corp/team/app"
	r := credential.NewRepositories([]credential.Object{
		secret("repo", "type", "repository", "url", url, "insecure", "true", "proxy", "http://proxy:1", "username", "nobody"),
		secret("creds", "type", "repo-creds", "url", "https://git.corp", "username", "u", "password", "x", "proxy", "http://other:1", "noProxy", "git.corp"),
	})
	found := r.Find(url, "")
	login, err := found.Git(url)
	if err != nil || login.Username != "u" || login.Password != "x" || !login.Insecure || login.Proxy != "http://proxy:1" || login.NoProxy != "git.corp" {
		t.Errorf("%v, user %q, insecure %v, proxy %q, no proxy %q", err, login.Username, login.Insecure, login.Proxy, login.NoProxy)
	}
	if want := "secret argocd/creds with the settings of argocd/repo"; login.From != want {
		t.Errorf("from %q, want %q", login.From, want)
	}
	if again := r.Find("https://git.corp/other", ""); len(again.Data) != 5 || !again.HasLogin(url) {
		t.Error("the template was changed")
	}
}

func TestLastResort(t *testing.T) {
	const url = "https://git.corp/team/app"
	own := secret("own", "password", "x")
	for name, c := range map[string]struct {
		found, last credential.Object
		url         string
		want        string
	}{
		"what was found before it":     {own, secret("last", "password", "x"), url, "own"},
		"where nothing was found":      {credential.Object{}, secret("last", "password", "x"), url, "last"},
		"where no login was found":     {secret("entry", "insecure", "true"), secret("last", "password", "x"), url, "last"},
		"there is none":                {secret("entry", "insecure", "true"), credential.Object{}, url, "entry"},
		"it is for another protocol":   {credential.Object{}, secret("last", "sshPrivateKey", "x"), url, ""},
		"not in the clear":             {credential.Object{}, secret("last", "password", "x"), "http://git.corp/team/app", ""},
		"below of its URL":             {credential.Object{}, secret("last", "password", "x", "url", "https://git.corp/team"), url, "last"},
		"not below of its URL":         {credential.Object{}, secret("last", "password", "x", "url", "https://git.corp/other"), url, ""},
		"over SSH":                     {credential.Object{}, secret("last", "password", "x", "sshPrivateKey", "x"), "git@any.host:x", "last"},
		"with the settings of another": {secret("entry", "insecure", "true"), secret("last", "password", "x"), url, "last"},
	} {
		got := c.found.Or(c.last, c.url)
		if got.Name != c.want {
			t.Errorf("%s: Secret %q, want %q", name, got.Name, c.want)
		}
		if login, err := got.Settings(c.url); err != nil || login.Insecure != (c.found.Name == "entry") {
			t.Errorf("%s: insecure %v, %v", name, login.Insecure, err)
		}
	}
}

// An answer does not take longer where there are many Secrets.
func BenchmarkRepositoriesFind(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var secrets []credential.Object
			for i := range n {
				secrets = append(secrets, secret(fmt.Sprint("repo-", i), "type", "repository", "url", fmt.Sprintf("https://git.corp/team/app-%d", i), "password", "x"))
			}
			r := credential.NewRepositories(secrets)
			for b.Loop() {
				if r.Find("https://git.corp/team/app-7.git", "default").Key != (argo.Key{Namespace: "argocd", Name: "repo-7"}) {
					b.Fatal("not found")
				}
			}
		})
	}
}
