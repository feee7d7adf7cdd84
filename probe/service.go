package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/common/config"
)

// Options are what a Service works with.
type Options struct {
	Config
	Nodes         map[string]string // address host:port → name
	Logger        log.Logger
	TimeoutOffset time.Duration // taken off the time that a scraper of /probe gives
}

// A Service probes: targets on a clock, and on demand.
type Service struct {
	logger log.Logger
	offset time.Duration

	mu      sync.Mutex
	ctx     context.Context // of Run; nil before
	modules map[string]*prepared
	demand  guard
	targets []*target // in the order of the config
	lastID  uint64
	running sync.WaitGroup
}

// A prepared module has what probes need and what is the same for all of them.
type prepared struct {
	Module
	name      string
	prober    prober
	tls       *tls.Config
	authorize func(http.RoundTripper) http.RoundTripper
	mayFollow func(*url.URL) bool // nil: redirects may go anywhere

	metricError func(name string) // counts a metric of the body that is missing
}

func prepare(name string, m Module) (*prepared, error) {
	p := &prepared{Module: m, name: name, prober: probers[m.Prober], metricError: func(string) {}}
	settings := &m.HTTP.TLSConfig
	if m.Prober == "tcp" {
		settings = &m.TCP.TLSConfig
	}
	var err error
	if p.tls, err = config.NewTLSConfig(settings); err != nil {
		return nil, &fieldError{"modules." + name, err.Error()}
	}
	p.authorize = func(next http.RoundTripper) http.RoundTripper { return credentials(&p.HTTP, next) }
	return p, nil
}

// New prepares everything and probes nothing.
func New(o Options) (*Service, error) {
	s := &Service{logger: o.Logger, offset: o.TimeoutOffset}
	return s, s.Reload(o)
}

// Reload changes to other options, all or nothing. Targets that stay keep their counts and their clock.
func (s *Service) Reload(o Options) error {
	modules := map[string]*prepared{}
	for name, m := range o.Modules {
		p, err := prepare(name, m)
		if err != nil {
			return err
		}
		modules[name] = p
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := map[string]*target{}
	for _, t := range s.targets {
		old[t.key()] = t
	}
	var targets []*target
	for _, schedule := range o.Probes {
		for _, address := range schedule.Targets {
			t := newTarget(schedule, address, modules[schedule.Module], nodeOf(address, o.Nodes), s)
			if before := old[t.key()]; before != nil {
				t.takeOver(before)
			}
			targets = append(targets, t)
		}
	}
	for _, t := range s.targets {
		t.stop()
	}
	s.modules, s.targets, s.demand = modules, targets, newGuard(o)
	if s.ctx != nil {
		s.startAll()
	}
	if o.OnDemand.Allow.Any {
		level.Warn(s.logger).Log("msg", "on_demand.allow is any: whoever reaches /probe can make this host connect to anything it reaches")
	}
	return nil
}

func (s *Service) startAll() {
	for _, t := range s.targets {
		ctx, stop := context.WithCancel(s.ctx)
		t.stop = stop
		s.running.Go(func() { t.run(ctx) })
	}
}

// Run probes on the clock until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	s.mu.Lock()
	s.ctx = ctx
	s.startAll()
	s.mu.Unlock()
	<-ctx.Done()
	s.running.Wait()
	return nil
}

// Once probes a target now.
func (s *Service) Once(ctx context.Context, module, target string) (Result, error) {
	s.mu.Lock()
	m := s.modules[module]
	s.mu.Unlock()
	if m == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		return Result{}, fmt.Errorf("there is no module %q; known are %s", module, strings.Join(preparedNames(s.modules), ", "))
	}
	return once(ctx, m, target), nil
}

func preparedNames(modules map[string]*prepared) []string {
	plain := map[string]Module{}
	for name := range modules {
		plain[name] = Module{}
	}
	return sortedModules(plain)
}

func (s *Service) nextID() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastID++
	return s.lastID
}

// nodeOf is the name of the node that a target is at, "" where it is none.
func nodeOf(target string, nodes map[string]string) string { return nodes[Address(target)] }

var errStuck = errors.New("a probe has not ended in twice its time")

// Address is the host:port that a target is at, as a node's address is written.
func Address(target string) string {
	if !strings.Contains(target, "://") && strings.Contains(target, ":") {
		return target
	}
	u, err := url.Parse(withScheme(target))
	if err != nil || u.Hostname() == "" {
		return target
	}
	if u.Port() == "" {
		return u.Host + map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	}
	return u.Host
}
