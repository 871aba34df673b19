package e2e_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd" // for login below
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory" // for storage below
	"golang.org/x/crypto/bcrypt"
)

// login is who may use a registry; the zero login is everybody.
type login struct{ user, password string }

// distribution is the CNCF Distribution registry with its blobs in memory.
// With a login it asks for it by its own htpasswd file, which is written to
// dir. maxPage is the most tags in a page; 0 is the registry's own default.
func distribution(ctx context.Context, dir string, who login, maxPage int) (http.Handler, error) {
	config := &configuration.Configuration{
		Storage: configuration.Storage{"inmemory": nil},
		Tags:    configuration.Tags{MaxTags: maxPage},
	}
	config.HTTP.Secret = "of the tests"
	if who.user != "" {
		hash, err := bcrypt.GenerateFromPassword([]byte(who.password), bcrypt.MinCost)
		if err != nil {
			return nil, err
		}
		path := filepath.Join(dir, "htpasswd")
		if err := os.WriteFile(path, []byte(who.user+":"+string(hash)+"\n"), 0o600); err != nil {
			return nil, err
		}
		config.Auth = configuration.Auth{"htpasswd": {"realm": "itest", "path": path}}
	}
	return handlers.NewApp(ctx, config), nil
}
