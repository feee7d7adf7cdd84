package follow

import "testing"

// TestFileIsCountedByItsEntry: a glob leaves out the file that another entry names, and its rotated parts, whichever is
// first in the config, and takes it when that entry has gone.
func TestFileIsCountedByItsEntry(t *testing.T) {
	inBothOrders(t, func(s *shelf) {
		s.write("a.log", 100)
		s.write("b.log", 100)
		glob := map[string]string{"all": "*.log*"}
		both := map[string]string{"all": "*.log*", "one": "a.log"}
		m := &moves{shelf: s, rotations: map[string]int{}}
		write := func() {
			s.write("a.log", 3)
			s.write("b.log", 1)
		}
		s.want("at first", glob, map[string]uint64{})
		write()
		s.want("the glob", glob, map[string]uint64{"all": 4})
		write()
		s.want("a path comes", both, map[string]uint64{"all": 5, "one": 3})
		write()
		m.rotate("a.log")
		write()
		s.want("rotated", both, map[string]uint64{"all": 7, "one": 9})
		write()
		s.want("it stays", both, map[string]uint64{"all": 8, "one": 12})
		write()
		s.want("the path goes", glob, map[string]uint64{"all": 12})
	})
}

// TestFileOfTwoGlobs is counted by the first of them, and by the other when that has gone.
func TestFileOfTwoGlobs(t *testing.T) {
	s := newShelf(t)
	both := map[string]string{"1": "*.log", "2": "a*"}
	s.write("a.log", 100)
	s.want("at first", both, map[string]uint64{})
	for i := range uint64(3) {
		s.write("a.log", 3)
		s.write("ab", 2) // of the second only, new, and read from its beginning
		s.want("later", both, map[string]uint64{"1": 3 * (i + 1), "2": 2 * (i + 1)})
	}
	s.write("a.log", 1)
	s.want("the second", map[string]string{"2": "a*"}, map[string]uint64{"2": 6 + 1})
}
