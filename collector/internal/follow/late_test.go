package follow

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
)

// TestEndOfALateLog: a log that waits for its disk, or for its turn, ends with the run's context. It has not begun, and
// leaves the record that another log may have. Only a disk that does not answer is an error.
func TestEndOfALateLog(t *testing.T) {
	for name, hangs := range map[string]bool{"the disk hangs": true, "the turn has not come": false} {
		t.Run(name, func(t *testing.T) {
			h := newLogHost(t)
			h.writeDifferent(10)
			h.readOnce(10)
			h.writeDifferent(5)
			cfg := h.config(nil)
			if !cfg.State.Claim("access", "another") {
				t.Fatal("the record is held")
			}
			synctest.Test(t, func(t *testing.T) {
				cfg.Records = NewRecords(cfg.State, nil)
				cfg.Records.shared = &answer[shared]{come: make(chan struct{})}
				if hangs {
					cfg.Records.shared.value.late = map[string]<-chan struct{}{"access": make(chan struct{})}
					close(cfg.Records.shared.come)
				}
				cfg.Records.once.Do(func() {})
				ctx, cancel := context.WithCancel(t.Context())
				p, result := New(cfg), make(chan error, 1)
				go func() { result <- p.Run(ctx) }()
				synctest.Wait()
				cancel()
				err := <-result
				if hangs && (err == nil || !strings.Contains(err.Error(), "access.log does not answer")) ||
					!hangs && err != nil {
					t.Errorf("it ends with %v", err)
				}
				if p.Err() != err || p.Last() != nil {
					t.Errorf("after the end: %v, %+v", p.Err(), p.Last())
				}
			})
			if log, _ := cfg.State.ClaimedBy("access"); log != "another" {
				t.Errorf("%q holds the record", log)
			}
			cfg.State.Release("access")
			if err := cfg.State.Close(); err != nil {
				t.Fatal(err)
			}
			h.readOnce(15)
		})
	}
}
