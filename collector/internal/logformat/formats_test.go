package logformat

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// compileAll returns a parser for formats with escape=default.
func compileAll(t *testing.T, o Options, formats ...string) *Parser {
	t.Helper()
	var programs []*Program
	for _, format := range formats {
		p, err := Compile(format, "default", o)
		if err != nil {
			t.Fatal(err)
		}
		programs = append(programs, p)
	}
	return NewParser(programs[0], programs[1:]...)
}

// TestSeveralFormats: each line is read in the first format that it fits, and keeps nothing of a line in another.
func TestSeveralFormats(t *testing.T) {
	p := compileAll(t, Options{Capture: []string{"host"}},
		`$remote_addr "$request" $status rt=$request_time ua="$upstream_addr" host=$host`,
		`$remote_addr "$request" $status rt=$request_time`,
		`$remote_addr "$request" $status $bytes_sent`)
	r := NewRecord()
	for range 2 {
		for _, c := range []struct {
			line                   string
			format                 int
			millis, sent, elements int64
			host                   string
		}{
			{`1.2.3.4 "GET / HTTP/1.1" 200 rt=0.125 ua="10.0.0.1:80" host=a.test`, 0, 125, Absent, 1, "a.test"},
			{`1.2.3.4 "GET / HTTP/1.1" 200 17`, 2, Absent, 17, 0, ""},
			{`1.2.3.4 "GET / HTTP/1.1" 200 rt=0.005`, 1, 5, Absent, 0, ""},
		} {
			if err := p.ParseLine([]byte(c.line), r); err != nil {
				t.Fatalf("%q: %v", c.line, err)
			}
			if r.Format != c.format || r.Millis != c.millis || r.Sent != c.sent || r.Elements != int(c.elements) ||
				string(r.Captured[0]) != c.host {
				t.Errorf("%q: format %d, %d ms, %d bytes, %d attempts, host %q", c.line, r.Format, r.Millis, r.Sent,
					r.Elements, r.Captured[0])
			}
		}
	}
	if err := p.ParseLine([]byte(`1.2.3.4 "GET / HTTP/1.1" 2x0 17`), r); err == nil ||
		err.Error() != `at byte 25: expected three digits for $status and then " rt="` {
		t.Errorf("the error is %v, not what keeps the line from the first format", err)
	}
	if !p.Has(BytesSent) || !p.Has(UpstreamAddr) || !p.HasUpstream() || p.Has(RequestLength) {
		t.Error("the parser does not have what any of its formats has")
	}
	if f := p.Formats(); !f[0].Captures(0) || f[2].Captures(0) {
		t.Error("only the first format gives $host")
	}
}

// TestTime: the time of a line is that of the finest variable, whatever the order, and 0 without one.
func TestTime(t *testing.T) {
	const msec, iso, local = "1795523250.123", "2026-11-24T12:27:31-03:30", "24/Nov/2026:12:27:32 +0700"
	const ofMsec = int64(1795523250123)
	ofISO := time.Date(2026, 11, 24, 15, 57, 31, 0, time.UTC).UnixMilli()
	ofLocal := time.Date(2026, 11, 24, 5, 27, 32, 0, time.UTC).UnixMilli()
	for _, c := range []struct {
		format, line string
		want         int64
	}{
		{"$status", "200", 0},
		{"$time_local $status", local + " 200", ofLocal},
		{"[$time_local] $time_iso8601 $status", "[" + local + "] " + iso + " 200", ofISO},
		{"$time_iso8601 [$time_local] $status", iso + " [" + local + "] 200", ofISO},
		{"$time_iso8601 [$time_local] $status $msec", iso + " [" + local + "] 200 " + msec, ofMsec},
		{"$msec $time_iso8601 [$time_local] $status", msec + " " + iso + " [" + local + "] 200", ofMsec},
		{"$time_local$msec $status", local + msec + " 200", ofMsec},
	} {
		p, r := compileAll(t, Options{}, c.format), NewRecord()
		for range 3 { // the second and third are remembered
			r.Time = -1
			if c.want == 0 {
				r.Time = 0
			}
			if err := p.ParseLine([]byte(c.line), r); err != nil || r.Time != c.want {
				t.Errorf("%q: %d (%v), want %d", c.format, r.Time, err, c.want)
			}
		}
	}
}

// TestTimesAreChecked: what NGINX does not write as a time is not one, and is not cached as one.
func TestTimesAreChecked(t *testing.T) {
	r := NewRecord()
	for format, lines := range map[string][]string{
		"$time_local": {
			"24/Nov/2026:12:27:30 +000", "24/Nov/2026:12:27:30 00000", "24/nov/2026:12:27:30 +0000",
			"32/Nov/2026:12:27:30 +0000",
			"24/Nov/2026:24:27:30 +0000", "24/Nov/2026 12:27:30 +0000", "24/Nov/2026:12:60:30 +0000",
			"2x/Nov/2026:12:27:30 +0000",
		},
		"$time_iso8601": {
			"2026-11-24T12:27:30+0000", "2026-11-24 12:27:30+00:00", "2026-13-24T12:27:30+00:00",
			"2026-11-24T12:27:30Z00:00", "2026-00-24T12:27:30+00:00",
		},
		"$msec": {"1795523250", "1795523250.12", "1795523250.1234", ".123", "-", "179552325x.123", "1795523250,123"},
	} {
		p := compileAll(t, Options{}, format)
		for range 2 {
			for _, line := range lines {
				if p.ParseLine([]byte(line), r) == nil {
					t.Errorf("%s: %q is taken for %d", format, line, r.Time)
				}
			}
		}
	}
}

// TestTimeIsTheStandardLibrarys compares some thousand times with what the time package makes of them.
func TestTimeIsTheStandardLibrarys(t *testing.T) {
	local, iso, msec := compileAll(t, Options{}, "$time_local"), compileAll(t, Options{},
		"$time_iso8601"), compileAll(t, Options{}, "$msec")
	r := NewRecord()
	zones := []*time.Location{time.UTC, time.FixedZone("", 7*3600), time.FixedZone("", -(9*3600 + 30*60)),
		time.FixedZone("", 14*3600)}
	at := time.Date(1999, 12, 31, 23, 59, 59, 999e6, time.UTC).AddDate(10, 0, 0)
	for i := range 4000 {
		at = at.Add(time.Duration(i%7) * 98765 * time.Second)
		in := at.In(zones[i%len(zones)])
		for _, c := range []struct {
			p    *Parser
			text string
			want time.Time
		}{
			{local, in.Format("02/Jan/2006:15:04:05 -0700"), at.Truncate(time.Second)},
			{iso, in.Format("2006-01-02T15:04:05-07:00"), at.Truncate(time.Second)},
			{msec, in.Format(time.RFC3339), at},
		} {
			if c.p == msec {
				c.text = formatMsec(at)
			}
			if err := c.p.ParseLine([]byte(c.text), r); err != nil || r.Time != c.want.UnixMilli() {
				t.Fatalf("%q: %d (%v), want %d", c.text, r.Time, err, c.want.UnixMilli())
			}
		}
	}
}

func formatMsec(at time.Time) string {
	ms := at.UnixMilli()
	digits := []byte("0000000000.000")
	for i, n := len(digits)-1, ms; i >= 0; i-- {
		if digits[i] != '.' {
			digits[i] = byte('0' + n%10)
			n /= 10
		}
	}
	return string(digits)
}

// TestCapture: values are read as logged, with escapes, wherever the variable is.
func TestCapture(t *testing.T) {
	o := Options{Capture: []string{"host", "server_name", "status", "absent", "http_x", "scheme"}}
	for _, c := range []struct {
		format, line string
		want         []string
	}{
		{`$host "$http_x" $status $server_name`, `a.test "a \x22 b" 200 site`, []string{"a.test", "site", "200", "",
			`a \x22 b`, ""}},
		{`$server_name|$status|$http_x|$host`, `|404|-|b.test`, []string{"b.test", "", "404", "", "-", ""}},
		{`$scheme://$host$request_uri $status`, `https://c.test/a/b 200`, []string{"c.test", "", "200", "", "",
			"https"}},
		// there was no URI
		{`$scheme://$host$request_uri $status`, `https://c.test 200`, []string{"", "", "200", "", "", "https"}},
		{`$status$host`, `200d.test`, []string{"d.test", "", "200", "", "", ""}},
		// nobody can separate the two
		{`$scheme$host $status`, `httpe.test 200`, []string{"", "", "200", "", "", ""}},
	} {
		p, r := compileAll(t, o, c.format), NewRecord()
		for range 2 {
			if err := p.ParseLine([]byte(c.line), r); err != nil {
				t.Fatalf("%q: %v", c.line, err)
			}
			var got []string
			for _, value := range r.Captured {
				got = append(got, string(value))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s of %q: %q, want %q", c.format, c.line, got, c.want)
			}
		}
	}
}

// TestLineBreaks: what a log_format with line breaks writes beside the line of the request is neither a request nor a
// fault.
func TestLineBreaks(t *testing.T) {
	for _, c := range []struct {
		format  string
		request string
		beside  []string
		bad     []string
	}{
		{"$remote_addr $status [END]\n", "1.2.3.4 200 [END]", []string{""}, []string{"1.2.3.4 200", "[END]"}},
		{"\n$status\n\n", "200", []string{""}, []string{"x"}},
		{"[BEGIN]\n$remote_addr\n$status $request_time\n[END]", "200 0.125", []string{"[BEGIN]", "1.2.3.4", "[END]"},
			[]string{"", "a b"}},
		{"$status", "200", nil, []string{""}},
	} {
		p, r := compileAll(t, Options{Capture: []string{"remote_addr"}}, c.format), NewRecord()
		if err := p.ParseLine([]byte(c.request), r); err != nil || r.Code != 200 {
			t.Errorf("%q: %q is status %d, %v", c.format, c.request, r.Code, err)
		}
		for _, line := range c.beside {
			b := p.Padded([]byte(line))
			if p.Parse(b, 0, len(line), r) || !p.Beside(b, 0, len(line)) {
				t.Errorf("%q: %q is not a line beside the request", c.format, line)
			}
			if err := p.ParseLine([]byte(line), r); err != nil || r.Code != Absent {
				t.Errorf("%q: %q: status %d, %v", c.format, line, r.Code, err)
			}
		}
		for _, line := range c.bad {
			if b := p.Padded([]byte(line)); p.Parse(b, 0, len(line), r) || p.Beside(b, 0, len(line)) {
				t.Errorf("%q: %q is taken", c.format, line)
			}
			if p.ParseLine([]byte(line), r) == nil {
				t.Errorf("%q: no error for %q", c.format, line)
			}
		}
	}
}

// TestRestOfAFormat: an ambiguous format names its inseparable variables, and still has the others.
func TestRestOfAFormat(t *testing.T) {
	for _, c := range []struct {
		format, line string
		variables    []string
		lost, kept   []Field
	}{
		{"$remote_addr, $status, $upstream_addr, $request_time", "10.0.0.1, 200, -, 0.001",
			[]string{"upstream_addr", "request_time"},
			[]Field{UpstreamAddr, RequestTime}, []Field{Status}},
		{"$request_time$upstream_addr $status", "0.00110.0.0.1:80 200", []string{"request_time", "upstream_addr"},
			[]Field{RequestTime, UpstreamAddr}, []Field{Status}},
		{"$upstream_addr, $upstream_status, $upstream_response_time | $status",
			"a:1, b:2, 502, 200, 0.001, 0.002 | 200", []string{"upstream_addr", "upstream_status"},
			[]Field{UpstreamAddr, UpstreamStatus, UpstreamResponseTime}, []Field{Status}},
	} {
		_, err := Compile(c.format, "default", Options{})
		var f *FormatError
		if !errors.As(err, &f) || !slices.Equal(f.Variables, c.variables) || f.Rest == nil {
			t.Errorf("%s: %#v", c.format, err)
			continue
		}
		for _, field := range c.lost {
			if f.Rest.Has(field) {
				t.Errorf("%s: the rest has $%s", c.format, VariableName(field))
			}
		}
		for _, field := range c.kept {
			if !f.Rest.Has(field) {
				t.Errorf("%s: the rest lacks $%s", c.format, VariableName(field))
			}
		}
		r := NewRecord()
		if err := NewParser(f.Rest).ParseLine([]byte(c.line), r); err != nil || r.Code != 200 {
			t.Errorf("%s: %q is status %d, %v", c.format, c.line, r.Code, err)
		}
	}
	for _, format := range []string{"", "$", "$upstream_addr, $upstream_status"} {
		_, err := Compile(format, "default", Options{})
		var f *FormatError
		if !errors.As(err, &f) || f.Rest != nil {
			t.Errorf("%q: %v", format, err)
		}
	}
}
