package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-kit/log"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/terminal"
	"github.com/fremisn/fremisn-exporter/probe"
)

// runProbe is the command probe: one probe, shown to a person.
func runProbe(ctx context.Context, cli *commandLine, stdout, stderr io.Writer) int {
	s, err := settings.Load(ctx, cli.source)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	service, err := probe.New(probe.Options{Config: s.Probe, Nodes: s.NodeNames(), Logger: log.NewNopLogger()})
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	r, err := service.Once(ctx, cli.module, cli.target)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %s\n", programName, err)
		return exitUsage
	}
	printProbe(stdout, r, terminal.HasColours(stdout))
	if !r.Success {
		return exitFailed
	}
	return exitOK
}

// barWidth is the width of the waterfall in characters; the whole fits a terminal of 80.
const barWidth = 48

// eighths are the parts of a block, so that short phases differ too.
var eighths = []rune("▏▎▍▌▋▊▉█")

// printProbe prints a probe's phases as a waterfall, the result with its reason, and the metrics.
func printProbe(w io.Writer, r probe.Result, colour bool) {
	paint := func(code, text string) string {
		if !colour {
			return text
		}
		return "\x1b[" + code + "m" + text + "\x1b[0m"
	}
	fmt.Fprintf(w, "%s with module %s\n\n", r.Target, r.Module)
	var before time.Duration
	for i, p := range r.Phases {
		code := "36"
		if !r.Success && i == len(r.Phases)-1 {
			code = "31"
		}
		lead, bar := waterfall(before, p.Duration, r.Duration)
		rest := strings.Repeat(" ", max(0, barWidth-len([]rune(lead+bar))))
		fmt.Fprintf(w, "  %-12s %s%s%s %12s\n", p.Name, lead, paint(code, bar), rest, inMilliseconds(p.Duration))
		before += p.Duration
	}
	fmt.Fprintf(w, "  %-12s %s %12s\n\n", "total", strings.Repeat(" ", barWidth), inMilliseconds(r.Duration))
	if r.Success {
		fmt.Fprintf(w, "%s\n", paint("32;1", "success"))
	} else {
		fmt.Fprintf(w, "%s: %s\n", paint("31;1", "failed ("+r.Reason+")"), r.Sentence)
	}
	fmt.Fprintf(w, "\nMetrics:\n")
	for _, s := range r.Samples {
		fmt.Fprintf(w, "  %s\n", s)
	}
}

// waterfall returns the bar of a phase, and the space before it. A phase that took any time at all is visible.
func waterfall(before, took, whole time.Duration) (lead, bar string) {
	if whole <= 0 || took <= 0 {
		return "", ""
	}
	start := min(int(before*barWidth/whole), barWidth-1)
	parts := max(1, int(took*barWidth*8/whole))
	parts = min(parts, 8*(barWidth-start))
	bar = strings.Repeat("█", parts/8)
	if part := parts % 8; part > 0 {
		bar += string(eighths[part-1])
	}
	return strings.Repeat(" ", start), bar
}

func inMilliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000)
}
