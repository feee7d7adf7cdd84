// Command fremisn-bench measures the shipped binary against what it is compared with in README: a bare loop that
// only splits lines, mtail, and the exporters that it replaces. Both sides of every ratio are measured in one run,
// as CPU time of whole processes. It is run by `make bench` and asserts nothing.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kingpin/v2"
)

// A bench is one run of all measurements.
type bench struct {
	exporter string // the shipped binary
	mtailing string // the mtail program of the same histogram
	dir      string // scratch
	lines    int
	rounds   int
	watch    time.Duration
	cores    int // GOMAXPROCS of the exporter; 0: as many as there are
	only     string
	out      *tabwriter.Writer
}

func main() {
	app := kingpin.New("fremisn-bench", "Measures the shipped binary as ratios.")
	run := app.Command("run", "Measure everything.").Default()
	b := &bench{out: tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)}
	run.Flag("exporter", "The binary to measure.").Default("./fremisn-exporter").StringVar(&b.exporter)
	run.Flag("mtail-program", "The mtail program that keeps the same histogram.").Default("cmd/fremisn-bench/upstream.mtail").StringVar(&b.mtailing)
	run.Flag("lines", "Lines of the access log.").Default("2000000").IntVar(&b.lines)
	run.Flag("rounds", "How often each pair is measured; the median is printed.").Default("5").IntVar(&b.rounds)
	run.Flag("watch", "How long the exporter is watched at rest.").Default("60s").DurationVar(&b.watch)
	run.Flag("only", "Measure only what has this word in its name.").StringVar(&b.only)
	split := app.Command("split", "Only split a file into lines: what every ratio is to.")
	file := split.Arg("file", "The file.").Required().String()
	if kingpin.MustParse(app.Parse(os.Args[1:])) == split.FullCommand() {
		fmt.Println(splitLines(*file))
		return
	}
	if err := b.run(); err != nil {
		fmt.Fprintln(os.Stderr, "fremisn-bench:", err)
		os.Exit(1)
	}
}

func (b *bench) run() error {
	var err error
	if b.dir, err = os.MkdirTemp("", "fremisn-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	for _, part := range []struct {
		what    string
		measure func() error
	}{
		{"binary", b.binarySize},
		{"log engine, CPU a line", b.engine},
		{"against mtail, the same per-upstream histogram", b.mtail},
		{"at rest: one log, one status page, three probes every 15 s, a scrape every 15 s", b.rest},
		{"a hot scrape", b.scrape},
		{"a thousand targets", b.probes},
	} {
		if !strings.Contains(part.what, b.only) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring: %s …\n", part.what)
		fmt.Fprintf(b.out, "%s\n", part.what)
		if err := part.measure(); err != nil {
			return fmt.Errorf("%s: %w", part.what, err)
		}
		b.out.Flush()
	}
	return nil
}

func (b *bench) row(what, format string, args ...any) {
	fmt.Fprintf(b.out, "  %s\t%s\n", what, fmt.Sprintf(format, args...))
}

func (b *bench) binarySize() error {
	info, err := os.Stat(b.exporter)
	if err != nil {
		return err
	}
	b.row("size, stripped", "%.1f MB", float64(info.Size())/1e6)
	return nil
}

// engine reads a log of each format with the binary and with the bare loop, by turns.
func (b *bench) engine() error {
	for _, f := range formats {
		log := filepath.Join(b.dir, f.name+".log")
		lines, size, err := writeLog(log, f, b.lines)
		if err != nil {
			return err
		}
		var ratios, perLine []float64
		for range b.rounds {
			bare, err := cpuOf(exec.Command(os.Args[0], "split", log))
			if err != nil {
				return err
			}
			ours, err := b.readLog(log, f, lines)
			if err != nil {
				return err
			}
			ratios = append(ratios, ours.Seconds()/bare.Seconds())
			perLine = append(perLine, float64(ours.Nanoseconds())/float64(lines))
		}
		ns := median(perLine)
		b.row(f.name, "%.2f × the bare loop (%.2f to %.2f) · %.0f ns a line · %.1f million lines a second of CPU · %d lines, %.0f MB",
			median(ratios), ratios[0], ratios[len(ratios)-1], ns, 1e3/ns, lines, float64(size)/1e6)
		if f.name != formats[0].name {
			os.Remove(log)
		}
	}
	return nil
}

// readLog is the CPU time in which the binary reads the log, less what it takes with an empty one.
func (b *bench) readLog(log string, f format, lines int) (time.Duration, error) {
	empty := filepath.Join(b.dir, "empty.log")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		return 0, err
	}
	idle, err := b.countLines(empty, f, 0)
	if err != nil {
		return 0, err
	}
	busy, err := b.countLines(log, f, lines)
	return busy - idle, err
}

// countLines is the CPU time of the binary that reads the log to its end, is scraped once, and ends.
func (b *bench) countLines(log string, f format, want int) (time.Duration, error) {
	e, err := b.start(fmt.Sprintf(`
nginx:
  access_logs:
    - {path: %q, name: bench, start: beginning, escape: %s, format: %q}
  routes:
    - {name: enrollment, match: "^/v1/face/enrollment"}
    - {name: recognition, match: "^/v1/face/recognition"}
`, log, f.escape, f.format))
	if err != nil {
		return 0, err
	}
	defer e.kill()
	for {
		got, err := e.value(`fremisn_exporter_log_lines_total{log="bench",result="parsed"} `)
		if err != nil {
			return 0, err
		}
		if int(got) == want {
			return e.end()
		}
		if int(got) > want {
			return 0, fmt.Errorf("%s: counted %d lines of %d", f.name, int(got), want)
		}
	}
}

// mtail lets Debian's mtail read a part of the log, and compares CPU a line.
func (b *bench) mtail() error {
	const part = 100_000
	f := formats[0]
	log := filepath.Join(b.dir, "mtail.log")
	lines, _, err := writeLog(log, f, part)
	if err != nil {
		return err
	}
	whole := filepath.Join(b.dir, f.name+".log")
	var ratios []float64
	for range b.rounds {
		theirs, err := cpuOf(exec.Command("mtail", "--one_shot", "--one_shot_format", "prometheus", "--progs", b.mtailing, "--logs", log, "--log_dir", b.dir))
		if err != nil {
			return err
		}
		ours, err := b.readLog(whole, f, b.lines)
		if err != nil {
			return err
		}
		ratios = append(ratios, theirs.Seconds()/float64(lines)/(ours.Seconds()/float64(b.lines)))
	}
	os.Remove(whole)
	b.row("mtail", "%.0f × our CPU a line (%.0f to %.0f)", median(ratios), ratios[0], ratios[len(ratios)-1])
	return nil
}

// median sorts its argument.
func median(values []float64) float64 {
	sort.Float64s(values)
	return values[len(values)/2]
}

// cpuOf is the user and system time of a command.
func cpuOf(command *exec.Cmd) (time.Duration, error) {
	if output, err := command.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%s: %w\n%s", command, err, output)
	}
	return command.ProcessState.UserTime() + command.ProcessState.SystemTime(), nil
}
