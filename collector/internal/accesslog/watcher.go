package accesslog

import "github.com/fremisn/fremisn-exporter/collector/internal/logformat"

// A Watcher sees the lines of whole logs while a Counter reads them, in the goroutine that counts.
type Watcher interface {
	// Accept reports whether a line that fits is to be counted.
	Accept(r *logformat.Record) bool
	// Refuse is given a line that fits no format, good until it returns.
	Refuse(line []byte)
	// Request is told of a request that has been counted; block is what the record was read from.
	Request(r *logformat.Record, block []byte, route string, result Outcome)
}

// Rules returns what decides what a line means.
func (c *Counter) Rules() *Rules { return c.rules }

// Path returns the path of the line that a Watcher is told of, without its query.
func (c *Counter) Path(r *logformat.Record) string { return c.pathOf(r) }
