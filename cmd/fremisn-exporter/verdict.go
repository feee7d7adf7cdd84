package main

import (
	"fmt"
	"strings"

	dto "github.com/prometheus/client_model/go"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/web"
)

// overviewVerdict is the landing page in a line: whether the nodes serve well, and if not, what is wrong first.
func overviewVerdict(o web.Overview, status []*dto.Metric) web.Verdict {
	var bad, good []string
	silent := 0
	for _, page := range status {
		if page.GetGauge().GetValue() == 0 {
			silent++
		}
	}
	switch {
	case silent > 0 && silent < len(status):
		bad = append(bad, fmt.Sprintf("%d of %d status pages of NGINX do not answer", silent, len(status)))
	case silent > 0:
		bad = append(bad, "NGINX does not answer")
	case len(status) > 0:
		good = append(good, "NGINX answers")
	}
	var down []string
	probed := 0
	for _, n := range o.Nodes {
		switch n.Class() {
		case "bad":
			down = append(down, n.Title())
			probed++
		case "good":
			probed++
		}
	}
	switch {
	case len(down) > 0 && len(down) == probed:
		bad = append(bad, "no node answers its probes as it should")
	case len(down) > 0:
		bad = append(bad, fmt.Sprintf("%d of %d nodes down: %s", len(down), probed, strings.Join(down, ", ")))
	case probed > 0:
		good = append(good, fmt.Sprintf("%d of %d nodes are up", probed, probed))
	}
	unread := 0
	for _, l := range o.Logs {
		if l.Problem != "" {
			unread++
			bad = append(bad, "log "+l.Name+" cannot be read")
		}
	}
	if len(o.Logs) > 0 && unread == 0 {
		good = append(good, "every log is read")
	}
	switch {
	case len(bad) > 0:
		return web.Verdict{Class: "bad", Sentence: sentence(bad)}
	case len(good) > 0:
		return web.Verdict{Class: "good", Sentence: sentence(good)}
	}
	return web.Verdict{Class: "wait", Sentence: "Nothing is known yet."}
}

func sentence(parts []string) string {
	text := strings.Join(parts, ", ")
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
