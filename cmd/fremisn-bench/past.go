package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/logtest"
)

// analyze measures the time of `analyze` for a whole file on two cores, relative to the bare loop on one, and to
// Debian's goaccess on the same combined log.
func (b *bench) analyze() error {
	if runtime.NumCPU() < 2 {
		b.progress("  analyze is measured on two cores, and here is one")
		return nil
	}
	full, combined := filepath.Join(b.dir, "past.log"), filepath.Join(b.dir, "combined.log")
	if err := os.WriteFile(b.emptyConf(), []byte("events {}\n"), 0o644); err != nil {
		return err
	}
	if err := b.writePast(full, combined); err != nil {
		return err
	}
	defer os.Remove(full)
	defer os.Remove(combined)
	ratios, err := b.byTurns(
		func() *exec.Cmd { return b.twoCores(full, logtest.Full) },
		func() *exec.Cmd { return exec.Command(os.Args[0], "split", full) })
	if err != nil {
		return err
	}
	b.row("analyze on two cores: wall time ÷ bare loop on one", fmt.Sprintf("%.2f ×", median(ratios)), "≤ 3.0, aim 2.5",
		fmt.Sprintf("%d lines; %.2f to %.2f in %d rounds", b.lines, slices.Min(ratios), slices.Max(ratios),
			len(ratios)))
	if ratios, err = b.byTurns(
		func() *exec.Cmd {
			return exec.Command("goaccess", "--log-format=COMBINED", "--no-global-config", "-o", filepath.Join(b.dir,
				"goaccess.json"), combined)
		},
		func() *exec.Cmd { return b.twoCores(combined, "combined") }); err != nil {
		return err
	}
	b.row("analyze of a combined log: wall time, goaccess ÷ ours", fmt.Sprintf("%.0f ×", median(ratios)), "≥ 20 ×",
		fmt.Sprintf("%d lines; %.0f to %.0f in %d rounds", b.lines, slices.Min(ratios), slices.Max(ratios),
			len(ratios)))
	return nil
}

// emptyConf is an empty nginx.conf, so that this host's does not matter.
func (b *bench) emptyConf() string { return filepath.Join(b.dir, "nginx.conf") }

func (b *bench) twoCores(log, format string) *exec.Cmd {
	command := exec.Command(b.exporter, "analyze", "--nginx.config", b.emptyConf(), "--format", format, "--output",
		"json", log)
	command.Env = append(os.Environ(), "GOMAXPROCS=2")
	return command
}

// byTurns returns the wall time of one command as a multiple of the other's, for each round.
func (b *bench) byTurns(one, other func() *exec.Cmd) ([]float64, error) {
	var ratios []float64
	for range b.rounds {
		took, err := wallOf(one())
		if err != nil {
			return nil, err
		}
		beside, err := wallOf(other())
		if err != nil {
			return nil, err
		}
		ratios = append(ratios, took.Seconds()/beside.Seconds())
	}
	return ratios, nil
}

func wallOf(command *exec.Cmd) (time.Duration, error) {
	began := time.Now()
	if output, err := command.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%s: %w\n%.1000s", command, err, output)
	}
	return time.Since(began), nil
}

// writePast writes the same requests in the full format and in combined.
func (b *bench) writePast(full, combined string) error {
	for path, format := range map[string]string{full: logtest.Full, combined: logtest.Combined} {
		if _, err := writeLog(path, mixed(format), b.lines); err != nil {
			return err
		}
	}
	return nil
}
