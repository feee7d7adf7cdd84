package collector

import "github.com/prometheus/client_golang/prometheus"

// A book keeps the counts of one log. One goroutine owns it: nothing in it is locked.
type book interface {
	// Lines counts the lines of block, which is whole lines, each ended by "\n". It keeps no part of block.
	Lines(block []byte)
	// TooLong counts a line of more than maxLine bytes, which no block can hold.
	TooLong()
	// AppendState appends an encoding of all counts to dst and returns it.
	AppendState(dst []byte) []byte
	// RestoreState replaces the counts by those of an AppendState of this or an earlier version.
	// After an error the counts are as before.
	RestoreState(state []byte) error
	// View returns the counts as they are now, immutable, for any goroutine to read.
	View() view
}

// A view is the counts of a book at one moment.
type view interface {
	Emit(emit func(prometheus.Metric))
}
