package settings

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"argocd-image-updater/internal/image"
)

const someDigest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestParseImageList(t *testing.T) {
	type entry struct{ Alias, Image, Constraint, Err string }
	tests := []struct {
		name, list string
		want       []entry
	}{
		{"empty", " , \n ,", nil},
		{"a name", "nginx", []entry{{Image: "nginx"}}},
		{"a name and a range in tag's clothes", "nginx:1.20.x", []entry{{Image: "nginx", Constraint: "1.20.x"}}},
		{"an alias", "web=ghcr.io/org/web:~1.2", []entry{{Alias: "web", Image: "ghcr.io/org/web", Constraint: "~1.2"}}},
		{"several, over lines", "web=nginx:1.x,\n  api=ghcr.io/org/api:^2 ,redis\n", []entry{
			{Alias: "web", Image: "nginx", Constraint: "1.x"},
			{Alias: "api", Image: "ghcr.io/org/api", Constraint: "^2"},
			{Image: "redis"},
		}},
		{"a range with spaces and bars, folded", "web=nginx:>=1.0 <2.0 ||\n   3.x", []entry{{Alias: "web", Image: "nginx", Constraint: ">=1.0 <2.0 || 3.x"}}},
		{"an equals sign behind the colon is no alias", "nginx:>=1.0", []entry{{Image: "nginx", Constraint: ">=1.0"}}},
		{"and in an aliased one", "n=nginx:>=1.0", []entry{{Alias: "n", Image: "nginx", Constraint: ">=1.0"}}},
		{"a port", "localhost:5000/x", []entry{{Image: "localhost:5000/x"}}},
		{"a port and a tag", "localhost:5000/x:1.x", []entry{{Image: "localhost:5000/x", Constraint: "1.x"}}},
		{"a port and a range", "localhost:5000/x:^1", []entry{{Image: "localhost:5000/x", Constraint: "^1"}}},
		{"a port, a dot and a range", "app=reg.example.com:5000/x/y:>=1 <2", []entry{{Alias: "app", Image: "reg.example.com:5000/x/y", Constraint: ">=1 <2"}}},
		{"a star", "nginx:*", []entry{{Image: "nginx", Constraint: "*"}}},
		{"not this one", "nginx:!=1.2.3", []entry{{Image: "nginx", Constraint: "!=1.2.3"}}},
		{"an alias with a slash", "org/web=nginx", []entry{{Alias: "org/web", Image: "nginx"}}},
		{"spaces around", " web = nginx : ^1 ", []entry{{Alias: "web", Image: "nginx", Constraint: "^1"}}},
		{"a tag and a digest", "nginx:latest@" + someDigest, []entry{{Image: "nginx@" + someDigest, Constraint: "latest"}}},
		{"a digest", "nginx@" + someDigest, []entry{{Image: "nginx@" + someDigest}}},

		{"no image", "web=", []entry{{Alias: "web", Err: "the image is missing"}}},
		{"no alias", "=nginx", []entry{{Err: `invalid alias ""`}}},
		{"a bad alias", "my web=nginx", []entry{{Err: `invalid alias "my web"`}}},
		{"no constraint", "nginx:", []entry{{Image: "", Err: "a constraint is missing after the colon"}}},
		{"two constraints", "nginx:1:2", []entry{{Err: `invalid image name "nginx:1"`}}},
		{"upper case", "web=Org/Web:1.x", []entry{{Alias: "web", Err: "image names are lower case"}}},
		{"a short digest", "nginx@sha256:0123", []entry{{Err: "sha256 takes 64 lower-case hex digits"}}},
		{"a comma in a range", "nginx:>=1.0, <2.0", []entry{{Image: "nginx", Constraint: ">=1.0"}, {Err: "a comma separates images"}}},
		{"one bad among good ones", "a=nginx, b=!, c=redis", []entry{{Alias: "a", Image: "nginx"}, {Alias: "b", Err: "a comma separates"}, {Alias: "c", Image: "redis"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []entry
			for i, e := range parseImageList(test.list) {
				g := entry{Alias: e.alias, Image: e.image.String(), Constraint: e.constraint}
				if e.err != nil {
					g.Err = e.err.Error()
					if i < len(test.want) && test.want[i].Err != "" && strings.Contains(g.Err, test.want[i].Err) {
						g.Err = test.want[i].Err
					}
				}
				got = append(got, g)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzParseImageList(f *testing.F) {
	for _, seed := range []string{
		"nginx", "web=ghcr.io/org/web:~1.2, api=localhost:5000/x:>=1 <2 || 3.x", "org/web=nginx:latest@" + someDigest,
		"=,=:,a=:@", "nginx:>=1.0, <2.0", " web = nginx : ^1 ",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		for _, e := range parseImageList(list) {
			if e.err != nil {
				continue
			}
			// What was understood, written plainly, is understood again.
			plain := e.image.Name
			if e.alias != "" {
				plain = e.alias + "=" + plain
			}
			if e.constraint != "" {
				plain += ":" + e.constraint
			}
			if e.image.Digest != "" {
				plain += "@" + string(e.image.Digest)
			}
			again := parseListEntry(plain)
			again.text = e.text
			if diff := cmp.Diff(e, again, cmp.AllowUnexported(listEntry{}), cmp.Comparer(func(a, b image.Ref) bool { return a == b })); diff != "" {
				t.Errorf("%q is %q: %s", e.text, plain, diff)
			}
			if e.alias != "" && strings.ContainsAny(keyAlias(e.alias), "/= \n") {
				t.Errorf("alias %q makes no key", e.alias)
			}
		}
	})
}
