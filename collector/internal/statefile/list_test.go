package statefile

import (
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
)

// The list is written once for all logs that wait for it, and while it is written other logs find their records: at the
// first start of a thousand logs, none waits for a thousand writes of it.
func TestListIsWrittenForAllWhoWait(t *testing.T) {
	d, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	logs := []string{"one", "two", "three"}
	d.listing.Lock()
	done := make(chan error)
	for _, log := range logs {
		go func() { done <- d.Commit(log, Record{}) }()
	}
	for waiting := 0; waiting < len(logs); runtime.Gosched() {
		d.mu.Lock()
		waiting = len(d.unlisted)
		d.mu.Unlock()
	}
	if !d.Claim("four", "four") { // would wait for ever
		t.Error("a free record is claimed")
	}
	if err := d.writeList(); err != nil {
		t.Fatal(err)
	}
	first, err := os.Stat(d.listFile())
	if err != nil {
		t.Fatal(err)
	}
	d.listing.Unlock()
	for range logs {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	last, err := os.Stat(d.listFile())
	if err != nil || !os.SameFile(first, last) {
		t.Errorf("the list was written again: %v", err)
	}
	if text, err := os.ReadFile(d.listFile()); string(text) != "one\nthree\ntwo\n" {
		t.Errorf("%q, %v", text, err)
	}
}

// A list that cannot be written fails the commit, and the next one lists the log.
func TestListThatCannotBeWritten(t *testing.T) {
	d, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := os.Mkdir(d.listFile(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := d.Commit("one", Record{}); err == nil {
		t.Error("no error")
	}
	if err := os.Remove(d.listFile()); err != nil {
		t.Fatal(err)
	}
	if err := d.Commit("one", Record{}); err != nil || !d.isListed("one") {
		t.Errorf("the next commit: %v", err)
	}
}

// A countingDisk counts the files that are written at one time. A commit ends once they are as many as may be.
type countingDisk struct {
	realDisk
	full chan struct{}
	once sync.Once

	mu         sync.Mutex
	open, most int
}

func (d *countingDisk) Create(path string) (File, error) {
	d.mu.Lock()
	d.open++
	d.most = max(d.most, d.open)
	if d.open == maxWrites {
		d.once.Do(func() { close(d.full) })
	}
	d.mu.Unlock()
	<-d.full
	return d.realDisk.Create(path)
}

func (d *countingDisk) SyncDir(path string) error {
	err := d.realDisk.SyncDir(path)
	d.mu.Lock()
	d.open--
	d.mu.Unlock()
	return err
}

// However many logs commit at once, few threads of the system's wait for the disk.
func TestFewCommitsAreWrittenAtOneTime(t *testing.T) {
	disk := &countingDisk{full: make(chan struct{})}
	d, err := OpenOn(disk, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	const logs = maxWrites + maxWrites/2
	done := make(chan error)
	for i := range logs {
		go func() { done <- d.Commit(strconv.Itoa(i), Record{}) }()
	}
	for range logs {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if disk.most < maxWrites || disk.most > maxWrites+1 { // records, and the list of all
		t.Errorf("%d files were written at one time, want %d or one more", disk.most, maxWrites)
	}
}
