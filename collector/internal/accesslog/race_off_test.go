//go:build !race

package accesslog

// slowLines is how many lines the differential tests read in each format.
const slowLines = 30_000
