package errorlog

import "github.com/fremisn/fremisn-exporter/collector/internal/ledger"

// LineCounts returns how many entries there were, by what came of them.
func (c *Counter) LineCounts() ledger.Lines { return c.lines }
