package source

import (
	"testing"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

func TestLimitStatuses(t *testing.T) {
	req := func(statuses ...int) (all []nginxconf.LimitReq) {
		for _, s := range statuses {
			all = append(all, nginxconf.LimitReq{Status: s})
		}
		return all
	}
	for name, c := range map[string]struct {
		conf      *nginxconf.Config
		req, conn int
	}{
		"no nginx.conf": {nil, 503, 503},
		"nothing said":  {&nginxconf.Config{}, 503, 503},
		"said at http":  {&nginxconf.Config{LimitReqStatus: 429, LimitConnStatus: 430}, 429, 430},
		"said at the locations": {&nginxconf.Config{LimitReqStatus: 503, LimitConnStatus: 503, LimitReqs: req(429, 429),
			LimitConns: []nginxconf.LimitConn{{Status: 444}}}, 429, 444},
		"they do not agree": {&nginxconf.Config{LimitReqStatus: 503, LimitReqs: req(429, 444, 429)}, 503, 503},
	} {
		if req, conn := (&Settings{Conf: c.conf}).LimitStatuses(); req != c.req || conn != c.conn {
			t.Errorf("%s: %d and %d, want %d and %d", name, req, conn, c.req, c.conn)
		}
	}
}
