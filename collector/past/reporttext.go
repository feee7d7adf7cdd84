package past

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Text writes the report as one screen of tables.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	r.head(&b)
	r.servers(&b)
	r.routes(&b)
	r.slowest(&b)
	r.day(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) head(b *strings.Builder) {
	if r.From != nil {
		fmt.Fprintf(b, "%s  %s, ", span(*r.From, *r.To), forHowLong(r.To.Sub(*r.From)))
	}
	fmt.Fprintf(b, "%s lines", grouped(r.Lines.Parsed))
	for _, odd := range []struct {
		n    uint64
		what string
	}{{r.Lines.Malformed, "malformed"}, {r.Lines.TooLong, "too long"}, {r.Lines.WithoutTime, "without a time"}} {
		if odd.n > 0 {
			fmt.Fprintf(b, ", %s %s", grouped(odd.n), odd.what)
		}
	}
	b.WriteString("\n")
	var total uint64
	counts := map[string]uint64{}
	for _, c := range r.Requests {
		total += c.Count
		counts[c.Outcome] += c.Count
	}
	fmt.Fprintf(b, "%s requests", grouped(total))
	for _, o := range outcomes() {
		if counts[o] > 0 {
			fmt.Fprintf(b, "  %s %s (%s)", o, grouped(counts[o]), percent(float64(counts[o])/float64(total)))
		}
	}
	if q := r.seconds; q.Count > 0 {
		fmt.Fprintf(b, "\np50 %s  p90 %s  p99 %s  max %s", inSeconds(q.P50), inSeconds(q.P90), inSeconds(q.P99),
			inSeconds(q.Max))
	}
	b.WriteString("\n")
}

func (r *Report) servers(b *strings.Builder) {
	if len(r.Servers)+len(r.Upstreams) == 0 {
		return
	}
	b.WriteString("\n")
	t := newTable([]int{12}, "SERVER", "SHARE", "ATTEMPTS", "OK", "ERROR", "TIMEOUT", "ABORTED", "RETRIES", "P50",
		"P90", "P99", "MAX", "CODES")
	group := ""
	for i := range r.Servers {
		s := &r.Servers[i]
		if s.Upstream != group {
			group = s.Upstream
			t.add(r.groupRow(group)...)
		}
		name := s.Server
		if s.Node != "" {
			name = s.Node + " " + name
		}
		indent := ""
		if group != "" {
			indent = "  "
		}
		q := &s.Response
		t.add(indent+plain(name), percent(s.Share), grouped(s.Attempts), blank(s.Outcomes["ok"]),
			blank(s.Outcomes["error"]),
			blank(s.Outcomes["timeout"]), blank(s.Outcomes["aborted"]), blank(s.Retries),
			inSeconds(q.P50), inSeconds(q.P90), inSeconds(q.P99), inSeconds(q.Max),
			cut(strings.Join(codeCounts(s.Codes), " "), 40))
	}
	t.write(b)
	for _, u := range r.Upstreams {
		if u.NoLive > 0 {
			fmt.Fprintf(b,
				"%s had no live server for %s requests: full, or passed over after failures; fremisn-exporter "+
					"explain shows which\n", plain(u.Upstream), grouped(u.NoLive))
		}
	}
}

func (r *Report) groupRow(name string) []string {
	row := make([]string, 13)
	row[0] = plain(name)
	return row
}

func (r *Report) routes(b *strings.Builder) {
	if len(r.Routes) == 0 || len(r.Routes) == 1 && r.Routes[0].Route == "" {
		return
	}
	b.WriteString("\n")
	t := newTable(nil, "ROUTE", "REQUESTS", "OK", "CLIENT", "ERROR", "TIMEOUT", "ABORTED", "NO LIVE", "LIMITED", "P50",
		"P90", "P99", "MAX", "SENT")
	for i := range r.Routes {
		s := &r.Routes[i]
		row := []string{plain(s.Route), grouped(s.Requests)}
		for _, o := range outcomes() {
			row = append(row, blank(s.Outcomes[o]))
		}
		q := &s.Duration
		t.add(append(row, inSeconds(q.P50), inSeconds(q.P90), inSeconds(q.P99), inSeconds(q.Max),
			size(float64(s.Sent)))...)
	}
	t.write(b)
}

func (r *Report) slowest(b *strings.Builder) {
	if len(r.Slowest) == 0 {
		return
	}
	b.WriteString("\n")
	t := newTable([]int{2, 3, 4, 5}, "SLOWEST", "TOOK", "CODE", "REQUEST", "ATTEMPTS", "ID")
	for i := range r.Slowest {
		s := &r.Slowest[i]
		at := "-"
		if s.Time != nil {
			at = s.Time.UTC().Format("02 Jan 15:04:05")
		}
		var attempts []string
		for _, a := range s.Attempts {
			attempts = append(attempts, strings.TrimSpace(fmt.Sprintf("%s=%s %s", plain(a.Server), a.Code,
				inSeconds(a.Duration))))
		}
		t.add(at, inSeconds(&s.Duration), s.Code, cut(plain(s.Method+" "+s.Path), 36), strings.Join(attempts, ", "),
			s.RequestID)
	}
	t.write(b)
}

// day draws the last 24 hours that have requests.
func (r *Report) day(b *strings.Builder) {
	if len(r.Hours) < 2 {
		return
	}
	last := r.Hours[len(r.Hours)-1].From
	first := last.Add(-23 * time.Hour)
	if begin := r.Hours[0].From; begin.After(first) {
		first = begin
	}
	n := int(last.Sub(first)/time.Hour) + 1
	requests, errors, p95 := make([]uint64, n), make([]uint64, n), make([]uint64, n)
	for _, h := range r.Hours {
		if i := int(h.From.Sub(first) / time.Hour); i >= 0 && !h.From.Before(first) {
			requests[i], errors[i] = h.Requests, h.Errors
			if h.P95 != nil {
				p95[i] = uint64(*h.P95*1000) + 1
			}
		}
	}
	fmt.Fprintf(b, "\n%-9s  %s  %s to %s UTC, an hour each\n", "REQUESTS", sparkline(requests),
		first.UTC().Format("02 Jan 15:04"), last.Add(time.Hour).UTC().Format("15:04"))
	fmt.Fprintf(b, "%-9s  %s\n", "ERRORS", sparkline(errors))
	fmt.Fprintf(b, "%-9s  %s\n", "P95", sparkline(p95))
}

// span formats two times, with the day once if it is the same.
func span(from, to time.Time) string {
	from, to = from.UTC(), to.UTC()
	end := to.Format("15:04:05 UTC")
	if from.Format(time.DateOnly) != to.Format(time.DateOnly) {
		end = to.Format("2006-01-02 15:04:05 UTC")
	}
	return from.Format("2006-01-02 15:04:05") + " – " + end
}

// forHowLong formats a duration in its two largest units.
func forHowLong(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	case d >= time.Minute:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d s", int(d.Seconds()))
}
