package edit

import (
	"fmt"
	"strings"
	"testing"

	"argocd-image-updater/internal/image"
)

// A List that holds itself through an alias would end the process: Go cannot
// recover from a stack overflow.
func TestListsThatHoldThemselves(t *testing.T) {
	const pod = "- {apiVersion: v1, kind: Pod, spec: {containers: [{name: a, image: acme/a:1}]}}\n"
	refs, err := Images([]byte("apiVersion: v1\nkind: List\nitems: &x\n" + pod + "- {apiVersion: v1, kind: List, items: *x}\n"))
	if err != nil || len(refs) != 1 || refs[0].Tag != "1" {
		t.Errorf("a list in itself: got %v, %v, want the one image", refs, err)
	}

	var b strings.Builder
	b.WriteString("x0: &x0\n" + pod)
	for i := range 60 {
		fmt.Fprintf(&b, "x%d: &x%d\n", i+1, i+1)
		b.WriteString(strings.Repeat(fmt.Sprintf("- {apiVersion: v1, kind: List, items: *x%d}\n", i), 2))
	}
	b.WriteString("apiVersion: v1\nkind: List\nitems: *x60\n")
	refs, err = Images([]byte(b.String()))
	if err != nil || len(refs) != 1 {
		t.Errorf("lists that double: got %v, %v, want the one image", refs, err)
	}
}

// A JSON manifest is often one line. Of 4.6 MB it took minutes when each place
// was counted from the start of the line.
func TestManyPlacesInOneLine(t *testing.T) {
	const pods = 40_000
	const pod = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"é"},"spec":{"containers":[{"name":"a","image":"acme/a:1.0"}]}}`
	src := `{"apiVersion":"v1","kind":"List","items":[` + strings.TrimSuffix(strings.Repeat(pod+",", pods), ",") + "]}\n"
	ref, err := image.ParseRef("acme/a:2.0")
	if err != nil {
		t.Fatal(err)
	}
	r, err := Apply([]byte(src), Manifests, Edit{Track: "a", New: ref, At: PodImages{}})
	if want := strings.ReplaceAll(src, "a:1.0", "a:2.0"); err != nil || string(r.Out) != want {
		t.Errorf("not every image was changed: %v", err)
	}
	parsed, err := parse([]byte("{é: [1, 2], b: 3}\n"))
	if err != nil {
		t.Fatal(err)
	}
	m := parsed.docs[0].Content[0]
	for _, at := range []struct{ node, want int }{{3, 16}, {0, 1}, {2, 13}, {3, 16}} {
		if got := parsed.offset(m.Content[at.node]); got != at.want {
			t.Errorf("node %d: at %d, want %d", at.node, got, at.want)
		}
	}
}
