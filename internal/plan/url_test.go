package plan

import "testing"

func TestRepositoryKey(t *testing.T) {
	same := []string{"https://git.example.com/org/app.git", "https://git.example.com/org/app", "https://git.example.com/org/app/", "HTTPS://Git.Example.com/org/app.git"}
	for _, url := range same {
		if got := repositoryKey(url); got != repositoryKey(same[0]) {
			t.Errorf("%s has the key %s", url, got)
		}
	}
	// What a server may keep apart is apart.
	for _, url := range []string{"https://git.example.com/Org/app", "https://git.example.com:8443/org/app", "ssh://git@git.example.com/org/app", "git@git.example.com:org/app", "/srv/app", "/srv/app.git"} {
		if got := repositoryKey(url); got == repositoryKey(same[0]) || got == repositoryKey("/srv/app/") {
			t.Errorf("%s has the key %s of another repository", url, got)
		}
	}
}
