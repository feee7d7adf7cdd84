// Command fremisn-demo shows the exporter at work: real NGINX with FREMIS-N's topology, real Prometheus, simulated
// nodes, light traffic with faults. Everything runs in a scratch folder on loopback and ends with it. `make demo` runs
// it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

func main() {
	app := kingpin.New("fremisn-demo", "Shows the exporter at work on real NGINX and Prometheus, with simulated nodes.")
	exporter := app.Flag("exporter", "The binary to show.").Default("./fremisn-exporter").String()
	rules := app.Flag("rules", "The folder of rule files that Prometheus loads.").Default("alerts").String()
	kingpin.MustParse(app.Parse(os.Args[1:]))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, *exporter, *rules, os.Getenv("DEMO_SECONDS"), os.Stdout, os.Stderr))
}

func run(ctx context.Context, exporter, rules, seconds string, stdout, stderr io.Writer) int {
	limited := ctx
	if seconds != "" {
		n, err := strconv.Atoi(seconds)
		if err != nil || n <= 0 {
			fmt.Fprintf(stderr, "DEMO_SECONDS is %q; write a number of seconds such as 60\n", seconds)
			return 2
		}
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, time.Duration(n)*time.Second)
		defer cancel()
	}
	dir, err := os.MkdirTemp("", "fremisn-demo-")
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	d := &demo{dir: dir, out: stdout}
	defer d.stop()
	if err := d.start(ctx, exporter, rules); err != nil {
		if errors.Is(err, testenv.ErrMissing) {
			fmt.Fprintf(stderr, "%s; install it by your system's own means (Debian: apt-get install nginx "+
				"prometheus) and run this again\n", err)
		} else {
			fmt.Fprintln(stderr, err)
		}
		return 1
	}
	d.printAddresses(seconds)
	d.traffic(limited)
	if err := d.summary(); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

// absolute returns a path that does not depend on the working directory.
func absolute(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}
