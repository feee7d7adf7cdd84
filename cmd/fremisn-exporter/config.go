package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/strictyaml"
	"github.com/fremisn/fremisn-exporter/collector"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/probe"
	"github.com/fremisn/fremisn-exporter/probe/mask"
)

// defaultNginxConf is read where no config file is given.
const defaultNginxConf = "/etc/nginx/nginx.conf"

// maxConfig bounds a config file, bytes.
const maxConfig = 1 << 20

// A fileConfig is the config file; each section belongs to the package that acts on it.
type fileConfig struct {
	Nginx collector.Config `yaml:"nginx"`
	Nodes []collector.Node `yaml:"nodes"`
	Probe probe.Config     `yaml:",inline"`
}

// Validate checks the sections against each other.
func (c *fileConfig) Validate() error { return collector.ValidateNodes(c.Nodes) }

// A loaded is a config file with the nginx.conf that it names, both read and checked.
type loaded struct {
	file  string // "" where there is none
	text  []byte
	conf  *nginxconf.Config // nil where none is read
	plan  *collector.Plan
	probe probe.Config
	found map[string]nginxconf.Pos // targets that nginx.conf names, by where it does
	nodes []collector.Node
}

// load reads the config file, or without one what nginx.conf says. Its errors are for the user: they name file,
// line, key and remedy.
func load(cli *commandLine) (*loaded, error) {
	text, err := readConfig(cli.configFile)
	if err != nil {
		return nil, err
	}
	return interpret(cli, text)
}

func readConfig(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%s: there is no such file; correct --config", file)
	case err == nil && info.IsDir():
		return nil, fmt.Errorf("%s: this is a folder; --config takes a file", file)
	case err == nil && !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: this is no regular file (%s); --config takes a file that a reload can read again", file, info.Mode().Type())
	case err == nil && info.Size() > maxConfig:
		return nil, fmt.Errorf("%s: the file has more than %d MiB; is it the right one?", file, maxConfig>>20)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot be read: %w", file, errors.Unwrap(err))
	}
	return text, nil
}

// interpret is load for a text that has been read: nginx.conf may have changed when the config file has not.
func interpret(cli *commandLine, text []byte) (*loaded, error) {
	file := cli.configFile
	if file == "" {
		return interpretNginxConf(cli.nginxConf)
	}
	var c fileConfig
	document, err := strictyaml.Decode(file, text, &c)
	if err != nil {
		return nil, withoutSecrets(err)
	}
	l := &loaded{file: file, text: text, probe: c.Probe, nodes: c.Nodes}
	if path := c.Nginx.NginxConf; path != "" {
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(file), path)
		}
		if l.conf, err = nginxconf.Load(path); err != nil {
			fault := document.Fault("nginx.config", nginxConfFault(path, err))
			fault.Err = err
			return nil, fault
		}
	}
	if l.plan, err = collector.NewPlan(file, c.Nginx, c.Nodes, l.conf); err != nil {
		return nil, document.Place(err)
	}
	l.plan.Resolve(context.Background())
	if l.probe.Probes == nil && l.conf != nil {
		l.probeUpstreams()
	}
	return l, nil
}

// withoutSecrets hides passwords that faults in a file repeat: they are logged, too.
func withoutSecrets(err error) error {
	var faults strictyaml.Errors
	if errors.As(err, &faults) {
		for _, fault := range faults {
			fault.Msg = mask.ConfigError(fault.Path, fault.Msg)
		}
	}
	return err
}

// interpretNginxConf is the config of a host with NGINX and nothing else said.
func interpretNginxConf(path string) (*loaded, error) {
	conf, err := nginxconf.Load(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s, and no config file is given; name one with --config, or NGINX's with --nginx.config", path)
	}
	if err != nil {
		return nil, err
	}
	plan, err := collector.NewPlan("", collector.Config{}, nil, conf)
	if err != nil {
		return nil, err
	}
	plan.Resolve(context.Background())
	l := &loaded{conf: conf, plan: plan}
	l.probeUpstreams()
	return l, nil
}

// withoutNginxConf is a config file's probes and nodes alone, nil where they cannot be had.
func withoutNginxConf(file string) *loaded {
	text, err := readConfig(file)
	if err != nil || text == nil {
		return nil
	}
	var c fileConfig
	if _, err := strictyaml.Decode(file, text, &c); err != nil {
		return nil
	}
	l := &loaded{file: file, text: text, probe: c.Probe, nodes: c.Nodes}
	if l.probe.Probes == nil {
		var targets []string
		for _, n := range l.nodes {
			if !strings.HasPrefix(n.Address, "unix:") {
				targets = append(targets, "http://"+n.Address+"/")
			}
		}
		l.probeAlive(targets)
	}
	return l
}

func nginxConfFault(path string, err error) string {
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Sprintf("%s: there is no such file; correct the path, or remove the key to read no nginx.conf", path)
	}
	return err.Error()
}

// upstreamModule is the module that probes what nginx.conf names.
const upstreamModule = "alive"

// probeUpstreams probes every upstream server that nginx.conf does not call down, once each.
func (l *loaded) probeUpstreams() {
	var targets []string
	l.found = map[string]nginxconf.Pos{}
	for _, upstream := range l.conf.Upstreams {
		for _, server := range upstream.Servers {
			target := "http://" + server.Address + "/"
			if _, twice := l.found[target]; twice || server.Down || strings.HasPrefix(server.Address, "unix:") {
				continue
			}
			l.found[target] = server.Pos
			targets = append(targets, target)
		}
	}
	l.probeAlive(targets)
}

// probeAlive probes targets as those of nginx.conf are.
func (l *loaded) probeAlive(targets []string) {
	if len(targets) == 0 {
		return
	}
	modules := map[string]probe.Module{upstreamModule: probe.DefaultModule()}
	for name, module := range l.probe.Modules {
		modules[name] = module
	}
	l.probe.Modules = modules
	l.probe.Probes = []probe.Schedule{{Name: "upstream", Module: upstreamModule, Interval: 15 * time.Second, Targets: targets}}
}

// nodeNames is address → name.
func (l *loaded) nodeNames() map[string]string {
	names := map[string]string{}
	for _, n := range l.nodes {
		names[n.Address] = n.Name
	}
	return names
}
