package web

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
)

// probed is a target whose results went as the text tells, the latest first: "+" well, "-" not; after "|" come the
// failures of earlier times.
func probed(probe, target, node, went string) Target {
	t := Target{Probe: probe, Target: target, Node: node, Module: "fremisn_check", Interval: 5 * time.Second,
		Recent: strings.IndexByte(went+"|", '|')}
	for i, how := range strings.Replace(went, "|", "", 1) {
		r := Result{ID: fmt.Sprintf("p%s%d", probe, i), When: time.Now().Add(-time.Duration(i) * 5 * time.Second),
			Success: how == '+', Duration: 12 * time.Millisecond}
		if !r.Success {
			r.Reason, r.Sentence = "status", "answered 503, not <2xx>"
		}
		t.Results = append(t.Results, r)
	}
	t.Detail = func(i int) ([]Phase, string) {
		return []Phase{{Name: "connect", Duration: time.Millisecond, Width: 40},
				{Name: "processing", Duration: time.Millisecond, Start: 40, Width: 60}},
			fmt.Sprintf("log of %s result %d\n", target, i)
	}
	return t
}

func probesSite(t *testing.T, targets ...Target) string {
	t.Helper()
	nothing := http.NotFoundHandler()
	handler, err := New(Options{MetricsPath: "/metrics", Metrics: nothing, Probe: nothing,
		Targets: func() []Target { return targets }, Logger: log.NewNopLogger()})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func pageText(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%v, status %d", err, response.StatusCode)
	}
	return string(body)
}

var tags = regexp.MustCompile(`<[^>]*>`)

func TestProbesPage(t *testing.T) {
	site := probesSite(t,
		probed("health", "http://127.0.0.231:4005/?a=b&c=<d>", "master", "++-+|--"),
		probed("health", "http://127.0.0.18:4008", "slave-1", "-+"),
		probed("port", "127.0.0.17:4009", "slave-2", ""))
	for _, c := range []struct {
		query      string
		said, kept []string // what is shown, and what is hidden
	}{
		{"", []string{"3 targets", "1 failing", "log of http://127.0.0.18:4008 result 1",
			"answered 503, not &lt;2xx&gt;", "2 earlier failures", "Not yet probed", "every 5s", `id="phealth5"`},
			[]string{"<d>", "All probes"}},
		{"?probe=health", []string{"2 targets", "All probes", "127.0.0.18"}, []string{"127.0.0.17"}},
		{"?node=slave-2", []string{"1 target,", "none failing", "127.0.0.17"}, []string{"127.0.0.18"}},
		{"?probe=health&target=" + url.QueryEscape("http://127.0.0.18:4008"), []string{"1 target,", "result 1"},
			[]string{"127.0.0.231"}},
		{"?probe=gone", []string{"Nothing that is probed fits"}, []string{"127.0.0"}},
	} {
		t.Run(c.query, func(t *testing.T) {
			text := pageText(t, site+"/probes"+c.query)
			for _, want := range c.said {
				if !strings.Contains(text, want) && !strings.Contains(tags.ReplaceAllString(text, ""), want) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
			for _, unwanted := range c.kept {
				if strings.Contains(text, unwanted) {
					t.Errorf("%q in\n%s", unwanted, text)
				}
			}
		})
	}
	if text := pageText(t, probesSite(t)+"/probes"); !strings.Contains(text, "Nothing is probed") {
		t.Error(text)
	}
}

// TestProbesPageOfMany has a line for each target, those that fail first, and stays small.
func TestProbesPageOfMany(t *testing.T) {
	var targets []Target
	for i := range 3000 {
		went := strings.Repeat("+", 20)
		if i == 2700 {
			went = "-" + strings.Repeat("+-", 9) + "|" + strings.Repeat("-", 20)
		}
		targets = append(targets, probed("health", fmt.Sprintf("http://node-%d:4005", i), "", went))
	}
	site := probesSite(t, targets...)
	text := pageText(t, site+"/probes")
	if len(text) > 1<<20 {
		t.Errorf("%d bytes", len(text))
	}
	said := strings.Join(strings.Fields(tags.ReplaceAllString(text, "")), " ")
	if !strings.Contains(said, "3000 targets, 1 failing. The first 1000 are listed") {
		t.Errorf("it does not say that it is not all:\n%.2000s", said)
	}
	first, second := strings.Index(text, ">http://node-2700:4005<"), strings.Index(text, ">http://node-0:4005<")
	if first < 0 || second < 0 || first > second || strings.Contains(text, "log of") {
		t.Errorf("what fails does not come first: %d, %d", first, second)
	}
	link := regexp.MustCompile(`href="(probes\?[^"]*node-2700[^"]*)"`).FindStringSubmatch(text)
	if link == nil {
		t.Fatal("no link to the target")
	}
	alone := pageText(t, site+"/"+strings.ReplaceAll(link[1], "&amp;", "&"))
	if !strings.Contains(alone, "log of http://node-2700:4005 result 38") || strings.Contains(alone, "node-27000") {
		t.Error(alone)
	}
}

// TestLinkOpensTheResult follows a link to one result in a real browser: it is unfolded, though the page has no script.
func TestLinkOpensTheResult(t *testing.T) {
	site := probesSite(t, probed("a", "http://one", "", "+-+"), probed("b", "http://two", "", "+|--"))
	for id, want := range map[string]string{"pa1": "log of http://one result 1", "pb2": "log of http://two result 2"} {
		t.Run(id, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			command := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu",
				"--disable-dev-shm-usage",
				"--user-data-dir="+t.TempDir(), "--dump-dom", site+"/probes#"+id)
			document, err := command.Output()
			if err != nil {
				t.Fatalf("%s; Debian's package chromium has it", err)
			}
			open := regexp.MustCompile(`(?s)<details class="result[^>]*open[^>]*>.*?</details>`).
				FindAllString(string(document), -1)
			if len(open) != 1 || !strings.Contains(open[0], want) {
				t.Errorf("unfolded: %s\nof %s", open, document)
			}
		})
	}
}

// TestProbesAreTitledByNode: a person looks for a node, or for an address that is not a node.
func TestProbesAreTitledByNode(t *testing.T) {
	few := []Target{probed("health", "http://127.0.0.231:4005", "master", "+"), probed("port", "127.0.0.9:22", "", "-")}
	many := few
	for i := range maxDetailed {
		many = append(many, probed("more", fmt.Sprintf("127.0.0.1:%d", i), "", "+"))
	}
	for _, targets := range [][]Target{few, many} {
		response, err := http.Get(probesSite(t, targets...) + "/probes")
		if err != nil {
			t.Fatal(err)
		}
		page, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`>master</a>`, `http://127.0.0.231:4005`, `>127.0.0.9:22</a>`} {
			if !strings.Contains(string(page), want) {
				t.Errorf("no %s in\n%s", want, page)
			}
		}
	}
}
