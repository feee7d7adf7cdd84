package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/check"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/terminal"
	"github.com/fremisn/fremisn-exporter/collector"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/collector/past"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// pastFlags are the flags of analyze, explain, whatif and backfill.
type pastFlags struct {
	files        []string
	formats      []string
	escape       string
	since, until string
	output       string
	errorLogs    []string      // explain
	tries        []string      // whatif
	dir          string        // backfill
	step         time.Duration // backfill
	labels       []string      // backfill

	loaded *settings.Settings // nil without a config file and an nginx.conf
}

// flags adds the commands that read complete logs.
func (p *pastFlags) flags(app *kingpin.Application) {
	p.common(app.Command("analyze",
		"Read complete access logs and summarize them: servers, routes, slowest requests, hours."), "text",
		"json", "csv")
	explain := app.Command("explain",
		"Read complete access logs and report what went wrong, when, why, and what to do about it. "+
			"It reads them twice; what can be read only once is copied to TMPDIR.")
	p.common(explain, "text", "json")
	explain.Flag("error-log",
		"NGINX's error log of the same time, which makes the answer more precise; repeatable. Without it and FILE, "+
			"those that nginx.conf names.").
		PlaceHolder("FILE").StringsVar(&p.errorLogs)
	whatIf := app.Command("whatif",
		"Read complete access logs and model what other settings of NGINX would have done with the same requests.")
	p.common(whatIf, "text", "json")
	whatIf.Flag("try",
		"Settings to try, such as max_conns=2,servers=4; repeatable: a column each. Keys: "+strings.Join(past.TryKeys(),
			", ")+".").
		PlaceHolder("KEY=VALUE").StringsVar(&p.tries)
	backfill := app.Command("backfill",
		"Write the metrics of complete access logs, as Prometheus would have scraped them, as OpenMetrics for "+
			"promtool.")
	p.common(backfill, "text", "json")
	backfill.Flag("output-dir",
		"The folder for the files; created if missing.").Short('o').PlaceHolder("DIR").Required().StringVar(&p.dir)
	backfill.Flag("step", "The interval between two samples of a series.").Default("15s").DurationVar(&p.step)
	backfill.Flag("label",
		"A label for every series, such as job=fremisn-exporter; repeatable.").
		PlaceHolder("NAME=VALUE").StringsVar(&p.labels)
}

// common adds what all of them have.
func (p *pastFlags) common(c *kingpin.CmdClause, outputs ...string) {
	c.Arg("file",
		"Access logs, .gz too, - for standard input; without one, the logs that nginx.conf names with their "+
			"rotated parts.").StringsVar(&p.files)
	c.Flag("format",
		"The format of the lines: the name of a log_format of nginx.conf, combined, or a log_format itself; "+
			"repeatable: a line is read in the first that it fits.").
		PlaceHolder("FORMAT").StringsVar(&p.formats)
	c.Flag("escape",
		"The escape of a log_format that is given itself: default, json or none.").Default("default").EnumVar(&p.escape,
		"default", "json", "none")
	c.Flag("since", `Only lines at or after this time: 2026-11-23T14:00:00Z, "2026-11-23 14:00", 14:00, or an age `+
		`such as 2h.`).PlaceHolder("TIME").StringVar(&p.since)
	c.Flag("until", "Only lines before this time.").PlaceHolder("TIME").StringVar(&p.until)
	c.Flag("output", "Output format: "+strings.Join(outputs, ", ")+".").Default("text").EnumVar(&p.output, outputs...)
}

// nameStdin restores the name of standard input: kingpin turns an argument of a single dash into an empty string.
func (p *pastFlags) nameStdin(args []string) {
	if !slices.Contains(args, past.Stdin) {
		return
	}
	for _, list := range [][]string{p.files, p.errorLogs} {
		for i, file := range list {
			if file == "" {
				list[i] = past.Stdin
			}
		}
	}
}

// A pastReport is the result of one of the commands.
type pastReport interface {
	Text(w io.Writer, columns int) error
	JSON(w io.Writer) error
}

// runPast runs one of the commands that read complete logs: read returns its report, and what is not in it: files that
// could not be read, and malformed lines.
func runPast(ctx context.Context, cli *commandLine, stdout, stderr io.Writer, read func(past.Options) (pastReport,
	[]error, error)) int {
	allProcessors()
	o, err := cli.pastOptions(ctx, stderr)
	if err != nil {
		return cli.usage(stderr, err)
	}
	report, problems, err := interruptible(ctx, func() (pastReport, []error, error) { return read(o) })
	var unfit *past.NoFitError
	switch {
	case ctx.Err() != nil:
		fmt.Fprintf(stderr, "%s: interrupted\n", programName)
		return exitFailed
	case errors.As(err, &unfit):
		fmt.Fprintf(stderr, "%s: %s\n%s\n", programName, err, check.PointAt(unfit.Line,
			&collector.LineError{Offset: unfit.Offset, Expected: unfit.Want}))
		return exitFailed
	case err != nil:
		for _, line := range strings.Split(err.Error(), "\n") {
			fmt.Fprintf(stderr, "%s: %s\n", programName, line)
		}
		return exitFailed
	}
	for _, problem := range problems {
		fmt.Fprintf(stderr, "%s: %s\n", programName, problem)
	}
	if err := cli.past.print(report, stdout); err != nil {
		fmt.Fprintf(stderr, "%s: writing the report: %s\n", programName, err)
		return exitFailed
	}
	return exitOK
}

func (p *pastFlags) print(report pastReport, stdout io.Writer) error {
	switch p.output {
	case "json":
		return report.JSON(stdout)
	case "csv":
		return report.(interface{ CSV(io.Writer) error }).CSV(stdout)
	}
	return report.Text(stdout, terminal.Columns(stdout))
}

// tidyTime is how long an interrupted command may take to remove its unfinished files.
const tidyTime = time.Second

// interruptible runs read, and returns soon after ctx is done, whatever read is doing: the process ends then.
func interruptible(ctx context.Context, read func() (pastReport, []error, error)) (report pastReport,
	problems []error, err error) {
	done := make(chan struct{})
	var own struct {
		report   pastReport
		problems []error
		err      error
	}
	go func() {
		defer close(done)
		own.report, own.problems, own.err = read()
	}()
	select {
	case <-done:
		return own.report, own.problems, own.err
	case <-ctx.Done():
	}
	select {
	case <-done:
	case <-time.After(tidyTime):
	}
	return nil, nil, ctx.Err()
}

// allProcessors lets the commands read files on all cores, unless the environment says otherwise: serve uses only one.
func allProcessors() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.NumCPU())
	}
}

// pastOptions returns what to read, and how. Its error is a usage error.
func (cli *commandLine) pastOptions(ctx context.Context, stderr io.Writer) (past.Options, error) {
	p := &cli.past
	o := past.Options{Files: p.files, Stdin: os.Stdin, Settings: &source.Settings{}}
	if terminal.IsTerminal(stderr) {
		o.Progress = stderr
	}
	var err error
	if o.Since, o.Until, err = p.times(time.Now()); err != nil {
		return o, err
	}
	s, err := settings.Load(ctx, cli.source)
	switch {
	case err == nil:
		p.loaded, o.Settings = s, s.Observed
	case cli.source.ConfigFile != "" || *cli.given["nginx.config"] || len(p.files) == 0:
		return o, err
	case errors.Is(err, os.ErrNotExist) || len(p.formats) > 0:
		// Named files can be read without the nginx.conf of this host.
	default:
		return o, fmt.Errorf("%w; give --format to do without it", err)
	}
	o.Formats, err = p.logFormats(o.Settings)
	return o, err
}

func (p *pastFlags) times(now time.Time) (since, until time.Time, err error) {
	if p.since != "" {
		if since, err = past.ParseTime(p.since, now, past.Since); err != nil {
			return since, until, fmt.Errorf("--since: %w", err)
		}
	}
	if p.until != "" {
		if until, err = past.ParseTime(p.until, now, past.Until); err != nil {
			return since, until, fmt.Errorf("--until: %w", err)
		}
	}
	if !since.IsZero() && !until.IsZero() && !since.Before(until) {
		err = fmt.Errorf("--since %s is not before --until %s", since.UTC().Format(time.RFC3339),
			until.UTC().Format(time.RFC3339))
	}
	return since, until, err
}

// logFormats returns those that the user names or writes.
func (p *pastFlags) logFormats(s *source.Settings) ([]source.Format, error) {
	var formats []source.Format
	for _, f := range p.formats {
		if strings.Contains(f, "$") {
			if _, err := collector.NewFormatCheck(f, p.escape); err != nil {
				return nil, fmt.Errorf("--format: %w", err)
			}
			formats = append(formats, source.Format{Text: f, Escape: p.escape})
			continue
		}
		names := []string{"combined"}
		if s.Conf != nil {
			names = nil
			for name := range s.Conf.LogFormats {
				names = append(names, name)
			}
			slices.Sort(names)
		}
		if !slices.Contains(names, f) {
			return nil,
				fmt.Errorf("--format %q: nginx.conf has no log_format of this name; it has %s; or give the log_format "+
					"itself, with its variables", f, strings.Join(names, ", "))
		}
		if s.Conf == nil {
			formats = append(formats, source.Format{Name: f, Text: nginxconf.CombinedFormat, Escape: "default"})
			continue
		}
		named := s.Conf.LogFormats[f]
		formats = append(formats, source.Format{Name: f, Text: named.Format, Escape: named.Escape})
	}
	return formats, nil
}
