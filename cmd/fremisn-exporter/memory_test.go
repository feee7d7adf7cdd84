package main

import "testing"

// At rest the limit lets the heap grow as it would without; a flood has a bounded room beyond that, and what has grown
// by right is followed.
func TestMemoryLimit(t *testing.T) {
	const mib = 1 << 20
	rest := usage{20 * mib, 8 * mib, 100}
	for name, c := range map[string]struct {
		lately []usage
		busy   bool
		want   int64
	}{
		"at rest":          {[]usage{rest, {21 * mib, 8 * mib, 100}, rest}, false, 48*mib + floodRoom},
		"a flood":          {[]usage{rest, rest, {38 * mib, 14 * mib, 100}}, false, 48*mib + floodRoom},
		"it has grown":     {[]usage{rest, {200 * mib, 8 * mib, 100}, {200 * mib, 10 * mib, 100}}, false, 310 * mib},
		"stacks count":     {[]usage{{30 * mib, 50 * mib, 100}, {30 * mib, 50 * mib, 100}}, false, 110*mib + floodRoom},
		"some time ago":    {[]usage{{200 * mib, 0, 100}, {200 * mib, 0, 100}}, false, 400*mib + floodRoom},
		"another $GOGC":    {[]usage{{20 * mib, 8 * mib, 300}}, false, 88*mib + floodRoom},
		"nothing so far":   {[]usage{{}}, false, floodRoom},
		"many probes":      {[]usage{rest}, true, 48*mib + busyRoom + floodRoom},
		"stacks of floods": {[]usage{rest, {20 * mib, 30 * mib, 100}}, false, 48*mib + floodRoom},
	} {
		if got := memoryLimit(c.lately, c.busy); got != c.want {
			t.Errorf("%s: %d MiB, want %d", name, got/mib, c.want/mib)
		}
	}
}

// Memory is spared where it is most of what the program costs, and the collector's time where that is.
func TestGCPercent(t *testing.T) {
	for _, c := range []struct {
		logs   int
		probes float64
		want   int
	}{{1, 0.2, usualPercent}, {manyLogs, 0.2, frugalPercent}, {1, manyProbes, busyPercent},
		{manyLogs, manyProbes, busyPercent}} {
		if got := gcPercent(c.logs, c.probes); got != c.want {
			t.Errorf("%d logs, %.1f probes a second: %d %%, want %d", c.logs, c.probes, got, c.want)
		}
	}
}

// What the runtime says of itself adds up: a metric that is gone in another version of Go would be found here.
func TestCurrentUsage(t *testing.T) {
	if u := currentUsage(); u.fixed < 1<<20 || u.fixed > 1<<30 || u.live < 0 || u.grows <= 0 {
		t.Errorf("%+v", u)
	}
}
