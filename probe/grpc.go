package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/version"
)

// A grpcRun is a grpc probe in progress. It implements gRPC's health checking protocol over one connection itself:
// gRPC's own client retries when a server refuses a stream.
type grpcRun struct {
	m *prepared
	t *trace

	checked        bool
	resolve, check time.Duration
	isTLS          float64
	code           int
	serving        string
}

// probeGRPC calls a server's health service once.
func probeGRPC(ctx context.Context, target string, m *prepared, t *trace) *failure {
	g := &grpcRun{m: m, t: t}
	defer g.metrics()
	u, err := url.Parse(withScheme(target))
	if err != nil || u.Hostname() == "" {
		return failf("other", "the target is not HOST:PORT")
	}
	found, failed := lookup(ctx, u.Hostname(), m.GRPC.IPProtocol, m.GRPC.IPProtocolFallback, t)
	if failed != nil {
		return failed
	}
	g.resolve = found.took
	ctx, opened := withConnections(ctx, m.GRPC.SourceIPAddress)
	defer opened.close()
	opened.addresses = found.all()
	begin := time.Now()
	failed = g.ask(ctx, g.url(u))
	g.checked, g.check = true, time.Since(begin)
	return failed
}

// url returns the URL of the health service.
func (g *grpcRun) url(target *url.URL) *url.URL {
	scheme := map[bool]string{false: "http", true: "https"}[g.m.GRPC.TLS]
	port := target.Port()
	if port == "" {
		port = defaultPorts[scheme]
	}
	return &url.URL{Scheme: scheme, Host: net.JoinHostPort(target.Hostname(), port),
		Path: "/grpc.health.v1.Health/Check"}
}

func (g *grpcRun) ask(ctx context.Context, service *url.URL) *failure {
	g.t.enter("connect")
	g.code = grpcUnavailable
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{TLSHandshakeStart: func() { g.t.enter("tls") }})
	request, err := g.request(traced, service)
	if err != nil {
		return failf("other", "creating the request failed: %s", err)
	}
	transport, err := g.m.transports.get(service.Hostname(), false)
	if err != nil {
		return settingsFailure(err)
	}
	conn, err := connect(traced, transport, request)
	if err != nil {
		return g.broken(ctx, err)
	}
	defer conn.Close()
	g.t.enter("check")
	response, err := conn.RoundTrip(request)
	if err != nil {
		return g.broken(ctx, err)
	}
	defer response.Body.Close()
	answer, err := readGRPC(response)
	if err != nil {
		return g.broken(ctx, err)
	}
	return g.judge(answer, response.TLS)
}

func (g *grpcRun) request(ctx context.Context, service *url.URL) (*http.Request, error) {
	body := healthRequest(g.m.GRPC.Service)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, service.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range g.m.GRPC.Metadata {
		for _, value := range values {
			if strings.HasSuffix(strings.ToLower(name), "-bin") {
				value = base64.RawStdEncoding.EncodeToString([]byte(value))
			}
			request.Header.Add(name, value)
		}
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("Te", "trailers")
	request.Header.Set("User-Agent", "fremisn-exporter/"+version.Version)
	if deadline, ok := ctx.Deadline(); ok {
		left := min(time.Until(deadline).Milliseconds(), 99_999_999) // eight digits at most
		request.Header.Set("Grpc-Timeout", strconv.FormatInt(max(left, 1), 10)+"m")
	}
	return request, nil
}

// judge compares the server's status of its service with the module.
func (g *grpcRun) judge(answer grpcAnswer, state *tls.ConnectionState) *failure {
	g.code = answer.code
	if g.code != grpcOK {
		g.t.logf("answered %s", codeName(g.code))
		return failf("status", "answered with the status %s: %s", codeName(g.code), answer.message)
	}
	if state != nil {
		g.isTLS = 1
		g.t.leafMetrics(state)
	}
	g.serving = "UNKNOWN"
	if answer.serving < len(servingNames) {
		g.serving = servingNames[answer.serving]
	}
	g.t.logf("answered %s", g.serving)
	if g.serving != "SERVING" {
		return failf("status", "the service is %s", g.serving)
	}
	return nil
}

// broken handles a connection that fails before the answer is complete.
func (g *grpcRun) broken(ctx context.Context, err error) *failure {
	failed := classify(ctx, err, g.t.phase())
	if failed.reason == "timeout" {
		g.code = grpcDeadlineExceeded
	}
	g.t.logf("answered %s", codeName(g.code))
	return failed
}

func (g *grpcRun) metrics() {
	phases := []Phase{{"resolve", g.resolve}}
	if g.checked {
		phases = append(phases, Phase{"check", g.check})
		for _, name := range servingNames {
			value := 0.0
			if name == g.serving {
				value = 1
			}
			g.t.gauge("probe_grpc_healthcheck_response", "Response HealthCheck response", value,
				Label{"serving_status", name})
		}
	}
	for _, p := range phases {
		g.t.gauge("probe_grpc_duration_seconds", "Duration of gRPC request by phase", p.Duration.Seconds(),
			Label{"phase",
				p.Name})
	}
	g.t.gauge("probe_grpc_ssl", "Indicates if SSL was used for the connection", g.isTLS)
	g.t.gauge("probe_grpc_status_code", "Response gRPC status code", float64(g.code))
}

// servingNames are grpc.health.v1.HealthCheckResponse.ServingStatus.
var servingNames = []string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}

// The status codes of gRPC that are used here.
const (
	grpcOK               = 0
	grpcUnknown          = 2
	grpcDeadlineExceeded = 4
	grpcInternal         = 13
	grpcUnavailable      = 14
)

var codeNames = []string{
	"OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists", "PermissionDenied",
	"ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Internal", "Unavailable",
	"DataLoss", "Unauthenticated",
}

func codeName(code int) string {
	if code >= 0 && code < len(codeNames) {
		return codeNames[code]
	}
	return fmt.Sprintf("Code(%d)", code)
}
