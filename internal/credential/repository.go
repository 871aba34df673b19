package credential

import (
	"cmp"
	"maps"
	"slices"

	"argocd-image-updater/internal/argo"
)

// secretType is the label by which Argo CD knows its Secrets.
const secretType = "argocd.argoproj.io/secret-type"

// RepositorySelector selects the Secrets that Repositories are made of.
const RepositorySelector = secretType + " in (repo-creds,repo-write-creds,repository,repository-write)"

// repositoryTypes are the kinds of Secrets for repositories, in the order in
// which they are looked at: what Argo CD's hydrator pushes with may push.
var repositoryTypes = []struct{ entry, template string }{
	{"repository-write", "repo-write-creds"},
	{"repository", "repo-creds"},
}

// LastResort is the Secret that is looked at last of all, in the updater's own
// namespace.
const LastResort = "git-creds"

// Repositories are Argo CD's Secrets for repositories, ready to be asked: the
// time for an answer does not grow with their number. The zero value has none.
type Repositories struct {
	by map[slot][]Object // sorted by name
}

// slot is where a Secret is found.
type slot struct {
	kind string
	argo.Address
}

// NewRepositories takes those Secrets that Argo CD's label makes Secrets of a
// repository, or templates for repositories; it passes over others. They have
// to be of Argo CD's namespace.
func NewRepositories(secrets []Object) Repositories {
	r := Repositories{by: map[slot][]Object{}}
	for _, s := range secrets {
		for _, t := range repositoryTypes {
			if kind := s.Labels[secretType]; kind == t.entry || kind == t.template {
				at := slot{kind, argo.ParseAddress(s.text(keyURL))}
				r.by[at] = append(r.by[at], s)
			}
		}
	}
	for _, found := range r.by {
		slices.SortFunc(found, func(a, b Object) int { return a.Compare(b.Key) })
	}
	return r
}

// Find gives what Argo CD would use for a repository when an Application of the
// project writes to it. That is the Secret of its URL, of the same project
// before one without a project; where that has no login, with the login of the
// template whose URL is the longest that the repository's is below of. Secrets
// for writing go before others. Of several that fit equally well one with a
// login is taken, then the first by name.
//
// The protocols have to be the same. What Argo CD has nothing for gets the zero
// Object; what is found need not have a login.
func (r Repositories) Find(url, project string) Object {
	at := argo.ParseAddress(url)
	var first Object
	for _, t := range repositoryTypes {
		found := ofProject(r.by[slot{t.entry, at}], url, project)
		if !found.HasLogin(url) {
			found = found.with(r.template(t.template, url))
		}
		if found.HasLogin(url) {
			return found
		}
		if first.Name == "" {
			first = found
		}
	}
	return first
}

func ofProject(entries []Object, url, project string) Object {
	for _, p := range []string{cmp.Or(project, argo.DefaultProject), ""} {
		fits := slices.DeleteFunc(slices.Clone(entries), func(o Object) bool { return o.text(keyProject) != p })
		if best := withLogin(fits, url); best.Name != "" {
			return best
		}
	}
	return Object{}
}

// withLogin is the first that has a login, else the first.
func withLogin(of []Object, url string) Object {
	if i := slices.IndexFunc(of, func(o Object) bool { return o.HasLogin(url) }); i >= 0 {
		return of[i]
	}
	if len(of) > 0 {
		return of[0]
	}
	return Object{}
}

func (r Repositories) template(kind, url string) Object {
	for _, above := range argo.ParseAddress(url).Above() {
		if found := withLogin(r.by[slot{kind, above}], url); found.HasLogin(url) {
			return found
		}
	}
	return Object{}
}

// with is another Secret that holds the login, while o says how the server is
// reached and checked, as far as it does.
func (o Object) with(login Object) Object {
	if login.Name == "" {
		return o
	}
	login.Data = maps.Clone(login.Data)
	for _, key := range []string{keyInsecure, keyIgnoreHost, keyProxy, keyNoProxy} {
		if o.has(key) {
			login.Data[key], login.settingsOf = o.Data[key], o.Key
		}
	}
	return login
}

// Or is o with the login of the last resort, if o has none and that one may be
// used: not over plain HTTP, where a password would go in the clear, and where
// it has a url, only below of that.
func (o Object) Or(last Object, url string) Object {
	at := argo.ParseAddress(url)
	bound := last.text(keyURL)
	switch {
	case o.HasLogin(url), !last.HasLogin(url), at.Protocol == "http":
		return o
	case bound != "" && !slices.Contains(at.Above(), argo.ParseAddress(bound)):
		return o
	}
	return o.with(last)
}
