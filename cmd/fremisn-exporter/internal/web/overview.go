package web

import (
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-kit/log/level"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/verdict"
)

// An Overview is what the landing page shows beside the verdict.
type Overview struct {
	Status          verdict.Status
	ConnectionLimit int                      // worker_processes times worker_connections; 0 if unknown
	Probes          map[string][]ProbeState  // by the server's address
	MoreProbes      map[string]int           // of the same servers, how many are left out
	Quotas          map[string][]QuotaStatus // by the server's address
}

// A ProbeState is the last result of one probe of a node, and its last hour.
type ProbeState struct {
	Name, Target, Link string
	Done               bool // it has run
	Success            bool
	Duration           time.Duration
	When               time.Time
	Sentence           string        // why it failed
	Hour               []ProbeMinute // the oldest first
}

// A ProbeMinute is a minute of the last hour.
type ProbeMinute struct{ Succeeded, Failed uint16 }

// A QuotaStatus is how much of a licence's quota is used.
type QuotaStatus struct {
	Name        string
	Used, Limit float64
}

// A nodeCard is a node as the landing page shows it.
type nodeCard struct {
	verdict.Node
	Probes []ProbeState
	More   int // probes that are left out
	Quotas []QuotaStatus
}

// PastOut returns the last time in which the server was taken out, unless the card's own sentence is about it.
func (c *nodeCard) PastOut() *verdict.OutStatus {
	if c.State == verdict.StateTakenOut {
		return nil
	}
	return c.LastOut
}

// Class returns the colour of a card.
func (c *nodeCard) Class() string {
	switch c.State {
	case verdict.StateUp:
		if c.Slow {
			return "wait"
		}
		return "good"
	case verdict.StateDown, verdict.StateTakenOut, verdict.StateFailing:
		return "bad"
	}
	return "wait"
}

// StateWords returns the state in words.
func (c *nodeCard) StateWords() string {
	if c.Slow && c.State == verdict.StateUp {
		return "slow"
	}
	return map[string]string{
		verdict.StateUp: "up", verdict.StateFailing: "failing", verdict.StateDown: "down",
		verdict.StateTakenOut: "taken out", verdict.StateOff: "off", verdict.StateUnknown: "unknown",
	}[c.State]
}

// A landingPage is the data of landing.html.
type landingPage struct {
	Overview
	Cards    []nodeCard
	Failures []verdict.FailedRequest // the latest
}

// maxShownFailures is how many failed requests the landing page lists.
const maxShownFailures = 10

func newLandingPage(o Overview) landingPage {
	page := landingPage{Overview: o}
	for _, n := range o.Status.Nodes {
		page.Cards = append(page.Cards, nodeCard{n, o.Probes[n.Server], o.MoreProbes[n.Server], o.Quotas[n.Server]})
	}
	page.Failures = o.Status.Failures[:min(len(o.Status.Failures), maxShownFailures)]
	return page
}

func (s *site) landing(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), AnswerLimit)
	defer cancel()
	overview := s.Overview(ctx)
	s.show(w, "landing.html", verdictTitle(overview.Status.Verdict), "/", newLandingPage(overview))
}

func verdictTitle(v string) string { return strings.ToUpper(v[:1]) + v[1:] }

func (s *site) incidents(w http.ResponseWriter, _ *http.Request) {
	s.show(w, "incidents.html", "Incidents", "/incidents", s.Incidents())
}

func (s *site) apiStatus(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), AnswerLimit)
	defer cancel()
	s.json(w, s.Overview(ctx).Status)
}

func (s *site) apiIncidents(w http.ResponseWriter, _ *http.Request) { s.json(w, s.Incidents()) }

func (s *site) json(w http.ResponseWriter, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		level.Error(s.Logger).Log("msg", "api", "err", err)
		text(w, http.StatusInternalServerError, "this page failed; the exporter's log says why\n")
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(append(body, '\n'))
}

// statusFuncs are the functions of the verdict's pages.
func statusFuncs() template.FuncMap {
	return template.FuncMap{
		"lasting": lasting, "clock": clock, "took": took, "sparkline": sparkline, "strip": strip, "rate": rate,
		"outcomes": outcomeCells, "outcome": outcomeText, "failed": failedOf, "percent": percentOf,
		"busy": busyText, "attempt": attemptText,
		"verdictClass": verdictClass, "whole": func(n uint64) string { return count(float64(n)) },
		"kindWords": func(kind string) string { return strings.ReplaceAll(kind, "_", " ") },
		"hundred":   func(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) },
		"row":       func(name string, w *verdict.RequestWindow) windowRow { return windowRow{name, w} },
	}
}

// A windowRow is a line of a table of requests.
type windowRow struct {
	Name   string
	Window *verdict.RequestWindow
}

func verdictClass(v string) string {
	switch v {
	case verdict.Fine:
		return "good"
	case verdict.Down:
		return "bad"
	}
	return "wait"
}

// lasting formats how long something has held.
func lasting(now, since time.Time) string {
	switch d := now.Sub(since); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(0, int(d.Seconds())))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
}

// clock formats a time of the last day without, an older one with its date.
func clock(now, t time.Time) string {
	if now.Sub(t) > 20*time.Hour {
		return t.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	return t.UTC().Format("15:04:05 UTC")
}

// took formats a duration in seconds of something that happened so many times.
func took(s *float64, times uint64) string {
	switch {
	case s != nil && *s == 0:
		return "0 ms"
	case s != nil:
		return milliseconds(time.Duration(*s * float64(time.Second)))
	case times > 0:
		return "not logged"
	}
	return "–"
}

func rate(perSecond float64) string {
	switch {
	case perSecond == 0:
		return "0"
	case perSecond < 10:
		return fmt.Sprintf("%.2f", perSecond)
	}
	return count(perSecond)
}

func percentOf(part, whole uint64) string { return share(float64(part), float64(whole)) }

func busyText(busy *float64, attempts uint64) string {
	if busy == nil {
		return "not logged"
	}
	return fmt.Sprintf("%.2f", *busy)
}

// An outcomeCell is one outcome of a window.
type outcomeCell struct {
	Name, Count string
	Bad         bool
}

// outcomeCells returns the outcomes in the order of the contract.
func outcomeCells(counts verdict.RequestOutcomes) []outcomeCell {
	var cells []outcomeCell
	for _, name := range []string{"ok", "client_error", "error", "timeout", "no_live", "limited", "aborted"} {
		bad := counts[name] > 0 && slices.Contains([]string{"error", "timeout", "no_live"}, name)
		cells = append(cells, outcomeCell{strings.ReplaceAll(name, "_", " "), outcomeText(counts, name), bad})
	}
	return cells
}

func outcomeText(counts verdict.RequestOutcomes, name string) string {
	n, logged := counts[name]
	if !logged {
		return "not logged"
	}
	return count(float64(n))
}

func failedOf(counts map[string]uint64) uint64 {
	return counts["error"] + counts["timeout"] + counts["no_live"]
}

// attemptText formats an attempt: "master 504 5.00 s".
func attemptText(a verdict.AttemptStatus) string {
	parts := []string{a.Server}
	if a.Node != "" {
		parts[0] = a.Node
	}
	if a.Code != nil {
		parts = append(parts, fmt.Sprint(*a.Code))
	}
	if a.Duration != nil {
		parts = append(parts, took(a.Duration, 1))
	}
	return strings.Join(parts, " ")
}

const (
	sparkHeight = 30
	sparkStep   = 4 // of a bar and the gap after it
	sparkBar    = 3
)

// sparkline draws a bar for each minute of the hour: attempts, with the failed ones at the bottom.
func sparkline(history []verdict.Minute) template.HTML {
	most, attempts, errors := uint64(1), uint64(0), uint64(0)
	for _, m := range history {
		most = max(most, m.Attempts)
		attempts += m.Attempts
		errors += m.Errors
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="spark" viewBox="0 0 %d %d" preserveAspectRatio="none" role="img" aria-label="The `+
		`last hour by minutes: %d attempts, %d failed">`,
		sparkStep*len(history), sparkHeight, attempts, errors)
	for i, m := range history {
		bar(&b, "some", i, m.Attempts, most)
		bar(&b, "bad", i, m.Errors, most)
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// bar draws n of most. Anything above zero is visible.
func bar(b *strings.Builder, class string, i int, n, most uint64) {
	if n == 0 {
		return
	}
	height := max(2, float64(n)*sparkHeight/float64(most))
	fmt.Fprintf(b, `<rect class="%s" x="%d" y="%.1f" width="%d" height="%.1f"/>`, class, i*sparkStep,
		sparkHeight-height, sparkBar, height)
}

// strip draws a tile for each minute of the hour with the results of its probes.
func strip(hour []ProbeMinute) template.HTML {
	succeeded, failed := 0, 0
	var b strings.Builder
	for i, m := range hour {
		succeeded += int(m.Succeeded)
		failed += int(m.Failed)
		class := "good"
		switch {
		case m.Succeeded+m.Failed == 0:
			class = "none"
		case m.Failed > 0 && m.Succeeded > 0:
			class = "wait"
		case m.Failed > 0:
			class = "bad"
		}
		fmt.Fprintf(&b, `<rect class="%s" x="%d" y="0" width="%d" height="10"/>`, class, i*sparkStep, sparkBar)
	}
	return template.HTML(fmt.Sprintf(`<svg class="minutes" viewBox="0 0 %d 10" preserveAspectRatio="none" `+
		`role="img" aria-label="Probes of the last hour: %d succeeded, %d failed">%s</svg>`,
		sparkStep*len(hour), succeeded, failed, b.String()))
}
