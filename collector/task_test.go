package collector

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestLateTask: a task that hangs costs who asks its patience once; from then on a tenth, until it answers in time.
func TestLateTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gates := make(chan chan struct{}, 8) // one for each time that the work hangs
		tk := &task[int]{patience: time.Second, work: func(context.Context) (int, error) {
			select {
			case gate := <-gates:
				<-gate
			default:
			}
			return 7, nil
		}}
		ask := func(wantErr error, wait time.Duration) {
			t.Helper()
			begin := time.Now()
			got, err := tk.ask(context.Background())
			if took := time.Since(begin); got != 7 || !errors.Is(err, wantErr) || took != wait {
				t.Errorf("%d, %v after %s; want 7, %v after %s", got, err, took, wantErr, wait)
			}
		}
		ask(nil, 0)
		hang := make(chan struct{})
		gates <- hang
		ask(errLate, time.Second) // with the last good answer
		ask(errLate, time.Second/10)
		close(hang)
		synctest.Wait()
		hang = make(chan struct{})
		gates <- hang
		ask(errLate, time.Second/10) // its last work was late
		close(hang)
		synctest.Wait()
		ask(nil, 0)
		ask(nil, 0)
	})
}

// TestTaskIsShared: who asks while the work is under way shares it; where the answer must be fresh, the next.
func TestTaskIsShared(t *testing.T) {
	for _, fresh := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			times := 0
			gate := make(chan struct{})
			tk := &task[int]{patience: time.Minute, isFresh: fresh, work: func(context.Context) (int, error) {
				times++
				now := times
				<-gate
				return now, nil
			}}
			answers := make([]int, 20)
			var asking sync.WaitGroup
			for i := range answers {
				asking.Go(func() { answers[i], _ = tk.ask(context.Background()) })
				if i == 0 {
					synctest.Wait() // the first is under way when the others come
				}
			}
			synctest.Wait()
			close(gate)
			asking.Wait()
			want := 1
			if fresh {
				want = 2
			}
			if times != want || answers[0] != 1 || answers[1] != want || answers[19] != want {
				t.Errorf("fresh %v: done %d times, answers %v", fresh, times, answers)
			}
		})
	}
}

// TestTaskEndsWithItsContext, and its work learns that its time is over.
func TestTaskEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tk := &task[int]{patience: time.Minute, limit: 10 * time.Second, work: func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}}
		begin := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := tk.ask(ctx); !errors.Is(err, errLate) || time.Since(begin) != time.Second {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
		if _, err := tk.ask(context.Background()); !errors.Is(err, context.DeadlineExceeded) ||
			time.Since(begin) != 10*time.Second {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
	})
}
