// Command bench runs the updater on large fleets of a real Kubernetes API server
// and prints what it cost. The memory of the API server is none of that.
//
//	go -C test/cluster run ./bench -binary ../../bin/argocd-image-updater
//
// Arguments choose among the cases: once-1000, once-3000, watch-10000 and poke.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"

	"argocd-image-updater/test/cluster/fleet"
	"argocd-image-updater/test/cluster/kubeapi"
)

func main() {
	b := bench{out: os.Stdout}
	flag.StringVar(&b.binary, "binary", "../../bin/argocd-image-updater", "the program to measure")
	flag.IntVar(&b.runs, "runs", 5, "how often each case is run; the best is told, and the worst")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := b.run(ctx, flag.Args())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

type bench struct {
	binary string
	runs   int
	out    io.Writer
	plane  *kubeapi.Plane
	dir    string
}

// trial is one row of the table.
type trial struct {
	name, text string
	fleet      fleet.Fleet
	measure    func(ctx context.Context, b *bench, s *site) (figures, error)
}

func trials() []trial {
	small := fleet.Fleet{Applications: 1000, Images: 2, Repositories: 50, Tags: 500, Latency: 5_000_000}
	large := fleet.Fleet{Applications: 3000, Images: 2, Repositories: 50, Tags: 500, Status: 20_000}
	huge := large
	huge.Applications = 10_000
	one := fleet.Fleet{Applications: 1, Images: 1, Repositories: 1, Tags: 500, Outdated: 1}
	return []trial{
		{"once-1000", "run --once, 1,000 Applications", small, once},
		{"once-3000", "run --once, 3,000 Applications of 20 KB", large, once},
		{"watch-10000", "run, 10,000 Applications of 20 KB", huge, watch},
		{"poke", "Poke to patched Application", one, poke},
	}
}

func (b *bench) run(ctx context.Context, names []string) (err error) {
	if b.binary, err = filepath.Abs(b.binary); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "bench-cluster-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	servers, err := kubeapi.Build(ctx, os.Stderr)
	if err != nil {
		return err
	}
	if b.plane, err = kubeapi.Start(ctx, servers); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.plane.Close()) }()
	fmt.Fprintf(b.out, "%s, %d cores; best and worst of %d runs; nothing to do but where something is patched\n\n", runtime.GOOS+"/"+runtime.GOARCH, runtime.NumCPU(), b.runs)
	const line = "%-42s%16s%16s%14s%14s\n" // each row as soon as it is known
	fmt.Fprintf(b.out, line, "case", "ms", "cpu ms", "peak MB", "resident MB")
	for _, c := range trials() {
		if len(names) > 0 && !slices.Contains(names, c.name) {
			continue
		}
		all, err := b.repeat(ctx, c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		cells := row(all)
		fmt.Fprintf(b.out, line, c.text, cells[0], cells[1], cells[2], cells[3])
	}
	return nil
}

// repeat measures a case some times over one fleet.
func (b *bench) repeat(ctx context.Context, c trial) ([]figures, error) {
	s, err := b.site(ctx, c)
	if err != nil {
		return nil, err
	}
	defer s.registry.Close()
	var all []figures
	for range b.runs {
		f, err := c.measure(ctx, b, s)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

// figures are what a run cost; 0 is not measured.
type figures struct {
	wall, cpu      int // milliseconds
	peak, resident int // MB
}

func row(all []figures) [4]string {
	var cells [4]string
	for i, column := range []func(figures) int{
		func(f figures) int { return f.wall }, func(f figures) int { return f.cpu },
		func(f figures) int { return f.peak }, func(f figures) int { return f.resident },
	} {
		var values []int
		for _, f := range all {
			values = append(values, column(f))
		}
		slices.Sort(values)
		cell := fmt.Sprintf("%d - %d", values[0], values[len(values)-1])
		if values[len(values)-1] == 0 {
			cell = "-"
		}
		cells[i] = cell
	}
	return cells
}
