package collector

import (
	"context"
	"encoding/json"
	"time"

	"github.com/go-kit/log/level"

	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// notes is what the program itself remembers from one start to the next.
type notes struct {
	Version  int            `json:"version"`
	Settings *source.Memory `json:"settings"`
}

const notesVersion = 1

// recall returns the settings as they follow from those of the last run.
func (c *Collector) recall(state *statefile.Dir, s *source.Settings) *source.Settings {
	if s.Conf == nil {
		return s
	}
	text, err := state.Notes()
	if err != nil {
		level.Warn(c.logger).Log("msg", "reading what nginx.conf had in the last run failed", "err", err)
	}
	if text == nil {
		return s
	}
	var n notes
	if err := json.Unmarshal(text, &n); err != nil || n.Version != notesVersion || n.Settings == nil {
		level.Warn(c.logger).Log("msg", "what nginx.conf had in the last run is not usable: logs that nginx.conf "+
			"has gained since are read from their ends", "err", err)
		return s
	}
	return s.Resume(n.Settings)
}

// remember saves for the next start what follows from these settings.
func (c *Collector) remember(s *source.Settings) {
	if memory := s.Memory(); memory != nil {
		c.changeNotes(func(n *notes) { n.Settings = memory })
	}
}

// noteWait is how long to wait for a disk that does not answer.
const noteWait = 2 * time.Second

// changeNotes changes the notes for the next start, and writes them. A hanging disk does not hold up the caller.
func (c *Collector) changeNotes(change func(*notes)) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		n := <-c.notes
		defer func() { c.notes <- n }()
		change(&n)
		c.writeNotes(n)
	}()
	patience := time.NewTimer(noteWait)
	defer patience.Stop()
	select {
	case <-written:
	case <-patience.C:
		level.Warn(c.logger).Log("msg", "saving what nginx.conf has failed: the disk does not answer")
	}
}

func (c *Collector) writeNotes(n notes) {
	if c.state == nil {
		return
	}
	text, err := json.Marshal(n)
	if err == nil {
		err = c.state.SaveNotes(text)
	}
	if err != nil {
		level.Warn(c.logger).Log("msg", "saving what nginx.conf has failed: changes while the exporter is stopped "+
			"may be missed", "err", err)
	}
}

// reformat returns the function that a log's counter calls when a line fits no format. A format that it finds is saved
// at once: the log may still have lines in it at the next start.
func (c *Collector) reformat(l source.LogSource, s *source.Settings) func() []source.Format {
	ask := l.Reformat(s.Conf)
	if ask == nil {
		return nil
	}
	return func() []source.Format {
		formats := ask()
		if formats != nil {
			level.Info(c.logger).Log("msg", "nginx.conf gives the log another format", "log", l.Name, "format",
				formats[0].Text)
			c.changeNotes(func(n *notes) { n.Settings = n.Settings.WithFormats(l, formats) })
		}
		return formats
	}
}

// lostInterval is how often to check whether a log that nginx.conf no longer names is still written.
const lostInterval = 15 * time.Second

// watchLost stops reading logs that nginx.conf no longer names and that nobody writes to now. Their counts are still
// shown.
func (c *Collector) watchLost(ctx context.Context) {
	tick := time.NewTicker(lostInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := c.observed()
		isLoaded := func() bool { return c.nginx.isLoadedByAll(now.settings.Conf) }
		for _, f := range now.logs {
			if f.stop != nil && !f.hasEnded() && f.source.IsOver(time.Now(), isLoaded) {
				level.Info(c.logger).Log("msg", "stopped reading a log that nginx.conf no longer names", "log",
					f.source.Name, "path", f.source.Path)
				f.stop()
			}
		}
	}
}

// hasEnded reports whether a log is no longer read.
func (f *followed) hasEnded() bool {
	select {
	case <-f.pipeline.Done():
		return true
	default:
		return false
	}
}
