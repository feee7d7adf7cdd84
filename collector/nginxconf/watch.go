package nginxconf

// A Watch notices that an nginx.conf has changed since it was read. It is for one goroutine.
type Watch struct {
	conf    *Config
	refused string // the stamp of what could not be read
}

// NewWatch returns a Watch that begins with a reading.
func NewWatch(conf *Config) *Watch { return &Watch{conf: conf} }

// Next returns a new reading where the files are others than at the last one and can be read, else nil.
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
