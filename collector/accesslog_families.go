package collector

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
)

// The families of an access log's ledger, in the order of accessMetrics.
const (
	familyRequests = iota
	familyRequestDuration
	familySentBytes
	familyReceivedBytes
	familyLimitReq
	familyLimitConn
	familyCache
	familyAttempts
	familyResponse
	familyHeader
	familyConnect
	familyRetries
	familyNoLive
	familyUpstreamSent
	familyUpstreamReceived
	familyCount
)

// An accessMetric is a family as the ledger keeps it and as Prometheus sees it. Where the first label is a server's
// address, upstream and node are not kept: they follow from it by the topology of the day.
type accessMetric struct {
	desc      *prometheus.Desc
	name      string   // of the metric, and in the state
	labels    []string // that the ledger keeps
	histogram bool
	needs     []need // the format must have a variable of each
}

// A need is met by any of the variables; the first is the one to recommend.
type need []logformat.Field

func accessMetrics() [familyCount]accessMetric {
	upstream := need{
		logformat.UpstreamAddr, logformat.UpstreamStatus, logformat.UpstreamResponseTime, logformat.UpstreamHeaderTime,
		logformat.UpstreamConnectTime, logformat.UpstreamBytesSent, logformat.UpstreamBytesReceived, logformat.UpstreamResponseLength,
	}
	return [familyCount]accessMetric{
		familyRequests:        {desc: descRequests, name: "nginx_access_requests_total", labels: []string{"route", "method", "code", "outcome"}},
		familyRequestDuration: {desc: descRequestDuration, name: "nginx_access_request_duration_seconds", labels: []string{"route", "outcome"}, histogram: true, needs: []need{{logformat.RequestTime}}},
		familySentBytes:       {desc: descSentBytes, name: "nginx_access_sent_bytes_total", labels: []string{"route"}, needs: []need{{logformat.BytesSent, logformat.BodyBytesSent}}},
		familyReceivedBytes:   {desc: descReceivedBytes, name: "nginx_access_received_bytes_total", labels: []string{"route"}, needs: []need{{logformat.RequestLength}}},
		familyLimitReq:        {desc: descLimitReq, name: "nginx_access_limit_req_total", labels: []string{"status"}, needs: []need{{logformat.LimitReqStatus}}},
		familyLimitConn:       {desc: descLimitConn, name: "nginx_access_limit_conn_total", labels: []string{"status"}, needs: []need{{logformat.LimitConnStatus}}},
		familyCache:           {desc: descCache, name: "nginx_access_cache_total", labels: []string{"status"}, needs: []need{{logformat.CacheStatus}}},

		familyAttempts:         {desc: descAttempts, name: "nginx_upstream_attempts_total", labels: []string{"server", "code", "outcome"}, needs: []need{upstream}},
		familyResponse:         {desc: descResponseDuration, name: "nginx_upstream_response_duration_seconds", labels: []string{"server", "outcome"}, histogram: true, needs: []need{{logformat.UpstreamResponseTime}}},
		familyHeader:           {desc: descHeaderDuration, name: "nginx_upstream_header_duration_seconds", labels: []string{"server", "outcome"}, histogram: true, needs: []need{{logformat.UpstreamHeaderTime}}},
		familyConnect:          {desc: descConnectDuration, name: "nginx_upstream_connect_duration_seconds", labels: []string{"server", "outcome"}, histogram: true, needs: []need{{logformat.UpstreamConnectTime}}},
		familyRetries:          {desc: descRetries, name: "nginx_upstream_retries_total", labels: []string{"server"}, needs: []need{upstream}},
		familyNoLive:           {desc: descNoLive, name: "nginx_upstream_no_live_total", labels: []string{"upstream"}, needs: []need{{logformat.UpstreamAddr}}},
		familyUpstreamSent:     {desc: descUpstreamSentBytes, name: "nginx_upstream_sent_bytes_total", labels: []string{"server"}, needs: []need{{logformat.UpstreamBytesSent}}},
		familyUpstreamReceived: {desc: descUpstreamReceivedBytes, name: "nginx_upstream_received_bytes_total", labels: []string{"server"}, needs: []need{{logformat.UpstreamBytesReceived, logformat.UpstreamResponseLength}}},
	}
}

// accessFamilies are the ledger's families: all of them have a number, those that the format cannot fill take no room.
func accessFamilies(p *logformat.Program) []ledger.Family {
	var families []ledger.Family
	for _, m := range accessMetrics() {
		families = append(families, ledger.Family{
			Name: m.name, Labels: len(m.labels), Histogram: m.histogram, Unused: !m.given(p),
		})
	}
	return families
}

// given tells whether the format has what the metric is made of.
func (m *accessMetric) given(p *logformat.Program) bool {
	for _, n := range m.needs {
		if !n.met(p) {
			return false
		}
	}
	return true
}

func (n need) met(p *logformat.Program) bool {
	for _, f := range n {
		if p.Has(f) {
			return true
		}
	}
	return false
}
