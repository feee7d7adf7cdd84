package past

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// files returns the named files, or the logs of nginx.conf with their rotated parts, the oldest first.
func (r *reading) files() []string {
	if len(r.Files) > 0 {
		return r.Files
	}
	var all []string
	for i := range r.Settings.AccessLogs {
		for _, path := range r.withRotated(&r.Settings.AccessLogs[i]) {
			if !slices.Contains(all, path) {
				all = append(all, path)
			}
		}
	}
	return all
}

// unique leaves out files that are named before, by whatever name: nothing is counted twice.
func (r *reading) unique(files []string) []string {
	var list []string
	known := map[int64][]fs.FileInfo{} // by size
	for _, file := range files {
		if file == Stdin {
			if slices.Contains(list, file) {
				r.twice = append(r.twice, errors.New("standard input: named twice, read once"))
				continue
			}
			list = append(list, file)
			continue
		}
		info, err := os.Stat(file)
		if err == nil && info.Mode().IsRegular() {
			same := func(other fs.FileInfo) bool { return os.SameFile(info, other) }
			if slices.ContainsFunc(known[info.Size()], same) {
				r.twice = append(r.twice, fmt.Errorf("%s: named twice, read once", file))
				continue
			}
			known[info.Size()] = append(known[info.Size()], info)
		}
		list = append(list, file)
	}
	return list
}

// rotated matches what logrotate appends to a log's name, or inserts before its suffix: .1, -20261124, .2.gz.
var rotated = regexp.MustCompile(`^([.-]\d{1,14}(-\d{1,10})?)?$`)

// withRotated is the function of that name, asked once for each log.
func (r *reading) withRotated(log *source.LogSource) []string {
	list, ok := r.rotated[log]
	if !ok {
		list = withRotated(log)
		if r.rotated == nil {
			r.rotated = map[*source.LogSource][]string{}
		}
		r.rotated[log] = list
	}
	return slices.Clone(list)
}

// withRotated returns the files of a log and their rotated parts, the oldest first; none if they are unknown.
func withRotated(log *source.LogSource) []string {
	live, err := log.Files()
	if err != nil {
		return nil
	}
	if len(live) == 0 && log.Path != "" {
		live = []string{log.Path}
	}
	var all []string
	for _, file := range live {
		suffix := filepath.Ext(file)
		stem := strings.TrimSuffix(file, suffix)
		entries, _ := os.ReadDir(filepath.Dir(file))
		for _, e := range entries {
			name := filepath.Join(filepath.Dir(file), e.Name())
			if e.Type().IsRegular() && isPartOf(name, file, stem, suffix) && !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b string) int { return cmp.Compare(modified(a), modified(b)) })
	return all
}

// isPartOf reports whether a file is a log or one of its rotated parts.
func isPartOf(name, file, stem, suffix string) bool {
	plain := strings.TrimSuffix(name, ".gz")
	if rest, ok := strings.CutPrefix(plain, file); ok && rotated.MatchString(rest) {
		return true
	}
	rest, ok := strings.CutPrefix(strings.TrimSuffix(plain, suffix), stem)
	return ok && suffix != "" && strings.HasSuffix(plain, suffix) && rotated.MatchString(rest)
}

func modified(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.ModTime().UnixNano()
}

// formatsOf returns the possible formats of a file's lines, the most likely first, and its log; nil if unknown.
func (r *reading) formatsOf(file string) (list []source.Format, log *source.LogSource) {
	switch log = r.logOf(file); {
	case len(r.Formats) > 0:
		return r.Formats, log
	case log != nil && len(log.Formats) > 0:
		return log.Formats, log
	}
	return r.knownFormats(), log
}

// logName returns the label of a log without a name: its base name without suffixes and rotation.
func logName(file string) string {
	if file == Stdin {
		return "stdin"
	}
	name := filepath.Base(file)
	for {
		suffix := filepath.Ext(name)
		shorter := strings.TrimSuffix(name, suffix)
		if shorter == "" || suffix == "" || suffix != ".gz" && suffix != ".log" && !rotated.MatchString(suffix) {
			return strings.ToValidUTF8(name, "\uFFFD")
		}
		name = shorter
	}
}

// logOf returns the log of the settings that a file is, or is a rotated part of, or nil.
func (r *reading) logOf(file string) *source.LogSource {
	absolute, err := filepath.Abs(file)
	if err != nil || file == Stdin {
		return nil
	}
	for i := range r.Settings.AccessLogs {
		log := &r.Settings.AccessLogs[i]
		if log.Path == absolute || slices.Contains(r.withRotated(log), absolute) {
			return log
		}
	}
	return nil
}

// knownFormats returns those of the settings, of nginx.conf, and the common ones.
func (r *reading) knownFormats() []source.Format {
	var list []source.Format
	add := func(f source.Format) {
		if !slices.ContainsFunc(list, func(g source.Format) bool { return g.Text == f.Text && g.Escape == f.Escape }) {
			list = append(list, f)
		}
	}
	for _, log := range r.Settings.AccessLogs {
		for _, f := range log.Formats {
			f.Repeats = false // in a file that may be another log's
			add(f)
		}
	}
	if conf := r.Settings.Conf; conf != nil {
		for _, name := range sortedKeys(conf.LogFormats) {
			f := conf.LogFormats[name]
			add(source.Format{Name: name, Text: f.Format, Escape: f.Escape})
		}
	}
	add(source.Format{Name: "combined", Text: nginxconf.CombinedFormat, Escape: "default"})
	return list
}
