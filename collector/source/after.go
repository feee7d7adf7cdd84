package source

import (
	"slices"
	"time"
)

// After returns the settings as they follow upon others, which were in use until then: what NGINX may still do by the
// former nginx.conf is not lost, and what has a name keeps it.
//
//   - A log that nginx.conf has gained is read from its beginning.
//   - A log that it has lost is followed further; see LogSource.Lost.
//   - A log that is written in another format is also read in the former ones.
//   - A log keeps its name, though others have come before it.
//   - A server keeps the addresses that its name led to.
func (s *Settings) After(before *Settings) *Settings {
	next := *s
	next.keepNames(before)
	taken := map[string]bool{}
	for _, log := range append(before.Logs(), s.fromConfigFile()...) {
		taken[log.Name] = true
	}
	paths := before.logPaths()
	next.AccessLogs = s.logsAfter(s.AccessLogs, before, paths, taken)
	next.StreamLogs = s.logsAfter(s.StreamLogs, before, paths, taken)
	next.ErrorLogs = s.logsAfter(s.ErrorLogs, before, paths, taken)
	next.AccessLogs = append(next.AccessLogs, next.lost(before.AccessLogs)...)
	next.StreamLogs = append(next.StreamLogs, next.lost(before.StreamLogs)...)
	next.ErrorLogs = append(next.ErrorLogs, next.lost(before.ErrorLogs)...)
	return &next
}

// Resume returns the settings as they follow from those of a Memory. Logs that nginx.conf has lost, meanwhile or in the
// last hour before, are still read: NGINX's old workers may write them, and what they hold has not all been read.
func (s *Settings) Resume(m *Memory) *Settings {
	next := s.After(m.settings())
	isGone := func(l LogSource) bool { return l.IsLost() && !m.isFollowed(l, time.Now()) }
	next.AccessLogs = slices.DeleteFunc(next.AccessLogs, isGone)
	next.StreamLogs = slices.DeleteFunc(next.StreamLogs, isGone)
	next.ErrorLogs = slices.DeleteFunc(next.ErrorLogs, isGone)
	return next
}

// fromConfigFile returns the logs that the config file names.
func (s *Settings) fromConfigFile() []LogSource {
	return slices.DeleteFunc(s.Logs(), func(l LogSource) bool { return l.Found })
}

// logPaths returns the logs of nginx.conf, followed or not; nil if none was read.
func (s *Settings) logPaths() map[string]bool {
	if s.Conf == nil && s.Known == nil {
		return nil
	}
	paths := map[string]bool{}
	for _, path := range s.Paths() {
		paths[path] = true
	}
	return paths
}

// Paths returns the files that nginx.conf names as logs, followed or not.
func (s *Settings) Paths() []string {
	paths := slices.Clone(s.Known)
	if s.Conf != nil {
		for _, log := range s.Conf.AccessLogs {
			paths = append(paths, log.Path)
		}
		for _, log := range s.Conf.Stream.AccessLogs {
			paths = append(paths, log.Path)
		}
		for _, log := range s.Conf.ErrorLogs {
			paths = append(paths, log.Path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

func (s *Settings) logsAfter(logs []LogSource, before *Settings, paths map[string]bool,
	taken map[string]bool) []LogSource {
	var next []LogSource
	configured := map[string]bool{}
	for _, l := range s.fromConfigFile() {
		configured[l.Name] = true
	}
	for _, l := range logs {
		i := slices.IndexFunc(before.Logs(), func(b LogSource) bool {
			return b.Kind == l.Kind &&
				b.Where() == l.Where()
		})
		switch {
		case i >= 0:
			l = l.after(before.Logs()[i])
			if l.Found && configured[l.Name] {
				l.Name = freeName(taken, l.Path)
			}
		case l.Found:
			l.FromStart = paths != nil && !paths[l.Path]
			l.Name = freeName(taken, l.Path)
		}
		next = append(next, l)
	}
	return next
}

// after returns the log as it follows from an earlier reading of it.
func (l LogSource) after(before LogSource) LogSource {
	if l.Found && before.Found {
		l.Name, l.FromStart = before.Name, before.FromStart
	}
	l.Formats = before.withFormer(slices.Clone(l.Formats))
	return l
}

// lost returns the logs of nginx.conf that these settings no longer follow. Their names must be free.
func (s *Settings) lost(before []LogSource) []LogSource {
	var lost []LogSource
	for _, b := range before {
		isAnother := func(l LogSource) bool { return l.Kind == b.Kind && l.Where() == b.Where() || l.Name == b.Name }
		if !b.Found || slices.ContainsFunc(s.Logs(), isAnother) {
			continue
		}
		if !b.IsLost() {
			b.Lost = time.Now()
		}
		lost = append(lost, b)
	}
	return lost
}

// IsLost reports whether nginx.conf no longer names the log.
func (l LogSource) IsLost() bool { return !l.Lost.IsZero() }

// lostFor is how long to read a log that nginx.conf has lost if it is unknown whether NGINX still writes it.
const lostFor = time.Hour

// IsOver reports whether nobody writes to a log now that nginx.conf has lost: it was lost an hour ago, or all of
// NGINX's workers have loaded nginx.conf without it.
func (l LogSource) IsOver(now time.Time, isLoadedByAll func() bool) bool {
	return l.IsLost() && (now.Sub(l.Lost) >= lostFor || isLoadedByAll())
}

// A Memory is what settings pass on to those of the next start.
type Memory struct {
	Known  []string            `json:"known"` // logs of nginx.conf, followed or not
	Logs   []RememberedLog     `json:"logs"`
	Names  map[string][]string `json:"names,omitempty"` // addresses of servers that are given by name
	Former map[string][]string `json:"former,omitempty"`
}

// A RememberedLog is a log of nginx.conf that was followed.
type RememberedLog struct {
	Kind      Kind     `json:"kind"`
	Name      string   `json:"name"`
	Path      string   `json:"path"`
	Formats   []Format `json:"formats,omitempty"`
	FromStart bool     `json:"from_start,omitempty"`

	Found bool      `json:"found,omitempty"` // nginx.conf names it: it may be lost
	Lost  time.Time `json:"lost,omitzero"`
}

// Memory returns the memory for the next start; nil without an nginx.conf.
func (s *Settings) Memory() *Memory {
	if s.Conf == nil {
		return nil
	}
	m := &Memory{Known: s.Paths(), Names: s.Resolved, Former: s.Former}
	for _, l := range s.Logs() {
		named := slices.ContainsFunc(l.Formats, func(f Format) bool { return f.Name != "" })
		if l.Found || named {
			m.Logs = append(m.Logs, RememberedLog{l.Kind, l.Name, l.Path, l.Formats, l.FromStart, l.Found, l.Lost})
		}
	}
	return m
}

// isFollowed reports whether a log that nginx.conf has lost is still read at a moment.
func (m *Memory) isFollowed(lost LogSource, now time.Time) bool {
	return now.Sub(lost.Lost) < lostFor && slices.ContainsFunc(m.Logs, func(l RememberedLog) bool {
		return l.Found && l.Kind == lost.Kind && l.Path == lost.Path
	})
}

// settings returns the settings of the memory, as far as After needs them.
func (m *Memory) settings() *Settings {
	s := &Settings{Known: m.Known, Resolved: m.Names, Former: m.Former}
	for _, l := range m.Logs {
		log := LogSource{Kind: l.Kind, Name: l.Name, Path: l.Path, Formats: l.Formats, FromStart: l.FromStart,
			Found: true, Lost: l.Lost}
		switch l.Kind {
		case Error:
			s.ErrorLogs = append(s.ErrorLogs, log)
		case Stream:
			s.StreamLogs = append(s.StreamLogs, log)
		default:
			s.AccessLogs = append(s.AccessLogs, log)
		}
	}
	return s
}

// WithFormats returns the memory with other formats of a log.
func (m *Memory) WithFormats(l LogSource, formats []Format) *Memory {
	if m == nil {
		return nil
	}
	next := *m
	next.Logs = slices.Clone(m.Logs)
	for i := range next.Logs {
		if next.Logs[i].Kind == l.Kind && next.Logs[i].Path == l.Path {
			next.Logs[i].Formats = formats
		}
	}
	return &next
}
