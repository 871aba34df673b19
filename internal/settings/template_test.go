package settings

import (
	"errors"
	"strings"
	"testing"
)

// What a template makes in memory is bounded, not only what it writes.
func TestTemplatesThatGrow(t *testing.T) {
	double := strings.Repeat(`{{$a = print $a $a}}`, 40)
	for _, text := range []string{
		`{{$a := "xxxxxxxx"}}` + double,
		`{{$a := "xxxxxxxx"}}` + strings.ReplaceAll(double, "print", "println"),
		`{{$a := "xxxxxxxx"}}` + strings.Repeat(`{{$a = printf "%s%[1]s" $a}}`, 40),
		`{{len (printf "` + strings.Repeat("%[1]999999d", 5000) + `" 1)}}`,
		`{{len (printf "` + strings.Repeat("%[1]*d", 5000) + `" 999999)}}`,
	} {
		compiled, err := CompileTemplate(text)
		if err == nil {
			_, err = compiled.Render(nil, maxBranch)
		}
		if err == nil || errors.Is(err, ErrTooLong) { // with that one a head keeps what was printed
			t.Errorf("%.60s…: %v", text, err)
		}
	}
	compiled, err := CompileTemplate(`{{printf "%-5s|%03d|%v" "a" 7 true}} {{print "b" 1}}`)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := compiled.Render(nil, maxBranch); err != nil || got != "a    |007|true b1" {
		t.Errorf("%q, %v", got, err)
	}
}
