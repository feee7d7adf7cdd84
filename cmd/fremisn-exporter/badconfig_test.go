package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// badConfigs are one file for every rule, each with the exact message that a user must get. DIR is their folder.
var badConfigs = map[string]string{
	"unknown_key": "DIR/unknown_key.yml:2: nginx.access_log: unknown key; did you mean " +
		"access_logs?",
	"key_twice":    "DIR/key_twice.yml:3: nodes: duplicate key, first in line 1; keep one",
	"missing_unit": `DIR/missing_unit.yml:6: probes[0].interval: "5" has no unit; write 5s`,
	"negative_interval": `DIR/negative_interval.yml:6: probes[0].interval: "-5s" is negative; write a time above ` +
		`zero such as 5s`,
	"zero_interval": "DIR/zero_interval.yml:6: probes[0].interval: a probe needs an interval above zero; " +
		"write for example 5s",
	"bad_route_regexp": "DIR/bad_route_regexp.yml:3: nginx.routes[0].match: missing closing ): `^/v1/(face`",
	"bad_module_regexp": "DIR/bad_module_regexp.yml:5: modules.alive.http.fail_if_body_matches_regexp[0]: " +
		"missing closing ): `(down`",
	"bad_status_url": `DIR/bad_status_url.yml:3: nginx.status[0].url: "127.0.0.1:8080/nginx_status" is not a ` +
		`URL: first path segment in URL cannot contain colon`,
	"bad_status_scheme": `DIR/bad_status_scheme.yml:3: nginx.status[0].url: "ftp://127.0.0.1/nginx_status" has the ` +
		`scheme "ftp"; write http://…, https://… or unix:/run/nginx.sock:/nginx_status`,
	"bad_status_ca": "DIR/bad_status_ca.yml:4: nginx.status[0].tls_config: unable to read CA cert: unable " +
		"to read file /no-such-ca.pem: open /no-such-ca.pem: no such file or directory",
	"bad_status_tls": "DIR/bad_status_tls.yml:4: nginx.status[0].tls_config: exactly one of key or key_file " +
		"must be configured when a client certificate is configured",
	"bad_status_host": `DIR/bad_status_host.yml:3: nginx.status[0].host: "a/b" is not a host; write a ` +
		`server_name such as status.example.com`,
	"unknown_module": `DIR/unknown_module.yml:5: probes[0].module: unknown module "aliv"; the modules are ` +
		`alive`,
	"unknown_prober": `DIR/unknown_prober.yml:2: modules.alive.prober: "htpp" is not a known prober; the ` +
		`probers are dns, grpc, http, icmp, tcp, unix, websocket`,
	"duplicate_node": `DIR/duplicate_node.yml:3: nodes[1].name: two nodes have the name "master"; give each ` +
		`its own`,
	"duplicate_node_address": `DIR/duplicate_node_address.yml:3: nodes[1].address: "127.0.0.231:4005" is the ` +
		`address of node "master" already`,
	"duplicate_node_spelling": `DIR/duplicate_node_spelling.yml:3: nodes[1].address: "[::1]:4005" is the ` +
		`address of node "master" already
DIR/duplicate_node_spelling.yml:5: nodes[3].address: "lb:4005" is the address of node "slave-1" already`,
	"node_url": `DIR/node_url.yml:2: nodes[0].address: "http://127.0.0.231:4005" is a URL; write HOST:PORT
DIR/node_url.yml:3: nodes[1].address: "::1" has no port; write [::1]:80, or the port it listens on`,
	"syslog_without_port": `DIR/syslog_without_port.yml:3: nginx.access_logs[0].syslog: "udp://127.0.0.1" has no ` +
		`port; write udp://127.0.0.1:514, or the port that NGINX sends to`,
	"duplicate_probe": `DIR/duplicate_probe.yml:5: probes[1].name: two probes have the name "health"; give each ` +
		`its own`,
	"node_without_port": `DIR/node_without_port.yml:2: nodes[0].address: "127.0.0.231" has no port; write ` +
		`127.0.0.231:80, or the port it listens on`,
	"empty_targets": "DIR/empty_targets.yml:4: probes[0].targets: the list of targets is empty; name at least " +
		"one target",
	"unknown_format": `DIR/unknown_format.yml:5: nginx.access_logs[0].format: DIR/nginx.conf has no ` +
		`log_format "mian"; it has combined, main`,
	"unknown_format_no_conf": `DIR/unknown_format_no_conf.yml:4: nginx.access_logs[0].format: "main" is the name of ` +
		`a log_format, but no nginx.conf is read; give nginx.config, or the log_format itself`,
	"unclosed_variable": `DIR/unclosed_variable.yml:4: nginx.access_logs[0].format: at byte 24 of the log_format: ` +
		`the variable "${status" is not closed; write ${status}`,
	"missing_nginx_conf": "DIR/missing_nginx_conf.yml:2: nginx.config: DIR/no-such-nginx.conf: no such " +
		"file; correct the path, or remove the key to read no nginx.conf",
	"broken_nginx_conf": `DIR/broken_nginx_conf.yml:2: nginx.config: DIR/broken.conf:5: unexpected "}"`,
	"tab":               "DIR/tab.yml:2: a tab in the indentation; YAML allows only spaces",
	"empty": "DIR/empty.yml: the file is empty; it needs at least one of the sections nginx, " +
		"nodes, modules, probes",
	"two_logs_of_one_name": `DIR/two_logs_of_one_name.yml:4: nginx.access_logs[1]: nginx.access_logs[0] already ` +
		`uses the log name "access"; give one of the two another name: (the label log)`,
	"two_logs_on_one_socket": `DIR/two_logs_on_one_socket.yml:5: nginx.error_logs[0].syslog: udp://127.0.0.1:5514 ` +
		`is what nginx.access_logs[0] receives already; one socket is one log; let NGINX send the other log to an ` +
		`address of its own`,
	"bad_escape": `DIR/bad_escape.yml:5: nginx.access_logs[0].escape: "xml" is not a valid escape; ` +
		`write default, json or none`,
	"escape_of_named_format": `DIR/escape_of_named_format.yml:4: nginx.access_logs[0].format: the log_format ` +
		`"combined" has escape=default, not json; remove escape, which belongs to a literal format`,
	"bad_start": `DIR/bad_start.yml:4: nginx.access_logs[0].start: "middle" is not a valid start; write end or ` +
		`beginning`,
	"bad_wrapping": `DIR/bad_wrapping.yml:4: nginx.access_logs[0].wrapping: "podman" is not a valid wrapping; ` +
		"write auto, none, docker or cri",
	"wrapping_of_syslog": "DIR/wrapping_of_syslog.yml:4: nginx.access_logs[0].wrapping: lines sent to syslog " +
		"have no wrapping; remove the key",
	"wrapping_of_docker": "DIR/wrapping_of_docker.yml:4: nginx.error_logs[0].wrapping: Docker's wrapping is known; " +
		"remove the key",
	"docker_and_path": "DIR/docker_and_path.yml:4: nginx.access_logs[0].docker: a log has one of docker, path " +
		"and syslog; write separate logs",
	"docker_root_alone": "DIR/docker_root_alone.yml:4: nginx.error_logs[0].docker_root: this is Docker's folder, " +
		"for a log with docker: NAME; remove it, or name the container",
	"bad_allow": `DIR/bad_allow.yml:2: on_demand.allow: "everybody" is neither configured nor any; write one of ` +
		`these, or a list of expressions such as ["http://10\\.0\\.0\\..*"]`,
	"buckets_do_not_rise": "DIR/buckets_do_not_rise.yml:2: nginx.latency_buckets[2]: 0.5 does not rise above 0.5 " +
		"before it; sort the bounds",
	"bad_target_scheme": `DIR/bad_target_scheme.yml:3: probes[0].targets[0]: "ftp://127.0.0.1/" has the scheme ` +
		`"ftp"; write http://… or https://…`,
	"bad_target_url": `DIR/bad_target_url.yml:3: probes[0].targets[0]: "http://127.0.0.1:99999/" is not a URL; ` +
		`write http://HOST:PORT/
DIR/bad_target_url.yml:3: probes[0].targets[1]: "http://" is not a URL; write http://HOST:PORT/`,
	"bad_target_port": `DIR/bad_target_port.yml:3: probes[0].targets[0]: "127.0.0.1:0" is not HOST:PORT
DIR/bad_target_port.yml:3: probes[0].targets[1]: "127.0.0.1" is not HOST:PORT`,
	"no_modules": `DIR/no_modules.yml:2: probes[0].module: unknown module "alive"; define it under modules:`,
	"no_module": `DIR/no_module.yml:3: probes[0].module: a probe needs a module; name one of those in modules:
DIR/no_module.yml:4: probes[1].module: a probe needs a module; name one of those in modules:`,
	"merge_of_no_mapping": `DIR/merge_of_no_mapping.yml:3: probes[0].<<: got "5", want an alias of a mapping, such ` +
		`as *defaults`,
	"nothing_but_keys": `DIR/nothing_but_keys.yml: the file is empty; it needs at least one of the sections nginx, ` +
		`nodes, modules, probes`,
	"two_documents": "DIR/two_documents.yml: the file holds several documents; remove the line --- between " +
		"them and all but one",
	"garbage_behind_end": `DIR/garbage_behind_end.yml:2: not YAML: did not find expected <document start>; remove ` +
		`it: a config is one mapping, and nothing follows its end`,
	"no_utf8": `DIR/no_utf8.yml:2: not YAML: invalid trailing UTF-8 octet; save the file as UTF-8`,
	"nul_byte": `DIR/nul_byte.yml:2: not YAML: control characters are not allowed; is this the right file, ` +
		`and a text?`,
	"unknown_anchor": `DIR/unknown_anchor.yml:2: an alias (*…) without its anchor (&…) above it; put a value that ` +
		`begins with * in quotes`,
	"unknown_formats": `DIR/unknown_formats.yml:3: nginx.access_logs[0].format: "mian" is the name of a log_format, ` +
		`but no nginx.conf is read; give nginx.config, or the log_format itself
DIR/unknown_formats.yml:4: nginx.access_logs[1].format: at byte 8 of the log_format: the variable "${request" is ` +
		`not closed; write ${request}`,
	"wrong_kinds": `DIR/wrong_kinds.yml:1: nginx: got a list, want a mapping (keys with values)
DIR/wrong_kinds.yml:2: nodes: got a mapping, want a list; begin each element with a dash
DIR/wrong_kinds.yml:3: modules: got "5", want a mapping (keys with values)
DIR/wrong_kinds.yml:5: probes: got a mapping, want a list; begin each element with a dash`,
	"number_as_text": `DIR/number_as_text.yml:1: nginx.max_series: "100" is not a whole number; write 100 without quotes
DIR/number_as_text.yml:3: nodes[0].name: got a list, want a text`,
	"several_faults": `DIR/several_faults.yml:1: nginx.max_series: 0 series hold nothing; write a number above zero ` +
		`such as 10000
DIR/several_faults.yml:1: nginx.latency_buckets[0]: 0 is not a valid bound; write seconds above zero
DIR/several_faults.yml:5: probe: unknown key; did you mean probes?`,
	"objectives": `DIR/objectives.yml:4: objectives.availability: 99.9 is not a ratio between 0 and 1; write for ` +
		`example 0.99
DIR/objectives.yml:5: objectives.latency.ratio: 1 is not a ratio between 0 and 1; write for example 0.95`,
	"objectives_of_no_route": `DIR/objectives_of_no_route.yml:5: objectives.latency.within: 3s is not one of ` +
		`nginx.latency_buckets, so the exporter cannot count how many requests took no longer; write one of 0.5s, 2.5s
DIR/objectives_of_no_route.yml:7: objectives.routes.enrolment: nginx.routes has no route "enrolment"; the routes ` +
		`are enrollment, other
DIR/objectives_of_no_route.yml:7: objectives.routes.enrolment.latency.within: 1.5s is not one of ` +
		`nginx.latency_buckets, so the exporter cannot count how many requests took no longer; write one of 0.5s, 2.5s`,
	"objectives_without_routes": `DIR/objectives_without_routes.yml:1: objectives.routes.enrollment: nginx.routes ` +
		`has no route "enrollment"; define routes there first`,
	"nests_deep": `DIR/nests_deep.yml:1: nodes[0]: got a list, want a mapping (keys with values)`,
	"no_yaml": `DIR/no_yaml.yml:1: not YAML: did not find expected node content; put a value that ` +
		`begins with : ] } or , in quotes`,
	"backslash_in_quotes": `DIR/backslash_in_quotes.yml:2: not YAML: found unknown escape character; write the ` +
		`value in single quotes, or each \ twice`,
	"buckets_with_units": `DIR/buckets_with_units.yml:2: nginx.latency_buckets[0]: "1s" is not a number; write ` +
		`only a number, such as 0.5`,
	"case_of_a_key": `DIR/case_of_a_key.yml:2: nginx.Access_Logs: unknown key; did you mean access_logs?`,
	"case_of_a_module": `DIR/case_of_a_module.yml:11: probes[0].module: unknown module "Web"; the modules are ` +
		`web`,
	"colon_in_a_format": `DIR/colon_in_a_format.yml:4: not YAML: mapping values are not allowed in this ` +
		`context; put a value with a colon and a space in quotes`,
	"dashes_before_sections": `DIR/dashes_before_sections.yml:1: got a list, want sections such as nginx: and ` +
		`probes:; remove the dashes before them`,
	"keys_in_two_columns": `DIR/keys_in_two_columns.yml:11: not YAML: did not find expected '-' indicator; begin ` +
		`the keys of one mapping, and the dashes of one list, in the same column`,
	"list_without_end": `DIR/list_without_end.yml:13: not YAML: did not find expected ',' or ']'; end the list ` +
		`with ], and put commas between its elements`,
	"log_without_dash": `DIR/log_without_dash.yml:3: nginx.access_logs: got a mapping, want a list; begin each ` +
		`element with a dash`,
	"log_without_path": `DIR/log_without_path.yml:3: nginx.access_logs[0]: a log needs path: FILE, docker: ` +
		`CONTAINER or syslog: udp://ADDRESS:PORT`,
	"mapping_without_end": `DIR/mapping_without_end.yml:6: not YAML: did not find expected ',' or '}'; end the ` +
		`mapping with }, and put commas between its keys`,
	"minutes_in_words": `DIR/minutes_in_words.yml:12: probes[0].interval: "5min" is not a duration; write 5m`,
	"no_break_space":   `DIR/no_break_space.yml:4: format: a no-break space before the key; write plain ones`,
	"no_colon": `DIR/no_colon.yml:4: not YAML: mapping values are not allowed in this context; the ` +
		`line above may lack a colon, or this one is indented too far`,
	"no_space_behind_colon": `DIR/no_space_behind_colon.yml:11: not YAML: could not find expected ':'; write KEY: ` +
		`VALUE, with a colon and a space`,
	"number_in_words": `DIR/number_in_words.yml:2: nginx.max_series: "ten" is not a whole number; write only ` +
		`digits, such as 100`,
	"percent_in_front": "DIR/percent_in_front.yml:4: not YAML: found character that cannot start any token; put " +
		"a value that begins with % @ or ` in quotes",
	"port_alone": `DIR/port_alone.yml:6: not YAML: did not find expected node content; put a value that ` +
		`begins with : ] } or , in quotes`,
	"quote_without_end": `DIR/quote_without_end.yml:4: not YAML: found unexpected end of stream; a quote that ` +
		`opens needs one that closes`,
	"space_before_unit": `DIR/space_before_unit.yml:12: probes[0].interval: "5 s" is not a duration; write 5s`,
	"target_list_as_text": `DIR/target_list_as_text.yml:13: probes[0].targets: got "http://127.0.0.231:4005", want ` +
		`a list; write [http://127.0.0.231:4005]`,
}

func TestBadConfigs(t *testing.T) {
	const dir = "testdata/badconfig"
	files, err := filepath.Glob(filepath.Join(dir, "*.yml"))
	if err != nil || len(files) != len(badConfigs) {
		t.Fatalf("%d files and %d messages (%v)", len(files), len(badConfigs), err)
	}
	for name, want := range badConfigs {
		t.Run(name, func(t *testing.T) {
			// A config that is taken by mistake would be served until the end of time.
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			var stdout, stderr bytes.Buffer
			code := run(ctx, []string{"--web.listen-address", "127.0.0.1:0", "--config",
				filepath.Join(dir, name+".yml"), "--storage.path", "", "--log.level", "error"}, &stdout, &stderr)
			if code != exitUsage {
				t.Errorf("exit code %d, want %d", code, exitUsage)
			}
			want = strings.ReplaceAll(want, "DIR", dir) + "\n"
			if got := stderr.String(); got != want {
				t.Errorf("got  %swant %s", got, want)
			}
		})
	}
}

// A config that is not a regular file cannot be read again at a reload: it is refused without reading or waiting.
func TestNoRegularConfigFile(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(syscall.Mkfifo(path("fifo"), 0o644), os.Symlink("/dev/zero", path("device")),
		os.Symlink("loop", path("loop")),
		os.WriteFile(path("large"), bytes.Repeat([]byte("# a comment\n"), 1<<20/12+1), 0o644)); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		dir: ": this is a folder; --config takes a file",
		path("fifo"): ": this is not a regular file (p---------); --config takes a file that a reload can " +
			"read again",
		path("device"): ": this is not a regular file (Dc---------); --config takes a file that a reload can " +
			"read again",
		path("loop"):       ": cannot be read: too many levels of symbolic links",
		path("large"):      ": the file is larger than 1 MiB; is it the right one?",
		path("large/x"):    ": cannot be read: not a directory",
		path("no-such-at"): ": no such file; correct --config",
	} {
		var stdout, stderr bytes.Buffer
		code := run(context.Background(), []string{"--config", file, "--log.level", "error"}, &stdout, &stderr)
		if code != exitUsage || stderr.String() != file+want+"\n" {
			t.Errorf("exit code %d, %swant %s%s", code, &stderr, file, want)
		}
	}
	asNobody(t, func() {
		closed := path("closed")
		os.Chmod(dir, 0o777)
		os.WriteFile(closed, []byte("nodes: []\n"), 0)
		if _, err := settings.Load(context.Background(), settings.Source{ConfigFile: closed}); err == nil ||
			err.Error() != closed+": cannot be read: permission denied" {
			t.Errorf("one without read permission: %v", err)
		}
	})
}

func TestNoConfigFile(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), []string{"--config", "no-such.yml", "--log.level", "error"}, &stdout, &stderr)
	if want := "no-such.yml: no such file; correct --config\n"; code != exitUsage || stderr.String() != want {
		t.Errorf("exit code %d, %s", code, stderr.String())
	}
}

func TestCommandLine(t *testing.T) {
	for _, c := range []struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		{[]string{"--help"}, exitOK, "--storage.path=DIR", ""},
		{[]string{"--version"}, exitOK, "fremisn-exporter, version", ""},
		{[]string{"--no-such-flag"}, exitUsage, "", "unknown long flag '--no-such-flag'; try fremisn-exporter --help"},
		{[]string{"no-such-command"}, exitUsage, "", `unexpected no-such-command; try fremisn-exporter --help`},
		{[]string{"--log.level", "loud"}, exitUsage, "", "fremisn-exporter: --log.level: enum value must be one of " +
			"debug,info,warn,error, got 'loud'; try"},
		{[]string{"--history.limit=many"}, exitUsage, "", "fremisn-exporter: --history.limit: "},
		{[]string{"--timeout-offset", "soon"}, exitUsage, "", `--timeout-offset: "soon" is not a valid`},
		{[]string{"analyze", "--output", "xml"}, exitUsage, "", "--output: enum value must be one of"},
		{[]string{"help", "nothing"}, exitUsage, "", `expected command but got "nothing"`},
		{[]string{"--config", "-"}, exitUsage, "", "--config takes a file, which a reload can read again, not"},
		{[]string{"--nginx.config", "-", "check"}, exitUsage, "", "--nginx.config takes a file"},
		{[]string{"probe", "only-a-module"}, exitUsage, "", "required argument 'target' not provided"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := run(context.Background(), c.args, &stdout, &stderr); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if !strings.Contains(stdout.String(), c.stdout) || !strings.Contains(stderr.String(), c.stderr) {
				t.Errorf("stdout %s\nstderr %s", stdout.String(), stderr.String())
			}
		})
	}
}

func asNobody(t *testing.T, f func()) {
	t.Helper()
	if err := testenv.AsNobody(f); err != nil {
		t.Fatal(err)
	}
}

// TestMissingWebConfig: a file of TLS and passwords that is not there is a mistake of the command line.
func TestMissingWebConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "web.yml")
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{
		"--nginx.scrape-uri=http://127.0.0.1:1/", "--storage.path=", "--web.listen-address=127.0.0.1:0",
		"--web.config.file=" + file,
	}, &stdout, &stderr)
	if code != exitUsage || !strings.Contains(stderr.String(), "--web.config.file "+file+": ") {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
}

// What editors of other systems write is taken: a byte order mark, and line ends of Windows.
func TestConfigsOfOtherEditors(t *testing.T) {
	const config = "nodes:\n  - {name: a, address: 127.0.0.1:80}\nprobes: []\n"
	for name, text := range map[string]string{
		"a byte order mark": "\ufeff" + config, "line ends of Windows": strings.ReplaceAll(config, "\n", "\r\n"),
	} {
		file := filepath.Join(t.TempDir(), "probes.yml")
		writeFile(t, file, text)
		s, err := settings.Load(context.Background(), settings.Source{ConfigFile: file})
		if err != nil || len(s.Nodes) != 1 || s.Nodes[0].Address != "127.0.0.1:80" {
			t.Errorf("%s: %v, %+v", name, err, s)
		}
	}
}
