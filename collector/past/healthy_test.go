package past_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/logtest"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/collector/past"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// A day makes the lines of a log in the format timed: what a request is like, and how far it is from the one before.
type day struct {
	random *rand.Rand
	at     float64 // Unix seconds
	lines  strings.Builder
	next   int
}

// request writes a line. Of several attempts the last has the status.
func (d *day) request(apart, seconds float64, method, path, status, server string) {
	d.at += apart
	fmt.Fprintf(&d.lines,
		`%.3f 10.0.0.1 12 "%s %s HTTP/1.1" %s rt=%.3f lr=PASSED id=%016x%016x ua="%s" us="%s" uct="0.000" `+
			`uht="%.3f" urt="%.3f"`+"\n",
		d.at, method, path, status, seconds+0.001, d.random.Uint64(), d.random.Uint64(), server, status, seconds,
		seconds)
}

// retried writes one that failed first on one server, and went to the other.
func (d *day) retried(apart, seconds float64, first, then string) {
	d.at += apart
	fmt.Fprintf(&d.lines,
		`%.3f 10.0.0.1 12 "GET /v1/face/match HTTP/1.1" 200 rt=%.3f lr=PASSED id=%016x%016x ua="%s, %s" us="502, `+
			`200" uct="-, 0.000" uht="-, %.3f" urt="0.001, %.3f"`+"\n",
		d.at, seconds+0.002, d.random.Uint64(), d.random.Uint64(), first, then, seconds, seconds)
}

func (d *day) server() string {
	d.next++
	return logtest.Servers()[d.next%3]
}

// healthy are logs of all kinds in which nothing is wrong that anybody would have to look at.
var healthy = map[string]func(d *day){
	"steady": func(d *day) {
		for range 20_000 {
			d.request(0.1, 0.05+0.02*d.random.Float64(), "POST", "/v1/face/match", "200", d.server())
		}
	},
	"long tails": func(d *day) { // a hundredth takes twenty times as long as half of them
		for range 50_000 {
			d.request(0.05*d.random.ExpFloat64(), 0.05*math.Exp(1.3*d.random.NormFloat64()), "POST", "/v1/face/match",
				"200", d.server())
		}
	},
	"a rush hour": func(d *day) { // all nodes are five times as slow in it
		for i := range 50_000 {
			load := 1 + 4*math.Exp(-math.Pow(float64(i-25_000)/5000, 2))
			d.request(0.5/load, 0.05*load*(0.5+d.random.ExpFloat64()), "POST", "/v1/face/match", "200", d.server())
		}
	},
	"hardly any traffic": func(d *day) {
		for range 500 {
			d.request(300*d.random.ExpFloat64(), 0.05+d.random.ExpFloat64(), "POST", "/v1/face/match", "200",
				d.server())
		}
	},
	"an error now and then": func(d *day) {
		for range 50_000 {
			status := "200"
			if d.random.IntN(300) == 0 {
				status = []string{"500", "502", "504"}[d.random.IntN(3)]
			}
			d.request(0.1*d.random.ExpFloat64(), 0.05*d.random.ExpFloat64(), "POST", "/v1/face/match", status,
				d.server())
		}
	},
	"retries now and then": func(d *day) {
		for range 50_000 {
			if d.random.IntN(400) == 0 {
				d.retried(0.1, 0.05, d.server(), d.server())
			}
			d.request(0.1*d.random.ExpFloat64(), 0.05*d.random.ExpFloat64(), "GET", "/v1/face/match", "200", d.server())
		}
	},
	"clients that leave": func(d *day) { // one of a hundred
		for range 50_000 {
			status := "200"
			if d.random.IntN(100) == 0 {
				status = "499"
			}
			d.request(0.1*d.random.ExpFloat64(), 0.3*d.random.ExpFloat64(), "GET", "/v1/face/match", status, d.server())
		}
	},
	"a crawler": func(d *day) { // what it asks for is not there
		for i := range 30_000 {
			if i > 10_000 && i < 12_000 {
				d.request(0.001, 0.002, "GET", fmt.Sprintf("/wp-admin/%d.php", i), "404", d.server())
			}
			d.request(0.05, 0.05*d.random.ExpFloat64(), "POST", "/v1/face/match", "200", d.server())
		}
	},
	"routes of their own pace": func(d *day) { // and a batch of the slow one
		for i := range 30_000 {
			path, seconds := "/v1/healthcheck", 0.001
			if d.random.IntN(10) == 0 || i > 15_000 && i < 16_000 {
				path, seconds = "/v1/face/enrollment", 1+d.random.Float64()
			}
			d.request(0.2, seconds, "POST", path, "200", d.server())
		}
	},
	"websockets": func(d *day) {
		for i := range 10_000 {
			if i%50 == 0 {
				d.request(0.1, 600*d.random.ExpFloat64(), "GET", "/stream", "101", d.server())
			}
			d.request(0.1, 0.05, "POST", "/v1/face/match", "200", d.server())
		}
	},
	"one server alone": func(d *day) {
		for range 20_000 {
			d.request(0.1, 0.05*d.random.ExpFloat64(), "POST", "/v1/face/match", "200", logtest.Servers()[0])
		}
	},
	"reloads": func(d *day) { // each restarts the nodes one by one: a retry or two, and connections made anew
		for range 6 {
			d.steadily(3000, 0.1)
			for k, server := range logtest.Servers() {
				d.retried(0.1, 0.05, server, logtest.Servers()[(k+1)%3])
				d.steadily(60, 0.1)
			}
		}
	},
	"nights": func(d *day) { // three days with hardly anything at night, one error in a quiet hour
		for i := range 72 * 60 {
			n := 20
			if hour := i / 60 % 24; hour < 6 {
				n = i % 7 / 6
			}
			for range n {
				d.request(60/float64(n)*0.9, 0.05*(0.5+d.random.Float64()), "POST", "/v1/face/match", "200", d.server())
			}
			if i%1440 == 200 {
				d.request(1, 0.05, "POST", "/v1/face/match", "500", d.server())
			}
			d.at = 1_764_000_000 + float64(i+1)*60
		}
	},
	"slow but steady": func(d *day) { // a node that always takes five times as long, with a small weight
		for i := range 20_000 {
			seconds := 0.05 * (0.5 + d.random.ExpFloat64())
			if i%3 == 2 {
				seconds *= 5
			}
			d.request(0.1, seconds, "POST", "/v1/face/match", "200", logtest.Servers()[i%3])
		}
	},
	"a burst that is served": func(d *day) {
		for i := range 20_000 {
			apart := 0.2
			if i%1000 < 100 {
				apart = 0.002
			}
			d.request(apart, 0.05*d.random.ExpFloat64(), "POST", "/v1/face/match", "200", d.server())
		}
	},
}

// TestExplainIsSilentOnHealthyLogs reports no incident if there is none, and says so in one sentence.
func TestExplainIsSilentOnHealthyLogs(t *testing.T) {
	for name, make := range healthy {
		for seed := range uint64(1) {
			t.Run(fmt.Sprintf("%s/%d", name, seed), func(t *testing.T) {
				t.Parallel()
				d := &day{random: rand.New(rand.NewPCG(seed, 3)), at: 1_764_000_000}
				make(d)
				e := explainText(t, d.lines.String())
				if said := text(t, e); len(e.Incidents) > 0 || strings.Count(said, "\n") != 2 ||
					!strings.HasPrefix(said, "\nQuiet: ") {
					t.Errorf("said%s", said)
				}
			})
		}
	}
}

// TestExplainIsSilentInOtherFormats: neither times in whole seconds nor two formats in one file make an incident.
func TestExplainIsSilentInOtherFormats(t *testing.T) {
	coarse := source.Format{Name: "coarse", Text: strings.Replace(timed, "$msec", "[$time_local]", 1)}
	both := []source.Format{{Name: "timed", Text: timed}, coarse}
	for name, test := range map[string]struct {
		formats []source.Format
		changes func(line int) bool // whether a line is written in the coarse format
	}{
		"whole seconds": {[]source.Format{coarse}, func(int) bool { return true }},
		"two formats":   {both, func(line int) bool { return line >= 10_000 }},
		"now and then":  {both, func(line int) bool { return line/100%2 == 1 }},
	} {
		for _, kind := range []string{"steady", "long tails", "an error now and then", "clients that leave"} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				d := newDay(8)
				healthy[kind](d)
				var lines strings.Builder
				n := 0
				for line := range strings.Lines(d.lines.String()) {
					if at, rest, _ := strings.Cut(line, " "); test.changes(n) {
						seconds, err := strconv.ParseFloat(at, 64)
						if err != nil {
							t.Fatal(err)
						}
						line = time.Unix(int64(seconds), 0).UTC().Format("[02/Jan/2006:15:04:05 -0700] ") + rest
					}
					lines.WriteString(line)
					n++
				}
				o := timedOptions(t, lines.String())
				o.Formats = test.formats
				e, problems, err := past.Explain(t.Context(), o, nil)
				if err != nil || len(problems) > 0 {
					t.Fatal(err, problems)
				}
				if said := text(t, e); len(e.Incidents) > 0 || e.Requests != uint64(n) ||
					!strings.HasPrefix(said, "\nQuiet: ") {
					t.Errorf("%d lines, said%s", n, said)
				}
			})
		}
	}
}

// explainText explains lines of the format timed, from the servers of logtest.
func explainText(t *testing.T, lines string) *past.Explanation {
	t.Helper()
	e, problems, err := past.Explain(t.Context(), timedOptions(t, lines), nil)
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	return e
}

// timedOptions are for a log of the format timed, from the servers of logtest.
func timedOptions(t *testing.T, lines string) past.Options {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	log := filepath.Join(dir, "access.log")
	files := map[string]string{log: lines, conf: fmt.Sprintf(`events {}
http {
    log_format timed '%s';
    upstream %s { server %s; server %s; server %s; }
    server { listen 127.0.0.1:80; access_log %s timed; location / { proxy_pass http://%s; } }
}
`, timed, logtest.Group, logtest.Servers()[0], logtest.Servers()[1], logtest.Servers()[2], log, logtest.Group)}
	for path, text := range files {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, err := nginxconf.Load(conf)
	if err != nil {
		t.Fatal(err)
	}
	return past.Options{Settings: &source.Settings{Conf: c}, Files: []string{log},
		Formats: []source.Format{{Name: "timed", Text: timed}}}
}

// TestExplainSaysWhatItCannotKnow of a log that has failures and no word on servers.
func TestExplainSaysWhatItCannotKnow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	line := `10.0.0.1 - - [24/Nov/2026:12:00:00 +0000] "GET / HTTP/1.1" 502 5 "-" "curl"` + "\n"
	if err := os.WriteFile(path, []byte(strings.Repeat(line, 50)), 0o644); err != nil {
		t.Fatal(err)
	}
	e, _, err := past.Explain(t.Context(), past.Options{Files: []string{path}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if said := text(t, e); e.Failed != 50 || !strings.Contains(said, "50 failed") ||
		!strings.Contains(said, "$upstream_addr") {
		t.Errorf("said%s", said)
	}
}
