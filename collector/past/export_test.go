package past

// WithSlotBytes returns options under which explain keeps so much of slots, so that a log need not be a year's to be
// a long one.
func WithSlotBytes(o Options, n int64) Options {
	o.slotBytes = n
	return o
}
