package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"
	"github.com/prometheus/exporter-toolkit/web"
	"github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
)

const programName = "fremisn-exporter"

const (
	defaultAddress  = ":9113" // nginx-prometheus-exporter's
	blackboxAddress = ":9115" // blackbox_exporter's
)

// A commandLine is the parsed command line.
type commandLine struct {
	command  string
	unhinted bool // of tests: see collector.Options

	source         settings.Source
	storagePath    string
	telemetryPath  string
	routePrefix    string // "" or /prefix
	externalURL    string
	lifecycle      bool
	autoReload     bool
	reloadInterval time.Duration
	checkConfig    bool // --config.check
	createdLines   bool
	timeoutOffset  time.Duration
	historyLimit   int
	logLevel       string
	logFormat      string
	logProber      string
	web            *web.FlagConfig
	status         statusFlags
	statusOnly     []string // flags and variables of nginx-prometheus-exporter that were given

	output        string // check
	printFormat   bool
	module        string // probe
	target        string // probe
	healthAddress string // healthcheck

	blackboxConfig string // --config.file
	enableReload   bool   // --config.enable-auto-reload
	given          map[string]*bool
	past           pastFlags
}

// parseCommandLine parses args and the environment. done says that there is nothing more to do, and returns the exit
// code: after --help, --version and errors.
func parseCommandLine(args []string, stdout, stderr io.Writer) (cli *commandLine, code int, done bool) {
	cli = &commandLine{given: map[string]*bool{}}
	app := kingpin.New(programName, "Shows Prometheus how an NGINX load balancer and the nodes behind it serve.")
	app.UsageWriter(stdout)
	app.ErrorWriter(stderr)
	app.HelpFlag.Short('h')
	app.Version(version.Print(programName))
	type ended int
	app.Terminate(func(code int) { panic(ended(code)) })
	defer func() {
		if end, ok := recover().(ended); ok {
			if code, done = int(end), true; code != exitOK {
				code = exitUsage // kingpin ends "help nothing" with 1
			}
		}
	}()
	serve := cli.define(app)
	if !slices.Contains(args, "--completion-bash") { // of the default command kingpin completes nothing else
		serve.Default()
	}
	if slices.Contains(args, "--help-man") {
		writeManPage(app)
		return cli, exitOK, true
	}
	args = newSpelling(args)
	err := refused(args, false)
	if err == nil {
		if cli.command, err = app.Parse(args); err != nil {
			err = withFlag(app, args, err)
		}
	}
	cli.past.nameStdin(args)
	if err == nil {
		err = cli.complete(args)
	}
	if err != nil {
		return cli, cli.usage(stderr, err), true
	}
	return cli, exitOK, false
}

// define defines all flags and commands, and returns the command serve.
func (cli *commandLine) define(app *kingpin.Application) *kingpin.CmdClause {
	cli.flags(app)
	cli.status.add(app)
	cli.blackboxFlags(app)
	serve := app.Command("serve", "Serve metrics (the default command).")
	check := app.Command("check", "Read the config, nginx.conf, the logs and the status pages, and report what "+
		"works and what "+
		"does not. Changes nothing.")
	check.Flag("output", "Format of the report: text or json.").Default("text").EnumVar(&cli.output, "text", "json")
	check.Flag("print-format", "Print only the log_format to use, ready to paste into nginx.conf.").
		BoolVar(&cli.printFormat)
	probe := app.Command("probe", "Probe one target and print the phases, the result and the reason.")
	probe.Arg("module", "A module of the config file.").Required().StringVar(&cli.module)
	probe.Arg("target", "The target, such as http://127.0.0.1:4005.").Required().StringVar(&cli.target)
	health := app.Command("healthcheck", "Ask a running exporter for its verdict, print it, and fail if there is "+
		"none; for containers without a shell.")
	health.Arg("url", "The exporter's health page.").Default("http://127.0.0.1:9113/-/healthy").
		StringVar(&cli.healthAddress)
	cli.past.flags(app)
	app.Command("metrics", "Print the metrics that NGINX, its logs and the exporter itself give: name, type, labels "+
		"and help, separated by tabs.").Hidden()
	for _, flag := range app.Model().Flags {
		given := new(bool)
		cli.given[flag.Name] = given
		app.GetFlag(flag.Name).IsSetByUser(given)
	}
	return serve
}

func (cli *commandLine) flags(app *kingpin.Application) {
	app.Flag("config", "The config file; without it, the exporter finds everything from nginx.conf.").
		PlaceHolder("FILE").StringVar(&cli.source.ConfigFile)
	app.Flag("nginx.config", "The nginx.conf to read when no config file is given.").
		Default(settings.DefaultNginxConf).StringVar(&cli.source.NginxConf)
	app.Flag("storage.path", "Folder for positions and counters: "+userStorage+", for root "+systemStorage+
		". An empty value keeps them in memory only.").
		Default(userStorage).PlaceHolder("DIR").StringVar(&cli.storagePath)
	cli.web = kingpinflag.AddFlags(app, defaultAddress)
	app.Flag("web.telemetry-path", "Path under which metrics are served.").
		Default("/metrics").StringVar(&cli.telemetryPath)
	app.Flag("web.enable-lifecycle", "Enable reloading by POST /-/reload.").BoolVar(&cli.lifecycle)
	app.Flag("web.created-lines", "Write _created lines in OpenMetrics text; Prometheus stores each as a series.").
		BoolVar(&cli.createdLines)
	app.Flag("web.external-url", "The URL under which clients reach the exporter, for example through a reverse "+
		"proxy; its path is the default of --web.route-prefix.").PlaceHolder("URL").StringVar(&cli.externalURL)
	app.Flag("web.route-prefix", "Prefix of the paths of all pages.").
		PlaceHolder("PATH").StringVar(&cli.routePrefix)
	app.Flag("config.auto-reload", "Reload the config file automatically when it changes.").
		Default("true").BoolVar(&cli.autoReload)
	app.Flag("config.auto-reload-interval", "How often to look for a change.").
		Default("15s").SetValue((*duration)(&cli.reloadInterval))
	app.Flag("timeout-offset", "Time subtracted from Prometheus' scrape timeout, so that the answer arrives within "+
		"it; a bare number is seconds.").Default("500ms").SetValue((*duration)(&cli.timeoutOffset))
	app.Flag("log.level", "Log messages of this level or above: debug, info, warn, error.").
		Default("info").EnumVar(&cli.logLevel, "debug", "info", "warn", "error")
	app.Flag("log.format", "Format of log messages: logfmt or json.").
		Default("logfmt").EnumVar(&cli.logFormat, "logfmt", "json")
}

// blackboxFlags are those of blackbox_exporter that have another name here, or that only its users need.
func (cli *commandLine) blackboxFlags(app *kingpin.Application) {
	app.Flag("config.file", "As in "+blackboxExporter+": the same as --config.").
		PlaceHolder("FILE").StringVar(&cli.blackboxConfig)
	app.Flag("config.check", "As in "+blackboxExporter+": read the config, say whether it is valid, and exit.").
		BoolVar(&cli.checkConfig)
	app.Flag("config.enable-auto-reload", "As in "+blackboxExporter+": the same as --config.auto-reload.").
		BoolVar(&cli.enableReload)
	app.Flag("history.limit", "As in "+blackboxExporter+": how many results of each target are kept.").
		Default("20").IntVar(&cli.historyLimit)
	app.Flag("log.prober", "As in "+blackboxExporter+": the level at which each probe of /probe is logged.").
		Default("debug").EnumVar(&cli.logProber, "debug", "info", "warn", "error")
}

func (cli *commandLine) isGiven(flag string) bool { return cli.given[flag] != nil && *cli.given[flag] }

// complete checks the flags against each other and adds the environment. A flag overrides its variable, and a config
// file overrides both.
func (cli *commandLine) complete(args []string) error {
	for i, arg := range args {
		if flag := strings.TrimPrefix(arg, "--"); i+1 < len(args) && args[i+1] == "-" && (flag == "config" ||
			flag == "config.file" || flag == "nginx.config") {
			return fmt.Errorf("--%s takes a file, which a reload can read again, not standard input", flag)
		}
	}
	switch {
	case cli.source.ConfigFile != "" && cli.blackboxConfig != "":
		return errors.New("--config.file is the same as --config; give one of them")
	case cli.historyLimit < 1:
		return fmt.Errorf("--history.limit=%d keeps nothing; write a number above zero such as 20", cli.historyLimit)
	case cli.reloadInterval <= 0:
		return fmt.Errorf("--config.auto-reload-interval=%s is not a valid duration; write for example 15s",
			cli.reloadInterval)
	}
	if cli.blackboxConfig != "" {
		cli.source.ConfigFile = cli.blackboxConfig
	}
	if cli.isGiven("nginx.config") && cli.source.ConfigFile != "" {
		return errors.New("--nginx.config is for use without --config; name it as nginx.config in that file")
	}
	cli.autoReload = cli.autoReload || cli.enableReload
	if err := cli.completeStatus(args); err != nil {
		return err
	}
	cli.listen()
	if err := cli.checkAddresses(); err != nil {
		return err
	}
	cli.completeStorage(os.Geteuid())
	return cli.completePaths()
}

// completeStatus handles a command line or environment of nginx-prometheus-exporter as that exporter does.
func (cli *commandLine) completeStatus(args []string) error {
	fromEnvironment, err := cli.status.environment(cli.isGiven)
	if err != nil {
		return err
	}
	for _, flag := range oldFlags {
		if flag.of == nginxExporter && cli.isGiven(flag.name) {
			cli.statusOnly = append(cli.statusOnly, "--"+flag.name)
		}
	}
	cli.statusOnly = append(cli.statusOnly, fromEnvironment...)
	for _, name := range []string{"LISTEN_ADDRESS", "TELEMETRY_PATH"} {
		if os.Getenv(name) != "" {
			cli.statusOnly = append(cli.statusOnly, "$"+name)
		}
	}
	if len(cli.statusOnly) == 0 {
		return nil
	}
	if err := refused(args, true); err != nil {
		return err
	}
	if cli.source.ConfigFile != "" { // it takes precedence
		return nil
	}
	if cli.isGiven("nginx.config") {
		return fmt.Errorf("%s reads only status pages, --nginx.config everything that nginx.conf names; give "+
			"one of them", cli.statusOnly[0])
	}
	if cli.source.Status, err = cli.status.pages(); err != nil {
		return err
	}
	return cli.status.readLabels()
}

// listen adds the addresses of the old exporters.
func (cli *commandLine) listen() {
	if cli.isGiven("web.listen-address") {
		return
	}
	if address := os.Getenv("LISTEN_ADDRESS"); address != "" {
		*cli.web.WebListenAddresses = strings.Fields(address)
		return
	}
	if cli.isBlackbox() {
		*cli.web.WebListenAddresses = []string{defaultAddress, blackboxAddress}
	}
}

// checkAddresses rejects addresses that serve could not listen on, and an empty one, which would be any free port. The
// command check reports them among its findings.
func (cli *commandLine) checkAddresses() error {
	if cli.command != "serve" {
		return nil
	}
	for _, address := range *cli.web.WebListenAddresses {
		_, port, err := net.SplitHostPort(strings.TrimPrefix(address, "vsock://"))
		if err == nil {
			_, err = net.LookupPort("tcp", port)
		}
		if err != nil {
			return fmt.Errorf("--web.listen-address=%q is not HOST:PORT; write for example :9113", address)
		}
	}
	return nil
}

// isBlackbox reports whether only flags of blackbox_exporter are given.
func (cli *commandLine) isBlackbox() bool {
	shared := []string{"timeout-offset", "log.level", "log.format", "web.config.file", "web.systemd-socket",
		"storage.path"}
	own := false
	for name := range cli.given {
		if !cli.isGiven(name) || slices.Contains(shared, name) {
			continue
		}
		i := slices.IndexFunc(oldFlags, func(f oldFlag) bool { return f.name == name && f.of == blackboxExporter })
		if i < 0 {
			return false
		}
		own = true
	}
	return own
}

var plainPath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)

// taken are the paths of other pages; the last three are prefixes.
var taken = []string{"/probe", "/probes", "/config", "/incidents", "/overview", "/api", "/-"}

// completePaths checks the paths of pages and metrics.
func (cli *commandLine) completePaths() error {
	if value := os.Getenv("TELEMETRY_PATH"); value != "" && !cli.isGiven("web.telemetry-path") {
		cli.telemetryPath = value
	}
	given := cli.telemetryPath
	if given != "" && given[0] != '/' {
		cli.telemetryPath = "/" + given
	}
	if cli.telemetryPath != "/" && (!plainPath.MatchString(cli.telemetryPath) ||
		path.Clean(cli.telemetryPath) != cli.telemetryPath) {
		return fmt.Errorf("--web.telemetry-path=%q is not a path; write for example /metrics", given)
	}
	for _, other := range taken {
		if cli.telemetryPath == other || strings.HasPrefix(cli.telemetryPath, other+"/") {
			return fmt.Errorf("--web.telemetry-path=%s is the path of another page; choose another such as /metrics",
				given)
		}
	}
	return cli.completePrefix()
}

func (cli *commandLine) completePrefix() error {
	if cli.externalURL != "" {
		external, err := url.Parse(cli.externalURL)
		if err != nil || external.Scheme != "http" && external.Scheme != "https" || external.Host == "" {
			return fmt.Errorf("--web.external-url=%q is not a URL; write for example https://example.com/exporter/",
				cli.externalURL)
		}
		if !cli.isGiven("web.route-prefix") {
			cli.routePrefix = external.Path
		}
	}
	if cli.routePrefix = "/" + strings.Trim(cli.routePrefix, "/"); cli.routePrefix == "/" {
		cli.routePrefix = ""
		return nil
	}
	if !plainPath.MatchString(cli.routePrefix) || path.Clean(cli.routePrefix) != cli.routePrefix {
		return fmt.Errorf("--web.route-prefix=%q is not a path; write for example /exporter", cli.routePrefix)
	}
	return nil
}

// withFlag adds the name of the flag whose value an error of kingpin is about: kingpin itself does not say it.
func withFlag(app *kingpin.Application, args []string, err error) error {
	parsed, failed := app.ParseContext(args)
	if failed != nil {
		return err
	}
	for _, element := range parsed.Elements {
		flag, isFlag := element.Clause.(*kingpin.FlagClause)
		if !isFlag || element.Value == nil {
			continue
		}
		if fault := flag.Model().Value.Set(*element.Value); fault != nil && fault.Error() == err.Error() {
			return fmt.Errorf("--%s: %w", flag.Model().Name, err)
		}
	}
	return err
}

// usage reports an error of the command line.
func (cli *commandLine) usage(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "%s: %s; try %s --help\n", programName, err, programName)
	return exitUsage
}
