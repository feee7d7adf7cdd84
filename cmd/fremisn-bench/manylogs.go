package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/logtest"
)

// Three logs of each virtual host make 900.
const (
	virtualHosts  = 300
	logsOfAHost   = 3
	linesOfALog   = 20
	settlingTime  = 90 * time.Second // a log to which nothing comes is looked at less and less often
	scrapesAtRest = 4
)

// manyLogs watches the exporter with the logs of 300 virtual hosts, to which nothing comes: as nginx.conf names them,
// and as a config file does.
func (b *bench) manyLogs() error {
	dir := filepath.Join(b.dir, "hosts")
	logs, err := writeHosts(dir)
	if err != nil {
		return err
	}
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(hostsConf(logs)), 0o644); err != nil {
		return err
	}
	for _, way := range []struct{ name, config string }{
		{"nginx.conf", fmt.Sprintf("nginx: {config: %q}\nprobes: []\n", conf)},
		{"YAML", hostsYAML(logs)},
	} {
		name := fmt.Sprintf("%d idle logs of %s", len(logs), way.name)
		if err := b.idleLogs(name, way.config, len(logs)); err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
	}
	return nil
}

// writeHosts writes small logs, and returns their paths.
func writeHosts(dir string) (logs []string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	for host := range virtualHosts {
		for log := range logsOfAHost {
			path := filepath.Join(dir, fmt.Sprintf("host%03d-%d.log", host, log))
			if _, err := writeLog(path, mixed(logtest.Full), linesOfALog); err != nil {
				return nil, err
			}
			logs = append(logs, path)
		}
	}
	return logs, nil
}

// hostsConf is an nginx.conf with a log for each of three locations of each virtual host.
func hostsConf(logs []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "error_log stderr;\nevents {}\nhttp {\n  log_format full '%s';\n  upstream %s {\n", logtest.Full,
		logtest.Group)
	for _, server := range logtest.Servers() {
		fmt.Fprintf(&b, "    server %s;\n", server)
	}
	b.WriteString("  }\n")
	for host := range virtualHosts {
		fmt.Fprintf(&b, "  server {\n    listen 127.0.0.1:1; server_name host%03d.example.com;\n", host)
		for i, log := range logs[logsOfAHost*host : logsOfAHost*(host+1)] {
			fmt.Fprintf(&b, "    location /%d/ { access_log %s full; proxy_pass http://%s; }\n", i, log, logtest.Group)
		}
		b.WriteString("  }\n")
	}
	b.WriteString("}\n")
	return b.String()
}

func hostsYAML(logs []string) string {
	var b strings.Builder
	b.WriteString("nginx:\n  access_logs:\n")
	for _, log := range logs {
		fmt.Fprintf(&b, "    - {path: %q, format: %q}\n", log, logtest.Full)
	}
	b.WriteString("probes: []\n")
	return b.String()
}

// idleLogs watches the exporter at rest, and then with a scrape every 15 s.
func (b *bench) idleLogs(name, config string, logs int) error {
	s, err := b.start(config)
	if err != nil {
		return err
	}
	defer s.Kill()
	for read, deadline := 0, time.Now().Add(patience); read < logs; {
		if read, err = s.count("fremisn_exporter_log_lines_total{", `result="parsed"`); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d logs are followed of %d", read, logs)
		}
		time.Sleep(time.Second)
	}
	time.Sleep(settlingTime)
	before := s.cpu()
	time.Sleep(b.watch)
	b.row(name+": CPU a second", perSecond(s.cpu()-before, b.watch), "≤ 5 ms, aim 2", "nobody scrapes")
	b.row("  resident", mib(s.resident()), "≤ 60 MiB, aim 40", "nobody scrapes")
	before = s.cpu()
	size, begun := 0, time.Now()
	tick := time.NewTicker(15 * time.Second)
	defer tick.Stop()
	for range scrapesAtRest {
		<-tick.C
		body, err := s.scrape()
		if err != nil {
			return err
		}
		size = len(body)
	}
	b.row("  CPU a second, scraped every 15 s", perSecond(s.cpu()-before, time.Since(begun)), "",
		fmt.Sprintf("%.1f MB of text", float64(size)/1e6))
	b.row("  resident, scraped", mib(s.resident()), "", "")
	return nil
}

func perSecond(cpu, in time.Duration) string {
	return fmt.Sprintf("%.1f ms", 1e3*cpu.Seconds()/in.Seconds())
}

// count is how many samples begin with prefix and hold a text.
func (s *server) count(prefix, text string) (n int, err error) {
	body, err := s.scrape()
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, prefix) && strings.Contains(line, text) {
			n++
		}
	}
	return n, err
}
