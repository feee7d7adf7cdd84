package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"go.yaml.in/yaml/v3"
	"golang.org/x/sys/unix"

	"github.com/fremisn/fremisn-exporter/probe/mask"
)

const (
	// fileInterval is how often files of targets are read again.
	fileInterval = 10 * time.Second
	// maxTargetFile limits a file of targets, bytes.
	maxTargetFile = 8 << 20
)

// A targetGroup is one element of Prometheus' file_sd format.
type targetGroup struct {
	Targets []string          `yaml:"targets"`
	Labels  map[string]string `yaml:"labels"`
}

// targetFiles reads files of targets, and keeps the last valid content of each. Only one goroutine may use it at a
// time.
type targetFiles struct {
	logger log.Logger
	byKey  map[string]*targetFile // by prober and path
}

type targetFile struct {
	path   string
	text   []byte // of the last read, valid or not
	groups []targetGroup
	fault  string // of the last read, "" if valid
}

// read returns the groups of each schedule's files, and whether any has changed since the last call.
func (f *targetFiles) read(c *Config) (groups [][]targetGroup, changed bool) {
	seen := map[string]*targetFile{}
	for _, schedule := range c.Probes {
		m := c.Modules[schedule.Module]
		var own []targetGroup
		for _, path := range matches(schedule.Files) {
			key := m.Prober + "\x00" + path
			file := f.byKey[key]
			if file == nil {
				file, changed = &targetFile{path: path}, true
			}
			if seen[key] == nil && file.read(m.Prober, f.logger) {
				changed = true
			}
			seen[key] = file
			own = append(own, file.groups...)
		}
		groups = append(groups, own)
	}
	changed = changed || len(seen) != len(f.byKey)
	f.byKey = seen
	return groups, changed
}

// matches returns the files of some globs, each once. A glob without a match is not an error.
func matches(globs []string) []string {
	paths := map[string]bool{}
	for _, glob := range globs {
		found, _ := filepath.Glob(glob) // Validate has checked the pattern
		for _, path := range found {
			paths[path] = true
		}
	}
	return slices.Sorted(maps.Keys(paths))
}

// read rereads a file, and reports whether its targets have changed. An invalid file keeps its last valid targets, and
// is logged once.
func (f *targetFile) read(prober string, logger log.Logger) bool {
	text, err := readBounded(f.path, maxTargetFile)
	if err == nil && f.text != nil && f.fault == "" && bytes.Equal(text, f.text) {
		return false
	}
	var groups []targetGroup
	if err == nil {
		groups, err = parseTargets(text, prober)
	}
	if err != nil {
		fault := mask.Text(err.Error())
		if fault != f.fault {
			level.Error(logger).Log("msg", "a file of targets is not usable; its last valid targets stay", "file",
				f.path,
				"err", fault)
		}
		f.fault = fault
		return false
	}
	if f.fault != "" {
		level.Info(logger).Log("msg", "a file of targets is usable again", "file", f.path)
	}
	f.text, f.groups, f.fault = text, groups, ""
	return true
}

// openRegular opens a file that is no pipe, which would be waited for, and no device, which has no end.
func openRegular(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		file.Close()
		return nil, errors.Join(err, errors.New("this is not a regular file"))
	}
	return file, nil
}

func readBounded(path string, limit int64) ([]byte, error) {
	file, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("the file is larger than %d MiB", limit>>20)
	}
	return text, err
}

// parseTargets parses a file in YAML or JSON, which is a subset of YAML.
func parseTargets(text []byte, prober string) ([]targetGroup, error) {
	var groups []targetGroup
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&groups); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("not a list of targets and labels as in Prometheus' file_sd: %w", err)
	}
	for i, group := range groups {
		for _, target := range group.Targets {
			if err := checkTarget(prober, target); err != nil {
				return nil, err
			}
		}
		labels, err := fileLabels(group.Labels)
		if err != nil {
			return nil, err
		}
		groups[i].Labels = labels
	}
	return groups, nil
}

// fileLabels returns the labels of a file that are exposed: neither those for relabelling nor the exporter's own. One
// with the name of a metric's own label gets the prefix exported_, as in Prometheus.
func fileLabels(labels map[string]string) (map[string]string, error) {
	own := map[string]string{}
	for _, name := range sortedKeys(labels) {
		value := labels[name]
		switch {
		case strings.HasPrefix(name, "__"), slices.Contains(ownLabels, name):
			continue
		case !isLabelName(name):
			return nil, fmt.Errorf("%q is not a valid label name", name)
		case slices.Contains(reservedLabels, name):
			name = "exported_" + name
		}
		own[name] = strings.ToValidUTF8(value, "\uFFFD")
	}
	return own, nil
}

// every calls f in each interval until ctx ends.
func every(ctx context.Context, interval time.Duration, f func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f()
		}
	}
}

// rereadFiles applies changes in files of targets.
func (s *Service) rereadFiles() {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	groups, changed := s.files.read(&s.options.Config)
	if changed {
		s.apply(groups)
		level.Info(s.logger).Log("msg", "files of targets have changed", "targets", s.count())
	}
}
