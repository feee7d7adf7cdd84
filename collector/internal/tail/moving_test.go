package tail

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"
)

// keepMoving renames a file from one rotated name to the next until the test ends, as logrotate does when its turn
// comes while files are looked for, only much more often: some times for each call of again, fewer than a folder is
// listed, however busy the machine is.
func (l *log) keepMoving(name string) (again func()) {
	var moves atomic.Int32
	done, ended := make(chan struct{}), make(chan struct{})
	l.t.Cleanup(func() { close(done); <-ended })
	go func() {
		defer close(ended)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for i := 9; ; i++ {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if moves.Add(-1) < 0 {
				continue
			}
			next := fmt.Sprintf("access.log.%d", i) // no name comes again
			if err := os.Rename(l.at(name), l.at(next)); err != nil {
				l.t.Error(err)
			}
			name = next
		}
	}()
	return func() { moves.Store(maxListings / 2) }
}

// generationAgain is the present generation as a restart has it: closed, and not known to be finished.
func (l *log) generationAgain() *generation {
	g := l.f.bases[0].current
	return &generation{Cursor: g.cursor(), base: g.base, size: -1}
}

// The copy that copytruncate leaves is found while it is being renamed: no line is lost, and no gap is reported.
func TestCopyIsFoundWhileItIsRenamed(t *testing.T) {
	l := followed(t, 20)
	l.copyOver("access.log.8", lines(0, 21))
	again := l.keepMoving("access.log.8")
	for i := range 4000 {
		again()
		if !l.f.restOfCopy(l.generationAgain(), fileID{}) {
			t.Fatalf("the copy is not found at the attempt %d", i)
		}
	}
	l.wantGaps()
}

// What is noted of a file beside the log is of that file, though its name is another's by now.
func TestRenamedAfterItWasListed(t *testing.T) {
	l := followed(t, 20)
	l.write("access.log.1", lines(0, 3))
	listed := listOnce(l.path, isRelated).copies()[0]
	if born, ok := birth(listed.path); headOf(listed).Len < 0 || ok && listed.born() != born.UnixNano() {
		t.Fatalf("%+v is unknown", listed)
	}
	l.copyOver("access.log.1", lines(9, 3))
	if head := headOf(listed); head.Len >= 0 || listed.born() != 0 {
		t.Errorf("the head %v and birth %d are another file's", head, listed.born())
	}
}
