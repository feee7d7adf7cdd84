package accesslog

import (
	"fmt"
	"sync"

	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
)

// Shared holds what the Counters of many logs have in common: the rules and the families that follow from their
// formats, and the layout of histograms. All of it is immutable, so any goroutine may read it. Many virtual hosts
// write in few formats.
type Shared struct {
	rules    memo[*Rules]
	families memo[[]ledger.Family]
	layouts  memo[*ledger.Layout]
}

// A memo computes each value once.
type memo[T any] struct {
	mu   sync.Mutex
	made map[string]T
}

// get returns the value of a key, which is everything that make depends on. It does not keep an error.
func (m *memo[T]) get(key string, make func() (T, error)) (T, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if value, ok := m.made[key]; ok {
		return value, nil
	}
	value, err := make()
	if err != nil {
		return value, err
	}
	if m.made == nil {
		m.made = map[string]T{}
	}
	m.made[key] = value
	return value, nil
}

// must is get for a make that cannot fail.
func (m *memo[T]) must(key string, make func() T) T {
	value, _ := m.get(key, func() (T, error) { return make(), nil })
	return value
}

func (s *Shared) layout(buckets []float64) *ledger.Layout {
	return s.layouts.must(fmt.Sprint(buckets), func() *ledger.Layout {
		l := ledger.NewLayout(buckets)
		l.FillTable() // the first observation would, in any goroutine
		return l
	})
}

// formatsKey is everything that what follows from the formats of a log depends on.
func formatsKey(cfg *Config) string {
	var labels []string
	for _, l := range cfg.Source.Labels {
		labels = append(labels, l.Name)
	}
	return fmt.Sprintf("%d %+v %q %d %d", cfg.Source.Kind, cfg.Source.Formats, labels, cfg.LimitReqStatus,
		cfg.LimitConnStatus)
}
