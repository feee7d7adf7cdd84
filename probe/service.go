package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/common/config"

	"github.com/fremisn/fremisn-exporter/probe/mask"
)

// Options configure a Service.
type Options struct {
	Config
	Nodes         map[string]string // address host:port → name
	Logger        log.Logger
	TimeoutOffset time.Duration // subtracted from the timeout of a scraper of /probe
	KeepResults   int           // the number of recent results, and of failures, kept of each target; 0 for 20
	ProbeLogger   log.Logger    // logs each probe of /probe; nil for none
}

// A Service probes targets on a clock and on demand.
type Service struct {
	logger   log.Logger
	onDemand log.Logger // nil: probes of /probe are not logged
	offset   time.Duration
	demand   chan struct{} // a slot for each running probe of /probe
	lastID   atomic.Uint64

	refused   *refusedLog
	timetable *timetable

	reloading sync.Mutex // one reload or reading of files at a time; guards the fields below
	options   Options
	files     targetFiles

	mu      sync.Mutex
	ctx     context.Context // of Run; nil before
	modules map[string]*prepared
	guard   guard
	targets []*target // in the order of the config
}

// A prepared module has what its probes need and share. It is never changed: a probe with other settings works on a
// copy.
type prepared struct {
	Module
	permit
	name       string
	hostname   string // of /probe: the Host header, and the name for certificates; "" without
	prober     prober
	secrets    mask.Secrets
	sent       mask.Secrets // what a conversation sends
	tls        *tlsSource
	transports *transports
	auth       auth
	shapes     *shapes
	buffers    *sampleBuffers
	numbers    []string // names of the metrics that bodies give
}

func prepare(name string, m Module) (*prepared, error) {
	p := &prepared{Module: m, name: name, prober: probers[m.Prober], secrets: newSecrets(&m),
		sent: sentSecrets(m.steps()), shapes: &shapes{}, buffers: &sampleBuffers{}}
	for _, metric := range m.HTTP.Metrics {
		p.numbers = append(p.numbers, metric.Name)
	}
	slices.Sort(p.numbers)
	p.numbers = slices.Compact(p.numbers)
	settings := map[string]*config.TLSConfig{
		"http": &p.HTTP.Client.TLSConfig, "tcp": &p.TCP.TLSConfig, "dns": &p.DNS.TLSConfig, "grpc": &p.GRPC.TLSConfig,
		"unix": &p.Unix.TLSConfig, "websocket": &p.Websocket.Client.TLSConfig,
	}[m.Prober]
	if settings != nil {
		p.tls = &tlsSource{settings: settings}
	}
	p.transports = newTransports(&p.Module, p.tls)
	p.auth = newAuth(p.client())
	if p.prober == nil {
		return nil, faultf("modules."+name+".prober", "%q is not a known prober; the probers are %s", m.Prober,
			strings.Join(proberNames(), ", "))
	}
	return p, nil
}

// client returns the settings of the HTTP client of a module.
func (m *Module) client() *config.HTTPClientConfig {
	if m.Prober == "websocket" {
		return &m.Websocket.Client
	}
	return &m.HTTP.Client
}

// steps returns the steps of a module's conversations.
func (m *Module) steps() []QueryResponse {
	return slices.Concat(m.TCP.QueryResponse, m.Unix.QueryResponse, m.Websocket.QueryResponse)
}

// maxOnDemand limits the concurrent probes of /probe: more than one Prometheus causes if all its targets hang.
const maxOnDemand = 1000

// New prepares everything and probes nothing.
func New(o Options) (*Service, error) {
	s := &Service{
		logger: o.Logger, onDemand: o.ProbeLogger, offset: o.TimeoutOffset, demand: make(chan struct{}, maxOnDemand),
		refused: newRefusedLog(o.Logger), timetable: newTimetable(), files: targetFiles{logger: o.Logger},
	}
	return s, s.Reload(o)
}

// Reload switches to other options, all or nothing. A pair of probe and target that stays keeps its counters, its
// history and its clock; a running probe of it ends as it began.
func (s *Service) Reload(o Options) error {
	modules := map[string]*prepared{}
	for _, name := range sortedKeys(o.Modules) {
		p, err := prepare(name, o.Modules[name])
		if err != nil {
			return err
		}
		modules[name] = p
	}
	for i, schedule := range o.Probes {
		if modules[schedule.Module] == nil {
			return faultf(fmt.Sprintf("probes[%d].module", i), "unknown module %q; %s", schedule.Module,
				knownModules(modules))
		}
	}
	s.reloading.Lock()
	defer s.reloading.Unlock()
	groups, _ := s.files.read(&o.Config)
	s.options = o
	s.setModules(modules)
	s.apply(groups)
	if o.OnDemand.Allow.Any {
		level.Warn(s.logger).Log("msg",
			"on_demand.allow is any: anyone who reaches /probe can make this host connect to anything that it can "+
				"reach")
	}
	return nil
}

func (s *Service) setModules(modules map[string]*prepared) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.modules = modules
}

// apply sets the targets to those of the options and of the files that they name. The caller holds s.reloading.
func (s *Service) apply(groups [][]targetGroup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := map[string]*target{}
	for _, t := range s.targets {
		old[t.key()] = t
	}
	o := &s.options
	s.targets, s.guard = nil, newGuard(o.OnDemand)
	seen := map[string]bool{}
	for i, schedule := range o.Probes {
		m := s.modules[schedule.Module]
		s.guard.reserve(schedule.Module, &m.Module)
		static := targetGroup{Targets: schedule.Targets}
		for _, group := range append([]targetGroup{static}, groups[i]...) {
			for _, address := range group.Targets {
				s.guard.add(schedule.Module, &m.Module, address, schedule.Hostname)
				t := newTarget(schedule, address, s)
				if seen[t.key()] {
					continue // a file may repeat other targets: the first counts
				}
				seen[t.key()] = true
				if before := old[t.key()]; before != nil {
					delete(old, t.key())
					t = before
				}
				t.update(schedule, m, nodeOf(address, o.Nodes), address, group.Labels)
				s.targets = append(s.targets, t)
				s.start(t)
			}
		}
	}
	s.limitHistories()
	for _, gone := range old {
		s.timetable.remove(gone)
	}
}

// maxResults limits the kept results of all targets if the user sets no limit: twice, since failures are kept
// separately. Each target keeps at least minKeep.
const (
	maxResults = 20_000
	minKeep    = 3
)

// limitHistories is called with s locked.
func (s *Service) limitHistories() {
	most := s.options.KeepResults
	if most == 0 {
		most = min(keepRecent, max(minKeep, maxResults/max(1, len(s.targets))))
	}
	for _, t := range s.targets {
		t.mu.Lock()
		t.history.limit(max(1, most))
		t.mu.Unlock()
	}
}

// Rate returns how many probes a second are scheduled.
func (s *Service) Rate() float64 {
	s.mu.Lock()
	targets := s.targets
	s.mu.Unlock()
	rate := 0.0
	for _, t := range targets {
		rate += 1 / t.interval().Seconds()
	}
	return rate
}

// count returns the number of targets.
func (s *Service) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.targets)
}

// start is called with s locked. It starts a target that does not run yet.
func (s *Service) start(t *target) {
	if s.ctx == nil || t.started {
		return
	}
	t.started = true
	s.timetable.add(t)
}

// Run probes on the clock until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	s.mu.Lock()
	s.ctx = ctx
	for _, t := range s.targets {
		s.start(t)
	}
	s.mu.Unlock()
	go every(ctx, fileInterval, s.rereadFiles) // not awaited: a disk may hang
	var running sync.WaitGroup
	running.Go(func() { every(ctx, refusedLogInterval, s.refused.write) })
	s.timetable.run(ctx)
	running.Wait()
	return nil
}

// onceTimeout is for modules without a timeout.
const onceTimeout = time.Minute

// Once probes a target now. It returns an error only for an unknown module; a failed probe is a result.
func (s *Service) Once(ctx context.Context, module, target string) (Result, error) {
	s.mu.Lock()
	m, modules := s.modules[module], knownModules(s.modules)
	s.mu.Unlock()
	if m == nil {
		return Result{}, fmt.Errorf("unknown module %q; %s", module, modules)
	}
	return once(ctx, m, m.ask(target), onceTimeout).WithLog(), nil
}

// nodeOf returns the name of a target's node, "" if it has none.
func nodeOf(target string, nodes map[string]string) string { return nodes[Address(target)] }

var errStuck = errors.New("a probe did not end within twice its timeout")

// Address returns the host:port of a target, written like a node's address; unix:/path stays as it is.
func Address(target string) string {
	if strings.HasPrefix(target, "unix:") {
		return target
	}
	if !strings.Contains(target, "://") && !strings.ContainsAny(target, "/@") && strings.Contains(target, ":") {
		return canonical(target)
	}
	u, err := url.Parse(withWebScheme(target))
	if err != nil || u.Hostname() == "" {
		return target
	}
	if u.Port() == "" {
		return canonical(u.Host + ":" + defaultPorts[u.Scheme])
	}
	return canonical(u.Host)
}

// canonical returns HOST:PORT in lower case, with an IPv6 address in its shortest form.
func canonical(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.String()
	}
	return net.JoinHostPort(strings.ToLower(host), port)
}
