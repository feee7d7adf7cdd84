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
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// Options say what a Collector observes and where it keeps what it must not forget.
type Options struct {
	Plan        *Plan
	StoragePath string              // positions and counters; "" keeps them in memory alone
	Mask        func(string) string // hides the password in a URL
	Others      []Other             // collectors of other packages, run beside those of NGINX
	Logger      log.Logger
}

// An Other is a collector of another package.
type Other struct {
	Name    string
	Collect func(ctx context.Context, emit func(prometheus.Metric)) error
}

// A Collector observes one NGINX as its plan says.
type Collector struct {
	mask   func(string) string
	logger log.Logger
	state  *statefile.Dir // nil: memory alone
	others []Other
	runner *runner

	reloading sync.Mutex // one reload at a time, and none before Run

	mu      sync.Mutex // guards what follows
	ctx     context.Context
	plan    *Plan
	topo    *topology
	status  *statusPages
	logs    []*followed
	retired commits // of logs that are no longer followed: their commits stay counted
	confErr error   // why the nginx.conf of the plan is an old reading, nil when it is not
}

// A followed is a log with the goroutine that owns it.
type followed struct {
	LogPlan
	isError  bool
	pipeline *pipeline
	stop     context.CancelFunc
	done     chan struct{}
}

// sameLog tells whether a reload can keep following without losing its place.
func (f *followed) sameLog(p LogPlan, isError bool) bool {
	return f.Name == p.Name && f.Path == p.Path && f.Syslog == p.Syslog && f.isError == isError
}

// New prepares all that the plan names. It fails where the plan cannot be (a log_format that does not compile) and
// where the storage path is in use or cannot be written.
func New(o Options) (*Collector, error) {
	c := &Collector{mask: o.Mask, logger: o.Logger, others: o.Others, runner: newRunner(o.Logger)}
	if o.StoragePath != "" {
		state, err := statefile.Open(o.StoragePath)
		if err != nil {
			return nil, err
		}
		c.state = state
	}
	topo := newTopology(upstreamsOf(o.Plan.Conf), o.Plan.Nodes, o.Plan.Resolved)
	books, err := booksFor(o.Plan, topo)
	if err != nil {
		c.closeState()
		return nil, err
	}
	status, err := newStatusPages(o.Plan.Status, c.mask)
	if err != nil {
		c.closeState()
		return nil, err
	}
	for _, b := range books {
		f, err := c.follow(b)
		if err != nil {
			c.closeState()
			return nil, err
		}
		c.logs = append(c.logs, f)
	}
	c.plan, c.topo, c.status = o.Plan, topo, status
	c.tellPlan(o.Plan, books)
	return c, nil
}

// A bookFor is a log of the plan with the book that will count it.
type bookFor struct {
	LogPlan
	isError bool
	book    book
	missing []MissingMetric
}

func booksFor(p *Plan, topo *topology) ([]bookFor, error) {
	var books []bookFor
	limitReq, limitConn := limitStatuses(p.Conf)
	for _, log := range p.AccessLogs {
		b, err := newAccessBook(accessBookConfig{
			Log: log.Name, Format: log.Format, Escape: log.Escape, Routes: p.routes(), Buckets: p.LatencyBuckets,
			MaxSeries: p.MaxSeries, Topology: topo, LimitReqStatus: limitReq, LimitConnStatus: limitConn,
		})
		if err != nil {
			return nil, fmt.Errorf("log %s: %w", log.Name, err)
		}
		books = append(books, bookFor{LogPlan: log, book: b, missing: b.Missing()})
	}
	for _, log := range p.ErrorLogs {
		b := newErrorBook(errorBookConfig{Log: log.Name, MaxSeries: p.MaxSeries, Topology: topo})
		books = append(books, bookFor{LogPlan: log, isError: true, book: b})
	}
	return books, nil
}

// limitStatuses are the statuses that limit_req and limit_conn reject with, 503 where nothing says otherwise: those in
// force where the limits are, if they agree, else those of http.
func limitStatuses(conf *nginxconf.Config) (limitReq, limitConn int) {
	if conf == nil {
		return 503, 503
	}
	var ofReq, ofConn []int
	for _, l := range conf.LimitReqs {
		ofReq = append(ofReq, l.Status)
	}
	for _, l := range conf.LimitConns {
		ofConn = append(ofConn, l.Status)
	}
	return agreed(ofReq, conf.LimitReqStatus), agreed(ofConn, conf.LimitConnStatus)
}

func agreed(statuses []int, otherwise int) int {
	if statuses = slices.Compact(statuses); len(statuses) == 1 {
		return statuses[0]
	}
	if otherwise == 0 {
		return 503
	}
	return otherwise
}

func upstreamsOf(conf *nginxconf.Config) []nginxconf.Upstream {
	if conf == nil {
		return nil
	}
	return conf.Upstreams
}

func (c *Collector) follow(b bookFor) (*followed, error) {
	p, err := newPipeline(pipelineConfig{
		Log: b.Name, Path: b.Path, Syslog: b.Syslog, FromStart: b.FromStart, Book: b.book, State: c.state,
		Logger: log.With(c.logger, "log", b.Name),
	})
	if err != nil {
		return nil, fmt.Errorf("log %s: %w", b.Name, err)
	}
	return &followed{LogPlan: b.LogPlan, isError: b.isError, pipeline: p, done: make(chan struct{})}, nil
}

// tellPlan says at start and after a reload what is followed and what a log's format keeps from being told.
func (c *Collector) tellPlan(p *Plan, books []bookFor) {
	for _, page := range p.Status {
		level.Info(c.logger).Log("msg", "asking the status page", "url", c.mask(page.URL), "host", page.Host, "from", page.From)
	}
	for _, b := range books {
		level.Info(c.logger).Log("msg", "following", "log", b.Name, "path", b.Path, "syslog", b.Syslog, "format", b.FormatName, "from", b.From)
		for _, m := range b.missing {
			level.Info(c.logger).Log("msg", "the log_format lacks a variable", "log", b.Name, "metric", m.Metric, "add", m.Variable)
		}
	}
	for _, log := range p.quietErrorLogs() {
		level.Warn(c.logger).Log("msg", "the error log's level leaves out refused connections and timeouts of upstreams", "log", log.Path, "level", log.Level,
			"where", log.Pos, "write", "error_log "+log.Path+" warn;")
	}
	for _, ignored := range p.Ignored {
		level.Info(c.logger).Log("msg", "not followed", "why", ignored)
	}
}

// Run follows the logs until ctx ends, then reads what is there, commits and returns.
func (c *Collector) Run(ctx context.Context) error {
	c.mu.Lock()
	c.ctx = ctx
	for _, f := range c.logs {
		c.start(f)
	}
	c.mu.Unlock()

	<-ctx.Done()
	c.reloading.Lock()
	defer c.reloading.Unlock()
	for _, f := range c.followed() {
		<-f.done
	}
	c.status.close()
	return c.closeState()
}

func (c *Collector) start(f *followed) {
	ctx, stop := context.WithCancel(c.ctx)
	f.stop = stop
	go func() {
		defer close(f.done)
		if err := f.pipeline.Run(ctx); err != nil {
			level.Error(c.logger).Log("msg", "log ended with an error", "log", f.Name, "err", err)
		}
	}()
}

func (c *Collector) closeState() error {
	if c.state == nil {
		return nil
	}
	return c.state.Close()
}

func (c *Collector) followed() []*followed {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*followed{}, c.logs...)
}

// Reload changes to another plan. Logs that stay keep their counters and their place; a changed format or changed
// routes hold from the next line. After an error all is as before.
func (c *Collector) Reload(ctx context.Context, p *Plan) error {
	c.reloading.Lock()
	defer c.reloading.Unlock()
	topo := newTopology(upstreamsOf(p.Conf), p.Nodes, p.Resolved)
	books, err := booksFor(p, topo)
	if err != nil {
		return err
	}
	status, err := newStatusPages(p.Status, c.mask)
	if err != nil {
		return err
	}
	logs, err := c.changeLogs(ctx, books)
	c.mu.Lock()
	old := c.status
	c.plan, c.topo, c.status, c.logs, c.confErr = p, topo, status, logs, nil
	c.mu.Unlock()
	old.close()
	c.tellPlan(p, books)
	return err
}

// changeLogs ends the logs that are gone before it begins new ones: a log that moved keeps its name, and the name
// is that of its record on disk.
func (c *Collector) changeLogs(ctx context.Context, books []bookFor) ([]*followed, error) {
	kept := map[int]*followed{}
	for _, f := range c.followed() {
		if i := indexOf(books, f); i >= 0 {
			kept[i] = f
			continue
		}
		f.stop()
		<-f.done
		c.mu.Lock()
		c.retired.add(f.pipeline.Stats())
		c.mu.Unlock()
	}
	var logs []*followed
	var errs []error
	for i, b := range books {
		f := kept[i]
		if f != nil {
			f.LogPlan = b.LogPlan
			errs = append(errs, f.pipeline.SetBook(ctx, b.book))
		} else {
			var err error
			if f, err = c.follow(b); err != nil {
				errs = append(errs, err)
				continue
			}
			c.start(f)
		}
		logs = append(logs, f)
	}
	return logs, errors.Join(errs...)
}

func indexOf(books []bookFor, f *followed) int {
	for i, b := range books {
		if f.sameLog(b.LogPlan, b.isError) {
			return i
		}
	}
	return -1
}

// ConfigError says that nginx.conf has changed and cannot be read, so that its last good reading stands; nil that
// all is well.
func (c *Collector) ConfigError(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.confErr = err
}

// Gatherer gives what can be told within ctx. In OpenMetrics two counters of the status page are of unknown type,
// as their names, which are a promise, are not those of counters there.
func (c *Collector) Gatherer(ctx context.Context, openMetrics bool) prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		registry := prometheus.NewRegistry()
		if err := registry.Register(&scrape{c, ctx, openMetrics}); err != nil {
			return nil, err
		}
		return registry.Gather()
	})
}

// A scrape is the Collector at one scrape, with its deadline.
type scrape struct {
	c           *Collector
	ctx         context.Context
	openMetrics bool
}

// Describe tells nothing: which metrics there are depends on nginx.conf and on the log_format.
func (s *scrape) Describe(chan<- *prometheus.Desc) {}

func (s *scrape) Collect(metrics chan<- prometheus.Metric) {
	emit := func(m prometheus.Metric) { metrics <- m }
	s.c.runner.run(s.ctx, s.c.tasks(s.openMetrics), emit)
	s.c.emitState(emit)
}

func (c *Collector) tasks(openMetrics bool) []task {
	c.mu.Lock()
	defer c.mu.Unlock()
	var tasks []task
	for _, other := range c.others {
		tasks = append(tasks, task{other.Name, other.Collect})
	}
	if status := c.status; len(status.pages) > 0 {
		tasks = append(tasks, task{"stub_status", func(ctx context.Context, emit func(prometheus.Metric)) error {
			return status.collect(ctx, openMetrics, emit)
		}})
	}
	if logs := c.logsOf(false); len(logs) > 0 {
		tasks = append(tasks, task{"access_log", logs.collect})
	}
	if logs := c.logsOf(true); len(logs) > 0 {
		tasks = append(tasks, task{"error_log", logs.collect})
	}
	if conf, topo, confErr := c.plan.Conf, c.topo, c.confErr; conf != nil {
		tasks = append(tasks, task{"nginx_conf", func(_ context.Context, emit func(prometheus.Metric)) error {
			emitNginxConf(conf, topo, emit)
			return confErr
		}})
	}
	return tasks
}

type followedLogs []*followed

func (c *Collector) logsOf(isError bool) followedLogs {
	var logs followedLogs
	for _, f := range c.logs {
		if f.isError == isError {
			logs = append(logs, f)
		}
	}
	return logs
}

// collect asks all logs at once to read to their ends; what one gives does not depend on the others.
func (logs followedLogs) collect(ctx context.Context, emit func(prometheus.Metric)) error {
	views := make([]*logView, len(logs))
	errs := make([]error, len(logs))
	var wg sync.WaitGroup
	for i, f := range logs {
		wg.Go(func() { views[i], errs[i] = f.pipeline.Scrape(ctx) })
	}
	wg.Wait()
	for i, view := range views {
		if view != nil {
			view.Emit(emit)
		}
		if errs[i] != nil {
			errs[i] = fmt.Errorf("log %s: %w", logs[i].Name, errs[i])
		}
	}
	return errors.Join(errs...)
}

// commits counts writes of positions and counters.
type commits struct {
	ok, failed uint64
	oldest     time.Time // the oldest of the logs' last successful writes
}

func (s *commits) add(p pipelineStats) {
	s.ok += p.CommitsOK
	s.failed += p.CommitsFailed
}

func (c *Collector) emitState(emit func(prometheus.Metric)) {
	if c.state == nil {
		return
	}
	c.mu.Lock()
	sum, logs := c.retired, c.logs
	c.mu.Unlock()
	for _, f := range logs {
		stats := f.pipeline.Stats()
		sum.add(stats)
		if sum.oldest.IsZero() || stats.LastCommit.Before(sum.oldest) {
			sum.oldest = stats.LastCommit
		}
	}
	emit(prometheus.MustNewConstMetric(descStateCommits, prometheus.CounterValue, float64(sum.ok), "ok"))
	emit(prometheus.MustNewConstMetric(descStateCommits, prometheus.CounterValue, float64(sum.failed), "failed"))
	if !sum.oldest.IsZero() {
		emit(prometheus.MustNewConstMetric(descStateLastCommit, prometheus.GaugeValue, float64(sum.oldest.UnixMilli())/1000))
	}
}

// A LogStatus is what a person wants to know of a log that is followed.
type LogStatus struct {
	Name    string
	Source  string // a path, or where syslog is received
	From    string // where it is said that it is followed
	Lag     int64  // bytes
	Problem string // why it cannot be read; "" where all is well
}

// Logs tells of every log that is followed.
func (c *Collector) Logs() []LogStatus {
	var all []LogStatus
	for _, f := range c.followed() {
		stats := f.pipeline.Stats()
		all = append(all, LogStatus{Name: f.Name, Source: f.Path + f.Syslog, From: f.From, Lag: stats.Lag, Problem: stats.Problem})
	}
	return all
}
