// Package past reads complete access logs: what happened in them (analyze), what went wrong and why (explain), what
// other settings of NGINX would have done (whatif), and their metrics as Prometheus would have scraped them
// (backfill). It reads files on all cores, parts of a file in parallel; it follows nothing and keeps nothing. As in
// serve, collector/internal/accesslog decides what a line means.
package past

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// Options say what to read, and how.
type Options struct {
	Settings *source.Settings // what is known of NGINX
	// Stdin among them is standard input; none: the logs of Settings with their rotated parts
	Files []string
	// of the lines; none: those of the file's log, or all that are known
	Formats      []source.Format
	Since, Until time.Time // lines at or after Since and before Until; zero for no limit
	Stdin        io.Reader
	Progress     io.Writer // a terminal for the progress bar, nil for none
	Workers      int       // 0: all cores

	slotBytes int64  // what explain may keep of slots, 0 for maxSlotBytes
	between   func() // is called between explain's two readings, where it is not nil
}

// ErrNothing reports that there is nothing to read.
var ErrNothing = errors.New("nothing could be read")

// A NoFitError reports that no line fits a log_format.
type NoFitError struct {
	Path    string
	Line    []byte // one that does not fit
	Offset  int    // where it does not
	Want    string // what the format has there
	Format  string // the log_format that it was read with
	Formats int    // the number of lines
	Fits    string // a log_format of nginx.conf that the line fits, or ""
}

func (e *NoFitError) Error() string {
	text := fmt.Sprintf("%s: no line fits the log_format %s", e.Path, e.Format)
	if e.Formats > 1 {
		text = fmt.Sprintf("%s: no line fits any of %d log_formats; in the first, %s", e.Path, e.Formats, e.Format)
	}
	if e.Fits == "" {
		return text + "; name the right one by --format, or the nginx.conf that has it by --nginx.config"
	}
	return text + fmt.Sprintf("; it fits the log_format %s: give --format %s", e.Fits, e.Fits)
}

// A reading is one command's pass through the logs.
type reading struct {
	Options
	inputs  []input
	facts   *facts
	workers int

	compiled logformat.Programs // of all files

	twice   []error                        // files that are named again
	rotated map[*source.LogSource][]string // files of logs and their rotated parts
	scanned []File                         // of inputs
	jobs    []*job                         // nil before the first reading
	done    func(v visitor, j *job)        // as a scan has it
}

// An input is a file with its formats.
type input struct {
	path    string
	formats *formats
}

// formats are the compiled formats of some files.
type formats struct {
	log         string            // the label log
	source      *source.LogSource // of the settings, nil if it is not one of them
	subrequests bool              // lines of length 0 are subrequests
	list        []source.Format
	programs    []*logformat.Program
}

// name returns that of the first, for people.
func (f *formats) name() string {
	if f.list[0].Name != "" {
		return f.list[0].Name
	}
	return "given"
}

// newReading finds the files and compiles their formats; capture lists variables to read from each line.
func newReading(o Options, capture ...string) (*reading, error) {
	r := &reading{Options: o, workers: o.Workers}
	if r.workers <= 0 {
		r.workers = allCores()
	}
	if o.Settings == nil {
		r.Settings = &source.Settings{}
	}
	r.facts = newFacts(r.Settings)
	known := map[string]*formats{}
	for _, file := range r.unique(r.files()) {
		list, log := r.formatsOf(file)
		f := &formats{log: logName(file), source: log}
		if log != nil {
			f.log, f.subrequests = log.Name, log.Subrequests
		}
		key := fmt.Sprint(f.log, f.subrequests, list)
		if known[key] == nil {
			if err := r.compile(f, list, capture); err != nil {
				return nil, err
			}
			known[key] = f
		}
		r.inputs = append(r.inputs, input{file, known[key]})
	}
	if len(r.inputs) == 0 {
		return nil,
			fmt.Errorf("%w: no file is named, and nginx.conf names no access log that is a file; name the files",
				ErrNothing)
	}
	return r, nil
}

// compile compiles the valid formats; it returns an error if there are none.
func (r *reading) compile(f *formats, list []source.Format, capture []string) error {
	var first error
	for _, format := range list {
		program, err := r.compiled.Compile(format.Text, format.Escape, logformat.Options{Capture: capture})
		if err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		f.list, f.programs = append(f.list, format), append(f.programs, program)
	}
	if len(f.programs) == 0 {
		return first
	}
	return nil
}

// run passes every block of lines to a visitor. It returns what could not be read of some of the files.
func (r *reading) run(ctx context.Context, visit func(worker int, f *formats) visitor) (problems []error, err error) {
	s := &scan{
		files: r.toScan(), stdin: r.Stdin, workers: r.workers, progress: &progress{out: r.Progress},
		visitor: func(worker, file int) visitor { return visit(worker, r.inputs[file].formats) },
		jobs:    r.jobs, done: r.done,
	}
	problems, err = s.run(ctx)
	r.jobs = s.jobs
	return append(r.twice, problems...), err
}

// toScan are the files of the inputs.
func (r *reading) toScan() []File {
	if r.scanned == nil {
		for _, in := range r.inputs {
			r.scanned = append(r.scanned, File{Path: in.path})
		}
	}
	return r.scanned
}

// nothing returns the error for no line to answer from: that of the bounds, of the files, or of a line.
func (r *reading) nothing(problems []error, misfit *misfit, lines LineCounts) error {
	var names []string
	for _, file := range r.toScan() {
		names = append(names, file.name())
	}
	in := strings.Join(names, ", ")
	switch {
	case lines.outside > 0:
		return errors.Join(append(problems, fmt.Errorf("no line %s in %s", r.asked(), in))...)
	case misfit != nil:
		return r.noFit(misfit)
	case len(problems) > 0:
		return errors.Join(problems...)
	case lines.TooLong > 0:
		return fmt.Errorf("%w: every line in %s is longer than 1 MiB", ErrNothing, in)
	}
	return fmt.Errorf("%w: no lines in %s", ErrNothing, in)
}

// A misfit is a line that fits none of its formats.
type misfit struct {
	formats *formats
	line    []byte
}

// newMisfit copies a line.
func newMisfit(f *formats, line []byte) *misfit {
	return &misfit{f, bytes.Clone(line[:min(len(line), maxShown)])}
}

// maxShown is how much of a line is shown to people.
const maxShown = 4096

func (r *reading) noFit(m *misfit) error {
	e := &NoFitError{Path: r.pathOf(m.formats), Line: m.line, Format: m.formats.name(), Formats: len(m.formats.list)}
	parser := logformat.NewParser(m.formats.programs[0])
	if at := (*logformat.LineError)(nil); errors.As(parser.ParseLine(m.line, logformat.NewRecord()), &at) {
		e.Offset, e.Want = at.Offset, at.Expected
	}
	e.Fits = r.fitting(m)
	return e
}

// fitting returns the name of another known log_format that a line fits, or "".
func (r *reading) fitting(m *misfit) string {
	for _, f := range r.knownFormats() {
		if slices.Contains(m.formats.list, f) || f.Name == "" {
			continue
		}
		program, err := r.compiled.Compile(f.Text, f.Escape, logformat.Options{})
		if err == nil && logformat.NewParser(program).ParseLine(m.line, logformat.NewRecord()) == nil {
			return f.Name
		}
	}
	return ""
}

// pathOf returns a file that has these formats.
func (r *reading) pathOf(f *formats) string {
	i := slices.IndexFunc(r.inputs, func(in input) bool { return in.formats == f })
	if path := r.inputs[i].path; path != Stdin {
		return path
	}
	return "standard input"
}

// within reports whether a time is inside the bounds. An unknown one is not, if there is any bound.
func (o *Options) within(millis int64) bool {
	return (o.Since.IsZero() || millis >= o.Since.UnixMilli()) && (o.Until.IsZero() || millis < o.Until.UnixMilli())
}

// asked returns the bounds for people, such as "since 2026-11-23 14:00:00 UTC"; "" if there are none.
func (o *Options) asked() string {
	const form = "2006-01-02 15:04:05 UTC"
	since, until := o.Since.UTC().Format(form), o.Until.UTC().Format(form)
	switch {
	case !o.bounded():
		return ""
	case o.Until.IsZero():
		return "since " + since
	case o.Since.IsZero():
		return "before " + until
	}
	return "between " + since + " and " + until
}

func (o *Options) bounded() bool { return !o.Since.IsZero() || !o.Until.IsZero() }
