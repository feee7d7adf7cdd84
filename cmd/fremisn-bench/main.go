// Command fremisn-bench measures the shipped binary against the rivals that README names: a bare loop that
// only splits lines, mtail, and the exporters that it replaces. Both sides of every ratio are measured in one run,
// as CPU time of whole processes. It is run by `make bench` and asserts nothing. Its command soak, run by `make soak`,
// has the binary work for an hour under everything that may happen to it, and asserts that all was counted once.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/fremisn/fremisn-exporter/collector/logtest"
)

// A bench is one run of all measurements.
type bench struct {
	exporter string // the shipped binary
	mtailing string // the mtail program of the same histogram
	dir      string // scratch
	lines    int
	rounds   int
	watch    time.Duration
	cores    int // GOMAXPROCS of the exporter; 0: all cores
	only     string
	rows     []row
}

func main() {
	app := kingpin.New("fremisn-bench", "Measures the shipped binary as ratios.")
	run := app.Command("run", "Measure everything.").Default()
	b := &bench{}
	run.Flag("exporter", "The binary to measure.").Default("./fremisn-exporter").StringVar(&b.exporter)
	run.Flag("mtail-program", "The mtail program that keeps the same histogram.").
		Default("cmd/fremisn-bench/upstream.mtail").StringVar(&b.mtailing)
	run.Flag("lines", "Lines of the access log.").Default("2000000").IntVar(&b.lines)
	run.Flag("rounds", "How often each pair is measured; the median is printed.").Default("5").IntVar(&b.rounds)
	run.Flag("watch", "How long the exporter is watched at rest.").Default("60s").DurationVar(&b.watch)
	run.Flag("only", "Measure only what has this word in its name.").StringVar(&b.only)
	split := app.Command("split", "Only split a file into lines: what every ratio is to.")
	file := split.Arg("file", "The file.").Required().String()
	long := &soak{}
	soaking := long.command(app)
	do := b.run
	switch kingpin.MustParse(app.Parse(os.Args[1:])) {
	case split.FullCommand():
		do = func() error { _, err := fmt.Println(splitLines(*file)); return err }
	case soaking.FullCommand():
		do = long.run
	}
	if err := do(); err != nil {
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
	began := time.Now()
	for _, part := range []struct {
		what    string
		measure func() error
	}{
		{"binary", b.binarySize},
		{"log engine: CPU of the whole process, by turns with the bare loop", b.engine},
		{"against Debian's mtail, which keeps the same per-upstream histogram", b.mtail},
		{"analyze, whole files: wall time by turns with the bare loop, and with Debian's goaccess", b.analyze},
		{"at rest: one log of 50 thousand lines, one status page, three probes every 15 s, a scrape every 15 s",
			b.rest},
		{"a hot scrape: CPU of the whole process", b.scrape},
		{"a thousand targets", b.probes},
		{"many targets", b.scale},
		{"load from outside: scrapers and slow clients", b.outside},
		{"many logs: those of 300 virtual hosts, to which nothing comes", b.manyLogs},
	} {
		if !strings.Contains(part.what, b.only) {
			continue
		}
		b.progress("%s …", part.what)
		if err := part.measure(); err != nil {
			return fmt.Errorf("%s: %w", part.what, err)
		}
	}
	b.progress("done in %s", time.Since(began).Round(time.Second))
	b.print()
	return nil
}

// A row is one figure with its target.
type row struct{ what, measured, target, beside string }

// progress names the present measurement, since a run takes minutes.
func (b *bench) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "  "+format+"\n", args...)
}

func (b *bench) row(what, measured, target, beside string) {
	b.rows = append(b.rows, row{what, measured, target, beside})
	b.progress("  %s: %s", what, measured)
}

func (b *bench) print() {
	out := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(out, "WHAT\tMEASURED\tTARGET\tBESIDE")
	for _, r := range b.rows {
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", r.what, r.measured, r.target, r.beside)
	}
	out.Flush()
}

func (b *bench) binarySize() error {
	info, err := os.Stat(b.exporter)
	if err != nil {
		return err
	}
	b.row("binary, stripped", fmt.Sprintf("%.1f MB", float64(info.Size())/1e6), "≤ 30 MB", "")
	return nil
}

// engine reads a log of each format with the binary and with the bare loop, alternately.
func (b *bench) engine() error {
	for i, f := range traffics() {
		name := f.what + ", " + f.Name
		log, lines := filepath.Join(b.dir, f.Name+".log"), b.lines
		size, err := writeLog(log, f, lines)
		if err != nil {
			return err
		}
		var ratios, perLine []float64
		var allocations float64
		for range b.rounds {
			bare, err := cpuOf(exec.Command(os.Args[0], "split", log))
			if err != nil {
				return err
			}
			ours, mallocs, err := b.readLog(log, f, lines)
			if err != nil {
				return err
			}
			ratios = append(ratios, ours.Seconds()/bare.Seconds())
			perLine = append(perLine, float64(ours.Nanoseconds())/float64(lines))
			allocations = mallocs / float64(lines)
		}
		ns := median(perLine)
		beside := fmt.Sprintf("%d lines, %.0f MB; %.2f to %.2f in %d rounds", lines, float64(size)/1e6,
			slices.Min(ratios), slices.Max(ratios), b.rounds)
		b.row("CPU a line ÷ bare loop, "+name, fmt.Sprintf("%.2f ×", median(ratios)), "≤ 5.0, aim 4.0", beside)
		b.row("lines a second and core, "+name, fmt.Sprintf("%.1f million", 1e3/ns), "≥ 5 million",
			fmt.Sprintf("%.0f ns a line, the bare loop %.0f", ns, ns/median(ratios)))
		if i == 0 {
			b.row("allocations a line", fmt.Sprintf("%.4f", allocations), "0",
				fmt.Sprintf("%.0f in all, for blocks, ticks and scrapes", allocations*float64(lines)))
		}
		os.Remove(log)
	}
	return nil
}

// readLog returns the CPU time in which the binary reads the log, less that for an empty one, and its allocations.
func (b *bench) readLog(log string, f traffic, lines int) (time.Duration, float64, error) {
	empty := filepath.Join(b.dir, "empty.log")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		return 0, 0, err
	}
	idle, idleMallocs, err := b.countLines(empty, f, 0)
	if err != nil {
		return 0, 0, err
	}
	busy, mallocs, err := b.countLines(log, f, lines)
	return busy - idle, max(0, mallocs-idleMallocs), err
}

// countLines returns the CPU time of the binary that reads the log to its end, is scraped, and ends, and its
// allocations.
func (b *bench) countLines(log string, f traffic, want int) (time.Duration, float64, error) {
	routes := ""
	if f.routes {
		routes = "  routes: [{name: enrollment, match: ^/v1/face/enrollment}, {name: recognition, match: " +
			"^/v1/face/recognition}]\n"
	}
	e, err := b.start(fmt.Sprintf("nginx:\n  access_logs: [{path: %q, name: bench, start: beginning, escape: %s, "+
		"format: %q}]\n%s", log, f.Escape, f.Text, routes))
	if err != nil {
		return 0, 0, err
	}
	defer e.Kill()
	for deadline := time.Now().Add(patience); ; {
		got, err := e.value(`fremisn_exporter_log_lines_total{log="bench",result="parsed"} `)
		if err != nil {
			return 0, 0, err
		}
		if int(got) == want {
			break
		}
		if int(got) > want || time.Now().After(deadline) {
			return 0, 0, fmt.Errorf("%s: counted %d lines of %d", f.Name, int(got), want)
		}
	}
	mallocs, err := e.value("go_memstats_mallocs_total ")
	if err != nil {
		return 0, 0, err
	}
	cpu, err := e.end()
	return cpu, mallocs, err
}

// patience limits every wait.
const patience = 2 * time.Minute

// mtail runs Debian's mtail on a part of the log, and compares CPU per line.
func (b *bench) mtail() error {
	const part = 100_000
	f := mixed(logtest.Full)
	log := filepath.Join(b.dir, "mtail.log")
	if _, err := writeLog(log, f, part); err != nil {
		return err
	}
	whole := filepath.Join(b.dir, f.Name+".log")
	if _, err := writeLog(whole, f, b.lines); err != nil {
		return err
	}
	var ratios []float64
	for range b.rounds {
		theirs, err := cpuOf(exec.Command("mtail", "--one_shot", "--one_shot_format", "prometheus", "--progs",
			b.mtailing, "--logs", log, "--log_dir", b.dir))
		if err != nil {
			return err
		}
		ours, _, err := b.readLog(whole, f, b.lines)
		if err != nil {
			return err
		}
		ratios = append(ratios, theirs.Seconds()/part/(ours.Seconds()/float64(b.lines)))
	}
	os.Remove(whole)
	b.row("CPU a line, mtail ÷ ours", fmt.Sprintf("%.0f ×", median(ratios)), "≥ 50 ×",
		fmt.Sprintf("%.0f to %.0f in %d rounds", slices.Min(ratios), slices.Max(ratios), b.rounds))
	return nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// cpuOf returns the user and system time of a command.
func cpuOf(command *exec.Cmd) (time.Duration, error) {
	if output, err := command.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%s: %w\n%s", command, err, output)
	}
	return command.ProcessState.UserTime() + command.ProcessState.SystemTime(), nil
}
