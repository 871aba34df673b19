package settings_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/settings"
)

func endpoint(t *testing.T, rs settings.Registries, name string) settings.Endpoint {
	t.Helper()
	ref, err := image.ParseRef(name)
	if err != nil {
		t.Fatal(err)
	}
	return rs.Endpoint(ref)
}

func parse(t *testing.T, conf string) settings.Registries {
	t.Helper()
	rs, err := settings.ParseRegistries([]byte(conf))
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

// lookUps are "image -> API path" for a configuration.
func TestEndpoint(t *testing.T) {
	const layered = `
registries:
- {name: all of GitHub, api_url: https://ghcr.io, prefix: ghcr.io}
- {name: an organisation, api_url: https://mirror.example.com, prefix: ghcr.io/org}
`
	const ownDefault = `
registries:
- {name: Hub, api_url: https://registry-1.docker.io, prefix: docker.io}
- {name: Own, api_url: https://registry.example.com/base/, prefix: registry.example.com, defaultns: team, default: yes}
`
	const catchAll = `
registries:
- {name: Proxy, api_url: https://proxy.example.com}
`
	const hubMirror = `
registries:
- {name: Mirror, api_url: http://mirror:5000, prefix: index.docker.io}
- {name: Ours, api_url: https://registry-1.docker.io, prefix: docker.io/myorg}
`
	tests := []struct{ conf, image, want string }{
		{"", "nginx", "https://registry-1.docker.io library/nginx docker.io/library/nginx"},
		{"", "index.docker.io/nginx", "https://registry-1.docker.io library/nginx docker.io/library/nginx"},
		{"", "myorg/app", "https://registry-1.docker.io myorg/app docker.io/myorg/app"},
		{"", "quay.io/a/b", "https://quay.io a/b quay.io/a/b"},
		{"", "localhost:5000/app", "https://localhost:5000 app localhost:5000/app"},
		{layered, "ghcr.io/org/app", "https://mirror.example.com org/app ghcr.io/org/app"},
		{layered, "ghcr.io/org/a/b", "https://mirror.example.com org/a/b ghcr.io/org/a/b"},
		{layered, "ghcr.io/organic/app", "https://ghcr.io organic/app ghcr.io/organic/app"},
		{layered, "ghcr.iox/org/app", "https://ghcr.iox org/app ghcr.iox/org/app"},
		{layered, "nginx", "https://registry-1.docker.io library/nginx docker.io/library/nginx"},
		{ownDefault, "app", "https://registry.example.com/base team/app registry.example.com/team/app"},
		{ownDefault, "org/app", "https://registry.example.com/base org/app registry.example.com/org/app"},
		{ownDefault, "registry.example.com/app", "https://registry.example.com/base team/app registry.example.com/team/app"},
		{ownDefault, "docker.io/nginx", "https://registry-1.docker.io library/nginx docker.io/library/nginx"},
		{catchAll, "unknown.example.com/a/b", "https://proxy.example.com a/b unknown.example.com/a/b"},
		{catchAll, "nginx", "https://registry-1.docker.io library/nginx docker.io/library/nginx"},
		{"registries: [{name: Own, api_url: https://own.example/base, default: true}]", "app", "https://own.example/base app own.example/app"},
		{hubMirror, "nginx", "http://mirror:5000 library/nginx docker.io/library/nginx"},
		{hubMirror, "registry-1.docker.io/library/nginx", "http://mirror:5000 library/nginx docker.io/library/nginx"},
		{hubMirror, "myorg/app", "https://registry-1.docker.io myorg/app docker.io/myorg/app"},
	}
	for _, tt := range tests {
		e := endpoint(t, parse(t, tt.conf), tt.image)
		if got := e.Registry.API + " " + e.Path + " " + e.String(); got != tt.want {
			t.Errorf("%s with%s\n got %s\nwant %s", tt.image, tt.conf, got, tt.want)
		}
	}
}

func TestLoginNames(t *testing.T) {
	rs := parse(t, "registries: [{name: Mirror, api_url: 'https://mirror.example:5000/hub', prefix: docker.io}]")
	want := []string{"docker.io/library/nginx", "mirror.example:5000/hub"}
	if diff := cmp.Diff(want, endpoint(t, rs, "nginx").LoginNames()); diff != "" {
		t.Error(diff)
	}
}

func TestEndpointWithoutConfiguration(t *testing.T) {
	rs := settings.DefaultRegistries()
	if got := endpoint(t, rs, "nginx").Registry; got.Limit != 10 || !got.Default || got.Name != "Docker Hub" {
		t.Errorf("Docker Hub: %+v", got)
	}
	if got := endpoint(t, rs, "quay.io/a/b").Registry; got.Limit != 20 || got.Default || got.Name != "quay.io" {
		t.Errorf("inferred: %+v", got)
	}
}

// The entry for Docker Hub serves images that are written without a registry,
// and so its credential does, even if nobody marks it as the default.
func TestDockerHubEntryIsTheDefault(t *testing.T) {
	for _, prefix := range []string{"docker.io", "index.docker.io", "registry-1.docker.io"} {
		rs := parse(t, "registries: [{name: Hub, api_url: https://registry-1.docker.io, prefix: "+prefix+", credentials: env:HUB}]")
		got := endpoint(t, rs, "nginx").Registry
		if want := (credential.Reference{Kind: credential.Env, Name: "HUB"}); got.Credential != want || !got.Default {
			t.Errorf("prefix %s: %+v", prefix, got)
		}
	}
}

func TestParseRegistriesReadsEveryKey(t *testing.T) {
	const ca = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
	rs := parse(t, `
registries:
- name: Everything
  api_url: HTTPS://Registry.Example.com:5000/base/
  prefix: Registry.example.com:5000/org/
  ping: no
  credentials: secret:argocd/creds#login
  credsexpire: 10h
  tagsortmode: latest-first
  insecure: On
  defaultns: team
  limit: 5
  default: YES
  ca_file: /etc/ca.pem
  ca_data: |
    `+strings.ReplaceAll(ca, "\n", "\n    ")+`
`)
	want := settings.Registry{
		Name: "Everything", Prefix: "registry.example.com:5000/org", API: "https://registry.example.com:5000/base",
		Credential:  credential.Reference{Kind: credential.Secret, Namespace: "argocd", Name: "creds", Field: "login"},
		CredsExpire: 10 * time.Hour, TagSortMode: "latest-first", Insecure: true, DefaultNS: "team",
		Limit: 5, Default: true, CAFile: "/etc/ca.pem", CAData: ca,
	}
	if diff := cmp.Diff(want, endpoint(t, rs, "app").Registry); diff != "" {
		t.Error(diff)
	}
}

func TestParseRegistriesAcceptsNothing(t *testing.T) {
	for _, conf := range []string{"", "# nothing yet\n", "registries:\n", "registries: []\n", "---\n"} {
		if got := endpoint(t, parse(t, conf), "nginx").Registry.API; got != "https://registry-1.docker.io" {
			t.Errorf("%q: %s", conf, got)
		}
	}
}

func TestParseRegistriesErrors(t *testing.T) {
	const ok = "name: A, api_url: https://a.example"
	tests := []struct{ conf, want string }{
		{"registries: [{" + ok + ", api_ur: x}]", `registries.conf: line 1: entry "A": unknown key "api_ur": did you mean api_url?`},
		{"registries:\n- name: A\n  api_url: https://a.example\n  credential: env:X", `registries.conf: line 4: entry "A": unknown key "credential": did you mean credentials?`},
		{"registries: [{name: A}]", `registries.conf: line 1: entry "A": api_url is missing`},
		{"registries: [{api_url: https://a.example}]", `registries.conf: line 1: entry 1: name is missing`},
		{"registries: [{name: A, api_url: none}]", `entry "A": api_url "none": a URL that begins with https:// or http:// is expected, such as https://registry.example.com`},
		{"registries: [{name: A, api_url: 'registry.example.com:5000'}]", `api_url "registry.example.com:5000": a URL that begins`},
		{"registries: [{name: A, api_url: 'https://index.docker.io/v1/'}]", `api_url "https://index.docker.io/v1/" is not the API of Docker Hub: write https://registry-1.docker.io`},
		{"registries: [{name: A, api_url: 'https://docker.io'}]", `is not the API of Docker Hub`},
		{"registries: [{name: A, api_url: 'https://a.example/v2/'}]", `api_url "https://a.example/v2/": leave /v2 out, it is added for each request`},
		{"registries: [{name: A, api_url: 'https://a.example?x=y'}]", `a base URL has no query and no fragment`},
		{"registries: [{name: A, api_url: 'https:///x'}]", `api_url "https:///x": the host is missing`},
		{"registries: [{" + ok + ", prefix: 'https://a.example'}]", `prefix "https://a.example" is a URL: write the beginning of the image names`},
		{"registries: [{" + ok + ", prefix: 'a_b!'}]", `prefix "a_b!": the host of a registry is expected`},
		{"registries: [{" + ok + ", prefix: harbor}]", `prefix "harbor": the host of a registry is expected, such as ghcr.io`},
		{"registries: [{" + ok + ", limit: many}]", `limit "many": a whole number of requests per second is expected, such as 20`},
		{"registries: [{" + ok + ", credsexpire: 10}]", `credsexpire "10": a duration is expected, such as 10h or 30m`},
		{"registries: [{" + ok + ", insecure: maybe}]", `insecure "maybe": true or false is expected`},
		{"registries: [{" + ok + ", ping: maybe}]", `ping "maybe": true or false is expected`},
		{"registries: [{" + ok + ", tagsortmode: newest}]", `tagsortmode "newest": latest-first, latest-last or none is expected`},
		{"registries: [{" + ok + ", ca_data: hello}]", `ca_data holds no certificate: PEM`},
		{"registries: [{" + ok + ", credentials: 'vault:x'}]", `credentials reference "vault:x": unknown type "vault": pullsecret:<namespace>/<name>`},
		{"registries: [{" + ok + ", limit: [1]}]", `limit takes a single value`},
		{"registries: [{" + ok + ", limit: 1, limit: 2}]", `limit is given twice: keep one`},
		{"registries: [{" + ok + ", default: yes, prefix: a.example}, {name: B, api_url: https://b.example, default: on, prefix: b.example}]", `entry "B": default is also set on entry "A" (line 1): keep it on one`},
		{"registries: [{" + ok + "}, {name: B, api_url: https://b.example}]", `entry "B": prefix is empty, as in entry "A" (line 1): give one of them the host of its images`},
		{"registries: [{" + ok + ", prefix: docker.io}, {name: B, api_url: https://b.example, prefix: index.docker.io}]", `entry "B": prefix "docker.io" is that of entry "A" (line 1) too: keep one`},
		{"registries: [nginx]", `entry 1: is not a mapping`},
		{"registries: nginx", `registries.conf: line 1: registries: takes a list`},
		{"registry: []", `registries.conf: line 1: the file has one key, registries:`},
		{"registries: []\n---\nregistries: []", `more than one YAML document: keep the first`},
		{"registries: [", `registries.conf: yaml:`},
	}
	for _, tt := range tests {
		_, err := settings.ParseRegistries([]byte(tt.conf))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s\n got %v\nwant %s", tt.conf, err, tt.want)
		}
	}
}

func TestParseRegistriesReportsEveryMistake(t *testing.T) {
	_, err := settings.ParseRegistries([]byte("registries:\n- name: A\n  limit: x\n- name: B\n  api_url: https://b.example\n  insecure: x\n"))
	for _, want := range []string{"line 3: entry \"A\": limit", "line 2: entry \"A\": api_url is missing", "line 6: entry \"B\": insecure"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say %s", err, want)
		}
	}
}

func TestParseRegistriesNeverShowsAPasswordInTheURL(t *testing.T) {
	_, err := settings.ParseRegistries([]byte("registries: [{name: A, api_url: 'https://me:hunter2@a.example'}]"))
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

func FuzzParseRegistries(f *testing.F) {
	f.Add([]byte("registries:\n- name: A\n  api_url: https://a.example\n  prefix: a.example/org\n  default: yes\n"))
	f.Add([]byte("registries: [{name: &x A, api_url: *x}]"))
	f.Add([]byte("registries: [{<<: {name: A}}]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rs, err := settings.ParseRegistries(b)
		if err != nil {
			return
		}
		for _, name := range []string{"nginx", "ghcr.io/org/app", "localhost:5000/x"} {
			if e := endpoint(t, rs, name); e.Path == "" || e.Registry.API == "" || e.Registry.Prefix == "" {
				t.Errorf("%q: %s has no endpoint: %+v", b, name, e)
			}
		}
	})
}
