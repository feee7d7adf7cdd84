// Package web serves the exporter over HTTP: /metrics, /probe, and pages for people.
package web

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/common/version"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/verdict"
)

// Options are the data of the pages and the actions that they offer.
type Options struct {
	MetricsPath string
	Prefix      string // the prefix of all paths: "" or /prefix
	Metrics     http.Handler
	Probe       http.Handler
	Overview    func(context.Context) Overview
	Incidents   func() []verdict.Incident // the latest first
	Targets     func() []Target
	Config      func() string // the running config, secrets masked
	Ready       func() bool
	Reload      func(context.Context) error // nil: the lifecycle is not enabled
	Logger      log.Logger
}

//go:embed pages
var pages embed.FS

// New returns the handler of everything that the exporter serves.
func New(o Options) (http.Handler, error) {
	s := &site{Options: o, began: time.Now()}
	var err error
	s.templates, err = template.New("").Funcs(statusFuncs()).Funcs(template.FuncMap{
		"ms": milliseconds, "ago": ago, "relative": relative, "home": s.home, "count": count, "bytes": bytesText,
		"share": share,
	}).ParseFS(pages, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	mux := http.NewServeMux()
	home := "GET /{$}"
	metrics := o.MetricsPath
	if metrics == "/" {
		metrics, home = "/{$}", "GET "+overviewPath
	}
	mux.Handle("GET "+metrics, o.Metrics)
	mux.Handle("GET /probe", newFairProbes(maxProbes, o.Probe))
	page := fewAtOnce(maxPages)
	mux.Handle(home, page(s.landing))
	mux.Handle("GET /incidents", page(s.incidents))
	mux.Handle("GET /api/v1/status", page(s.apiStatus))
	mux.Handle("GET /api/v1/incidents", page(s.apiIncidents))
	mux.Handle("GET /probes", fewAtOnce(maxProbePages)(s.probes))
	mux.Handle("GET /config", page(s.config))
	s.health(mux)
	mux.HandleFunc("/-/reload", s.reload)
	return secured(limited(s.prefixed(mux))), nil
}

// overviewPath is the overview's path when metrics are at /.
const overviewPath = "/overview"

func (s *site) health(mux *http.ServeMux) {
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) {
		text(w, http.StatusOK,
			"healthy\n")
	})
	mux.HandleFunc("GET /-/ready", s.ready)
}

// prefixed serves everything below the prefix, and the requests of containers without it, too.
func (s *site) prefixed(next http.Handler) http.Handler {
	if s.Prefix == "" {
		return next
	}
	mux := http.NewServeMux()
	mux.Handle(s.Prefix+"/", http.StripPrefix(s.Prefix, next))
	mux.Handle("GET /{$}", http.RedirectHandler(s.Prefix+"/", http.StatusFound))
	s.health(mux)
	return mux
}

// relative returns a path in the form of the pages' links, which work behind any prefix.
func relative(path string) string {
	if path == "/" {
		return "./"
	}
	return strings.TrimPrefix(path, "/")
}

// home returns the link to the overview.
func (s *site) home() string {
	if s.MetricsPath == "/" {
		return relative(overviewPath)
	}
	return "./"
}

type site struct {
	Options
	templates *template.Template
	began     time.Time
}

// secured sets headers that allow a browser only to show these pages.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "+
			"form-action 'none'; frame-ancestors 'none'")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}

func text(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

func (s *site) ready(w http.ResponseWriter, _ *http.Request) {
	if !s.Ready() {
		text(w, http.StatusServiceUnavailable, "not ready\n")
		return
	}
	text(w, http.StatusOK, "ready\n")
}

func (s *site) reload(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodPost && r.Method != http.MethodPut:
		w.Header().Set("Allow", "POST, PUT")
		text(w, http.StatusMethodNotAllowed, "reload with POST\n")
	case s.Reload == nil:
		text(w, http.StatusForbidden, "reloading over HTTP is off; start with --web.enable-lifecycle, or send SIGHUP\n")
	default:
		s.reloadNow(w, r)
	}
}

// AnswerLimit is the maximum time of an answer, whatever disks, name servers and NGINX do. Only a machine that is too
// busy to write what it has found takes longer.
const AnswerLimit = 3 * time.Second

func (s *site) reloadNow(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), AnswerLimit)
	defer cancel()
	switch err := s.Reload(ctx); {
	case errors.Is(err, context.DeadlineExceeded):
		text(w, http.StatusServiceUnavailable, "the reload is still under way; the exporter's log will say how it "+
			"ended\n")
	case err != nil:
		text(w, http.StatusInternalServerError, err.Error()+"\n")
	default:
		text(w, http.StatusOK, "reloaded\n")
	}
}

// A page is the data that every template gets.
type page struct {
	Title       string
	Path        string
	MetricsPath string
	Version     string
	Now         time.Time
	Began       time.Time
	Data        any
}

func (s *site) show(w http.ResponseWriter, name, title, path string, data any) {
	var body bytes.Buffer
	err := s.templates.ExecuteTemplate(&body, name, page{
		Title: title, Path: path, MetricsPath: s.MetricsPath, Version: version.Version, Now: time.Now(), Began: s.began,
		Data: data,
	})
	if err != nil {
		level.Error(s.Logger).Log("msg", "page", "page", name, "err", err)
		text(w, http.StatusInternalServerError, "this page failed; the exporter's log says why\n")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(body.Bytes())
}

func (s *site) config(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		s.show(w, "config.html", "Config", "/config", s.Config())
		return
	}
	text(w, http.StatusOK, s.Config())
}
