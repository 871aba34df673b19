package argo

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDecodeObject(t *testing.T) {
	got, err := DecodeObject([]byte(`{"kind":"Application","metadata":{"name":"web","namespace":"team","uid":"u","resourceVersion":"7"},
		"spec":{"source":{"repoURL":"x","unknown":1}},"status":{"operationState":{"phase":5}}}`))
	want := Application{Key: Key{"team", "web"}, UID: "u", ResourceVersion: "7", Sources: []Source{{RepoURL: "x"}}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// What is wrong with one Application is told with its name and field, and the
// Application is its identity alone.
func TestDecodeObjectMalformed(t *testing.T) {
	identity := Application{Key: Key{"team", "web"}, UID: "u", ResourceVersion: "7"}
	tests := []struct{ name, rest, want string }{
		{"a number for a list", `"spec":{"source":{"helm":{"parameters":5}}}`, "application team/web: spec.source.helm.parameters: a number stands where a list belongs: correct it"},
		{"a map for a list", `"spec":{"sources":{}}`, "application team/web: spec.sources: a map stands where a list belongs: correct it"},
		{"a list for a map", `"spec":{"source":[]}`, "application team/web: spec.source: a list stands where a map belongs: correct it"},
		{"a bool for a string", `"spec":{"sources":[{"path":true}]}`, "application team/web: spec.sources.path: true or false stands where a string belongs: correct it"},
		{"a string for a bool", `"spec":{"source":{"directory":{"recurse":"yes"}}}`, "application team/web: spec.source.directory.recurse: a string stands where true or false belongs: correct it"},
		{"another kind", `"kind":"AppProject"`, `application team/web: kind "AppProject": an Application expected`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := DecodeObject([]byte(`{"metadata":{"name":"web","namespace":"team","uid":"u","resourceVersion":"7"},` + test.rest + `}`))
			var malformed *MalformedError
			if !errors.As(err, &malformed) || malformed.App != identity.Key || err.Error() != test.want {
				t.Errorf("the error is %v, want %s", err, test.want)
			}
			if diff := cmp.Diff(identity, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Labels that are no strings are the fault of the one Application; text that is
// no JSON is that of the whole answer.
func TestDecodeObjectWhoseFault(t *testing.T) {
	var malformed *MalformedError
	_, err := DecodeObject([]byte(`{"metadata":{"name":"web","labels":{"a":1}}}`))
	if !errors.As(err, &malformed) || !strings.Contains(err.Error(), "metadata: a: 1 is not a string") {
		t.Error(err)
	}
	for _, text := range []string{"", "<html>", `{"metadata":{"name":"web"}`} {
		if _, err := DecodeObject([]byte(text)); err == nil || errors.As(err, &malformed) {
			t.Errorf("%q gives %v", text, err)
		}
	}
}

func TestDecodeNext(t *testing.T) {
	from := json.NewDecoder(strings.NewReader(`{"metadata":{"name":"a"}} {"metadata":{"name":"b"},"spec":5} {"metadata":{"name":"c"}}`))
	var names []string
	for {
		app, err := DecodeNext(from)
		var malformed *MalformedError
		switch {
		case errors.Is(err, io.EOF):
			if diff := cmp.Diff([]string{"a", "not b", "c"}, names); diff != "" {
				t.Error(diff)
			}
			return
		case errors.As(err, &malformed):
			names = append(names, "not "+app.Name)
		case err != nil:
			t.Fatal(err)
		default:
			names = append(names, app.Name)
		}
	}
}
