package past

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/accesslog"
	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
)

// BackfillOptions say what Backfill writes.
type BackfillOptions struct {
	Dir    string        // where the files go; made if need be
	Step   time.Duration // between two samples of a series
	Labels []string      // NAME=VALUE, on every series
	// Gauges have one value for the whole time: what an exporter says besides its counters. Rules and dashboards want
	// them.
	Gauges []Gauge
}

// A Gauge is a series with a constant value.
type Gauge struct {
	Name, Help string
	Labels     [][2]string // names and values
	Value      float64
}

// checkGauges reports a label that a gauge has, too.
func (o *BackfillOptions) checkGauges() error {
	for _, label := range o.Labels {
		name, _, _ := strings.Cut(label, "=")
		for _, g := range o.Gauges {
			if slices.ContainsFunc(g.Labels, func(own [2]string) bool { return own[0] == name }) {
				return fmt.Errorf("--label %q: %s has a label %s of its own", label, g.Name, name)
			}
		}
	}
	return nil
}

// A Backfilled says what Backfill has written.
type Backfilled struct {
	Dir     string     `json:"dir"`
	Files   []string   `json:"files"` // one for each log and day
	From    time.Time  `json:"from"`  // of the first sample
	To      time.Time  `json:"to"`    // of the last
	Samples uint64     `json:"samples"`
	Lines   LineCounts `json:"lines"`
}

// Backfill writes the metrics of logs as a scraped exporter would have given them, as OpenMetrics with time stamps, a
// file for each log and day (UTC): promtool reads a file once for every two hours that it holds.
func Backfill(ctx context.Context, o Options, to BackfillOptions) (done *Backfilled, problems []error, err error) {
	labels, err := renderLabels(to.Labels)
	if err == nil {
		err = to.checkGauges()
	}
	if err != nil {
		return nil, nil, err
	}
	r, err := newReading(o)
	if err != nil {
		return nil, nil, err
	}
	defer r.close()
	r.workers = 1 // one line after the other
	r.sortByTime()
	if err := os.MkdirAll(to.Dir, 0o755); err != nil {
		return nil, nil, fmt.Errorf("creating the folder for the files failed: %w; name another one: -o DIR", err)
	}
	backfillers := newByWorker(1, func(f *formats) *backfiller { return newBackfiller(r, f, to, labels) })
	if problems, err = r.run(ctx, func(worker int, f *formats) visitor {
		return backfillers.of(worker,
			f)
	}); err != nil {
		return nil, nil, err
	}
	done = &Backfilled{Dir: to.Dir}
	var misfit *misfit
	for _, b := range backfillers.all() {
		b.finish()
		if b.err != nil {
			return nil, problems, b.err
		}
		done.add(b)
		if misfit == nil {
			misfit = b.misfit
		}
	}
	if len(done.Files) == 0 {
		if done.Lines.WithoutTime > 0 {
			return nil, problems,
				errors.New("the log has no answer: its log_format has no time, or no line is in that time; " +
					"add $msec or $time_local")
		}
		return nil, problems, r.nothing(problems, misfit, done.Lines)
	}
	slices.Sort(done.Files)
	return done, append(problems, r.malformed(done.Lines, misfit)...), nil
}

func (d *Backfilled) add(b *backfiller) {
	lines, _ := b.Snapshot()
	d.Lines.add(LineCounts{Parsed: lines.Parsed, Malformed: lines.Malformed, TooLong: lines.TooLong,
		WithoutTime: b.withoutTime, outside: b.outside})
	if b.samples == 0 {
		return
	}
	d.Files = append(d.Files, b.files...)
	d.Samples += b.samples
	if from := time.UnixMilli(b.first).UTC(); d.From.IsZero() || from.Before(d.From) {
		d.From = from
	}
	if to := time.UnixMilli(b.last).UTC(); to.After(d.To) {
		d.To = to
	}
}

// JSON writes the result.
func (d *Backfilled) JSON(w io.Writer) error { return writeJSON(w, d) }

// rulePasses is how often recording rules are added: they rest on one another so deep, and each pass finds what the one
// before has recorded.
const rulePasses = "1 2 3 4 5 6"

// Text writes the result and the next steps.
func (d *Backfilled) Text(w io.Writer, _ int) error {
	_, err := fmt.Fprintf(w, `%s samples of %s lines, %s, in %s:
  %s
Make blocks of them in Prometheus' data folder, as the user that Prometheus runs as. It takes them up by itself within a
minute or two, and keeps them as long as its --storage.tsdb.retention.time:
  for f in %s/*.om; do promtool tsdb create-blocks-from openmetrics "$f" /var/lib/prometheus; done
Then the recording rules of the same time, which the dashboards show. They rest on one another, so a pass finds what the
one before has recorded, once Prometheus has taken it up:
  for pass in %s; do
    promtool tsdb create-blocks-from rules --start %s --end %s --url http://localhost:9090 \
      --output-dir /var/lib/prometheus alerts/*.rules.yml
    sleep 120
  done
`, grouped(d.Samples), grouped(d.Lines.Parsed), span(d.From, d.To), numbered(len(d.Files), "file"),
		strings.Join(d.Files, "\n  "), d.Dir, rulePasses, d.From.Format(time.RFC3339), d.To.Format(time.RFC3339))
	return err
}

// A backfiller counts the lines of one log, and takes a sample of all counters at every step.
type backfiller struct {
	*accesslog.Counter
	reading *reading
	formats *formats
	step    int64 // milliseconds
	next    int64 // Unix milliseconds: when the next sample is due; 0 before the first line
	day     *day
	write   dayWriter

	first, last int64 // samples
	samples     uint64
	files       []string
	withoutTime uint64
	outside     uint64 // of the bounds
	misfit      *misfit
	err         error
}

const (
	dayMillis = 86_400_000
	// longestGap is for how long samples go on where no line comes.
	longestGap = 7 * dayMillis
)

func newBackfiller(r *reading, f *formats, to BackfillOptions, labels string) *backfiller {
	b := &backfiller{reading: r, formats: f, step: max(1, to.Step.Milliseconds())}
	cfg := r.counting(f, r.Settings.LatencyBuckets, r.Settings.MaxSeries, b)
	if cfg.Buckets == nil {
		cfg.Buckets = defaultBuckets()
	}
	if cfg.MaxSeries == 0 {
		cfg.MaxSeries = defaultMaxSeries
	}
	if f.source != nil {
		cfg.Source.Labels = f.source.Labels
	}
	cfg.Groups, cfg.Servers = r.facts.topology.Groups(), r.facts.topology.Servers()
	if b.Counter, b.err = accesslog.New(cfg); b.err != nil {
		panic("past: a format that was compiled before does not compile: " + b.err.Error())
	}
	b.write = dayWriter{dir: to.Dir, log: f.log, labels: labels, topology: r.facts.topology, conf: r.Settings.Conf,
		constant: to.Gauges}
	return b
}

const defaultMaxSeries = 10_000

// Accept implements accesslog.Watcher.
func (b *backfiller) Accept(r *logformat.Record) bool {
	if r.Time == 0 {
		b.withoutTime++
		return false
	}
	if !b.reading.within(r.Time) {
		b.outside++
		return false
	}
	if b.err != nil {
		return false
	}
	if b.next == 0 {
		b.next = floorDiv(r.Time, b.step) * b.step
		b.first = b.next
	}
	for b.next <= r.Time {
		if b.next-b.last > longestGap && b.last != 0 && r.Time-b.next > b.step {
			b.next = floorDiv(r.Time, b.step) * b.step
		}
		b.sample()
	}
	b.last = max(b.last, r.Time)
	return true
}

// Refuse implements accesslog.Watcher.
func (b *backfiller) Refuse(line []byte) {
	if b.misfit == nil {
		b.misfit = newMisfit(b.formats, line)
	}
}

// Request implements accesslog.Watcher.
func (b *backfiller) Request(*logformat.Record, []byte, string, accesslog.Outcome) {}

// sample takes a sample of everything.
func (b *backfiller) sample() {
	number := floorDiv(b.next, dayMillis)
	if b.day != nil && b.day.number != number {
		b.flush()
	}
	if b.day == nil {
		b.day = newDay(number, b.step)
	}
	lines, counts := b.Snapshot()
	b.samples += b.day.sample(b.next, lines, counts)
	b.next += b.step
}

// finish takes the last sample, after the last line.
func (b *backfiller) finish() {
	if b.next == 0 || b.err != nil {
		return
	}
	b.sample()
	b.last = b.next - b.step
	b.flush()
}

func (b *backfiller) flush() {
	path, err := b.write.write(b.day)
	b.day = nil
	if err != nil {
		b.err = errors.Join(b.err, err)
		return
	}
	b.files = append(b.files, path)
}

// sortByTime puts the files of each log in the order of their first lines.
func (r *reading) sortByTime() {
	first := map[string]int64{}
	for _, in := range r.inputs {
		first[in.path] = r.firstTime(in)
	}
	slices.SortStableFunc(r.inputs, func(a, b input) int {
		return cmp.Or(cmp.Compare(a.formats.log, b.formats.log), cmp.Compare(first[a.path], first[b.path]))
	})
}

// firstTime returns the time of a file's first line that has one, among those at its beginning; 0 for none.
func (r *reading) firstTime(in input) int64 {
	if in.path == Stdin {
		return 0
	}
	f, err := os.Open(in.path)
	if err != nil {
		return 0
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return 0 // a pipe gives its lines once
	}
	stream, err := decompressed(f, nil)
	if err != nil {
		return 0
	}
	head := make([]byte, 64<<10)
	n, _ := io.ReadFull(stream, head)
	parser, record := logformat.NewParser(in.formats.programs[0], in.formats.programs[1:]...), logformat.NewRecord()
	for line := range strings.Lines(string(head[:n])) {
		if parser.ParseLine([]byte(line), record) == nil && record.Time != 0 {
			return record.Time
		}
	}
	return 0
}

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// renderLabels turns NAME=VALUE into NAME="VALUE",…. An invalid name, or one that the metrics have, is an error.
func renderLabels(labels []string) (string, error) {
	var rendered []string
	seen := map[string]bool{}
	for _, label := range labels {
		name, value, found := strings.Cut(label, "=")
		switch {
		case !found || !labelName.MatchString(name) || strings.HasPrefix(name, "__"):
			return "", fmt.Errorf("--label %q: write NAME=VALUE, such as job=fremisn-exporter", label)
		case seen[name]:
			return "", fmt.Errorf("--label %q: %s is given twice", label, name)
		case isOwnLabel(name):
			return "", fmt.Errorf("--label %q: the metrics have a label %s of their own", label, name)
		}
		seen[name] = true
		rendered = append(rendered, name+`="`+escapeLabel(value)+`"`)
	}
	return strings.Join(rendered, ","), nil
}

// CheckLabels reports what is wrong with labels for Backfill.
func CheckLabels(labels []string) error {
	_, err := renderLabels(labels)
	return err
}
