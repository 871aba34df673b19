package kube

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"argocd-image-updater/internal/argo"
)

const twoApplications = `{"kind":"ApplicationList","apiVersion":"argoproj.io/v1alpha1","items":[
{"metadata":{"name":"a","namespace":"argocd","resourceVersion":"1"},"status":{"resources":[{"x":[{}]}]}},
{"metadata":{"name":"b","namespace":"argocd","resourceVersion":"2"},"spec":5}],
"metadata":{"resourceVersion":"7","continue":"more"},"extra":{"items":[]}}`

func TestDecodeList(t *testing.T) {
	l, err := decodeList(strings.NewReader(twoApplications), nextApplication)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Items) != 2 || l.ResourceVersion != "7" || l.Continue != "more" || l.Items[0].err != nil || l.Items[1].err == nil || l.Items[1].Name != "b" {
		t.Errorf("%+v", l)
	}
	for i := range len(twoApplications) {
		if l, err := decodeList(strings.NewReader(twoApplications[:i]), nextApplication); err == nil {
			t.Fatalf("%q gives %d Applications", twoApplications[:i], len(l.Items))
		}
	}
}

// One object may be as large as any, and not larger.
func TestDecodeListBounded(t *testing.T) {
	object := func(size int) io.Reader {
		return io.MultiReader(strings.NewReader(`{"metadata":{"name":"big","note":"`), strings.NewReader(strings.Repeat("x", size)), strings.NewReader(`"}}`))
	}
	list := func(objects ...io.Reader) io.Reader {
		readers := []io.Reader{strings.NewReader(`{"metadata":{"resourceVersion":"1"},"items":[`)}
		for i, o := range objects {
			if i > 0 {
				readers = append(readers, strings.NewReader(","))
			}
			readers = append(readers, o)
		}
		return io.MultiReader(append(readers, strings.NewReader("]}"))...)
	}
	const large = maxObject / 2
	if l, err := decodeList(list(object(large), object(large), object(large)), nextApplication); err != nil || len(l.Items) != 3 {
		t.Errorf("three large objects: %v", err)
	}
	if _, err := decodeList(list(object(1), object(2*maxObject)), nextApplication); err == nil || !strings.Contains(err.Error(), "larger than 16 MiB") {
		t.Errorf("an object beyond the bound: %v", err)
	}
}

func FuzzDecodeList(f *testing.F) {
	f.Add(twoApplications)
	f.Add(`{"items":null,"metadata":{"resourceVersion":"1"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		l, err := decodeList(strings.NewReader(text), nextApplication)
		if err != nil {
			return
		}
		var list struct {
			Items    []json.RawMessage
			Metadata struct{ ResourceVersion string }
		}
		if err := json.NewDecoder(strings.NewReader(text)).Decode(&list); err != nil {
			t.Fatalf("%q is read and is no JSON: %v", text, err)
		}
		for _, o := range l.Items {
			if o.err == nil && o.value.Key != o.key() {
				t.Errorf("%s holds %s", o.key(), o.value.Key)
			}
		}
	})
}

func FuzzEvents(f *testing.F) {
	f.Add(`{"type":"ADDED","object":{"metadata":{"name":"a"}}}` + "\n" + `{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"5"}}}`)
	f.Add(`{"type":"ERROR","object":{"kind":"Status","code":410}}`)
	f.Add(`{"type":"DELETED","object":5}`)
	f.Fuzz(func(t *testing.T, text string) {
		bounded := &bounded{from: strings.NewReader(text)}
		s := &stream[argo.Application]{body: io.NopCloser(nil), bounded: bounded, json: json.NewDecoder(bounded), decode: nextApplication}
		for range len(text) + 1 {
			typ, o, err := s.Decode()
			if err != nil {
				return
			}
			if o == nil {
				t.Errorf("%s of nothing", typ)
			}
		}
		t.Error(fmt.Sprint("events without end in ", len(text), " bytes"))
	})
}
