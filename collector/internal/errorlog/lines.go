package errorlog

import "github.com/fremisn/fremisn-exporter/collector/internal/ledger"

// LineCounts returns the number of entries by result.
func (c *Counter) LineCounts() ledger.Lines { return c.lines }
