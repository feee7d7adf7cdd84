package check

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
	"github.com/fremisn/fremisn-exporter/collector"
	"github.com/fremisn/fremisn-exporter/probe/mask"
)

func (r *Report) checkStatus(ctx context.Context, s *settings.Settings) {
	left := leftOut(s, "stub_status")
	for _, found := range left {
		found.Section = sectionStatus
		r.add(found)
	}
	switch {
	case s.NoStatus:
		r.add(finding{Section: sectionStatus, Status: statusOK, Subject: "stub_status",
			Text: "none: the config file has status: []"})
	case len(s.Observed.Status)+len(left) == 0:
		r.add(finding{Section: sectionStatus, Status: statusWarn, Subject: "stub_status",
			Text:   "no page named or found: no nginx_up, nginx_connections_…",
			Remedy: "add to http { }: " + statusServerFor(s)})
	}
	for _, page := range s.Observed.Status {
		found := finding{Section: sectionStatus, Status: statusOK, Subject: "stub_status", From: page.From}
		url := mask.URL(page.URL)
		text, err := collector.CheckStatus(ctx, page.StatusConfig)
		found.Text = url + ": " + text
		if err != nil {
			found.Status, found.Text = statusFail, url+": "+err.Error()
			found.Remedy = "the location must have stub_status and allow this host; see for yourself: curl -i " +
				curlOf(url, page.Host)
			if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, os.ErrNotExist) {
				found.Text = url + ": nothing listens there"
				found.Remedy = "is NGINX running, and with this configuration? systemctl status nginx; nginx -t; " +
					"from another host or container, name a URL in nginx.status"
			}
		}
		r.add(found)
	}
}

// statusServer is a server for a status page, ready to paste into nginx.conf.
const statusServer = "server { listen 127.0.0.1:8080; location = /nginx_status { stub_status; access_log off; } }"

// statusServerFor returns statusServer, or for an NGINX in a container a page that others of its network reach.
func statusServerFor(s *settings.Settings) string {
	if !readsContainer(s.Observed) {
		return statusServer
	}
	return "server { listen 8080; location = /nginx_status { stub_status; access_log off; allow 172.16.0.0/12; allow " +
		"192.168.0.0/16; deny all; } } and write nginx.status: [{url: http://CONTAINER:8080/nginx_status}]"
}

// curlOf returns curl's arguments for a page's address.
func curlOf(url, host string) string {
	header := ""
	if host != "" {
		header = "-H 'Host: " + host + "' "
	}
	rest, isSocket := strings.CutPrefix(url, "unix:")
	if !isSocket {
		return header + url
	}
	socket, path, _ := strings.Cut(rest, ":")
	return header + "--unix-socket " + socket + " http://localhost" + path
}

// leftOut reports everything of one directive in nginx.conf that is not observed.
func leftOut(s *settings.Settings, directives ...string) []finding {
	var left []finding
	for _, i := range s.Observed.Ignored {
		if !slices.Contains(directives, i.Directive) {
			continue
		}
		found := finding{Status: statusWarn, Subject: i.Directive, Text: "not followed: " + i.Text, Remedy: i.Remedy,
			From: i.Pos.String()}
		switch {
		case i.Failed:
			found.Status, found.Text = statusFail, i.Text
		case i.Twice:
			found.Text = i.Text
		}
		left = append(left, found)
	}
	return left
}
