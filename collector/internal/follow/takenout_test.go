package follow

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/go-kit/log"

	"github.com/fremisn/fremisn-exporter/collector/internal/errorlog"
	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/internal/takenout"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// TestShownOutageSurvivesAKill: for how long a server has been taken out grows with time. What a scrape has shown of it
// is committed, so that it does not go down after a kill, though the server turns out to have answered before.
func TestShownOutageSurvivesAKill(t *testing.T) {
	h := newLogHost(t)
	answers := takenout.NewAnswers()
	failed := time.Now().Truncate(time.Second)
	now := failed
	reading := func() (*Pipeline, func()) {
		dir, err := statefile.Open(h.data)
		if err != nil {
			t.Fatal(err)
		}
		server := takenout.Server{Upstream: "u", Address: "127.0.0.1:80", MaxFails: 1, FailTimeout: 2 * time.Second}
		p := New(Config{
			Source: source.LogSource{Kind: source.Error, Name: "error", Path: h.path, FromStart: true}, State: dir,
			Counter: errorlog.New(errorlog.Config{MaxSeries: 100,
				TakenOut: takenout.Options{Servers: []takenout.Server{server}, Answers: answers}}),
			Logger: log.NewLogfmtLogger(&h.said),
		})
		p.now = func() time.Time { return now }
		p.restore(t.Context())
		return p, func() { p.reader.Close(); p.commits.stop(); dir.Close() }
	}
	scrape := func(p *Pipeline) takenout.State {
		t.Helper()
		request := &readRequest{done: make(chan error, 1)}
		p.answer(t.Context(), request)
		if err := <-request.done; err != nil {
			t.Fatal(err)
		}
		return p.Last().Out[0]
	}
	entry := fmt.Sprintf("%s [error] 7#7: *1 connect() failed (111: Connection refused) while connecting to upstream, "+
		"client: 127.0.0.1, server: , request: \"GET / HTTP/1.1\", upstream: \"http://127.0.0.1:80/\", host: \"h\"\n",
		failed.Local().Format("2006/01/02 15:04:05"))
	if err := os.WriteFile(h.path, []byte(entry), 0o644); err != nil {
		t.Fatal(err)
	}
	p, kill := reading()
	if s := scrape(p); !s.Unavailable || s.Seconds != 0 {
		t.Fatalf("%+v: the server is not taken out", s)
	}
	now = failed.Add(20 * time.Second)
	shown := scrape(p)
	if shown.Seconds != 20 {
		t.Errorf("%+v: it has been out for 20 s", shown)
	}
	if p.IsStill() {
		t.Error("it is still, and its counts grow")
	}
	kill()
	answers.Mark("127.0.0.1:80", failed.Add(5*time.Second).Unix()) // a line that had not been read
	now = failed.Add(21 * time.Second)
	p, kill = reading()
	defer kill()
	if restored := p.Last().Out[0]; restored != shown {
		t.Errorf("%+v was shown, and right after a kill %+v", shown, restored)
	}
	if after := scrape(p); after.Seconds < shown.Seconds || after.Taken != shown.Taken {
		t.Errorf("%+v was shown, and after a kill %+v", shown, after)
	}
}
