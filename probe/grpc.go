package probe

import (
	"context"
	"errors"
	"net"
	"net/url"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// A grpcRun is one grpc probe while it runs.
type grpcRun struct {
	m *prepared
	t *trace

	checked        bool
	resolve, check time.Duration
	isTLS          float64
	code           codes.Code
	serving        string
	dialErr        atomic.Pointer[error]
}

// probeGRPC asks a server's health service once.
func probeGRPC(ctx context.Context, target string, m *prepared, t *trace) *failure {
	g := &grpcRun{m: m, t: t}
	defer g.metrics()
	u, err := url.Parse(withScheme(target))
	if err != nil || u.Hostname() == "" {
		return failf("other", "the target is not HOST:PORT")
	}
	ip, took, failed := lookup(ctx, u.Hostname(), m.GRPC.IPProtocol, m.GRPC.IPProtocolFallback, t)
	if failed != nil {
		return failed
	}
	g.resolve = took
	port := u.Port()
	if port == "" {
		port = map[bool]string{false: "80", true: "443"}[m.GRPC.TLS]
	}
	conn, failed := g.connection(u.Hostname(), ip, port)
	if failed != nil {
		return failed
	}
	defer conn.Close()
	return g.ask(ctx, conn)
}

// connection dials the address that was looked up, once: the library would try again and again.
func (g *grpcRun) connection(host string, ip *net.IPAddr, port string) (*grpc.ClientConn, *failure) {
	secure := insecure.NewCredentials()
	if g.m.GRPC.TLS {
		settings, err := g.m.tls.get(host)
		if err != nil {
			return nil, failf("tls", "the settings of TLS cannot be used: %s", err)
		}
		secure = credentials.NewTLS(settings)
	}
	var dialled atomic.Bool
	dial := func(ctx context.Context, _ string) (net.Conn, error) {
		if dialled.Swap(true) {
			return nil, errors.New("one connection has been tried")
		}
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, network("tcp", ip), net.JoinHostPort(ip.String(), port))
		if err != nil {
			g.dialErr.Store(&err)
			return nil, err
		}
		if g.m.GRPC.TLS {
			g.t.enter("tls")
		} else {
			g.t.enter("check")
		}
		return conn, nil
	}
	conn, err := grpc.NewClient("passthrough:///"+net.JoinHostPort(host, port),
		grpc.WithTransportCredentials(secure), grpc.WithContextDialer(dial), grpc.WithDisableRetry(), grpc.WithDisableServiceConfig())
	if err != nil {
		return nil, failf("other", "no connection can be prepared: %s", err)
	}
	return conn, nil
}

func (g *grpcRun) ask(ctx context.Context, conn *grpc.ClientConn) *failure {
	g.t.enter("connect")
	begin := time.Now()
	from := new(peer.Peer)
	request := &grpc_health_v1.HealthCheckRequest{Service: g.m.GRPC.Service}
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(metadata.NewOutgoingContext(ctx, lowerKeys(g.m.GRPC.Metadata)), request, grpc.Peer(from))
	g.checked, g.check = true, time.Since(begin)
	g.code = status.Code(err)
	if err != nil {
		g.t.logf("answered %s", g.code)
		return g.failure(ctx, err)
	}
	if info, is := from.AuthInfo.(credentials.TLSInfo); is {
		g.isTLS = 1
		g.t.leafMetrics(&info.State)
	}
	g.serving = answer.GetStatus().String()
	g.t.logf("answered %s", g.serving)
	if answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		return failf("status", "the service is %s", g.serving)
	}
	return nil
}

func (g *grpcRun) failure(ctx context.Context, err error) *failure {
	phase := g.t.phase()
	if dialErr := g.dialErr.Load(); dialErr != nil {
		return classify(ctx, *dialErr, "connect")
	}
	if ctx.Err() != nil || g.code == codes.DeadlineExceeded {
		return failf("timeout", "time ran out %s", during(phase))
	}
	if isTLSError(err) || phase == "tls" && g.code == codes.Unavailable {
		return failf("tls", "the TLS handshake failed: %s", status.Convert(err).Message())
	}
	if g.code == codes.Unavailable {
		return failf("other", "the connection broke off: %s", status.Convert(err).Message())
	}
	return failf("status", "answered with the status %s: %s", g.code, status.Convert(err).Message())
}

func lowerKeys(values map[string][]string) metadata.MD {
	md := metadata.MD{}
	for name, texts := range values {
		md.Append(name, texts...)
	}
	return md
}

func (g *grpcRun) metrics() {
	phases := []Phase{{"resolve", g.resolve}}
	if g.checked {
		phases = append(phases, Phase{"check", g.check})
		for _, name := range grpc_health_v1.HealthCheckResponse_ServingStatus_name {
			value := 0.0
			if name == g.serving {
				value = 1
			}
			g.t.gauge("probe_grpc_healthcheck_response", "Response HealthCheck response", value, Label{"serving_status", name})
		}
	}
	for _, p := range phases {
		g.t.gauge("probe_grpc_duration_seconds", "Duration of gRPC request by phase", p.Duration.Seconds(), Label{"phase", p.Name})
	}
	g.t.gauge("probe_grpc_ssl", "Indicates if SSL was used for the connection", g.isTLS)
	g.t.gauge("probe_grpc_status_code", "Response gRPC status code", float64(g.code))
}
