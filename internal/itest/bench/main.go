// Command bench runs the updater on a large fleet and prints what it cost:
// time, processor, memory, requests and bytes.
//
//	go run ./internal/itest/bench -binary bin/argocd-image-updater
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"argocd-image-updater/internal/itest"
	"argocd-image-updater/internal/itest/fleet"
)

func main() {
	binary := flag.String("binary", "bin/argocd-image-updater", "the program to measure")
	flag.Parse()
	if err := run(context.Background(), *binary); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, binary string) error {
	size := fleet.Large()
	fmt.Printf("%d applications of %d images, %d image repositories of %d tags, one Git repository of %d files; %s, %d cores\n\n",
		size.Applications, size.Images, size.Repositories, size.Tags, size.Files, runtime.GOOS+"/"+runtime.GOARCH, runtime.NumCPU())
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "case\tseconds\tcpu s\tpeak MB\ttag lists\tread KB\tfetches\tread KB\tsent KB\tpushes\tsent KB\tcommits\t")
	for _, c := range []trial{
		{name: "commit per application", grouping: "application"},
		{name: "one commit", grouping: "repository"},
		{name: "no partial clone", grouping: "application", server: itest.GitOptions{NoFilter: true}},
	} {
		c.binary, c.out = binary, t
		if err := c.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return t.Flush()
}

// trial is one way to run the updater.
type trial struct {
	name     string
	grouping string // of commits
	server   itest.GitOptions
	binary   string
	out      io.Writer
}

// measure runs the updater in a loop over a fresh fleet: a first cycle in which
// everything is outdated, and two in which there is nothing to do.
func (t trial) measure(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	f, err := fleet.Start(dir, fleet.Large(), t.server)
	if err != nil {
		return err
	}
	defer f.Close()
	cmd := exec.CommandContext(ctx, t.binary, "run", "--applications", f.Applications, "--registries-conf-path", f.RegistriesConf,
		"--git-commit-grouping", t.grouping, "--interval", "8s", "--loglevel", "info")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(stdout)
	for cycle := 1; cycle <= 3; cycle++ {
		f.Registry.Reset()
		f.Git.Reset()
		took, err := results(lines, cycle, f.Size)
		if err != nil {
			_ = cmd.Process.Kill()
			return err
		}
		t.print(f, cycle, append([]string{took}, usage(cmd.Process.Pid)...))
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, stdout)
	if err := cmd.Wait(); err != nil {
		return err
	}
	return f.Repo.Check()
}

// results waits for the last line of a cycle and checks its numbers.
func results(lines *bufio.Scanner, cycle int, size fleet.Size) (took string, err error) {
	for lines.Scan() {
		line := lines.Text()
		if !strings.Contains(line, "Processing results:") {
			continue
		}
		updated := 0
		if cycle == 1 {
			updated = size.Applications * size.Images
		}
		want := fmt.Sprintf("applications=%d images_considered=%d images_skipped=0 images_updated=%d errors=0", size.Applications, size.Applications*size.Images, updated)
		if !strings.Contains(line, want) {
			return "", fmt.Errorf("cycle %d ended with %q, want %q", cycle, line, want)
		}
		_, took, _ = strings.Cut(line, "took=")
		d, err := time.ParseDuration(strings.Fields(took)[0])
		return fmt.Sprintf("%.2f", d.Seconds()), err
	}
	return "", fmt.Errorf("cycle %d did not end: %w", cycle, lines.Err())
}

// usage reads the processor time in seconds and the peak resident memory in MB
// of a process from /proc; "-" where there is none.
func usage(pid int) []string {
	cpu, peak := "-", "-"
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return []string{cpu, peak}
	}
	for line := range strings.Lines(string(status)) {
		var kb int
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kb); n == 1 {
			peak = fmt.Sprintf("%.0f", float64(kb)/1024)
		}
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return []string{cpu, peak}
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
	var user, system int
	// Fields 14 and 15 of proc_pid_stat(5), in hundredths of a second.
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err == nil {
		cpu = fmt.Sprintf("%.2f", float64(user+system)/100)
	}
	return []string{cpu, peak}
}

// print adds a row; figures are the time, the processor time and the memory.
func (t trial) print(f *fleet.Fleet, cycle int, figures []string) {
	kb := func(n int64) string { return fmt.Sprintf("%.1f", float64(n)/1024) }
	fetchRefs, fetch := f.Git.Count(itest.KindUploadRefs), f.Git.Count(itest.KindUploadPack)
	pushRefs, push := f.Git.Count(itest.KindReceiveRefs), f.Git.Count(itest.KindReceivePack)
	commits, err := f.Repo.Log("main")
	if err != nil {
		commits = nil
	}
	tags := f.Registry.Count(itest.KindTags)
	fmt.Fprintf(t.out, "%s, cycle %d\t%s\t%d\t%s\t%d\t%s\t%s\t%d\t%s\t%d\t\n", t.name, cycle, strings.Join(figures, "\t"),
		tags.Requests, kb(tags.Out), fetchRefs.Requests+fetch.Requests, kb(fetchRefs.Out+fetch.Out), kb(fetchRefs.In+fetch.In),
		push.Requests, kb(pushRefs.In+push.In), len(commits)-1)
}
