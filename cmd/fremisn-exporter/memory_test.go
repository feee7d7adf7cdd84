package main

import "testing"

// At rest the limit lets the heap grow as it would without; a flood has a bounded room beyond that, and what has grown
// by right is followed.
func TestMemoryLimit(t *testing.T) {
	const mib = 1 << 20
	rest := usage{20 * mib, 8 * mib, 100}
	for name, c := range map[string]struct {
		lately []usage
		want   int64
	}{
		"at rest":          {[]usage{rest, {21 * mib, 8 * mib, 100}, rest}, 48*mib + floodRoom},
		"a flood":          {[]usage{rest, rest, {38 * mib, 14 * mib, 100}}, 48*mib + floodRoom},
		"it has grown":     {[]usage{rest, {200 * mib, 8 * mib, 100}, {200 * mib, 10 * mib, 100}}, 310 * mib},
		"stacks count":     {[]usage{{30 * mib, 50 * mib, 100}, {30 * mib, 50 * mib, 100}}, 110*mib + floodRoom},
		"some time ago":    {[]usage{{200 * mib, 0, 100}, {200 * mib, 0, 100}}, 400*mib + floodRoom},
		"another $GOGC":    {[]usage{{20 * mib, 8 * mib, 300}}, 88*mib + floodRoom},
		"nothing so far":   {[]usage{{}}, floodRoom},
		"stacks of floods": {[]usage{rest, {20 * mib, 30 * mib, 100}}, 48*mib + floodRoom},
	} {
		if got := memoryLimit(c.lately); got != c.want {
			t.Errorf("%s: %d MiB, want %d", name, got/mib, c.want/mib)
		}
	}
}

// What the runtime says of itself adds up: a metric that is gone in another version of Go would be found here.
func TestCurrentUsage(t *testing.T) {
	if u := currentUsage(); u.fixed < 1<<20 || u.fixed > 1<<30 || u.live < 0 || u.grows <= 0 {
		t.Errorf("%+v", u)
	}
}
