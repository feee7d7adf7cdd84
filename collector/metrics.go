package collector

import "github.com/prometheus/client_golang/prometheus"

// Every metric of this package. Names and labels are a promise to dashboards and alerts: add, never rename.

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// The status page, under the names and help texts of nginx-prometheus-exporter. Several pages add addr.
type statusDescs struct {
	up, active, reading, writing, waiting, accepted, handled, requests *prometheus.Desc
}

func newStatusDescs(labels ...string) statusDescs {
	return statusDescs{
		up:       desc("nginx_up", "Status of the last metric scrape", labels...),
		active:   desc("nginx_connections_active", "Active client connections", labels...),
		reading:  desc("nginx_connections_reading", "Connections where NGINX is reading the request header", labels...),
		writing:  desc("nginx_connections_writing", "Connections where NGINX is writing the response back to the client", labels...),
		waiting:  desc("nginx_connections_waiting", "Idle client connections", labels...),
		accepted: desc("nginx_connections_accepted", "Accepted client connections", labels...),
		handled:  desc("nginx_connections_handled", "Handled client connections", labels...),
		requests: desc("nginx_http_requests_total", "Total http requests", labels...),
	}
}

// The access log. One request is one line; one attempt is one element of $upstream_addr.
var (
	descRequests = desc("nginx_access_requests_total",
		"Requests in the access log, by route, method, status code and outcome.", "log", "route", "method", "code", "outcome")
	descRequestDuration = desc("nginx_access_request_duration_seconds",
		"Time from the first byte read from the client to the log line ($request_time).", "log", "route", "outcome")
	descSentBytes = desc("nginx_access_sent_bytes_total",
		"Bytes sent to clients ($bytes_sent, else $body_bytes_sent).", "log", "route")
	descReceivedBytes = desc("nginx_access_received_bytes_total",
		"Bytes received from clients ($request_length).", "log", "route")
	descLimitReq = desc("nginx_access_limit_req_total",
		"Requests by what limit_req did with them ($limit_req_status).", "log", "status")
	descLimitConn = desc("nginx_access_limit_conn_total",
		"Requests by what limit_conn did with them ($limit_conn_status).", "log", "status")
	descCache = desc("nginx_access_cache_total",
		"Requests by what the cache did ($upstream_cache_status).", "log", "status")
	descAttempts = desc("nginx_upstream_attempts_total",
		"Attempts to have a request answered by a server, one for each element of $upstream_addr.", "log", "upstream", "server", "node", "code", "outcome")
	descResponseDuration = desc("nginx_upstream_response_duration_seconds",
		"Time from connecting to the last byte of a server's response ($upstream_response_time).", "log", "upstream", "server", "node", "outcome")
	descHeaderDuration = desc("nginx_upstream_header_duration_seconds",
		"Time from connecting to a server's response header ($upstream_header_time).", "log", "upstream", "server", "node", "outcome")
	descConnectDuration = desc("nginx_upstream_connect_duration_seconds",
		"Time to connect to a server, 0 on a connection kept alive ($upstream_connect_time).", "log", "upstream", "server", "node", "outcome")
	descRetries = desc("nginx_upstream_retries_total",
		"Attempts on this server that NGINX followed with another in the same group.", "log", "upstream", "server", "node")
	descNoLive = desc("nginx_upstream_no_live_total",
		"Times that NGINX could pick no server of the group: all disabled or at max_conns.", "log", "upstream")
	descUpstreamSentBytes = desc("nginx_upstream_sent_bytes_total",
		"Bytes sent to a server ($upstream_bytes_sent).", "log", "upstream", "server", "node")
	descUpstreamReceivedBytes = desc("nginx_upstream_received_bytes_total",
		"Bytes received from a server ($upstream_bytes_received, else $upstream_response_length).", "log", "upstream", "server", "node")
)

// The error log.
var (
	descErrorEntries = desc("nginx_error_log_entries_total",
		"Entries of the error log, by level.", "log", "level")
	descErrorEvents = desc("nginx_error_log_events_total",
		"Entries of the error log, by what happened and on which server.", "log", "event", "upstream", "server", "node")
)

// nginx.conf.
var (
	descServerInfo = desc("nginx_upstream_server_info",
		"A server of an upstream group in nginx.conf, always 1; state is active, backup or down.", "upstream", "server", "node", "state")
	descServerMaxConns = desc("nginx_upstream_server_max_conns",
		"Most simultaneous connections to the server (max_conns), 0 for no limit; per worker where the group has no zone.", "upstream", "server", "node")
	descServerWeight = desc("nginx_upstream_server_weight",
		"Weight of the server in its group.", "upstream", "server", "node")
	descKeepalive = desc("nginx_upstream_keepalive",
		"Idle connections that each worker keeps to the group's servers.", "upstream")
	descLimitReqRate = desc("nginx_limit_req_rate",
		"Rate of a limit_req zone in requests a second.", "zone")
	descLimitReqBurst = desc("nginx_limit_req_burst",
		"Largest burst of the limit_req directives that use the zone.", "zone")
)

// The exporter itself, for each log.
var (
	descLogLines = desc("fremisn_exporter_log_lines_total",
		"Lines read, by result; a malformed line moves nothing else.", "log", "result")
	descLogReadBytes = desc("fremisn_exporter_log_read_bytes_total",
		"Bytes of the log that have been read.", "log")
	descLogLag = desc("fremisn_exporter_log_lag_bytes",
		"Bytes of the log that were written and not yet read.", "log")
	descLogLastLine = desc("fremisn_exporter_log_last_line_timestamp_seconds",
		"Unix time at which the last line was read.", "log")
	descLogRotations = desc("fremisn_exporter_log_rotations_total",
		"Times that the log was renamed or truncated.", "log", "kind")
	descLogGaps = desc("fremisn_exporter_log_gaps_total",
		"Times that lines are known or feared to be lost, by reason; the exporter's log tells the file and the byte range.", "log", "reason")
	descLogSeriesDropped = desc("fremisn_exporter_log_series_dropped_total",
		"Label sets that came after max_series was reached and are counted as other.", "log")
)

// The exporter as a whole.
var (
	descStateCommits = desc("fremisn_exporter_state_commits_total",
		"Attempts to write positions and counters to disk, by result.", "result")
	descStateLastCommit = desc("fremisn_exporter_state_last_commit_timestamp_seconds",
		"Unix time since which every log's position and counters are on disk: the oldest of the logs' last successful writes.")
	descCollectorSuccess = desc("fremisn_exporter_collector_success",
		"Whether the collector did its work at this scrape.", "collector")
	descCollectorDuration = desc("fremisn_exporter_collector_duration_seconds",
		"Time that the collector took at this scrape.", "collector")
)
