package collector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"github.com/fremisn/fremisn-exporter/collector/internal/accesslog"
	"github.com/fremisn/fremisn-exporter/collector/internal/errorlog"
	"github.com/fremisn/fremisn-exporter/collector/internal/follow"
	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
	"github.com/fremisn/fremisn-exporter/collector/internal/takenout"
	"github.com/fremisn/fremisn-exporter/collector/internal/watch"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// Options say what a Collector observes and where it keeps its state.
type Options struct {
	Settings    *source.Settings
	StoragePath string              // folder for positions and counters; "" keeps them only in memory
	Mask        func(string) string // hides the password in a URL
	Others      []Other             // collectors of other packages, run beside those of NGINX
	Logger      log.Logger
	Unhinted    bool // look at logs only by the clock: the kernel's hints do not follow a test's clock
}

// A Collector observes one NGINX according to its settings.
type Collector struct {
	mask    func(string) string
	logger  log.Logger
	state   *statefile.Dir // nil: only memory
	others  []*other
	reports *reports
	nginx   runningCache

	answers *takenout.Answers // of all access logs, for all error logs
	workers *workers
	watcher *watch.Watcher
	buffers *tail.Buffers
	names   *tail.Names
	owners  *tail.Owners
	still   task[stillLogs]

	reloading chan struct{}     // holds a token while no reload is in progress
	former    map[string]former // by name; guarded by reloading
	notes     chan notes        // holds the notes for the next start, while nobody writes them

	mu       sync.Mutex // guards the fields below; never held across a wait
	run      context.Context
	current  *observed
	retired  commits            // of logs that are no longer followed: their commits remain counted
	stopping []*follow.Pipeline // of logs that are no longer followed and have not ended in time
	confErr  error              // why the nginx.conf of the settings is an old version, nil if it is not
}

// An observed is all logs and pages of one moment. It is immutable; a reload swaps it for another.
type observed struct {
	settings *source.Settings
	topology *source.Topology
	streams  *source.Topology // of stream{}
	descs    *descs
	status   *statusPages
	logs     []*followed
}

// A followed is a log with its pipeline. It is immutable.
type followed struct {
	source source.LogSource
	*logTasks
	stop context.CancelFunc // nil before it runs
}

// logTasks are a pipeline with its requests. A reload keeps them.
type logTasks struct {
	pipeline *follow.Pipeline
	read     task[*follow.Snapshot]
	exposer  logExposer
	summary  task[logSummary]
}

// logPatience is how long a scrape waits for a log to be read and committed.
const logPatience = 2500 * time.Millisecond

func newLogTasks(cfg follow.Config) *logTasks {
	t := &logTasks{pipeline: follow.New(cfg)}
	t.read.work, t.read.patience, t.read.limit, t.read.isFresh = t.pipeline.Scrape, logPatience, logPatience-grace, true
	t.summary.work, t.summary.patience, t.summary.limit = summaryTask(t.pipeline), logPatience, logPatience-grace
	t.summary.isFresh = true
	t.exposer.log = cfg.Source.Name
	return t
}

// New prepares everything in the settings. It fails if they are impossible (a log_format that does not compile) or the
// storage path is in use or not writable.
func New(o Options) (*Collector, error) {
	c := &Collector{
		mask: o.Mask, logger: o.Logger, reports: newReports(o.Logger),
		answers: takenout.NewAnswers(), workers: newWorkers(), buffers: &tail.Buffers{}, names: &tail.Names{},
		owners: &tail.Owners{}, former: map[string]former{},
		reloading: make(chan struct{}, 1), notes: make(chan notes, 1),
	}
	if !o.Unhinted {
		c.watcher = watch.New()
	}
	c.still.work, c.still.patience, c.still.isFresh = c.findStill, stillPatience, true
	c.reloading <- struct{}{}
	c.notes <- notes{Version: notesVersion}
	for _, other := range o.Others {
		c.others = append(c.others, newOther(other))
	}
	s, err := c.openState(o)
	if err != nil {
		return nil, err
	}
	next, makers, err := c.prepare(s)
	if err != nil {
		return nil, errors.Join(err, c.closeState())
	}
	peers := c.newPeers(s.Logs())
	for i, log := range peers.logs {
		next.logs = append(next.logs, c.follow(log, makers[i], peers, former{}))
	}
	c.current = next
	c.remember(s)
	c.logSettings(s)
	return c, nil
}

// prepare creates everything in the settings except the logs: it returns their counters, one for each of
// settings.Logs.
func (c *Collector) prepare(s *source.Settings) (*observed, []maker, error) {
	makers, err := c.makers(s)
	if err != nil {
		return nil, nil, err
	}
	status, err := newStatusPages(s.Status, c.mask)
	if err != nil {
		return nil, nil, err
	}
	return &observed{settings: s, topology: s.Topology(), streams: s.StreamTopology(),
		descs:  newDescs(len(s.Status) > 1),
		status: status}, makers, nil
}

// A maker makes the counter of a log.
type maker func() (follow.Counter, error)

// makers returns what makes the counters of s.Logs. Each has been tried: it cannot fail.
func (c *Collector) makers(s *source.Settings) ([]maker, error) {
	var makers []maker
	limitReq, limitConn := s.LimitStatuses()
	shared := &accesslog.Shared{}
	upstreams := map[source.Kind]*upstreams{
		source.Access: upstreamsOf(s.Topology()), source.Stream: upstreamsOf(s.StreamTopology()),
	}
	for _, log := range s.Logs() {
		of := upstreams[log.Kind]
		if log.Kind == source.Error {
			cfg := errorlog.Config{MaxSeries: s.MaxSeries, TakenOut: c.takenOut(s, log)}
			makers = append(makers, func() (follow.Counter, error) { return errorlog.New(cfg), nil })
			continue
		}
		cfg := accesslog.Config{
			Reformat: c.reformat(log, s),
			Source:   log, Routes: s.Routes, Buckets: s.LatencyBuckets, MaxSeries: s.MaxSeries,
			Groups: of.groups, GroupName: of.topology.GroupName, Servers: of.servers,
			LimitReqStatus: limitReq, LimitConnStatus: limitConn, Answers: c.answers, Shared: shared,
		}
		if _, err := accesslog.New(cfg); err != nil {
			return nil, err
		}
		makers = append(makers, func() (follow.Counter, error) { return accesslog.New(cfg) })
	}
	return makers, nil
}

// upstreams are the groups and servers whose series start at 0, one list for all logs.
type upstreams struct {
	topology        *source.Topology
	groups, servers []string
}

func upstreamsOf(t *source.Topology) *upstreams { return &upstreams{t, t.Groups(), t.Servers()} }

// peers are what logs that begin at the same time share.
type peers struct {
	logs    []source.LogSource
	records *follow.Records // nil without a storage path
}

func (c *Collector) newPeers(logs []source.LogSource) *peers {
	p := &peers{logs: logs}
	if c.state != nil {
		p.records = follow.NewRecords(c.state, logs)
	}
	return p
}

// follow returns a log that is not followed yet.
func (c *Collector) follow(s source.LogSource, counter maker, peers *peers, former former) *followed {
	return &followed{source: s, logTasks: newLogTasks(follow.Config{
		Source: s, New: counter, State: c.state, Former: former.pipeline, IsShared: former.isShared,
		Peers: peers.logs, Records: peers.records,
		Watcher: c.watcher, Buffers: c.buffers, Names: c.names, Owners: c.owners, Renew: renew,
		Logger: log.With(c.logger, "log", s.Name),
	})}
}

// logSettings logs, at start and after a reload, what is followed and which metrics a log's format lacks.
func (c *Collector) logSettings(s *source.Settings) {
	for _, page := range s.Status {
		level.Info(c.logger).Log("msg", "reading the status page", "url", c.mask(page.URL), "host", page.Host, "from",
			page.From)
	}
	for _, l := range s.Logs() {
		c.logFollowing(l)
	}
	for _, l := range s.QuietErrorLogs() {
		level.Warn(c.logger).Log("msg", "the error log's level omits refused connections and timeouts of "+
			"upstreams", "log", l.Path, "level", l.Level,
			"where", l.Pos, "write", "error_log "+l.Path+" warn;")
	}
	if s.Conf != nil {
		for _, note := range s.Conf.Notes {
			level.Info(c.logger).Log("msg", "ignored in nginx.conf", "where", note.Pos, "what", note.Text)
		}
	}
	for _, ignored := range s.Ignored {
		switch {
		case ignored.Failed:
			level.Error(c.logger).Log("msg", "not followed", "why", ignored)
		case ignored.Twice:
			level.Warn(c.logger).Log("msg", "requests count twice", "why", ignored)
		default:
			level.Info(c.logger).Log("msg", "not followed", "why", ignored)
		}
	}
}

func (c *Collector) logFollowing(l source.LogSource) {
	format := ""
	if len(l.Formats) > 0 {
		format = l.Formats[0].Name
	}
	level.Info(c.logger).Log("msg", "following", "log", l.Name, "path", l.Path, "syslog", l.Syslog, "format", format,
		"from", l.From)
	if len(l.Formats) == 0 {
		return
	}
	check, err := NewLogCheck(l)
	if err != nil {
		return // it has been compiled before
	}
	for _, m := range check.Missing() {
		level.Info(c.logger).Log("msg", "the log_format lacks a variable", "log", l.Name, "metric", m.Metric, "add",
			m.Variable)
	}
}

// endWait is how long Run waits for logs to be read to their ends and committed.
const endWait = 4 * time.Second

// Run follows the logs until ctx ends, then reads the rest, commits and returns. Its error says what could not be read
// or committed.
func (c *Collector) Run(ctx context.Context) error {
	c.startLogs(ctx)
	c.watchLost(ctx)
	last, cancel := context.WithTimeout(context.Background(), endWait)
	defer cancel()
	select {
	case <-c.reloading: // ctx ends a reload in progress
		defer func() { c.reloading <- struct{}{} }()
	case <-last.Done():
	}
	return errors.Join(c.awaitEnd(last), c.closeState())
}

// startLogs starts all logs, once no reload is in progress: that would not know which have been started.
func (c *Collector) startLogs(ctx context.Context) {
	select {
	case <-c.reloading:
		defer func() { c.reloading <- struct{}{} }()
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run = ctx
	started := *c.current
	started.logs = nil
	for _, f := range c.current.logs {
		started.logs = append(started.logs, c.start(f, nil))
	}
	c.current = &started
}

// awaitEnd waits for all pipelines to end.
func (c *Collector) awaitEnd(ctx context.Context) error {
	now := c.observed()
	now.status.close()
	pipelines := c.stillStopping()
	for _, f := range now.logs {
		pipelines = append(pipelines, f.pipeline)
	}
	var errs []error
	for _, p := range pipelines {
		select {
		case <-p.Done():
			if err := p.Err(); err != nil {
				errs = append(errs, fmt.Errorf("log %s: %w", p.Source().Name, err))
			}
		case <-ctx.Done():
			problem := p.Stats().Problem
			if problem == "" {
				problem = p.Source().Where() + " does not answer"
			}
			errs = append(errs, fmt.Errorf("log %s: %s; the next start continues from the last commit",
				p.Source().Name, problem))
		}
	}
	return errors.Join(errs...)
}

func (c *Collector) stillStopping() []*follow.Pipeline {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*follow.Pipeline{}, c.stopping...)
}

// start runs a log's pipeline once those have ended that may have had its files, or its name.
func (c *Collector) start(f *followed, after []<-chan struct{}) *followed {
	ctx, stop := context.WithCancel(c.run)
	go func() {
		if f.pipeline.Await(ctx, after) {
			c.logEnd(f, f.pipeline.Run(ctx))
		}
	}()
	return &followed{source: f.source, logTasks: f.logTasks, stop: stop}
}

func (c *Collector) logEnd(f *followed, err error) {
	if err != nil {
		level.Error(c.logger).Log("msg", "following a log failed", "log", f.source.Name, "err", err)
	}
}

func (c *Collector) closeState() error {
	c.watcher.Close()
	if c.state == nil {
		return nil
	}
	return c.state.Close()
}

func (c *Collector) observed() *observed {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

// ConfigError reports that nginx.conf has changed and cannot be read, so that its last valid version stays in use, or
// nil.
func (c *Collector) ConfigError(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.confErr = err
}

// CountLogs returns how many logs are followed.
func (c *Collector) CountLogs() int { return len(c.observed().logs) }

// HasBegun reports whether each log shows something, or why it does not.
func (c *Collector) HasBegun() bool {
	return !slices.ContainsFunc(c.observed().logs, func(f *followed) bool {
		stats := f.pipeline.Stats()
		return f.pipeline.Last() == nil && stats.Problem == "" && stats.Unsaved == ""
	})
}

// A LogStatus describes a followed log for people.
type LogStatus struct {
	Name    string
	Source  string // a path, or where syslog is received
	From    string // where the log is named
	Lag     int64  // bytes
	Problem string // why it cannot be read; "" if it can

	Unsaved string // why its counts are not saved; "" if they are

	Lines, Malformed uint64 // only in Traffic: lines read, and of them those that fit no format
}

// Logs returns the status of every followed log.
func (c *Collector) Logs() []LogStatus {
	var all []LogStatus
	for _, f := range c.observed().logs {
		stats := f.pipeline.Stats()
		all = append(all, LogStatus{Name: f.source.Name, Source: f.source.Where(), From: f.source.From,
			Lag: stats.Lag, Problem: stats.Problem, Unsaved: stats.Unsaved})
	}
	return all
}
