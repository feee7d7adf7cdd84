//go:build hinted

package follow

// idleWatched is that of a program for tests: a busy log, too, waits for hints, and its counter sleeps between lines.
const idleWatched = 0
