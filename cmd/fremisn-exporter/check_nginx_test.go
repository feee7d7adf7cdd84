package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/rig"
)

// Nothing but the path of nginx.conf is told: the status page, the logs, their format and the nodes are found in it.
func TestCheckOnRealNGINX(t *testing.T) {
	h := newHost(t)
	mission := rig.Mission{
		Listen: freeAddress(t), Status: freeAddress(t), Nodes: []string{strings.TrimPrefix(h.node.URL, "http://")},
		Formats: []rig.Format{{Name: "access", Format: rig.IncumbentFormat}},
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	nginx, err := rig.StartNginx(ctx, t.TempDir(), mission.Conf(), mission.Listen, mission.Status)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nginx.Stop() })
	for range 5 {
		response, err := http.Get("http://" + mission.Listen + "/v1/face/recognition")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	log := filepath.Join(nginx.Dir, "access.log")
	until(t, "NGINX writes five lines", func() bool {
		text, err := os.ReadFile(log)
		return err == nil && strings.Count(string(text), "\n") == 5
	})
	h.write(t, h.config, "nginx: {config: "+nginx.Conf+"}\n")
	c := h.check(t)
	if c.code != exitOK {
		t.Errorf("exit code %d\n%s", c.code, c.text)
	}
	if l := c.find(t, sectionStatus, good, mission.Status); !strings.HasPrefix(l.From, nginx.Conf+":") {
		t.Errorf("status page from %s", l.From)
	}
	c.find(t, sectionLogs, good, log+": all of the last 5 lines fit log_format access")
	c.find(t, sectionLogs, look, "nginx_upstream_attempts_total{code} ($upstream_status)")
	c.find(t, sectionNodes, good, h.node.URL)
	c.find(t, sectionFindings, look, "reaches")
}
