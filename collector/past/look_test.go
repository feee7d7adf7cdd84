package past_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/collector/logtest"
	"github.com/fremisn/fremisn-exporter/collector/past"
)

func newDay(seed uint64) *day {
	return &day{random: rand.New(rand.NewPCG(seed, 3)), at: 1_764_000_000}
}

// failed writes a request that came to several servers, all of which failed.
func (d *day) failed(apart float64, method, path, status string, servers ...string) {
	d.at += apart
	list := func(one string) string { return strings.TrimSuffix(strings.Repeat(one+", ", len(servers)), ", ") }
	fmt.Fprintf(&d.lines,
		`%.3f 10.0.0.1 12 "%s %s HTTP/1.1" %s rt=0.002 lr=PASSED id=%016x%016x ua="%s" us="%s" uct="%s" uht="%s" `+
			`urt="%s"`+"\n",
		d.at, method, path, status, d.random.Uint64(), d.random.Uint64(), strings.Join(servers, ", "), list(status),
		list("0.000"), list("-"), list("0.001"))
}

// noLive writes a request that found no server.
func (d *day) noLive(apart float64) {
	d.at += apart
	fmt.Fprintf(&d.lines, `%.3f 10.0.0.1 12 "POST /v1/face/match HTTP/1.1" 502 rt=0.000 lr=PASSED `+
		`id=%016x%016x ua="%s" us="502" uct="-" uht="-" urt="0.000"`+"\n", d.at, d.random.Uint64(), d.random.Uint64(),
		logtest.Group)
}

// steadily writes n requests that go well.
func (d *day) steadily(n int, apart float64) {
	for range n {
		d.request(apart, 0.05*(0.5+d.random.Float64()), "GET", "/v1/face/match", "200", d.server())
	}
}

func kindsOf(e *past.Explanation) []string {
	list := []string{}
	for _, i := range e.Incidents {
		list = append(list, i.Kind+" "+i.Server+i.Route)
	}
	slices.Sort(list)
	return list
}

// TestPoisonBesideAFailingNode reports requests that fail on every server that they reach, whatever else happens: here
// a node is broken in the same minute. Neither explains the other.
func TestPoisonBesideAFailingNode(t *testing.T) {
	servers := logtest.Servers()
	for name, test := range map[string]struct {
		poison func(d *day, n int)
		broken func(d *day)
	}{
		"retried": {
			func(d *day, n int) {
				d.failed(0.01, "GET", "/v1/face/enrollment", "502", servers[n%3], servers[(n+1)%3], servers[(n+2)%3])
			},
			func(d *day) { d.retried(0.01, 0.05, servers[2], servers[d.random.IntN(2)]) },
		},
		"not retried": { // as a POST is
			func(d *day, n int) { d.failed(0.01, "POST", "/v1/face/enrollment", "500", servers[n%3]) },
			func(d *day) { d.failed(0.01, "POST", "/v1/face/match", "502", servers[2]) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDay(1)
			d.steadily(5000, 0.05)
			for n := range 60 {
				test.poison(d, n)
				for range 10 {
					test.broken(d)
					d.request(0.05, 0.05, "POST", "/v1/face/match", "200", servers[d.random.IntN(2)])
				}
			}
			d.steadily(5000, 0.05)
			e := explainText(t, d.lines.String())
			want := []string{"node_failure " + servers[2], "poison /v1/face/enrollment"}
			if diff := cmp.Diff(want, kindsOf(e)); diff != "" {
				t.Fatal(diff, text(t, e))
			}
			for _, i := range e.Incidents {
				harmed := map[string]int{"poison": 60, "node_failure": 600}[i.Kind]
				if i.Requests < harmed || i.Requests > harmed+harmed/10 {
					t.Errorf("%s harmed %d, want %d", i.Kind, i.Requests, harmed)
				}
			}
		})
	}
}

// TestPoisonWithIDs: requests that fail wherever they go are one incident, though each has an id of its own in its
// path; one id alone is distinguished from others that are answered. Where a few of many fail, none is poison.
func TestPoisonWithIDs(t *testing.T) {
	servers := logtest.Servers()
	fails := func(d *day, n int, method, path string) {
		d.failed(0.01, method, path, "500", servers[n%3], servers[(n+1)%3])
	}
	for name, test := range map[string]struct {
		request func(d *day, n int)
		want    []string
	}{
		"numbers": {func(d *day, n int) { fails(d, n, "GET", fmt.Sprintf("/faces/%d", 7000+n)) },
			[]string{"poison /faces/{id}"}},
		"UUIDs, not retried": {func(d *day, n int) {
			path := fmt.Sprintf("/v1/faces/%08x-0000-4000-8000-00000000000a/image.jpg", n)
			d.failed(0.01, "POST", path, "500", servers[n%3])
		}, []string{"poison /v1/faces/{id}/image.jpg"}},
		"beside many other ids": {func(d *day, n int) {
			for k := range 5 {
				d.request(0.01, 0.05, "GET", fmt.Sprintf("/cards/%d", 10*n+k), "200", d.server())
			}
			fails(d, n, "GET", fmt.Sprintf("/faces/%x/image", 0xabcdef0123+n))
		}, []string{"poison /faces/{id}/image"}},
		"one id": {func(d *day, n int) {
			for k := range 5 {
				d.request(0.01, 0.05, "GET", fmt.Sprintf("/faces/%d", k), "200", d.server())
			}
			fails(d, n, "GET", "/faces/6")
		}, []string{"poison /faces/6"}},
		"a few of many": {func(d *day, n int) {
			for k := range 30 {
				d.request(0.01, 0.05, "GET", fmt.Sprintf("/faces/%d", 30*n+k), "200", d.server())
			}
			if n%5 == 0 {
				d.failed(0.01, "GET", fmt.Sprintf("/faces/%d", 10_000+n), "500", d.server())
			}
		}, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDay(7)
			d.steadily(3000, 0.05)
			for n := range 60 {
				test.request(d, n)
				d.steadily(10, 0.05)
			}
			d.steadily(3000, 0.05)
			e := explainText(t, d.lines.String())
			if diff := cmp.Diff(test.want, kindsOf(e)); diff != "" {
				t.Fatal(diff, text(t, e))
			}
			for _, i := range e.Incidents {
				path, _ := strings.CutPrefix(test.want[0], "poison ")
				if i.Requests != 60 || !strings.Contains(i.Sentence, " "+path+" failed on every server") {
					t.Errorf("%d requests: %s", i.Requests, i.Sentence)
				}
			}
		})
	}
}

// TestBrokenNodesAreNoPoison: failures of the nodes are not attributed to the requests.
func TestBrokenNodesAreNoPoison(t *testing.T) {
	servers := logtest.Servers()
	for name, test := range map[string]struct {
		happens func(d *day)
		want    []string
	}{
		"two of three": {func(d *day) {
			for n := range 300 { // a few come to both of them
				d.failed(0.01, "POST", "/v1/face/match", "502", servers[1+n%2])
				d.request(0.05, 0.05, "POST", "/v1/face/match", "200", servers[0])
				if n%10 == 0 {
					d.failed(0.01, "GET", "/v1/face/keyspace", "502", servers[1], servers[2])
				}
			}
		}, []string{"node_failure " + servers[2], "node_failure " + servers[1]}},
		"all for a moment": {func(d *day) {
			for n := range 160 {
				path := []string{"/v1/face/match", "/v1/face/keyspace"}[n/10%2]
				d.failed(0.05, "GET", path, "502", servers[n%3], servers[(n+1)%3], servers[(n+2)%3])
			}
		}, []string{"node_failure "}},
		"all for a moment, of one path": {func(d *day) {
			for n := range 160 {
				d.failed(0.05, "GET", "/v1/face/match", "502", servers[n%3], servers[(n+1)%3], servers[(n+2)%3])
			}
		}, []string{"node_failure "}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDay(2)
			d.steadily(5000, 0.05)
			test.happens(d)
			d.steadily(5000, 0.05)
			e := explainText(t, d.lines.String())
			if diff := cmp.Diff(slices.Sorted(slices.Values(test.want)), kindsOf(e)); diff != "" {
				t.Error(diff, text(t, e))
			}
		})
	}
}

// TestExplainLongLog finds what lasted seconds in a log of days, of which memory holds minutes at first: the second
// reading looks at the seconds.
func TestExplainLongLog(t *testing.T) {
	servers := logtest.Servers()
	d := newDay(3)
	background := func(n int) {
		for range n {
			if d.random.IntN(200) == 0 {
				d.failed(1, "POST", "/v1/face/match", "500", d.server())
				continue
			}
			d.request(1, 0.05, "POST", "/v1/face/match", "200", d.server())
		}
	}
	background(60_000)
	full := time.UnixMilli(int64(d.at*1000) + 500)
	for range 12 {
		d.noLive(0.25)
	}
	background(60_000)
	broken := time.UnixMilli(int64(d.at*1000) + 100)
	for range 100 {
		d.retried(0.1, 0.01, servers[1], servers[2])
		d.request(0.1, 0.01, "GET", "/v1/face/match", "200", servers[0])
	}
	background(60_000)
	lines := d.lines.String()
	o := past.WithSlotBytes(timedOptions(t, lines), 1<<20)
	e, problems, err := past.Explain(t.Context(), o, nil)
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	if diff := cmp.Diff([]string{"node_failure " + servers[1], "saturation "}, kindsOf(e)); diff != "" {
		t.Fatal(diff, text(t, e))
	}
	for _, i := range e.Incidents {
		want := map[string]struct {
			from     time.Time
			length   time.Duration
			requests int
			line     string
		}{
			"saturation":   {full, 3 * time.Second, 12, `ua="` + logtest.Group},
			"node_failure": {broken, 20 * time.Second, 100, `us="502, 200"`},
		}[i.Kind]
		if i.Requests != want.requests || i.From.Sub(want.from).Abs() > time.Second ||
			i.To.Sub(want.from.Add(want.length)).Abs() > time.Second {
			t.Errorf("%s of %d requests from %s to %s, want %+v", i.Kind, i.Requests, i.From, i.To, want)
		}
		if len(i.RequestIDs) == 0 {
			t.Errorf("%s: no requests to look at", i.Kind)
		}
		for _, id := range i.RequestIDs {
			if !regexp.MustCompile(`id=` + id + `.*` + regexp.QuoteMeta(want.line)).MatchString(lines) {
				t.Errorf("%s: the sentence names %s, which does not belong to it", i.Kind, id)
			}
		}
	}
}

// TestLookAtTheSlowest names the slowest requests of a slow node, and counts each that took longer than was usual.
func TestLookAtTheSlowest(t *testing.T) {
	servers := logtest.Servers()
	d := newDay(4)
	d.steadily(6000, 0.05)
	var slowest string
	for n := range 3000 {
		server, took := servers[n%3], 0.05
		if n%3 == 1 {
			took = 0.5
			if n%300 == 151 {
				took = 5 + 0.001*float64(n)
			}
		}
		d.request(0.05, took, "GET", "/v1/face/match", "200", server)
		if n == 2851 {
			slowest = regexp.MustCompile(`id=(\w+)[^\n]*\n$`).FindStringSubmatch(d.lines.String())[1]
		}
	}
	d.steadily(6000, 0.05)
	e := explainText(t, d.lines.String())
	if len(e.Incidents) != 1 || e.Incidents[0].Kind != "slow_node" || e.Incidents[0].Server != servers[1] {
		t.Fatal(text(t, e))
	}
	if i := e.Incidents[0]; i.Requests != 1000 || len(i.RequestIDs) != 20 || i.RequestIDs[0] != slowest {
		t.Errorf("%d requests harmed, look at %d, first %s; the slowest is %s", i.Requests, len(i.RequestIDs),
			i.RequestIDs[0], slowest)
	}
}

// TestExplainStdin says the same of standard input and of a pipe, which can be read only once, as of a file.
func TestExplainStdin(t *testing.T) {
	d := newDay(5)
	d.steadily(2000, 0.05)
	for range 30 {
		d.noLive(0.1)
	}
	d.steadily(2000, 0.05)
	want := explainText(t, d.lines.String())
	if len(want.Incidents) != 1 {
		t.Fatal(text(t, want))
	}
	for name, file := range map[string]string{"stdin": past.Stdin, "pipe": "/dev/fd/%d"} {
		o := timedOptions(t, d.lines.String())
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			fmt.Fprint(w, d.lines.String())
			w.Close()
		}()
		o.Stdin, o.Files = r, []string{file}
		if name == "pipe" {
			o.Files[0] = fmt.Sprintf(file, r.Fd())
		}
		e, problems, err := past.Explain(t.Context(), o, nil)
		if err != nil || len(problems) > 0 {
			t.Fatal(name, err, problems)
		}
		for i := range e.Incidents { // line numbers are the same, folders are not
			e.Incidents[i].Remedy, want.Incidents[i].Remedy = "", ""
		}
		if diff := cmp.Diff(text(t, want), text(t, e)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		r.Close()
	}
}
