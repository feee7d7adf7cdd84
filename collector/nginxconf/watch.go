package nginxconf

// A Watch notices that an nginx.conf has changed since it was read. It belongs to one goroutine.
type Watch struct {
	conf    *Config
	refused string // the stamp of an unreadable state
}

// NewWatch returns a Watch that starts from a reading.
func NewWatch(conf *Config) *Watch { return &Watch{conf: conf} }

// Next returns a new reading if the files have changed since the last one and are valid, or nil.
func (w *Watch) Next() *Config {
	stamp := w.conf.stampNow()
	if stamp == w.conf.stamp || stamp == w.refused {
		return nil
	}
	next, err := w.conf.Build.Load(w.conf.Path)
	if err != nil {
		w.refused = stamp
		return nil
	}
	w.conf = next
	return next
}
