package past

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Text writes the report as one screen of tables for a terminal of so many columns; 0 is for no terminal.
func (r *Report) Text(w io.Writer, columns int) error {
	var b strings.Builder
	p := prose{columns}
	r.lines(&b, p)
	if !r.Lines.allOutside() {
		r.head(&b, p)
		r.servers(&b, p)
		r.routes(&b, p)
		r.slowest(&b, p)
		r.day(&b, p)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const (
	// widestRow is for lists of short pieces, which are read in any length.
	widestRow = 200
	// mostRows is how many servers and routes are shown.
	mostRows = 40
)

// lines says of what time the lines are, and how many.
func (r *Report) lines(b *strings.Builder, p prose) {
	pieces := []string{numbered(int(r.Lines.Parsed), "line")}
	switch {
	case r.From != nil:
		pieces = append([]string{span(*r.From, *r.To), forHowLong(r.To.Sub(*r.From))}, pieces...)
	case r.Lines.allOutside():
		pieces = []string{"no line " + r.asked}
	}
	for _, odd := range []struct {
		n    uint64
		what string
	}{{r.Lines.Malformed, "malformed"}, {r.Lines.TooLong, "too long"}, {r.Lines.WithoutTime, "without a time"}} {
		if odd.n > 0 {
			pieces = append(pieces, grouped(odd.n)+" "+odd.what)
		}
	}
	b.WriteString(p.joined(pieces, "  ", "", "", widestRow))
}

func (r *Report) head(b *strings.Builder, p prose) {
	var total uint64
	counts := map[string]uint64{}
	for _, c := range r.Requests {
		total += c.Count
		counts[c.Outcome] += c.Count
	}
	pieces := []string{numbered(int(total), "request")}
	for _, o := range outcomes() {
		if counts[o] > 0 {
			pieces = append(pieces, fmt.Sprintf("%s %s (%s)", o, grouped(counts[o]),
				percent(float64(counts[o])/float64(total))))
		}
	}
	b.WriteString(p.joined(pieces, "  ", "", "  ", widestRow))
	if q := r.seconds; q.Count > 0 {
		b.WriteString(p.joined([]string{"p50 " + inSeconds(q.P50), "p90 " + inSeconds(q.P90),
			"p99 " + inSeconds(q.P99), "max " + inSeconds(q.Max)}, "  ", "", "", widestRow))
	}
}

func (r *Report) servers(b *strings.Builder, p prose) {
	if len(r.Servers)+len(r.Upstreams) == 0 {
		return
	}
	b.WriteString("\n")
	t := newTable([]int{12}, "SERVER", "SHARE", "ATTEMPTS", "OK", "ERROR", "TIMEOUT", "ABORTED", "RETRIES", "P50",
		"P90", "P99", "MAX", "CODES")
	group := ""
	for i := range r.Servers[:min(len(r.Servers), mostRows)] {
		s := &r.Servers[i]
		if s.Upstream != group {
			group = s.Upstream
			t.add(r.groupRow(group)...)
		}
		t.add(s.cells(group != "")...)
	}
	t.write(b, p)
	b.WriteString(p.left(len(r.Servers), "server"))
	for _, u := range r.Upstreams {
		if u.NoLive > 0 {
			b.WriteString(p.wrapped(fmt.Sprintf("%s had no live server for %s: full, or passed over after failures; "+
				"fremisn-exporter explain shows which", plain(u.Upstream), numbered(int(u.NoLive), "request")), ""))
		}
	}
}

// left says how many rows of a table are not shown, and where they are.
func (p prose) left(n int, what string) string {
	if n <= mostRows {
		return ""
	}
	return p.wrapped(fmt.Sprintf("… and %s; --output json and csv have all of them", numbered(n-mostRows,
		"more "+what)), "")
}

// cells are those of a server's row; one in a group is indented.
func (s *ServerReport) cells(inGroup bool) []string {
	name := plain(s.Server)
	if s.Node != "" {
		name = plain(s.Node) + " " + name
	}
	if inGroup {
		name = "  " + name
	}
	q := &s.Response
	return []string{
		name, percent(s.Share), grouped(s.Attempts), blank(s.Outcomes["ok"]), blank(s.Outcomes["error"]),
		blank(s.Outcomes["timeout"]), blank(s.Outcomes["aborted"]), blank(s.Retries),
		inSeconds(q.P50), inSeconds(q.P90), inSeconds(q.P99), inSeconds(q.Max), someCodes(s.Codes),
	}
}

// someCodes are the most frequent statuses with their counts, and how many more there are.
func someCodes(codes map[string]uint64) string {
	const most = 4
	list := codeCounts(codes)
	if more := len(list) - most; more > 0 {
		list = append(list[:most], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(list, " ")
}

func (r *Report) groupRow(name string) []string {
	row := make([]string, 13)
	row[0] = plain(name)
	return row
}

func (r *Report) routes(b *strings.Builder, p prose) {
	if len(r.Routes) == 0 || len(r.Routes) == 1 && r.Routes[0].Route == "" {
		return
	}
	b.WriteString("\n")
	t := newTable(nil, "ROUTE", "REQUESTS", "OK", "CLIENT", "ERROR", "TIMEOUT", "ABORTED", "NO LIVE", "LIMITED", "P50",
		"P90", "P99", "MAX", "SENT")
	for i := range r.Routes[:min(len(r.Routes), mostRows)] {
		s := &r.Routes[i]
		row := []string{plain(s.Route), grouped(s.Requests)}
		for _, o := range outcomes() {
			row = append(row, blank(s.Outcomes[o]))
		}
		q := &s.Duration
		t.add(append(row, inSeconds(q.P50), inSeconds(q.P90), inSeconds(q.P99), inSeconds(q.Max),
			size(float64(s.Sent)))...)
	}
	t.write(b, p)
	b.WriteString(p.left(len(r.Routes), "route"))
}

func (r *Report) slowest(b *strings.Builder, p prose) {
	if len(r.Slowest) == 0 {
		return
	}
	b.WriteString("\n")
	t := newTable([]int{2, 3, 4, 5}, "   SLOWEST, UTC", "TOOK", "CODE", "REQUEST", "ATTEMPTS", "ID")
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
		t.add(fmt.Sprintf("%2d %s", i+1, at), inSeconds(&s.Duration), s.Code, cut(plain(s.Method+" "+s.Path), 36),
			cut(strings.Join(attempts, ", "), 100), cut(plain(s.RequestID), 64))
	}
	t.write(b, p)
}

// day draws the last 24 hours that have requests.
func (r *Report) day(b *strings.Builder, p prose) {
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
				p95[i] = uint64(*h.P95 * 1000)
			}
		}
	}
	highest := float64(slices.Max(p95)) / 1000
	fmt.Fprintf(b, "\nBy the hour, %s to %s UTC:\n", first.UTC().Format("02 Jan 15:04"),
		last.Add(time.Hour).UTC().Format("02 Jan 15:04"))
	t := newTable([]int{1, 2}, "", "", "")
	t.add("requests", sparkline(requests), "at most "+grouped(slices.Max(requests)))
	t.add("errors", sparkline(errors), "at most "+grouped(slices.Max(errors)))
	t.add("p95", sparkline(p95), "at most "+inSeconds(&highest))
	t.writeRows(b, p)
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
