package main

import (
	"math"
	"os"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"
)

// TestProcessStatsAreThoseOfClientGolang compares names, helps, types and, roughly, values.
func TestProcessStatsAreThoseOfClientGolang(t *testing.T) {
	families := func(c prometheus.Collector) map[string]*dto.MetricFamily {
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(c)
		gathered, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		byName := map[string]*dto.MetricFamily{}
		for _, f := range gathered {
			byName[f.GetName()] = f
		}
		return byName
	}
	theirs := families(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	ours := families(newProcessStats())
	value := func(f *dto.MetricFamily) float64 {
		return f.Metric[0].GetGauge().GetValue() + f.Metric[0].GetCounter().GetValue()
	}
	for name, want := range theirs {
		if name == "process_network_receive_bytes_total" || name == "process_network_transmit_bytes_total" {
			continue // of the whole network namespace, not of this process
		}
		got := ours[name]
		if got == nil {
			t.Errorf("%s is missing", name)
			continue
		}
		if got.GetHelp() != want.GetHelp() || got.GetType() != want.GetType() {
			t.Errorf("%s: %q %s, want %q %s", name, got.GetHelp(), got.GetType(), want.GetHelp(), want.GetType())
		}
		if g, w := value(got), value(want); math.Abs(g-w) > 0.2*w+2 {
			t.Errorf("%s: %v, client_golang says %v", name, g, w)
		}
	}
	if len(ours) != 7 || len(theirs) < 7 {
		t.Errorf("%d metrics here, %d there", len(ours), len(theirs))
	}
}

// However the system reports the number of open files, each file counts.
func TestCountFDs(t *testing.T) {
	before, err := countFDs()
	if err != nil {
		t.Fatal(err)
	}
	const more = 50
	for range more {
		file, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
	}
	if after, err := countFDs(); err != nil || after-before < more-5 || after-before > more+5 {
		t.Errorf("%d files, and %d more are %d, %v", before, more, after, err)
	}
}
