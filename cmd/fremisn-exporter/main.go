// Command fremisn-exporter shows Prometheus how an NGINX load balancer and the nodes behind it serve.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
	_ "time/tzdata" // the image has no /usr/share/zoneinfo, and error logs have local times
)

func main() {
	oneProcessor()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, func() { time.AfterFunc(lastResort, giveUp) })
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// lastResort is how long after a signal the program exits, whatever hangs: a disk may have blocked the only goroutine
// that could have stopped it.
const lastResort = shutdownTotal + 500*time.Millisecond

func giveUp() {
	fmt.Fprintf(os.Stderr, "%s: not stopped within %s: a disk or a name server does not answer\n", programName,
		lastResort)
	os.Exit(exitFailed)
}

// oneProcessor limits the program to one thread of Go code at a time, as in node_exporter, unless the environment says
// otherwise: its work comes in short bursts, and waking a second thread for them costs a quarter of a scrape (make
// bench). One core reads millions of lines a second. Waiting for disks and networks does not count.
func oneProcessor() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
}

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // at run time
	exitUsage  = 2 // the command line or the config
)

// run is the whole program: main and the tests pass its arguments. It ends when ctx does.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cli, code, done := parseCommandLine(args, stdout, stderr)
	if done {
		return code
	}
	logger, err := newLogger(stderr, cli.logLevel, cli.logFormat)
	if err != nil {
		return cli.usage(stderr, err)
	}
	switch cli.command {
	case "serve":
		if cli.checkConfig {
			return checkConfig(ctx, cli, stdout, stderr)
		}
	case "check":
		return runCheck(ctx, cli, stdout, stderr)
	case "probe":
		return runProbe(ctx, cli, stdout, stderr)
	case "metrics":
		return printMetrics(stdout)
	case "analyze":
		return runAnalyze(ctx, cli, stdout, stderr)
	case "explain":
		return runExplain(ctx, cli, stdout, stderr)
	case "whatif":
		return runWhatIf(ctx, cli, stdout, stderr)
	case "backfill":
		return runBackfill(ctx, cli, stdout, stderr)
	case "healthcheck":
		return runHealthcheck(ctx, cli, stdout, stderr)
	}
	return serve(ctx, cli, logger, stderr)
}
