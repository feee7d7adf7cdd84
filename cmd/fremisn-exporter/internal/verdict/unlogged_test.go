package verdict_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/verdict"
)

// TestUnloggedOutcomes: what no log_format has is null in the API, unless a log had it before.
func TestUnloggedOutcomes(t *testing.T) {
	in := healthy()
	in.Unlogged = []int{verdict.NoLive, verdict.Limited}
	in.Routes = []verdict.Route{{Name: "face", Requests: requests(verdict.Limited, 2, 300)}}
	status := verdict.New().Judge(in)
	for _, test := range []struct {
		window *verdict.RequestWindow
		want   string
	}{
		{status.Windows["1m"],
			`{"aborted":0,"client_error":0,"error":0,"limited":null,"no_live":null,"ok":300,"timeout":0}`},
		{status.Routes[0].Windows["1m"],
			`{"aborted":0,"client_error":0,"error":0,"limited":2,"no_live":null,"ok":300,"timeout":0}`},
	} {
		got, err := json.Marshal(test.window.Outcomes)
		if err != nil || string(got) != test.want {
			t.Errorf("the outcomes are %s (%v), want %s", got, err, test.want)
		}
	}
}

// TestSentenceOfANodeThatIsUp: what a probe found is not hidden by another that succeeds.
func TestSentenceOfANodeThatIsUp(t *testing.T) {
	in := healthy()
	if got := verdict.New().Judge(in).Nodes[0].Sentence; !strings.HasPrefix(got, "It answers its probes.") {
		t.Errorf("a node whose probe succeeds: %s", got)
	}
	in.Servers[0].Probes = append(in.Servers[0].Probes, red(3, "license")...)
	if got := verdict.New().Judge(in).Nodes[0].Sentence; strings.Contains(got, "answers its probes") ||
		!strings.HasPrefix(got, "Its probe health fails: the connection was refused.") {
		t.Errorf("a node with a licence fault: %s", got)
	}
	in.Servers[0].Attempts = minutes{window(1, 50, 0)}
	if got := verdict.New().Judge(in).Nodes[0].Sentence; strings.Contains(got, "its probes succeed") {
		t.Errorf("a gray node with a licence fault: %s", got)
	}
}
