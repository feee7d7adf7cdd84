package nginxconf

import (
	"slices"
	"strings"
)

// logFormat adds a log_format to the others.
func logFormat(d *directive, formats map[string]LogFormat) error {
	f := LogFormat{Pos: d.Pos, Name: d.args[0], Escape: "default"}
	parts := d.args[1:]
	if escape, ok := strings.CutPrefix(parts[0], "escape="); ok {
		if escape != "default" && escape != "json" && escape != "none" {
			return errorAt(d, "unknown log format escaping %q", escape)
		}
		f.Escape, parts = escape, parts[1:]
	}
	for _, part := range parts {
		if err := checkVariables(d, part); err != nil {
			return err
		}
	}
	f.Format = strings.Join(parts, "")
	if _, twice := formats[f.Name]; twice {
		return errorAt(d, "duplicate \"log_format\" name %q", f.Name)
	}
	formats[f.Name] = f
	return nil
}

// checkVariables rejects what NGINX cannot parse as variables.
func checkVariables(d *directive, text string) error {
	for {
		_, rest, found := strings.Cut(text, "$")
		if !found {
			return nil
		}
		text = rest
		inner, bracket := strings.CutPrefix(rest, "{")
		name := inner[:len(inner)-len(strings.TrimLeft(inner, wordCharacters))]
		switch {
		case bracket && !strings.HasPrefix(inner[len(name):], "}"):
			return errorAt(d, "the closing bracket in %q variable is missing", name)
		case name == "":
			return errorAt(d, "invalid parameter %q", "$"+rest)
		}
	}
}

const wordCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

// addAccessLog reads the block's own directive. accessLog reports its faults.
func (s *scope) addAccessLog(r *reading, d *directive) {
	s.hasAccessLog = true
	s.proxy.accessLog(d)
	if log, isLog, err := r.readAccessLog(d, r.config.LogFormats, s.level); err == nil && isLog {
		s.logs = append(s.logs, log)
	}
}

// logsInForce completes the access logs of a block, own, inside outer.
func (r *reading) logsInForce(directives []*directive, own *scope, outer scope) {
	switch {
	case own.hasAccessLog && own.level == "http" && everyServerHasLog(directives):
		for i := range own.logs {
			own.logs[i].Unwritten = true
		}
	case own.hasAccessLog && len(own.logs) > 0:
		r.config.LogSets = append(r.config.LogSets, LogSet{own.level, own.logs})
	case own.hasAccessLog:
	case own.level == "http" && anyServerWithoutLog(directives):
		log := AccessLog{Pos: Pos{File: r.config.Path}, Level: "http", Path: r.paths.accessLog, Format: "combined"}
		own.logs = []AccessLog{log}
		r.config.LogSets = append(r.config.LogSets, LogSet{own.level, own.logs})
		r.addAccessLog(log)
	default:
		own.logs = outer.logs
	}
	if !own.subrequests {
		return
	}
	for _, log := range own.logs {
		log.Subrequests = true
		r.addAccessLog(log)
	}
}

// anyServerWithoutLog reports whether a server inherits the access logs of http.
func anyServerWithoutLog(http []*directive) bool {
	return slices.ContainsFunc(http, func(d *directive) bool { return d.name == "server" && !d.has("access_log") })
}

// everyServerHasLog reports whether there are servers, and none that inherits the access logs of http.
func everyServerHasLog(http []*directive) bool {
	isServer := func(d *directive) bool { return d.name == "server" }
	return slices.ContainsFunc(http, isServer) && !anyServerWithoutLog(http)
}

func (r *reading) accessLog(d *directive, s scope) error {
	log, isLog, err := r.readAccessLog(d, r.config.LogFormats, s.level)
	if err != nil || !isLog {
		return err
	}
	for _, inForce := range s.logs {
		log.Unwritten = log.Unwritten || inForce.Pos == log.Pos && inForce.Unwritten
	}
	r.addAccessLog(log)
	return nil
}

// readAccessLog reads an access_log directive; isLog is false if it is off.
func (r *reading) readAccessLog(d *directive, formats map[string]LogFormat, level string) (
	log AccessLog, isLog bool, err error) {
	log = AccessLog{Pos: d.Pos, Level: level, Format: "combined"}
	if d.args[0] == "off" {
		if len(d.args) > 1 {
			return log, false, errorAt(d, "invalid parameter %q", d.args[1])
		}
		return log, false, nil
	}
	if to, ok := strings.CutPrefix(d.args[0], "syslog:"); ok {
		log.Syslog = to
	} else {
		log.Path, log.Elsewhere = r.paths.absolute(d.args[0]), r.paths.elsewhere(d.args[0])
	}
	for i, arg := range d.args[1:] {
		name, value, isParameter := strings.Cut(arg, "=")
		if isParameter || arg == "gzip" {
			log.Parameters = append(log.Parameters, arg)
		}
		switch {
		case isParameter && name == "if":
			log.Condition = value
		case isParameter && name == "gzip", arg == "gzip":
			log.Gzip, log.Buffered = true, true
		case isParameter && name == "flush":
			log.Buffered = true
			log.Flush, _ = parseMillis(value)
		case isParameter && name == "buffer":
			log.Buffered = true
		case i == 0:
			log.Format = arg
		default:
			// usually the next directive, after a missing ";"
			return log, false, errorAt(d, "invalid parameter %q", arg)
		}
	}
	if _, found := formats[log.Format]; !found {
		return log, false, errorAt(d, "unknown log format %q", log.Format)
	}
	return log, true, nil
}

// addAccessLog adds a log once for each format; of several directives the first.
func (r *reading) addAccessLog(log AccessLog) {
	key := log.Path + "\n" + log.Syslog + "\n" + log.Format
	i, ok := r.access[key]
	if !ok {
		r.access[key] = len(r.config.AccessLogs)
		r.config.AccessLogs = append(r.config.AccessLogs, log)
		return
	}
	first := &r.config.AccessLogs[i]
	first.Subrequests = first.Subrequests || log.Subrequests
	if first.Unwritten && !log.Unwritten {
		log.Subrequests = first.Subrequests
		*first = log
	}
}

// Levels returns those of the error log, the lowest first; see
// https://nginx.org/en/docs/ngx_core_module.html#error_log.
func Levels() []string {
	return []string{"debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"}
}

// addErrorLog reads the block's own directive. errorLog reports its faults.
func (s *scope) addErrorLog(r *reading, d *directive) {
	log, err := r.readErrorLog(d)
	if err != nil {
		return
	}
	for _, other := range s.errorLogs {
		if log.Path != "" && other.Path == log.Path {
			r.twice[log.Path] = log.Pos
		}
	}
	s.errorLogs = append(s.errorLogs, log)
}

func (r *reading) readErrorLog(d *directive) (ErrorLog, error) {
	log := ErrorLog{Pos: d.Pos, Level: "error"}
	if len(d.args) > 2 {
		return log, errorAt(d, "duplicate log level %q", d.args[2])
	}
	if len(d.args) == 2 {
		log.Level = d.args[1]
		if !slices.Contains(Levels(), log.Level) && !strings.HasPrefix(log.Level, "debug_") {
			return log, errorAt(d, "invalid log level %q", log.Level)
		}
	}
	switch to := d.args[0]; {
	case strings.HasPrefix(to, "syslog:"):
		log.Syslog = strings.TrimPrefix(to, "syslog:")
	case to == "stderr", strings.HasPrefix(to, "memory:"):
		log.Path = to
	default:
		log.Path, log.Elsewhere = r.paths.absolute(to), r.paths.elsewhere(to)
	}
	return log, nil
}

func (r *reading) errorLog(d *directive) error {
	log, err := r.readErrorLog(d)
	if err != nil {
		return err
	}
	r.addErrorLog(log)
	return nil
}

func (r *reading) addErrorLog(log ErrorLog) {
	key := log.Path + "\n" + log.Syslog
	if !r.errors[key] {
		r.errors[key] = true
		log.Twice = r.twice[log.Path]
		r.config.ErrorLogs = append(r.config.ErrorLogs, log)
	}
}
