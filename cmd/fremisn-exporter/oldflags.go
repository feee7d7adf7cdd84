package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	commonconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"

	"github.com/fremisn/fremisn-exporter/collector/source"
)

// An oldFlag is a flag, with its environment variable, of an exporter that this one replaces.
type oldFlag struct {
	name    string
	env     string // "" for none
	of      string // its exporter
	instead string // what replaces it if it cannot work; "" if it works
}

const (
	nginxExporter    = "nginx-prometheus-exporter"
	blackboxExporter = "blackbox_exporter"
)

// oldFlags are all flags of the old exporters that this one does not have itself. Tests compare README's table with
// it.
var oldFlags = []oldFlag{
	{"nginx.scrape-uri", "SCRAPE_URI", nginxExporter, ""},
	{"nginx.ssl-verify", "SSL_VERIFY", nginxExporter, ""},
	{"nginx.ssl-ca-cert", "SSL_CA_CERT", nginxExporter, ""},
	{"nginx.ssl-client-cert", "SSL_CLIENT_CERT", nginxExporter, ""},
	{"nginx.ssl-client-key", "SSL_CLIENT_KEY", nginxExporter, ""},
	{"nginx.timeout", "TIMEOUT", nginxExporter, ""},
	{"nginx.proxy-protocol", "PROXY_PROTOCOL", nginxExporter, ""},
	{"prometheus.const-label", "CONST_LABELS", nginxExporter, ""},
	{"prometheus.const-labels", "", nginxExporter, ""},
	{"nginx.retries", "", nginxExporter, ""},
	{"nginx.retry-interval", "", nginxExporter, ""},
	{"nginx.plus", "NGINX_PLUS", nginxExporter, "the API of NGINX Plus is not read here; keep " + nginxExporter +
		" for it, or give --nginx.scrape-uri a stub_status page"},
	{"web.nginx-metrics-only", "", nginxExporter, "scrape /metrics?name[]=nginx_up&name[]=…, or drop the others by " +
		"metric_relabel_configs in prometheus.yml"},
	{"web.secured-metrics", "SECURED_METRICS", nginxExporter, tlsInstead},
	{"web.ssl-server-cert", "SSL_SERVER_CERT", nginxExporter, tlsInstead},
	{"web.ssl-server-key", "SSL_SERVER_KEY", nginxExporter, tlsInstead},
	{"config.file", "", blackboxExporter, ""},
	{"config.check", "", blackboxExporter, ""},
	{"config.enable-auto-reload", "", blackboxExporter, ""},
	{"config.auto-reload-interval", "", blackboxExporter, ""},
	{"history.limit", "", blackboxExporter, ""},
	{"log.prober", "", blackboxExporter, ""},
	{"web.external-url", "", blackboxExporter, ""},
	{"web.route-prefix", "", blackboxExporter, ""},
}

const tlsInstead = "write tls_server_config: {cert_file: …, key_file: …} into a file and give it as --web.config.file"

// statusFlags are the flags of nginx-prometheus-exporter that say which pages to read, and how.
type statusFlags struct {
	uris          []string
	verify        bool
	caCert        string
	clientCert    string
	clientKey     string
	timeout       time.Duration
	proxyProtocol bool
	labels        []string
	labelList     string
	constLabels   model.LabelSet
}

// defaultScrapeURI is nginx-prometheus-exporter's.
const defaultScrapeURI = "http://127.0.0.1:8080/stub_status"

func (f *statusFlags) add(app *kingpin.Application) {
	flag := func(name, help string) *kingpin.FlagClause {
		i := slices.IndexFunc(oldFlags, func(f oldFlag) bool { return f.name == name })
		if env := oldFlags[i].env; env != "" {
			help += " ($" + env + ")"
		}
		return app.Flag(name, "As in "+nginxExporter+": "+help)
	}
	flag("nginx.scrape-uri", "a stub_status page, "+defaultScrapeURI+" where none is given; repeatable. With one of "+
		"these flags or variables and no --config, only status pages are read; $LISTEN_ADDRESS and $TELEMETRY_PATH "+
		"count as such.").PlaceHolder("URL").StringsVar(&f.uris)
	flag("nginx.ssl-verify", "verify the certificates of status pages.").BoolVar(&f.verify)
	flag("nginx.ssl-ca-cert", "the CA that signed them.").PlaceHolder("FILE").StringVar(&f.caCert)
	flag("nginx.ssl-client-cert", "the client certificate.").PlaceHolder("FILE").StringVar(&f.clientCert)
	flag("nginx.ssl-client-key", "its key.").PlaceHolder("FILE").StringVar(&f.clientKey)
	flag("nginx.timeout", "how long a page may take.").Default("5s").SetValue((*duration)(&f.timeout))
	flag("nginx.proxy-protocol", "send a PROXY protocol header first.").BoolVar(&f.proxyProtocol)
	flag("prometheus.const-label", "a label for the metrics of the pages, NAME=VALUE; repeatable.").
		PlaceHolder("NAME=VALUE").StringsVar(&f.labels)
	flag("prometheus.const-labels", "such labels, separated by commas.").
		PlaceHolder("NAME=VALUE,…").StringVar(&f.labelList)
	var unneeded string
	flag("nginx.retries", "not needed: a page that does not answer is read again at every scrape.").
		Hidden().StringVar(&unneeded)
	flag("nginx.retry-interval", "not needed.").Hidden().StringVar(&unneeded)
}

// pages returns the pages in the config file's form.
func (f *statusFlags) pages() ([]source.StatusConfig, error) {
	uris := f.uris
	if len(uris) == 0 {
		uris = []string{defaultScrapeURI}
	}
	var pages []source.StatusConfig
	for _, uri := range uris {
		page := source.StatusConfig{
			URL: uri, Timeout: f.timeout, ProxyProtocol: f.proxyProtocol,
			TLS: &commonconfig.TLSConfig{
				CAFile: f.caCert, CertFile: f.clientCert, KeyFile: f.clientKey, InsecureSkipVerify: !f.verify,
			},
		}
		if err := page.Validate(); err != nil {
			return nil, fmt.Errorf("--nginx.scrape-uri: %w", err)
		}
		pages = append(pages, page)
	}
	config := source.Config{Status: pages}
	config.SetDefaults()
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("--nginx.scrape-uri: %w", err)
	}
	return pages, nil
}

// readLabels reads --prometheus.const-label and its variants.
func (f *statusFlags) readLabels() error {
	pairs := f.labels
	if f.labelList != "" {
		pairs = append(pairs, strings.Split(f.labelList, ",")...)
	}
	f.constLabels = model.LabelSet{}
	for _, pair := range pairs {
		name, value, found := strings.Cut(strings.TrimSpace(pair), "=")
		label := model.LabelName(name)
		switch _, twice := f.constLabels[label]; {
		case strings.TrimSpace(pair) == "":
			continue
		case !found || !model.LegacyValidation.IsValidLabelName(name) || strings.HasPrefix(name, "__"):
			return fmt.Errorf("--prometheus.const-label: %q is not NAME=VALUE; write for example env=prod", pair)
		case twice:
			return fmt.Errorf("--prometheus.const-label: %q is given twice; keep one", name)
		case name == "addr" && len(f.uris) > 1:
			return errors.New("--prometheus.const-label: addr is the label that distinguishes several pages; choose " +
				"another name")
		}
		f.constLabels[label] = model.LabelValue(value)
	}
	return nil
}

// environment reads the variables whose flags are not given, and returns their names.
func (f *statusFlags) environment(isGiven func(flag string) bool) (read []string, err error) {
	set := map[string]func(string) error{
		"nginx.scrape-uri":      func(v string) error { f.uris = strings.Fields(v); return nil },
		"nginx.ssl-verify":      boolean(&f.verify),
		"nginx.ssl-ca-cert":     func(v string) error { f.caCert = v; return nil },
		"nginx.ssl-client-cert": func(v string) error { f.clientCert = v; return nil },
		"nginx.ssl-client-key":  func(v string) error { f.clientKey = v; return nil },
		"nginx.timeout":         (*duration)(&f.timeout).Set,
		"nginx.proxy-protocol":  boolean(&f.proxyProtocol),
		"prometheus.const-label": func(v string) error {
			f.labels = regexp.MustCompile(`[\n,]`).Split(v, -1)
			return nil
		},
	}
	for _, flag := range oldFlags {
		value := os.Getenv(flag.env)
		if flag.env == "" || value == "" || set[flag.name] == nil || isGiven(flag.name) {
			continue
		}
		if err := set[flag.name](value); err != nil {
			return nil, fmt.Errorf("$%s: %w", flag.env, err)
		}
		read = append(read, "$"+flag.env)
	}
	return read, nil
}

func boolean(into *bool) func(string) error {
	return func(text string) error {
		value, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		*into = value
		return nil
	}
}

// A duration is a flag's value: with a unit, or a bare number of seconds.
type duration time.Duration

// Set implements kingpin.Value.
func (d *duration) Set(text string) error {
	parsed, err := time.ParseDuration(text)
	if seconds, bare := strconv.ParseFloat(text, 64); bare == nil {
		parsed, err = time.Duration(seconds*float64(time.Second)), nil
	}
	if err != nil || parsed < 0 {
		return fmt.Errorf("%q is not a valid duration; write for example 500ms, 5s, or 0.5 for half a second", text)
	}
	*d = duration(parsed)
	return nil
}

// String implements kingpin.Value.
func (d *duration) String() string { return time.Duration(*d).String() }

var (
	oneDash   = regexp.MustCompile(`^-([a-z]+\.[a-z-]+(=.*)?|version|help)$`)
	withValue = regexp.MustCompile(`^--(nginx\.ssl-verify|nginx\.proxy-protocol|nginx\.plus|config\.check|` +
		`config\.enable-auto-reload|web\.secured-metrics|web\.nginx-metrics-only)=(.*)$`)
)

// newSpelling converts the command lines of old exporters to kingpin's syntax: two dashes, and no values for switches.
func newSpelling(args []string) []string {
	var spelled []string
	for i, arg := range args {
		if arg == "--" {
			return append(spelled, args[i:]...)
		}
		if oneDash.MatchString(arg) {
			arg = "-" + arg
		}
		if m := withValue.FindStringSubmatch(arg); m != nil {
			arg = "--" + m[1]
			on, err := strconv.ParseBool(m[2])
			off := err == nil && !on
			if off && isRefused(m[1]) {
				continue // it requests nothing
			}
			if off {
				arg = "--no-" + m[1]
			}
		}
		spelled = append(spelled, arg)
	}
	return spelled
}

// isRefused reports whether a flag can no longer work.
func isRefused(name string) bool {
	return slices.ContainsFunc(oldFlags, func(f oldFlag) bool { return f.name == name && f.instead != "" })
}

// refused returns an error about the first flag or variable that can no longer work. Variables count only if the
// command line is nginx-prometheus-exporter's own.
func refused(args []string, isNginxExporter bool) error {
	for _, flag := range oldFlags {
		if flag.instead == "" {
			continue
		}
		given := slices.ContainsFunc(args, func(arg string) bool {
			return arg == "--"+flag.name || strings.HasPrefix(arg, "--"+flag.name+"=")
		})
		if given {
			return fmt.Errorf("--%s is %s's; %s", flag.name, flag.of, flag.instead)
		}
		value := os.Getenv(flag.env)
		if flag.env == "" || value == "" || !isNginxExporter && flag.name != "nginx.plus" {
			continue
		}
		if on, err := strconv.ParseBool(value); err == nil && !on {
			continue
		}
		return fmt.Errorf("$%s is %s's; %s", flag.env, flag.of, flag.instead)
	}
	return nil
}
