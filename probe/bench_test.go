package probe

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// serverVariable turns the test program into a web server, whose CPU time does not count for the probes.
const serverVariable = "PROBE_BENCHMARK_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(serverVariable) == "" {
		os.Exit(m.Run())
	}
	listener := listen(nil)
	fmt.Println("http://" + listener.Addr().String())
	http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "{}") }))
}

func serverProcess(b *testing.B) string {
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), serverVariable+"=yes")
	output, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { command.Process.Kill(); command.Wait() })
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func ownCPU(b *testing.B) time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// processCPU is the processor time of another process, to 10 ms.
func processCPU(b *testing.B, pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

const benchConfig = "modules:\n  alive: {prober: http, timeout: 20s, http: {preferred_ip_protocol: ip4}}\n"

// BenchmarkCPUPerProbe has ours, as the schedule runs it, and Debian's blackbox_exporter, as Prometheus asks it, probe
// the same server by turns, and gives the processor time that each takes for a probe, and their ratio.
func BenchmarkCPUPerProbe(b *testing.B) {
	const batch = 1000
	server := serverProcess(b)
	s := newService(b, benchConfig+"probes:\n  - {name: p, module: alive, interval: 1s, targets: ['"+server+"']}\n")
	theirs, pid := blackboxProcess(b, benchConfig)
	ask := theirs + "/probe?module=alive&target=" + url.QueryEscape(server)
	var ours, other time.Duration
	probes := 0
	for b.Loop() {
		before := ownCPU(b)
		for range batch {
			s.targets[0].probeOnce(context.Background())
		}
		ours += ownCPU(b) - before
		before = processCPU(b, pid)
		for range batch {
			if text := get(b, ask); !strings.Contains(text, "probe_success 1") {
				b.Fatal(text)
			}
		}
		other += processCPU(b, pid) - before
		probes += batch
	}
	if failures := s.targets[0].counts.consecutive; failures > 0 {
		b.Fatal(s.targets[0].last.sentence)
	}
	b.ReportMetric(float64(ours.Microseconds())/float64(probes), "µs/ours")
	b.ReportMetric(float64(other.Microseconds())/float64(probes), "µs/blackbox")
	b.ReportMetric(ours.Seconds()/other.Seconds(), "ratio")
}

// BenchmarkThousandTargets runs 1,000 targets at 1 s for ten seconds, and gives the share of one core that this takes.
func BenchmarkThousandTargets(b *testing.B) {
	server := serverProcess(b)
	var config strings.Builder
	config.WriteString(benchConfig + "probes:\n  - name: p\n    module: alive\n    interval: 1s\n    targets:\n")
	for i := range 1000 {
		fmt.Fprintf(&config, "      - %s/%d\n", server, i)
	}
	for b.Loop() {
		s := newService(b, config.String())
		ctx, stop := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { s.Run(ctx) })
		time.Sleep(2 * time.Second)
		before, start := ownCPU(b), time.Now()
		time.Sleep(10 * time.Second)
		b.ReportMetric((ownCPU(b)-before).Seconds()/time.Since(start).Seconds(), "cores")
		stop()
		running.Wait()
	}
}
