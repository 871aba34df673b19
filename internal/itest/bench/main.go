// Command bench runs the updater on a large fleet and prints what it cost:
// time, processor, memory, requests and bytes.
//
//	go run ./internal/itest/bench -binary bin/argocd-image-updater
package main

import (
	"bufio"
	"context"
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
	fmt.Fprintln(t, "case\tseconds\tcpu s\tpeak MB\ttag lists\tfetches\tfetched KB\tpushes\tpushed KB\tcommits\t")
	for _, c := range []struct {
		name, grouping string
		noFilter       bool
	}{
		{"commit per application", "application", false},
		{"one commit", "repository", false},
		{"no partial clone", "application", true},
	} {
		if err := measure(ctx, t, binary, c.name, c.grouping, c.noFilter); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return t.Flush()
}

// measure runs the updater in a loop over a fresh fleet: a first cycle in which
// everything is outdated, and two in which there is nothing to do.
func measure(ctx context.Context, out io.Writer, binary, name, grouping string, noFilter bool) error {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	f, err := fleet.Start(dir, fleet.Large(), itest.GitOptions{NoFilter: noFilter})
	if err != nil {
		return err
	}
	defer f.Close()
	cmd := exec.CommandContext(ctx, binary, "run", "--applications", f.Applications, "--registries-conf-path", f.RegistriesConf,
		"--git-commit-grouping", grouping, "--interval", "8s", "--loglevel", "info")
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
		cpu, peak := usage(cmd.Process.Pid)
		label := name
		if cycle > 1 {
			label = fmt.Sprintf("%s, cycle %d", name, cycle)
		}
		print(out, f, label, took, cpu, peak)
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
func usage(pid int) (cpu, peak string) {
	cpu, peak = "-", "-"
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return cpu, peak
	}
	for line := range strings.Lines(string(status)) {
		var kb int
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kb); n == 1 {
			peak = fmt.Sprintf("%.0f", float64(kb)/1024)
		}
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return cpu, peak
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
	var user, system int
	// Fields 14 and 15 of proc_pid_stat(5), in hundredths of a second.
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err == nil {
		cpu = fmt.Sprintf("%.2f", float64(user+system)/100)
	}
	return cpu, peak
}

func print(out io.Writer, f *fleet.Fleet, label, took, cpu, peak string) {
	kb := func(n int64) string { return fmt.Sprintf("%.1f", float64(n)/1024) }
	fetchRefs, fetch := f.Git.Count(itest.KindUploadRefs), f.Git.Count(itest.KindUploadPack)
	pushRefs, push := f.Git.Count(itest.KindReceiveRefs), f.Git.Count(itest.KindReceivePack)
	commits, err := f.Repo.Log("main")
	if err != nil {
		commits = nil
	}
	fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%d\t%s\t%d\t\n", label, took, cpu, peak,
		f.Registry.Count(itest.KindTags).Requests, fetchRefs.Requests+fetch.Requests, kb(fetchRefs.Out+fetch.Out),
		push.Requests, kb(pushRefs.In+push.In), len(commits)-1)
}
