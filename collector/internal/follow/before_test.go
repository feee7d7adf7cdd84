package follow

import (
	"context"
	"testing"
)

// TestEndWhileAnotherLogHangs: a log that waits for another to end does not begin when it has to end itself: it opens
// nothing, and what it has counted is for the next start.
func TestEndWhileAnotherLogHangs(t *testing.T) {
	h := newLogHost(t)
	h.writeDifferent(10)
	h.readOnce(10)
	h.writeDifferent(5)
	p := New(h.config(nil))
	ctx, cancel := context.WithCancel(t.Context())
	ended, hangs := make(chan struct{}), make(chan struct{})
	close(ended)
	result := make(chan bool)
	go func() { result <- p.Await(ctx, []<-chan struct{}{ended, hangs}) }()
	cancel()
	if <-result {
		t.Error("the other has ended")
	}
	<-p.Done()
	if _, err := p.Scrape(t.Context()); err != errEnded || p.Err() != nil || p.Last() != nil {
		t.Errorf("after the end: %v, %v, %+v", err, p.Err(), p.Last())
	}
	if log, isHeld := p.commits.dir.ClaimedBy("access"); isHeld {
		t.Errorf("%s holds the record", log)
	}
	if err := p.commits.dir.Close(); err != nil {
		t.Fatal(err)
	}
	h.readOnce(15)
}
