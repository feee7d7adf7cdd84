package collector

import (
	"runtime"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// A server that occurs twice in a group, and a zone that several limits use, are one series each.
func TestEmitNginxConf(t *testing.T) {
	conf := &nginxconf.Config{
		WorkerConnections: 1024, ConnectionsAt: nginxconf.Pos{Line: 2},
		Upstreams: []nginxconf.Upstream{{Name: "nodes", Keepalive: 32, Method: "least_conn", Zone: "shared",
			Servers: []nginxconf.Server{
				{Address: "127.0.0.231:4005", Weight: 5, MaxConns: 1},
				{Address: "127.0.0.231:4005", Weight: 1},
				{Address: "127.0.0.18:4008", Weight: 1, Backup: true},
				{Address: "127.0.0.17:4009", Weight: 1, Backup: true, Down: true},
				{Address: "127.0.0.16:4010", Weight: 1, Drain: true},
			}}},
		LimitReqs: []nginxconf.LimitReq{{Zone: "api", Rate: 0.5, Burst: 5}, {Zone: "api", Rate: 0.5, Burst: 20},
			{Zone: "api", Rate: 0.5}},
	}
	topo := source.NewTopology(conf.Upstreams, []source.Node{{Name: "master", Address: "127.0.0.231:4005"}}, nil)
	metrics := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		g := &gathering{descs: newDescs(false)}
		emitNginxConf(conf, topo, emitter{g})
		return g.families()
	})
	const want = `# HELP nginx_limit_req_burst Largest burst of the limit_req directives that use the zone.
# TYPE nginx_limit_req_burst gauge
nginx_limit_req_burst{zone="api"} 20
# HELP nginx_limit_req_rate Rate of a limit_req zone in requests a second.
# TYPE nginx_limit_req_rate gauge
nginx_limit_req_rate{zone="api"} 0.5
# HELP nginx_upstream_info An upstream group of nginx.conf, always 1; without a zone each worker ` +
		`counts failures and connections for itself.
# TYPE nginx_upstream_info gauge
nginx_upstream_info{method="least_conn",upstream="nodes",zone="shared"} 1
# HELP nginx_upstream_keepalive Idle connections that each worker keeps to the group's servers.
# TYPE nginx_upstream_keepalive gauge
nginx_upstream_keepalive{upstream="nodes"} 32
# HELP nginx_upstream_server_info A server of an upstream group in nginx.conf, always 1; ` +
		`state is active, backup, drain or down.
# TYPE nginx_upstream_server_info gauge
nginx_upstream_server_info{node="",server="127.0.0.16:4010",state="drain",upstream="nodes"} 1
nginx_upstream_server_info{node="",server="127.0.0.17:4009",state="down",upstream="nodes"} 1
nginx_upstream_server_info{node="",server="127.0.0.18:4008",state="backup",upstream="nodes"} 1
nginx_upstream_server_info{node="master",server="127.0.0.231:4005",state="active",upstream="nodes"} 1
# HELP nginx_upstream_server_max_conns Maximum of simultaneous connections to the server (max_conns), ` +
		`0 for no limit; per worker where the group has no zone.
# TYPE nginx_upstream_server_max_conns gauge
nginx_upstream_server_max_conns{node="",server="127.0.0.16:4010",upstream="nodes"} 0
nginx_upstream_server_max_conns{node="",server="127.0.0.17:4009",upstream="nodes"} 0
nginx_upstream_server_max_conns{node="",server="127.0.0.18:4008",upstream="nodes"} 0
nginx_upstream_server_max_conns{node="master",server="127.0.0.231:4005",upstream="nodes"} 1
# HELP nginx_upstream_server_weight Weight of the server in its group.
# TYPE nginx_upstream_server_weight gauge
nginx_upstream_server_weight{node="",server="127.0.0.16:4010",upstream="nodes"} 1
nginx_upstream_server_weight{node="",server="127.0.0.17:4009",upstream="nodes"} 1
nginx_upstream_server_weight{node="",server="127.0.0.18:4008",upstream="nodes"} 1
nginx_upstream_server_weight{node="master",server="127.0.0.231:4005",upstream="nodes"} 5
# HELP nginx_worker_connections Maximum of connections of one worker (worker_connections), ` +
		`to clients and to servers together.
# TYPE nginx_worker_connections gauge
nginx_worker_connections 1024
`
	if err := testutil.GatherAndCompare(metrics, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	problems, err := testutil.GatherAndLint(metrics)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

// worker_processes is given where nginx.conf says it; auto only where NGINX runs on this host.
func TestWorkerProcesses(t *testing.T) {
	said := nginxconf.Pos{Line: 1}
	for name, test := range map[string]struct {
		conf   nginxconf.Config
		onHost bool
		want   int // -1 for absent
	}{
		"not said":            {nginxconf.Config{Workers: "1"}, true, -1},
		"a number":            {nginxconf.Config{Workers: "4", WorkersAt: said}, false, 4},
		"auto, on this host":  {nginxconf.Config{Workers: "auto", WorkersAt: said}, true, runtime.NumCPU()},
		"auto, on some other": {nginxconf.Config{Workers: "auto", WorkersAt: said}, false, -1},
	} {
		n, ok := workerProcesses(&test.conf, test.onHost)
		if ok != (test.want >= 0) || ok && n != test.want {
			t.Errorf("%s: %d %t", name, n, ok)
		}
	}
}
