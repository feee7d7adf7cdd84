// Package settings reads the exporter's settings: the config file and the nginx.conf that it names, or only
// nginx.conf. [Settings] holds everything that serve, check and probe know of them, and never changes once it has been
// read.
package settings

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/strictyaml"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/collector/source"
	"github.com/fremisn/fremisn-exporter/probe"
	"github.com/fremisn/fremisn-exporter/probe/mask"
)

// DefaultNginxConf is read where no config file is given.
const DefaultNginxConf = "/etc/nginx/nginx.conf"

// maxConfig limits a config file, bytes.
const maxConfig = 1 << 20

// A Source says where to read settings from.
type Source struct {
	ConfigFile string // "" for only nginx.conf
	NginxConf  string // read if there is no config file
	// Status are the only pages to observe, without a config file; nil to read NginxConf.
	Status []source.StatusConfig
}

// A fileConfig is the config file; each section belongs to the package that acts on it.
type fileConfig struct {
	Nginx      source.Config    `yaml:"nginx"`
	Nodes      []source.Node    `yaml:"nodes"`
	Objectives objectivesConfig `yaml:"objectives"`
	Probe      probe.Config     `yaml:",inline"`
}

// Validate checks the sections against each other.
func (c *fileConfig) Validate() error {
	return errors.Join(source.ValidateNodes(c.Nodes), c.Objectives.validate(c.Nginx))
}

// Settings are a config file with the nginx.conf that it names, both read and checked.
type Settings struct {
	Source     Source
	Text       []byte            // of the config file; nil without one
	Nginx      *nginxconf.Config // nil if none is read
	Observed   *source.Settings
	Probe      probe.Config
	Found      map[string]nginxconf.Pos // targets that nginx.conf names, by their place in it
	Unprobed   []Unprobed               // servers in it that are not probed
	Nodes      []source.Node
	NoStatus   bool                 // the config file turns status pages off
	Objectives map[string]Objective // by route; that of "" is for all routes together
}

// Load reads the config file, or without one only nginx.conf, and looks up the servers that have names. Its errors are
// for the user: they name file, line, key and remedy.
func Load(ctx context.Context, from Source) (*Settings, error) {
	text, err := readConfig(from.ConfigFile)
	if err != nil {
		return nil, err
	}
	return interpret(ctx, from, text)
}

// Reread returns the settings of the same config text with nginx.conf read again. It does not read the file: somebody
// may be changing it.
func (s *Settings) Reread(ctx context.Context) (*Settings, error) {
	return interpret(ctx, s.Source, s.Text)
}

// Resolved returns settings in which servers have the present addresses of their names, or nil if these have not
// changed.
func (s *Settings) Resolved(ctx context.Context) *Settings {
	resolved, observed := *s, *s.Observed
	if resolved.Observed = &observed; !observed.Resolve(ctx) {
		return nil
	}
	return &resolved
}

// Unresolved reports whether a server has no address yet.
func (s *Settings) Unresolved() bool { return s.Observed.Unresolved() }

// StatusOnly reports whether only status pages are read.
func (s *Settings) StatusOnly() bool { return s.Source.ConfigFile == "" && s.Source.Status != nil }

// ChangedText returns the config file's present text, and reports whether it differs from that of these settings; an
// unreadable file differs, too.
func (s *Settings) ChangedText() (text string, changed bool) {
	now, err := readConfig(s.Source.ConfigFile)
	if err != nil {
		return "", true
	}
	return string(now), !bytes.Equal(now, s.Text)
}

// NodeNames returns the nodes' names by their addresses.
func (s *Settings) NodeNames() map[string]string {
	names := map[string]string{}
	for _, n := range s.Nodes {
		names[n.Address] = n.Name
	}
	return names
}

func readConfig(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%s: no such file; correct --config", file)
	case err == nil && info.IsDir():
		return nil, fmt.Errorf("%s: this is a folder; --config takes a file", file)
	case err == nil && !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: this is not a regular file (%s); --config takes a file that a reload can read "+
			"again",
			file, info.Mode().Type())
	case err == nil && info.Size() > maxConfig:
		return nil, fmt.Errorf("%s: the file is larger than %d MiB; is it the right one?", file, maxConfig>>20)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot be read: %w", file, errors.Unwrap(err))
	}
	return text, nil
}

func interpret(ctx context.Context, from Source, text []byte) (*Settings, error) {
	switch {
	case from.ConfigFile == "" && from.Status != nil:
		return statusOnly(from)
	case from.ConfigFile == "":
		return interpretNginxConf(ctx, from)
	}
	s, config, document, err := decode(from, text)
	if err != nil {
		return nil, err
	}
	if s.Nginx, err = loadNginxConf(ctx, from.ConfigFile, config.Nginx.NginxConf, document); err != nil {
		return nil, err
	}
	if s.Observed, err = source.New(from.ConfigFile, config.Nginx, config.Nodes, s.Nginx); err != nil {
		return nil, document.Place(err)
	}
	s.Observed.Resolve(ctx)
	if s.Probe.Probes == nil && s.Nginx != nil {
		s.probeUpstreams()
	}
	return s, nil
}

// decode reads only the config file's text.
func decode(from Source, text []byte) (*Settings, *fileConfig, *strictyaml.Document, error) {
	var config fileConfig
	document, err := strictyaml.Decode(from.ConfigFile, text, &config)
	if err != nil {
		return nil, nil, nil, maskErrors(err)
	}
	config.Probe.SetDirectory(filepath.Dir(from.ConfigFile))
	return &Settings{
		Source: from, Text: text, Probe: config.Probe, Nodes: config.Nodes,
		NoStatus:   config.Nginx.Status != nil && len(config.Nginx.Status) == 0,
		Objectives: config.Objectives.objectives(config.Nginx.LatencyBuckets),
	}, &config, document, nil
}

// maskErrors hides secrets in error messages about a file: the messages are logged, too.
func maskErrors(err error) error {
	var faults strictyaml.Errors
	if errors.As(err, &faults) {
		for _, fault := range faults {
			fault.Msg = mask.ConfigError(fault.Path, fault.Msg)
		}
	}
	return err
}

// loadNginxConf reads the nginx.conf that the config file names, nil if it names none. A relative path begins in the
// config file's folder.
func loadNginxConf(ctx context.Context, file, path string, document *strictyaml.Document) (*nginxconf.Config, error) {
	if path == "" {
		return nil, nil
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(file), path)
	}
	conf, err := nginxconf.BuildFor(ctx, path).Load(path)
	if err == nil {
		return conf, nil
	}
	message := err.Error()
	if nginxconf.IsMissing(err) {
		message = path + ": no such file; correct the path, or remove the key to read no nginx.conf"
	}
	fault := document.Fault("nginx.config", message)
	fault.Err = err
	return nil, fault
}

// interpretNginxConf returns the settings for a host with NGINX and no config file.
func interpretNginxConf(ctx context.Context, from Source) (*Settings, error) {
	conf, err := nginxconf.BuildFor(ctx, from.NginxConf).Load(from.NginxConf)
	if nginxconf.IsMissing(err) {
		return nil, fmt.Errorf("there is no %s, and no config file is given; name one with --config, "+
			"or NGINX's with --nginx.config", from.NginxConf)
	}
	if info, failed := os.Stat(from.NginxConf); failed == nil && info.IsDir() {
		return nil, fmt.Errorf("%s: this is a folder; --nginx.config takes a file such as %s", from.NginxConf,
			filepath.Join(from.NginxConf, "nginx.conf"))
	}
	if err != nil {
		return nil, err
	}
	observed, err := source.New("", source.Config{}, nil, conf)
	if err != nil {
		return nil, err
	}
	observed.Resolve(ctx)
	var objectives objectivesConfig
	s := &Settings{
		Source: from, Nginx: conf, Observed: observed,
		Objectives: objectives.objectives(source.DefaultLatencyBuckets()),
	}
	s.probeUpstreams()
	return s, nil
}

// statusOnly returns the settings for observing only status pages.
func statusOnly(from Source) (*Settings, error) {
	config := source.Config{Status: from.Status, AccessLogs: []source.AccessLogConfig{},
		ErrorLogs: []source.ErrorLogConfig{}}
	observed, err := source.New("", config, nil, nil)
	if err != nil {
		return nil, err
	}
	var objectives objectivesConfig
	return &Settings{Source: from, Observed: observed,
		Objectives: objectives.objectives(source.DefaultLatencyBuckets())}, nil
}

// WithoutNginxConf returns only a config file's probes and nodes, or nil if it has none: they remain usable while
// nginx.conf is broken.
func WithoutNginxConf(from Source) *Settings {
	text, err := readConfig(from.ConfigFile)
	if err != nil || text == nil {
		return nil
	}
	s, _, _, err := decode(from, text)
	if err != nil {
		return nil
	}
	if s.Probe.Probes == nil {
		var targets []string
		for _, n := range s.Nodes {
			if !strings.HasPrefix(n.Address, "unix:") {
				targets = append(targets, "http://"+n.Address+"/")
			}
		}
		s.probeAlive(map[string][]string{UpstreamModule: targets})
	}
	return s
}
