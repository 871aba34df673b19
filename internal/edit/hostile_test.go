package edit

import (
	"fmt"
	"strings"
	"testing"
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
