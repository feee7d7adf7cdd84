//go:build !hinted

package follow

// idleWatched is after how many ticks without a change a log with hints is read slowly.
const idleWatched = 10
