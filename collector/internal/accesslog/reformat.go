package accesslog

import (
	"slices"
)

// reformat asks, once for each block and only when a line fits no format, whether nginx.conf now has other formats for
// the log. What is in a block was written before it was read: a format that was changed before then is on disk
// already. It reports whether there are other formats; the counts continue. block holds the line.
func (c *Counter) reformat(block []byte) bool {
	if c.cfg.Reformat == nil || c.asked {
		return false
	}
	c.asked = true
	formats := c.cfg.Reformat()
	if len(formats) == 0 || slices.Equal(formats, c.cfg.Source.Formats) {
		return false
	}
	cfg := c.cfg
	cfg.Source.Formats = formats
	next, err := New(cfg)
	if err != nil {
		return false // the reload of nginx.conf reports it
	}
	c.ledger.KeepExemplars(block)
	if err := next.RestoreState(c.AppendState(nil)); err != nil {
		return false
	}
	now := c.ledger.Now
	next.clock, next.asked = c.clock, true
	*c = *next
	c.ledger.Now = now
	c.hour.Now(now)
	return true
}
