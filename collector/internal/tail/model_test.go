package tail

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"testing"
	"time"
)

// TestAnyOrder does what is done to logs in random order: lines are written, by a late worker too, the log is
// renamed, dated, compressed, copied and truncated; it is read and committed; the exporter crashes back to its last
// commit and starts again. In the end every line has been handed out once.
func TestAnyOrder(t *testing.T) {
	for seed := range int64(400) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { anyOrder(t, rand.New(rand.NewSource(seed))) })
	}
}

func anyOrder(t *testing.T, random *rand.Rand) {
	l := newLog(t)
	l.write("", "")
	l.follow(true)
	l.read()
	var (
		serial, turn int
		late         string // the name of the old file that a worker still writes
		lateSince    time.Time
		want         = map[string]bool{}
		history      []string
		position     = l.f.Position()
		seen         = l.f.Seen()
		committed    bytes.Buffer
	)
	// touch gives a file the test's own time: a second passes with each step.
	touch := func(name string) { l.must(os.Chtimes(l.at(name), l.now, l.now)) }
	touch("")
	write := func(name string) {
		for range 1 + random.Intn(60) {
			serial++
			line := fmt.Sprintf("line number %d of them all\n", serial)
			want[line] = true
			l.write(name, line)
		}
		touch(name)
	}
	for range 40 {
		step := random.Intn(9)
		history = append(history, fmt.Sprintf("%d@%d", step, serial))
		switch step {
		case 0, 1:
			write("")
		case 2:
			// A worker that has not reopened after half of the time that an old file is followed has hung.
			if late != "" && l.now.Sub(lateSince) < quiet/2 {
				write(late)
			}
		case 3: // renamed, a worker goes on with the old file
			turn++
			late, lateSince = fmt.Sprintf("access.log-%03d", turn), l.now
			l.rename("", late)
			l.write("", "")
			touch("")
		case 4: // renamed and compressed
			turn++
			name := fmt.Sprintf("access.log-%03d", turn)
			l.rename("", name)
			l.write("", "")
			touch("")
			l.gzip(name)
		case 5: // copied and truncated
			turn++
			text, err := os.ReadFile(l.path)
			l.must(err)
			l.must(os.WriteFile(l.at(fmt.Sprintf("access.log-%03d", turn)), text, 0o644))
			l.must(os.Truncate(l.path, 0))
			touch(fmt.Sprintf("access.log-%03d", turn))
			touch("")
		case 6, 7: // read and committed
			l.read()
			position, seen = l.f.Position(), l.f.Seen()
			committed.Reset()
			committed.Write(l.got.lines.Bytes())
		case 8: // crashed
			l.f.Close()
			l.got.lines.Reset()
			l.got.lines.Write(committed.Bytes())
			l.follow(true)
			l.f.Resume(position, seen)
		}
		l.now = l.now.Add(time.Second)
	}
	l.read()
	got := map[string]int{}
	for _, line := range bytes.SplitAfter(l.got.lines.Bytes(), []byte("\n")) {
		if len(line) > 0 {
			got[string(line)]++
		}
	}
	for line := range want {
		if got[line] != 1 {
			for _, s := range l.f.siblings() {
				content, err := openContent(s.path)
				l.must(err)
				text, err := content.start(1 << 20)
				l.must(err)
				content.close()
				if bytes.Contains(text, []byte(line)) {
					t.Logf("it is in %s, changed %s ago", s.path, l.now.Sub(s.changed))
				}
			}
			t.Fatalf("%q was handed out %d times; gaps %v\n%v", line, got[line], l.got.told, history)
		}
	}
}
