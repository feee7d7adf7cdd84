package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"
	"github.com/prometheus/exporter-toolkit/web"
	"github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
)

const programName = "fremisn-exporter"

// A commandLine is what the user asked for.
type commandLine struct {
	command string

	source        settings.Source
	storagePath   string
	telemetryPath string
	lifecycle     bool
	autoReload    bool
	createdLines  bool
	timeoutOffset time.Duration
	logLevel      string
	logFormat     string
	web           *web.FlagConfig

	output        string // check
	module        string // probe
	target        string // probe
	healthAddress string // healthcheck
}

// parseCommandLine reads args. done says that there is nothing more to do, and with which exit code: after --help,
// --version and mistakes.
func parseCommandLine(args []string, stdout, stderr io.Writer) (cli *commandLine, code int, done bool) {
	cli = &commandLine{}
	app := kingpin.New(programName, "Shows Prometheus how an NGINX load balancer and the nodes behind it serve.")
	app.UsageWriter(stdout)
	app.ErrorWriter(stderr)
	app.HelpFlag.Short('h')
	app.Version(version.Print(programName))
	type ended int
	app.Terminate(func(code int) { panic(ended(code)) })
	defer func() {
		if end, ok := recover().(ended); ok {
			code, done = int(end), true
		}
	}()

	named := false // by the user
	cli.flags(app)
	app.Flag("nginx.config", "Where no config file is given: the nginx.conf from which everything is found.").Default(settings.DefaultNginxConf).IsSetByUser(&named).StringVar(&cli.source.NginxConf)
	app.Command("serve", "Serve metrics (the default command).").Default()
	check := app.Command("check", "Read the config, nginx.conf, the logs and the status pages, and report what works and what does not. Changes nothing.")
	check.Flag("output", "How to print the report: text or json.").Default("text").EnumVar(&cli.output, "text", "json")
	probe := app.Command("probe", "Probe one target from the terminal and tell what came of it.")
	probe.Arg("module", "A module of the config file.").Required().StringVar(&cli.module)
	probe.Arg("target", "What to probe, such as http://127.0.0.1:4005.").Required().StringVar(&cli.target)
	health := app.Command("healthcheck", "Ask a running exporter whether it is healthy; for containers without a shell.")
	health.Arg("url", "The exporter's health page.").Default("http://127.0.0.1:9113/-/healthy").StringVar(&cli.healthAddress)

	app.Command("metrics", "Print the metrics that NGINX, its logs and the exporter itself give: name, type, labels and help, parted by tabs.").Hidden()

	command, err := app.Parse(args)
	if err == nil && named && cli.source.ConfigFile != "" {
		err = errors.New("--nginx.config is for use without --config; name it as nginx.config in that file")
	}
	if err != nil {
		return cli, cli.usage(stderr, err), true
	}
	cli.command = command
	return cli, exitOK, false
}

func (cli *commandLine) flags(app *kingpin.Application) {
	app.Flag("config", "The config file; without it everything is found from NGINX's own.").PlaceHolder("FILE").StringVar(&cli.source.ConfigFile)
	app.Flag("storage.path", "Where positions and counters are kept; an empty text keeps them in memory alone.").Default("data/").PlaceHolder("DIR").StringVar(&cli.storagePath)
	cli.web = kingpinflag.AddFlags(app, ":9113")
	app.Flag("web.telemetry-path", "Where metrics are served.").Default("/metrics").StringVar(&cli.telemetryPath)
	app.Flag("web.enable-lifecycle", "Let POST /-/reload reload the config.").BoolVar(&cli.lifecycle)
	app.Flag("config.auto-reload", "Reload the config file by itself when it has changed.").Default("true").BoolVar(&cli.autoReload)
	app.Flag("web.created-lines", "Give _created lines in OpenMetrics text; Prometheus stores each as a series.").BoolVar(&cli.createdLines)
	app.Flag("timeout-offset", "What is taken off the scrape timeout that Prometheus names, to answer before it is over.").Default("500ms").DurationVar(&cli.timeoutOffset)
	app.Flag("log.level", "Only log messages of this level or above: debug, info, warn, error.").Default("info").EnumVar(&cli.logLevel, "debug", "info", "warn", "error")
	app.Flag("log.format", "How log messages look: logfmt or json.").Default("logfmt").EnumVar(&cli.logFormat, "logfmt", "json")
}

// usage tells what is wrong with the command line.
func (cli *commandLine) usage(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "%s: %s; try %s --help\n", programName, err, programName)
	return exitUsage
}
