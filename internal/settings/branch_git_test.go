package settings

import (
	"os/exec"
	"strings"
	"testing"
)

// CheckBranch admits what git check-ref-format --branch admits, but for @,
// which is a name that few commands take for a branch.
func TestCheckBranchAgreesWithGit(t *testing.T) {
	for _, name := range []string{
		"main", "image-update/app-1.2.3", "a", "a/b/c", "é", "v1@2", "x{y}", "@x", "a.lockx", "-x", "", "a..b", "a//b", "/a", "a/",
		"a b", "a~1", "a^", "a:b", "a?", "a*", "a[", `a\b`, "a@{1}", ".a", "a/.b", "a.", "a.lock", "a.lock/b", "a\x7f", "a\tb",
	} {
		git := exec.CommandContext(t.Context(), "git", "check-ref-format", "refs/heads/"+name).Run() == nil && !strings.HasPrefix(name, "-")
		if ours := CheckBranch(name) == nil; ours != git {
			t.Errorf("%q: git admits it: %v, we: %v", name, git, ours)
		}
	}
}
