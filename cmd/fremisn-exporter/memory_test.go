package main

import "testing"

// At rest the limit lets the heap grow as it would without; a flood has a bounded room beyond that, and what has grown
// by right is followed.
func TestMemoryLimit(t *testing.T) {
	const mib = 1 << 20
	for name, c := range map[string]struct {
		lately []int64
		want   int64
	}{
		"at rest":        {[]int64{20 * mib, 21 * mib, 20 * mib}, 40*mib + floodRoom},
		"a flood":        {[]int64{20 * mib, 20 * mib, 45 * mib}, 40*mib + floodRoom},
		"it has grown":   {[]int64{20 * mib, 200 * mib, 200 * mib}, 250 * mib},
		"some time ago":  {[]int64{200 * mib, 200 * mib}, 400*mib + floodRoom},
		"nothing so far": {[]int64{0}, floodRoom},
	} {
		if got := memoryLimit(c.lately); got != c.want {
			t.Errorf("%s: %d MiB, want %d", name, got/mib, c.want/mib)
		}
	}
}
