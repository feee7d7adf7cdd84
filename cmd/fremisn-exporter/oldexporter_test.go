package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// TestAsTheOldExporter holds the metrics of a status page against those of Debian's nginx-prometheus-exporter, run
// beside ours on the same real NGINX: names, types, help and labels, while NGINX is up and when it is gone.
func TestAsTheOldExporter(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	address, old := freeAddress(t), freeAddress(t)
	nginx, err := testenv.StartNginx(ctx, dir, testenv.Preamble()+"http {"+testenv.TempPaths+`
    access_log off;
    server { listen `+address+`; location = /nginx_status { stub_status; } }
}
`, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nginx.Stop() })
	page := "http://" + address + "/nginx_status"
	binary, err := testenv.Find("prometheus-nginx-exporter")
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(binary, "-nginx.scrape-uri", page, "-web.listen-address", old)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { command.Process.Kill(); command.Wait() })
	p := startProgram(t, fmt.Sprintf("nginx:\n  status: [{url: %q}]\n", page))

	var theirs map[string]string
	until(t, "the old exporter answers", func() bool {
		response, err := http.Get("http://" + old + "/metrics")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		theirs = metadataOf(t, response.Body)
		return true
	})
	ours := func() map[string]string {
		_, body, _ := p.get(t, "/metrics")
		return metadataOf(t, strings.NewReader(body))
	}
	if len(theirs) != 8 {
		t.Errorf("the old exporter gives %d metrics of NGINX", len(theirs))
	}
	if diff := cmp.Diff(theirs, ours()); diff != "" {
		t.Errorf("while NGINX is up (theirs -, ours +)\n%s", diff)
	}
	nginx.Stop()
	response, err := http.Get("http://" + old + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if diff := cmp.Diff(metadataOf(t, response.Body), ours()); diff != "" {
		t.Errorf("when NGINX is gone (theirs -, ours +)\n%s", diff)
	}
}

// metadataOf is type, help and labels of every metric of NGINX; of nginx_up the value too.
func metadataOf(t *testing.T, text io.Reader) map[string]string {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]string{}
	for name, family := range families {
		if !strings.HasPrefix(name, "nginx_") || name == "nginx_exporter_build_info" {
			continue
		}
		text := family.GetType().String() + ": " + family.GetHelp()
		for _, m := range family.Metric {
			text += fmt.Sprint(labelNames(m))
			if name == "nginx_up" {
				text += fmt.Sprint(m.GetGauge().GetValue())
			}
		}
		described[name] = text
	}
	return described
}

func labelNames(m *dto.Metric) []string {
	var names []string
	for _, l := range m.Label {
		names = append(names, l.GetName())
	}
	return names
}
