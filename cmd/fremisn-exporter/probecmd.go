package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/go-kit/log"

	"github.com/fremisn/fremisn-exporter/probe"
)

// probeOnce is the command probe: one probe, told to a person.
func probeOnce(ctx context.Context, cli *commandLine, stdout, stderr io.Writer) int {
	l, err := load(cli.configFile)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	service, err := probe.New(probe.Options{Config: l.probe, Nodes: l.nodeNames(), Logger: log.NewNopLogger()})
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r, err := service.Once(ctx, cli.module, cli.target)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %s\n", programName, err)
		return exitUsage
	}
	printProbe(stdout, r, isTerminal(stdout))
	if !r.Success {
		return exitFailed
	}
	return exitOK
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == ""
}

// barWidth is the width of the waterfall in characters; the whole fits a terminal of 80.
const barWidth = 44

// printProbe shows a probe's phases as a waterfall, the verdict with its reason, and what it would export.
func printProbe(w io.Writer, r probe.Result, colour bool) {
	paint := func(code, text string) string {
		if !colour {
			return text
		}
		return "\x1b[" + code + "m" + text + "\x1b[0m"
	}
	fmt.Fprintf(w, "%s with %s\n\n", r.Target, r.Module)
	var before time.Duration
	for _, p := range r.Phases {
		start, width := scale(before, r.Duration), max(1, scale(p.Duration, r.Duration))
		start = min(start, barWidth-width)
		bar := strings.Repeat(" ", start) + strings.Repeat("█", width) + strings.Repeat(" ", barWidth-start-width)
		fmt.Fprintf(w, "  %-11s %s %10s\n", p.Name, paint("36", bar), inMilliseconds(p.Duration))
		before += p.Duration
	}
	fmt.Fprintf(w, "  %-11s %s %10s\n\n", "in all", strings.Repeat(" ", barWidth), inMilliseconds(r.Duration))
	if r.Success {
		fmt.Fprintf(w, "%s\n\n", paint("32;1", "success"))
	} else {
		fmt.Fprintf(w, "%s: %s\n\n", paint("31;1", "failed ("+r.Reason+")"), r.Sentence)
	}
	for _, s := range r.Samples {
		fmt.Fprintf(w, "  %s\n", s)
	}
}

func scale(d, whole time.Duration) int {
	if whole <= 0 {
		return 0
	}
	return min(barWidth, int(float64(barWidth)*float64(d)/float64(whole)))
}

func inMilliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000)
}
