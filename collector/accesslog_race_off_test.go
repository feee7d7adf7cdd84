//go:build !race

package collector

// slowLines is how many lines the differential tests read in each format.
const slowLines = 100_000
