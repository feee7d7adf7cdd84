package tail

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// manyFiles returns a Follower that has read so many files of a glob, and a file that it has not.
func manyFiles(t testing.TB, n int) (*Follower, *generation) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	text := func(i int) string {
		var b strings.Builder
		for line := range 20 {
			fmt.Fprintf(&b, "10.0.0.%d [26/Nov/2026:10:%02d:%02d +0000] \"GET /%d\" 200\n", i%250, i%60, line, i)
		}
		return b.String()
	}
	for i := range n {
		must(os.WriteFile(filepath.Join(dir, fmt.Sprintf("v%d.log", i)), []byte(text(i)), 0o644))
	}
	f := New(filepath.Join(dir, "*.log"), true, newRecord(), time.Now)
	t.Cleanup(f.Close)
	must(f.Read())
	if len(f.generations) != n {
		t.Fatalf("%d files of %d", len(f.generations), n)
	}
	path := filepath.Join(dir, "v0.log.new")
	must(os.WriteFile(path, []byte(text(n)), 0o644))
	file, err := os.Open(path)
	must(err)
	t.Cleanup(func() { file.Close() })
	return f, &generation{Cursor: Cursor{Path: path, Base: path}, base: f.bases[0], file: file}
}

// reads is how often this process has read anything.
func reads(t *testing.T) (n int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Fatal(err)
	}
	_, behind, _ := strings.Cut(string(text), "syscr: ")
	if _, err := fmt.Sscan(behind, &n); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return n
}

// TestManyFilesAreComparedAtOnce: what a new file, and an unknown one beside the log, cost does not depend on how many
// other files were read, neither in reads nor in what is allocated for other work.
func TestManyFilesAreComparedAtOnce(t *testing.T) {
	cost := func(n int) (read int, allocated float64) {
		f, g := manyFiles(t, n)
		compare := func() {
			if err := f.passCounted(g); err != nil || g.Offset != 0 {
				t.Fatalf("%v, %d passed", err, g.Offset)
			}
			if f.isKnownCopy(place{path: g.Path}) {
				t.Fatal("it is known")
			}
		}
		compare()
		before := reads(t)
		compare()
		return reads(t) - before, testing.AllocsPerRun(5, compare)
	}
	fewReads, few := cost(10)
	manyReads, many := cost(1000)
	if manyReads > fewReads+2 || many > few+20 {
		t.Errorf("with 10 files %d reads and %.0f allocations, with 1000 files %d and %.0f",
			fewReads, few, manyReads, many)
	}
}

// TestComparisonRulesOutNothingWrong: of what a comparison rules out, trace finds nothing, whatever was changed in a
// copy, and whatever is still known of a generation.
func TestComparisonRulesOutNothingWrong(t *testing.T) {
	l, ruledOut, held := newLog(t), 0, 0
	for seed := range int64(4000) {
		random := rand.New(rand.NewSource(seed))
		original := randomLines(random)
		l.must(os.WriteFile(l.path, original, 0o644))
		l.f = New(l.path, true, newRecord(), time.Now)
		l.read()
		g := l.f.generations[0]
		knowLess(g, random)
		copied := changedCopy(original, random)
		if random.Intn(3) == 0 {
			copied = randomLines(random)
		}
		file, size := bytes.NewReader(copied), int64(len(copied))
		from := int64(0)
		if random.Intn(3) == 0 {
			from = lineStart(file, random.Int63n(size+1))
		}
		mayHold := l.f.compare(file, from, size).mayHold(g)
		m, at := g.traceFrom(file, from, size)
		switch {
		case !mayHold && (m != other || at != 0):
			t.Fatalf("seed %d: %d at %d of %q\nin %q", seed, m, at, original, copied)
		case !mayHold:
			ruledOut++
		case m != other:
			held++
		}
		l.f.Close()
	}
	if ruledOut < 500 || held < 500 {
		t.Errorf("%d were ruled out and %d hold something: too few to show anything", ruledOut, held)
	}
}

// randomLines are up to a few hundred lines, short or long, of which some come again.
func randomLines(random *rand.Rand) []byte {
	var b bytes.Buffer
	kinds, length := 1+random.Intn(400), []int{3, 40, 40, 300, 3000, 20_000}[random.Intn(6)]
	for range 1 + random.Intn(max(1, 60_000/(20+length))) {
		fmt.Fprintf(&b, "10.0.0.%d 10:00:%02d /%d", random.Intn(9), random.Intn(60), random.Intn(kinds))
		b.WriteString(strings.Repeat("x", random.Intn(length)) + "\n")
	}
	return b.Bytes()
}

// changedCopy is a copy that was cut, edited, anonymised or appended to.
func changedCopy(original []byte, random *rand.Rand) []byte {
	text := bytes.Clone(original)
	for range random.Intn(6) {
		at := random.Intn(len(text))
		switch random.Intn(6) {
		case 0:
			text = text[:at+1]
		case 1:
			text[at] ^= 1
		case 2:
			text[random.Intn(min(len(text), []int{40, 1000}[random.Intn(2)]))] ^= 1
		case 3:
			text = append(text, randomLines(random)...)
		case 4:
			text = bytes.ReplaceAll(text, []byte("10.0.0."), []byte("0.0."))
		case 5:
			text = append(randomLines(random), text...)
		}
	}
	return text
}

// knowLess makes a generation as one that is idle, closed, or restored, or that has no marks of its first lines.
func knowLess(g *generation, random *rand.Rand) {
	c := g.cursor()
	rest := c.Marks[random.Intn(len(c.Marks)):]
	switch random.Intn(6) {
	case 0:
		g.doze()
	case 1:
		g.close()
	case 2:
		g.close()
		g.Marks, g.Lines = nil, nil
	case 3:
		g.doze()
		g.Marks = rest
	case 4:
		g.saved.Marks = rest
	}
}

// cpuTime is the CPU time that this process has taken.
func cpuTime(b *testing.B) time.Duration {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkManyFiles compares a new file with the 300 that were read, in turn with each of them and at once: "ratio" is
// the CPU time of the first by that of the second.
func BenchmarkManyFiles(b *testing.B) {
	f, g := manyFiles(b, 300)
	var each, once time.Duration
	for b.Loop() {
		begun := cpuTime(b)
		for _, original := range f.generations {
			f.copyOf(original, g)
		}
		each += cpuTime(b) - begun
		begun = cpuTime(b)
		if err := f.passCounted(g); err != nil {
			b.Fatal(err)
		}
		once += cpuTime(b) - begun
	}
	b.ReportMetric(float64(each)/float64(once), "ratio")
	b.ReportMetric(float64(once.Microseconds())/float64(b.N), "µs/file")
}
