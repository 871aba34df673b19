package plan

import "testing"

func TestJoinNeverLeavesTheRepository(t *testing.T) {
	for _, c := range []struct{ source, target, want string }{
		{"apps/web", "", "apps/web"},
		{"apps/web", ".", "apps/web"},
		{"", "", ""},
		{".", "", ""},
		{"/apps/", "x", "apps/x"},
		{"apps/web", "../base", "apps/base"},
		{"apps/web", "../../values.yaml", "values.yaml"},
		{"apps/web", "/envs/prod", "envs/prod"},
		{"apps/web", "a/../../../x", "x"},
	} {
		if got, err := join(c.source, c.target); err != nil || got != c.want {
			t.Errorf("join(%q, %q) = %q, %v; want %q", c.source, c.target, got, err, c.want)
		}
	}
	for _, c := range []struct{ source, target string }{
		{"apps/web", "../../../etc"},
		{"apps", "/../etc/passwd"},
		{"", ".."},
		{"../x", "a"},
		// Back inside by name alone: the way there still leads outside.
		{"apps", "../../repo/apps"},
	} {
		if got, err := join(c.source, c.target); err == nil {
			t.Errorf("join(%q, %q) = %q, want an error", c.source, c.target, got)
		}
	}
}
