package tail

import (
	"bytes"
	"maps"
	"math"
	"slices"
	"time"
)

// What other logs have counted: a new file of a glob may be a copy of one of theirs. Two logs of one server may hold
// the same lines as well. The age of a copy distinguishes it from such a log: it holds what had been counted before it
// was made.

// A reached says when so many of a file's first bytes had been counted. The times of files may be some milliseconds
// behind that of the program, and are never ahead: a file with a later time was made after that.
type reached struct {
	Bytes int   `json:"n"`
	At    int64 `json:"at"` // nanoseconds
}

// keepReached is how many of these are kept of a file: the first ones, and the last.
const keepReached = 4

// firstLine returns the checksum of the first line that bytes begin with, 0 if it has not ended.
func firstLine(head []byte) uint64 {
	if end := bytes.IndexByte(head, '\n'); end >= 0 {
		return sum(head[:end+1])
	}
	if len(head) < headLen {
		return 0
	}
	return sum(head[:headLen])
}

// began records what a generation begins with, and when that was counted.
func (g *generation) began() {
	g.First = firstLine(g.head)
	first := g.Counted[:min(len(g.Counted), keepReached-1)]
	g.Counted = append(slices.Clip(first), reached{len(g.head), time.Now().UnixNano()}) // others may read the old ones
}

// A counted is what a log has counted of a file. It is immutable.
type counted struct {
	Cursor
	log, kind string
	isGlob    bool
}

// countedKey finds counted files by their first lines.
type countedKey struct {
	kind string
	line uint64
}

func (c *counted) key() countedKey { return countedKey{c.kind, c.First} }

// countedBefore returns how many of the first bytes had certainly been counted at a time; most of them stand for all.
func (c *Cursor) countedBefore(at int64) (n int64) {
	for _, r := range c.Counted {
		if r.At < at {
			n = max(n, int64(r.Bytes))
		}
	}
	if n == headLen {
		return math.MaxInt64
	}
	return n
}

// open returns a generation of what was counted, with the file if that is still where it was, on a device: another disk
// may hang. The caller closes it.
func (c *counted) open(dev uint64) *generation {
	g := &generation{Cursor: c.Cursor}
	if c.Dev != dev || c.Ino == 0 || c.Removed || isGzip(c.Path) {
		return g
	}
	file, info, err := openLog(c.Path)
	if err != nil {
		return g
	}
	g.file = file
	if idOf(info).ino != c.Ino || !g.wasBornAs(descriptorPath(file)) || !g.fits(file) {
		g.file.Close()
		g.file = nil
	}
	return g
}

// countedOf returns what was counted of a generation.
func (f *Follower) countedOf(g *generation) *counted {
	c := &counted{Cursor: g.Cursor, log: f.log, kind: f.kind, isGlob: f.isPattern}
	c.Marks, c.Lines = nil, nil
	return c
}

// publishCounted says what has been counted of each file, for globs beside the log.
func (f *Follower) publishCounted() {
	if !f.owners.hasGlob.Load() {
		return
	}
	n := 0
	for _, g := range f.generations {
		if g.Offset == 0 || g.First == 0 {
			continue
		}
		n++
		if old := f.counted[g]; old == nil || old.Offset != g.Offset || old.Path != g.Path || old.tag() != g.tag() {
			f.counted[g] = f.countedOf(g)
			f.owners.replaceCounted(old, f.counted[g])
		}
	}
	if n != len(f.counted) {
		f.dropGoneCounted()
	}
	f.owners.begun(f.log)
}

// dropGoneCounted drops what was counted of files that the log has no more, or anew.
func (f *Follower) dropGoneCounted() {
	gone := maps.Clone(f.counted)
	for _, g := range f.generations {
		if g.Offset > 0 && g.First != 0 {
			delete(gone, g)
		}
	}
	for g, old := range gone {
		f.owners.replaceCounted(old, nil)
		delete(f.counted, g)
	}
}

// replaceCounted replaces what was counted of a file; nil is nothing.
func (o *Owners) replaceCounted(old, now *counted) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if old != nil {
		o.dropCounted(old)
	}
	if now != nil {
		o.addCounted(now)
	}
}

func (o *Owners) makeCounted() {
	if o.counted == nil {
		o.counted, o.ended, o.lastLook = map[countedKey][]*counted{}, map[string][]*counted{}, map[string]uint64{}
	}
}

func (o *Owners) addCounted(c *counted) {
	o.makeCounted()
	o.counted[c.key()] = append(o.counted[c.key()], c)
}

func (o *Owners) dropCounted(c *counted) {
	key := c.key()
	o.counted[key] = slices.DeleteFunc(o.counted[key], func(other *counted) bool { return other == c })
	if len(o.counted[key]) == 0 {
		delete(o.counted, key)
	}
}

// ExpectCounted says what a log has counted that is about to begin.
func (o *Owners) ExpectCounted(log string, isGlob bool, kind string, cursors []Cursor) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.makeCounted()
	o.dropEnded(log)
	for _, c := range cursors {
		if c.Copied {
			o.expectUnused(log, ownedOf(kind, c.tag(), 0))
		}
		if c.Offset > 0 && c.First != 0 {
			o.addEnded(&counted{Cursor: c, log: log, kind: kind, isGlob: isGlob})
		}
	}
}

func (o *Owners) expectUnused(log string, file ownedFile) {
	for i, owner := range o.of[file] {
		if owner.log == log && owner.follower == nil {
			o.of[file][i].isUnused = true
		}
	}
}

func (o *Owners) addEnded(c *counted) {
	o.addCounted(c)
	o.ended[c.log] = append(o.ended[c.log], c)
}

// begun says that a log has begun: from now on it says itself what it has counted.
func (o *Owners) begun(log string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dropEnded(log)
}

func (o *Owners) dropEnded(log string) {
	for _, c := range o.ended[log] {
		o.dropCounted(c)
	}
	delete(o.ended, log)
}

// beginLook returns the number of a look, 0 if no log asks for it.
func (f *Follower) beginLook() uint64 {
	if f.owners == nil || !f.owners.hasGlob.Load() {
		return 0
	}
	return f.owners.beginLook()
}

// endLook says that the log has counted all that there was when a look began.
func (f *Follower) endLook(look uint64) {
	if look > 0 {
		f.owners.looked(f.log, look)
	}
}

// beginLook returns the number of a look, greater than those of all before.
func (o *Owners) beginLook() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.look++
	return o.look
}

// looked says that a log has counted all that there was at a look, and more.
func (o *Owners) looked(log string, look uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.makeCounted()
	o.lastLook[log] = look
}

// haveLooked reports whether all of some logs have, since a look of another.
func (o *Owners) haveLooked(logs []string, since uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !slices.ContainsFunc(logs, func(log string) bool { return o.lastLook[log] <= since })
}

// countedLike returns what other logs, of which one is a glob, have counted of files with a first line.
func (o *Owners) countedLike(f *Follower, line uint64) (like []*counted) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.counted[countedKey{f.kind, line}] {
		if c.log != f.log && (c.isGlob || f.isPattern) {
			like = append(like, c)
		}
	}
	return like
}

// leaveCounted keeps what a log had counted, which ends: it may begin again.
func (f *Follower) leaveCounted() {
	f.owners.mu.Lock()
	defer f.owners.mu.Unlock()
	f.owners.makeCounted()
	for _, c := range f.counted {
		f.owners.ended[f.log] = append(f.owners.ended[f.log], c)
	}
	clear(f.counted)
}
