package past

// WithSlotBytes returns options under which explain keeps so much of slots, so that a log need not be a year's to be
// a long one.
func WithSlotBytes(o Options, n int64) Options {
	o.slotBytes = n
	return o
}

// WithBetween returns options under which explain calls f between its two readings.
func WithBetween(o Options, f func()) Options {
	o.between = f
	return o
}
