//go:build race

package accesslog

// Under the race detector the slow reading is ten times slower still, so the differential tests read fewer lines.
const slowLines = 8_000
