package probe

import (
	"fmt"
	"os"

	"github.com/prometheus/common/config"
	"golang.org/x/sys/unix"

	"github.com/fremisn/fremisn-exporter/probe/mask"
)

// A Target is what a schedule probes.
type Target struct {
	Probe, Module, Target string
	Address               string // its host:port
}

// Targets returns what the schedules probe, including the targets of files.
func (s *Service) Targets() []Target {
	s.mu.Lock()
	targets := s.targets
	s.mu.Unlock()
	var all []Target
	for _, t := range targets {
		t.mu.Lock()
		all = append(all, Target{t.probe, t.module.name, t.asked.address, t.at})
		t.mu.Unlock()
	}
	return all
}

// A Fault is an unusable module or file of targets. It stops nothing else.
type Fault struct{ Subject, Text string }

// Faults returns the parts of the config that cannot work now: files of targets, and modules whose own files are
// unreadable.
func (s *Service) Faults() []Fault {
	var faults []Fault
	s.reloading.Lock()
	for _, key := range sortedKeys(s.files.byKey) {
		if file := s.files.byKey[key]; file.fault != "" {
			faults = append(faults, Fault{"files", file.path + ": " + file.fault})
		}
	}
	s.reloading.Unlock()
	s.mu.Lock()
	modules := s.modules
	s.mu.Unlock()
	for _, name := range sortedKeys(modules) {
		if err := modules[name].unusable(); err != nil {
			faults = append(faults, Fault{"module " + name, mask.Text(err.Error())})
		}
	}
	return faults
}

// unusable returns the reason why no probe of a module can work, or nil.
func (m *prepared) unusable() error {
	if m.tls != nil {
		if _, err := m.tls.load(); err != nil {
			return fmt.Errorf("the TLS settings are not usable: %w", err)
		}
	}
	paths := []string{m.HTTP.BodyFile}
	for _, file := range m.secretFiles() {
		paths = append(paths, file.Path)
	}
	for _, path := range paths {
		if path == "" {
			continue
		}
		if err := areRegular(path); err != nil {
			return err
		}
		if err := unix.Access(path, unix.R_OK); err != nil {
			return &os.PathError{Op: "read", Path: path, Err: err}
		}
	}
	if o := m.HTTP.Client.OAuth2; o != nil {
		if err := areRegular(o.TLSConfig.CAFile, o.TLSConfig.CertFile, o.TLSConfig.KeyFile); err != nil {
			return err
		}
		if _, err := config.NewTLSConfig(&o.TLSConfig); err != nil {
			return fmt.Errorf("the TLS settings for the OAuth2 token are not usable: %w", err)
		}
	}
	return nil
}

// areRegular reports which of the files, "" for none, is a pipe or a device: to read it might never end. One that is
// missing is for who reads it to tell.
func areRegular(paths ...string) error {
	for _, path := range paths {
		if info, err := os.Stat(path); path != "" && err == nil && !info.Mode().IsRegular() {
			return fmt.Errorf("%s: this is not a regular file", path)
		}
	}
	return nil
}
