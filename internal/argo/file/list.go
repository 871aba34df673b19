package file

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"argocd-image-updater/internal/argo"
)

// source is a file to read.
type source struct {
	path string // as it is to be named
	// named: the user gave this very path, so that nothing in it is passed over.
	named bool
}

// list finds the files behind paths, in the order of paths and then of names.
func list(ctx context.Context, paths []string) (files []source, skipped int, err error) {
	l := lister{seen: map[string]bool{}}
	for _, path := range paths {
		stat, err := os.Stat(path)
		if err != nil {
			return nil, 0, fmt.Errorf("applications: %w", err)
		}
		if !stat.IsDir() {
			l.add(source{path: path, named: true})
			continue
		}
		if err := l.walk(ctx, path); err != nil {
			return nil, 0, fmt.Errorf("applications: %w", err)
		}
	}
	return l.files, l.skipped, nil
}

type lister struct {
	files   []source
	seen    map[string]bool // resolved paths
	skipped int
}

func (l *lister) walk(ctx context.Context, root string) error {
	// A root that is a link would not be entered by WalkDir.
	resolved, err := filepath.EvalSymlinks(root)
	if err != nil {
		return err
	}
	return filepath.WalkDir(resolved, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case entry.IsDir() && path != resolved && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case entry.IsDir() || !argo.IsManifest(entry.Name()):
			return nil
		}
		// Mounted ConfigMaps are links to files, so those are followed.
		if !isRegular(path) {
			l.skipped++
			return nil
		}
		l.add(source{path: filepath.Join(root, strings.TrimPrefix(path, resolved))})
		return nil
	})
}

func (l *lister) add(f source) {
	resolved, err := filepath.EvalSymlinks(f.path)
	if err == nil {
		resolved, err = filepath.Abs(resolved)
	}
	if err != nil {
		resolved = f.path // reading will say what is wrong with it
	}
	if !l.seen[resolved] {
		l.seen[resolved] = true
		l.files = append(l.files, f)
	}
}

func isRegular(path string) bool {
	stat, err := os.Stat(path)
	return err == nil && stat.Mode().IsRegular()
}
