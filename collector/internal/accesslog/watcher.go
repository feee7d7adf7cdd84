package accesslog

import "github.com/fremisn/fremisn-exporter/collector/internal/logformat"

// A Watcher sees the lines of complete logs while a Counter reads them, in the goroutine that counts.
type Watcher interface {
	// Accept reports whether to count a line that fits.
	Accept(r *logformat.Record) bool
	// Refuse receives a line that fits no format, valid until it returns.
	Refuse(line []byte)
	// Request receives a request that has been counted; block is what the record was read from.
	Request(r *logformat.Record, block []byte, route string, result Outcome)
}

// Rules returns the rules that decide what a line means.
func (c *Counter) Rules() *Rules { return c.rules }
