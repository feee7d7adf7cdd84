package follow

import (
	"context"

	"github.com/go-kit/log/level"

	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
)

// Reasons of gaps beyond the follower's.
const (
	gapCorrupt = "state_corrupt"
	gapLost    = "state_lost"
	gapDropped = "dropped"
)

// GapReasons lists the reasons of gaps. Each is exposed from zero on, so that the first gap is an increase.
func GapReasons() []string {
	return []string{gapCorrupt, gapLost, tail.GapDeleted, tail.GapTruncated, tail.GapUnreadable, tail.GapUncertain,
		gapDropped}
}

// Lines, TooLong, Checkpoint, Rotated, Moved and Gap make the pipeline the sink of its reader.

// Lines counts a block of whole lines.
func (p *Pipeline) Lines(block []byte) {
	p.awake().Lines(block)
	p.totals.ReadBytes += uint64(len(block))
	p.totals.LastLine = p.now()
	p.dirty = true
}

// TooLong counts a line that is too long for any block.
func (p *Pipeline) TooLong() {
	p.awake().TooLong()
	p.dirty = true
}

// Checkpoint commits during the read of a long log, so that it shows progress and is not read again after a crash.
func (p *Pipeline) Checkpoint() { p.commit(context.Background()) }

// Rotated counts a rotation.
func (p *Pipeline) Rotated(kind string) {
	level.Info(p.logger).Log("msg", "the log was rotated", "kind", kind, "path", p.source.Path)
	if kind == "truncated" {
		p.totals.Truncated++
	} else {
		p.totals.Renamed++
	}
	p.dirty = true
}

// Moved has the position committed soon: after a crash, the previous one would not distinguish new lines from lost
// ones.
func (p *Pipeline) Moved() { p.dirty, p.moved = true, true }

// Gap counts and logs that lines were lost, or may have been.
func (p *Pipeline) Gap(reason, file string, from, to int64, cause string) {
	fields := []any{"msg", "lines were lost, or may have been", "reason", reason, "file", file, "from", from}
	if to >= 0 {
		fields = append(fields, "to", to)
	}
	level.Warn(p.logger).Log(append(fields, "cause", cause)...)
	p.totals.Gaps[reason]++
	p.Moved()
}
