package metric

import "github.com/fremisn/fremisn-exporter/collector/internal/logformat"

// An ID is a metric's row in the table.
type ID int

const (
	Up ID = iota
	ConnectionsActive
	ConnectionsReading
	ConnectionsWriting
	ConnectionsWaiting
	ConnectionsAccepted
	ConnectionsHandled
	HTTPRequests

	Requests
	AccessOutcomes
	Subrequests
	RequestDuration
	SentBytes
	ReceivedBytes
	LimitReq
	LimitConn
	Cache
	Attempts
	UpstreamOutcomes
	ResponseDuration
	HeaderDuration
	ConnectDuration
	Retries
	NoLive
	UpstreamSentBytes
	UpstreamReceivedBytes

	StreamSessions
	StreamSessionDuration
	StreamSentBytes
	StreamReceivedBytes

	ErrorEntries
	ErrorEvents

	ServerInfo
	ServerMaxConns
	ServerWeight
	UpstreamInfo
	Keepalive
	LimitReqRate
	LimitReqBurst
	WorkerProcesses
	WorkerConnections
	ConfigLoaded
	Workers

	ServerUnavailable
	ServerUnavailableWorkers
	ServerUnavailableSeconds
	ServerUnavailableTaken

	LogLines
	LogReadBytes
	LogLag
	LogLastLine
	LogRotations
	LogGaps
	LogSeriesDropped
	StateCommits
	StateLastCommit
	CollectorSuccess
	CollectorDuration

	Count // the number of metrics
)

// Table returns every metric, by its ID. Names and labels are a promise to dashboards and alerts: add, never rename.
func Table() *[Count]Metric { return &table }

// Get returns one metric.
func Get(id ID) *Metric { return &table[id] }

// The labels of a server.
var serverLabels = []string{"log", "upstream", "server", "node"}

func ofServer(more ...string) []string { return append(serverLabels[:4:4], more...) }

func needs(fields ...logformat.Field) []Need { return []Need{fields} }

// anyUpstream are the variables that show attempts.
var anyUpstream = Need{
	logformat.UpstreamAddr, logformat.UpstreamStatus, logformat.UpstreamResponseTime, logformat.UpstreamHeaderTime,
	logformat.UpstreamConnectTime, logformat.UpstreamBytesSent, logformat.UpstreamBytesReceived,
	logformat.UpstreamResponseLength,
}

// anyRequest are the variables that make a log one of requests, not only of bytes.
var anyRequest = append(Need{logformat.Status}, anyUpstream...)

// connectBuckets are finer than those of whole requests: connecting takes microseconds within a host.
var connectBuckets = []float64{0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

var table = [Count]Metric{
	// The status page, under the names and help texts of nginx-prometheus-exporter. Several pages add addr.
	Up:                statusPage("nginx_up", Gauge, "Status of the last metric scrape"),
	ConnectionsActive: statusPage("nginx_connections_active", Gauge, "Active client connections"),
	ConnectionsReading: statusPage("nginx_connections_reading", Gauge,
		"Connections where NGINX is reading the request header"),
	ConnectionsWriting: statusPage("nginx_connections_writing", Gauge,
		"Connections where NGINX is writing the response back to the client"),
	ConnectionsWaiting:  statusPage("nginx_connections_waiting", Gauge, "Idle client connections"),
	ConnectionsAccepted: statusPage("nginx_connections_accepted", Counter, "Accepted client connections"),
	ConnectionsHandled:  statusPage("nginx_connections_handled", Counter, "Handled client connections"),
	HTTPRequests:        statusPage("nginx_http_requests_total", Counter, "Total http requests"),

	// The access log. One request is one line; one attempt is one element of $upstream_addr.
	Requests: {
		Name: "nginx_access_requests_total", Of: AccessLog, Labels: []string{"log", "route", "method", "code",
			"outcome"},
		Help:  "Requests in the access log, by route, method, status code and outcome.",
		Needs: []Need{anyRequest},
	},
	AccessOutcomes: {
		Name: "nginx_access_outcomes_total", Of: AccessLog, Labels: []string{"log", "route", "outcome"},
		Help:  "Requests in the access log, by route and outcome; every series starts at 0.",
		Needs: []Need{anyRequest},
	},
	Subrequests: {
		Name: "nginx_access_subrequests_total", Of: AccessLog, Labels: []string{"log"},
		Help:  "Lines of subrequests, which log_subrequest has logged: their attempts count, but not their requests.",
		Needs: needs(logformat.RequestLength),
	},
	RequestDuration: {
		Name: "nginx_access_request_duration_seconds", Of: AccessLog, Type: Histogram, Labels: []string{"log",
			"route", "outcome"},
		Help:  "Time from the first byte read from the client to the log line ($request_time).",
		Needs: []Need{{logformat.RequestTime}, anyRequest},
	},
	SentBytes: {
		Name: "nginx_access_sent_bytes_total", Of: AccessLog, Labels: []string{"log", "route"},
		Help:  "Bytes sent to clients ($bytes_sent, else $body_bytes_sent).",
		Needs: needs(logformat.BytesSent, logformat.BodyBytesSent),
	},
	ReceivedBytes: {
		Name: "nginx_access_received_bytes_total", Of: AccessLog, Labels: []string{"log", "route"},
		Help:  "Bytes received from clients ($request_length).",
		Needs: needs(logformat.RequestLength),
	},
	LimitReq: {
		Name: "nginx_access_limit_req_total", Of: AccessLog, Labels: []string{"log", "status"},
		Help:  "Requests by what limit_req did with them ($limit_req_status).",
		Needs: []Need{{logformat.LimitReqStatus}, anyRequest},
	},
	LimitConn: {
		Name: "nginx_access_limit_conn_total", Of: AccessLog, Labels: []string{"log", "status"},
		Help:  "Requests by what limit_conn did with them ($limit_conn_status).",
		Needs: []Need{{logformat.LimitConnStatus}, anyRequest},
	},
	Cache: {
		Name: "nginx_access_cache_total", Of: AccessLog, Labels: []string{"log", "status"},
		Help:  "Requests by what the cache did ($upstream_cache_status).",
		Needs: []Need{{logformat.CacheStatus}, anyRequest},
	},
	Attempts: {
		Name: "nginx_upstream_attempts_total", Of: UpstreamLog, Labels: ofServer("code", "outcome"),
		Help:  "Attempts to send a request to a server, one for each element of $upstream_addr.",
		Needs: []Need{anyUpstream},
	},
	UpstreamOutcomes: {
		Name: "nginx_upstream_outcomes_total", Of: UpstreamLog, Labels: ofServer("outcome"),
		Help:  "Attempts, by server and outcome; every series of a known server starts at 0.",
		Needs: []Need{anyUpstream},
	},
	ResponseDuration: {
		Name: "nginx_upstream_response_duration_seconds", Of: UpstreamLog, Type: Histogram, Labels: ofServer("outcome"),
		Help:  "Time from connecting to the last byte of a server's response ($upstream_response_time).",
		Needs: needs(logformat.UpstreamResponseTime),
	},
	HeaderDuration: {
		Name: "nginx_upstream_header_duration_seconds", Of: UpstreamLog, Type: Histogram, Labels: ofServer("outcome"),
		Help:  "Time from connecting to a server's response header ($upstream_header_time).",
		Needs: needs(logformat.UpstreamHeaderTime),
	},
	ConnectDuration: {
		Name: "nginx_upstream_connect_duration_seconds", Of: UpstreamLog, Type: Histogram, Labels: ofServer("outcome"),
		Help:  "Time to connect to a server, 0 on a connection kept alive ($upstream_connect_time).",
		Needs: needs(logformat.UpstreamConnectTime), Buckets: connectBuckets,
	},
	Retries: {
		Name: "nginx_upstream_retries_total", Of: UpstreamLog, Labels: ofServer(),
		Help:  "Attempts on this server that NGINX followed with another in the same group.",
		Needs: []Need{anyUpstream},
	},
	NoLive: {
		Name: "nginx_upstream_no_live_total", Of: UpstreamLog, Labels: []string{"log", "upstream"},
		Help:  "Requests for which NGINX found no usable server in the group: all disabled or at max_conns.",
		Needs: needs(logformat.UpstreamAddr),
	},
	UpstreamSentBytes: {
		Name: "nginx_upstream_sent_bytes_total", Of: UpstreamLog, Labels: ofServer(),
		Help:  "Bytes sent to a server ($upstream_bytes_sent).",
		Needs: needs(logformat.UpstreamBytesSent),
	},
	UpstreamReceivedBytes: {
		Name: "nginx_upstream_received_bytes_total", Of: UpstreamLog, Labels: ofServer(),
		Help:  "Bytes received from a server ($upstream_bytes_received, else $upstream_response_length).",
		Needs: needs(logformat.UpstreamBytesReceived, logformat.UpstreamResponseLength),
	},

	// Logs of stream{}.
	StreamSessions: {
		Name: "nginx_stream_sessions_total", Of: StreamLog, Labels: []string{"log", "protocol", "status"},
		Help:    "Sessions in the log of stream{}, by protocol and status.",
		Session: "protocol",
	},
	StreamSessionDuration: {
		Name: "nginx_stream_session_duration_seconds", Of: StreamLog, Type: Histogram, Labels: []string{"log",
			"protocol"},
		Help:    "How long sessions lasted ($session_time).",
		Session: "session_time",
	},
	StreamSentBytes: {
		Name: "nginx_stream_sent_bytes_total", Of: StreamLog, Labels: []string{"log"},
		Help:  "Bytes sent to clients ($bytes_sent).",
		Needs: needs(logformat.BytesSent),
	},
	StreamReceivedBytes: {
		Name: "nginx_stream_received_bytes_total", Of: StreamLog, Labels: []string{"log"},
		Help:    "Bytes received from clients ($bytes_received).",
		Session: "bytes_received",
	},

	// The error log.
	ErrorEntries: {
		Name: "nginx_error_log_entries_total", Of: ErrorLog, Labels: []string{"log", "level"},
		Help: "Entries of the error log, by level.",
	},
	ErrorEvents: {
		Name: "nginx_error_log_events_total", Of: ErrorLog, Labels: []string{"log", "event", "upstream", "server",
			"node"},
		Help: "Entries of the error log, by what happened and on which server.",
	},

	// nginx.conf.
	ServerInfo: {
		Name: "nginx_upstream_server_info", Of: NginxConf, Type: Gauge, Labels: []string{"upstream", "server", "node",
			"state"},
		Help: "A server of an upstream group in nginx.conf, always 1; state is active, backup, drain or down.",
	},
	ServerMaxConns: {
		Name: "nginx_upstream_server_max_conns", Of: NginxConf, Type: Gauge, Labels: []string{"upstream", "server",
			"node"},
		Help: "Maximum of simultaneous connections to the server (max_conns), 0 for no limit; per worker where the " +
			"group has no zone.",
	},
	ServerWeight: {
		Name: "nginx_upstream_server_weight", Of: NginxConf, Type: Gauge, Labels: []string{"upstream", "server",
			"node"},
		Help: "Weight of the server in its group.",
	},
	UpstreamInfo: {
		Name: "nginx_upstream_info", Of: NginxConf, Type: Gauge, Labels: []string{"upstream", "method", "zone"},
		Help: "An upstream group of nginx.conf, always 1; without a zone each worker counts failures and " +
			"connections for itself.",
	},
	Keepalive: {
		Name: "nginx_upstream_keepalive", Of: NginxConf, Type: Gauge, Labels: []string{"upstream"},
		Help: "Idle connections that each worker keeps to the group's servers.",
	},
	LimitReqRate: {
		Name: "nginx_limit_req_rate", Of: NginxConf, Type: Gauge, Labels: []string{"zone"},
		Help: "Rate of a limit_req zone in requests a second.",
	},
	LimitReqBurst: {
		Name: "nginx_limit_req_burst", Of: NginxConf, Type: Gauge, Labels: []string{"zone"},
		Help: "Largest burst of the limit_req directives that use the zone.",
	},
	WorkerProcesses: {
		Name: "nginx_worker_processes", Of: NginxConf, Type: Gauge,
		Help: "Number of workers in nginx.conf (worker_processes); auto is the number of processors where NGINX " +
			"runs on this host.",
	},
	WorkerConnections: {
		Name: "nginx_worker_connections", Of: NginxConf, Type: Gauge,
		Help: "Maximum of connections of one worker (worker_connections), to clients and to servers together.",
	},
	ConfigLoaded: {
		Name: "nginx_config_loaded", Of: NginxConf, Type: Gauge,
		Help: "Whether the running NGINX has loaded nginx.conf as it is on disk; 0 where workers are older than " +
			"the files.",
	},
	Workers: {
		Name: "nginx_workers", Of: NginxConf, Type: Gauge, Labels: []string{"state"},
		Help: "Workers of the running NGINX; state is active or shutting_down.",
	},

	// What NGINX has taken out, computed from the error log and nginx.conf.
	ServerUnavailable: {
		Name: "nginx_upstream_server_unavailable", Of: ErrorLogAndConf, Type: Gauge, Labels: []string{"upstream",
			"server", "node"},
		Help: "Whether a worker of NGINX passes the server over after failures (max_fails, fail_timeout).",
	},
	ServerUnavailableWorkers: {
		Name: "nginx_upstream_server_unavailable_workers", Of: ErrorLogAndConf, Type: Gauge,
		Labels: []string{"upstream", "server", "node"},
		Help:   "Workers of NGINX that pass the server over; with a shared zone all of them or none.",
	},
	ServerUnavailableSeconds: {
		Name: "nginx_upstream_server_unavailable_seconds_total", Of: ErrorLogAndConf, Labels: []string{"upstream",
			"server", "node"},
		Help: "Time in which at least one worker passed the server over.",
	},
	ServerUnavailableTaken: {
		Name: "nginx_upstream_server_unavailable_total", Of: ErrorLogAndConf,
		Labels: []string{"upstream", "server", "node", "evidence"},
		Help: "Times that a worker took the server out, failed tries after fail_timeout included; evidence is logged " +
			"(NGINX said so, at the level warn) or replayed (from the failures that it logged).",
	},

	// The exporter itself, for each log.
	LogLines: {
		Name: "fremisn_exporter_log_lines_total", Labels: []string{"log", "result"},
		Help: "Lines read, by result; a malformed line changes no other metric.",
	},
	LogReadBytes: {
		Name: "fremisn_exporter_log_read_bytes_total", Labels: []string{"log"},
		Help: "Bytes of the log that have been read.",
	},
	LogLag: {
		Name: "fremisn_exporter_log_lag_bytes", Type: Gauge, Labels: []string{"log"},
		Help: "Bytes of the log that were written and not yet read.",
	},
	LogLastLine: {
		Name: "fremisn_exporter_log_last_line_timestamp_seconds", Type: Gauge, Labels: []string{"log"},
		Help: "Unix time at which the last line was read.",
	},
	LogRotations: {
		Name: "fremisn_exporter_log_rotations_total", Labels: []string{"log", "kind"},
		Help: "Times that the log was renamed or truncated.",
	},
	LogGaps: {
		Name: "fremisn_exporter_log_gaps_total", Labels: []string{"log", "reason"},
		Help: "Times that lines were lost or may have been, by reason; the exporter's log names the file and " +
			"the byte range.",
	},
	LogSeriesDropped: {
		Name: "fremisn_exporter_log_series_dropped_total", Labels: []string{"log"},
		Help: "Label sets that came after max_series was reached and are counted as other.",
	},

	// The exporter as a whole.
	StateCommits: {
		Name: "fremisn_exporter_state_commits_total", Labels: []string{"result"},
		Help: "Attempts to write positions and counters to disk, by result.",
	},
	StateLastCommit: {
		Name: "fremisn_exporter_state_last_commit_timestamp_seconds", Type: Gauge,
		Help: "Unix time since which every log's position and counters are on disk: the oldest of the logs' last " +
			"successful writes.",
	},
	CollectorSuccess: {
		Name: "fremisn_exporter_collector_success", Type: Gauge, Labels: []string{"collector"},
		Help: "Whether the collector succeeded at this scrape.",
	},
	CollectorDuration: {
		Name: "fremisn_exporter_collector_duration_seconds", Type: Gauge, Labels: []string{"collector"},
		Help: "Time that the collector took at this scrape.",
	},
}

func statusPage(name string, t Type, help string) Metric {
	return Metric{Name: name, Help: help, Type: t, Of: StatusPage, Optional: []string{"addr"}}
}
