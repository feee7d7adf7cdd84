// Package statefile keeps one record for each log: a position and the counts that go with it, written as one.
//
// A record is replaced by writing another beside it and renaming that over it, with both the file and the folder
// synced: after a crash at any moment either the old one or the new one is there, whole. What is read back is
// checked; what cannot be read is moved aside, never deleted. Libraries for atomic writes stop at the rename, so none
// is used here: without the folder's sync a power failure can bring the old record back after a scrape has shown the
// new one.
package statefile

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A record's file is magic, version, the lengths of its two parts, the parts, and a CRC-32C of everything before it.
const (
	magic   = "FREMISN"
	version = 1

	headerLen   = len(magic) + 1 + 4 + 4
	checksumLen = 4
	maxRecord   = 256 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A Record is the saved state of one log.
type Record struct {
	Position []byte
	Counts   []byte
}

var (
	// ErrNone reports that a record does not exist and never did.
	ErrNone = errors.New("no saved state")
	// ErrLost reports that there was a record, and that somebody has removed it.
	ErrLost = errors.New("the saved state was removed")
)

// A CorruptError reports an unreadable record, and its new place.
type CorruptError struct {
	Aside string
	Err   error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("the saved state is not usable: %s; moved to %s", e.Err, e.Aside)
}

func (e *CorruptError) Unwrap() error { return e.Err }

// maxWrites limits the commits that are written at one time: the others wait for the disk anyway, and each takes a
// thread of the system's while it does.
const maxWrites = 16

// A Disk performs a commit's file operations. Tests make each step fail, or be the last one.
type Disk interface {
	Create(path string) (File, error)
	Rename(from, to string) error
	// SyncDir makes renames in a folder durable.
	SyncDir(path string) error
}

// A File is a record that is being written.
type File interface {
	io.Writer
	Sync() error
	Close() error
}

// A Dir is a folder of records. It is locked: two exporters that count the same log into one folder would destroy each
// other's counts.
type Dir struct {
	path string
	lock *os.File
	disk Disk

	writes  chan struct{} // a token for each commit that is written
	listing sync.Mutex    // held while the list is written

	beginning   sync.Mutex // held while the starts are written
	startsAgain time.Time  // not before; guarded by beginning

	mu       sync.Mutex        // guards the fields below; never held across the disk
	listed   map[string]bool   // logs that have, or had, a record
	unlisted map[string]bool   // logs that have one, and are to be listed
	claimed  map[string]string // file names of records that a log of this process writes, and which
	round    uint64            // see NextRound

	starts, starting starts // of the file, and to be added
	startsErr        error  // why the file could not be read, for logs that may have been in it
	isBroken         bool   // the file was removed or unusable, and is to be written anew
}

// Open creates the folder if it is missing, and locks it.
func Open(path string) (*Dir, error) { return OpenOn(realDisk{}, path) }

// OpenOn is Open on another Disk.
func OpenOn(disk Disk, path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o750); err != nil {
		return nil, fmt.Errorf("storage path: %w; %s", err, elsewhere)
	}
	lock, err := openLock(filepath.Join(path, "lock"))
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := io.ReadAll(io.LimitReader(lock, 32))
		lock.Close()
		return nil, fmt.Errorf("storage path %s is in use by another exporter (process %s); stop it, or choose "+
			"another folder with --storage.path", path, strings.TrimSpace(string(holder)))
	}
	d := &Dir{path: path, lock: lock, disk: disk, writes: make(chan struct{}, maxWrites),
		unlisted: map[string]bool{}, claimed: map[string]string{}}
	d.sign()
	if err := cmp.Or(d.checkAccess(), d.readList(), d.readStarts()); err != nil {
		lock.Close()
		return nil, err
	}
	return d, nil
}

// sign writes this process' id into the lock, for the error message of a second process. A full disk takes none.
func (d *Dir) sign() {
	if d.lock.Truncate(0) == nil {
		_, _ = fmt.Fprintf(d.lock, "%d\n", os.Getpid())
	}
}

// Path returns the folder.
func (d *Dir) Path() string { return d.path }

// Close unlocks the folder.
func (d *Dir) Close() error { return d.lock.Close() }

// file returns the path of a log's record.
func (d *Dir) file(log string) string { return filepath.Join(d.path, fileName(log)+suffix) }

// notesFile is what the program itself remembers, beside the logs' records.
func (d *Dir) notesFile() string { return filepath.Join(d.path, "notes.json") }

// Notes returns the last argument of SaveNotes, or nil.
func (d *Dir) Notes() ([]byte, error) {
	notes, err := readFile(d.notesFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return notes, err
}

// SaveNotes saves what the program itself remembers.
func (d *Dir) SaveNotes(notes []byte) error { return d.replace(d.notesFile(), notes) }

// Claim reserves a record for one log: nobody else may write it. It reports whether it was free.
func (d *Dir) Claim(record, log string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	name := fileName(record)
	if _, isClaimed := d.claimed[name]; isClaimed {
		return false
	}
	d.claimed[name] = log
	return true
}

// ClaimedBy returns the log that a record is reserved for; ok is false if it is free.
func (d *Dir) ClaimedBy(record string) (log string, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	log, ok = d.claimed[fileName(record)]
	return log, ok
}

// NextRound begins a round of claims, whose number is above that of any before. Of what two records say of one file,
// what was written in the later round holds: clocks may jump.
func (d *Dir) NextRound(last uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.round = max(d.round, last) + 1
}

// Round returns the number of the present round.
func (d *Dir) Round() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.round
}

// Release gives up a claimed record.
func (d *Dir) Release(log string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.claimed, fileName(log))
}

// Position reads only the position of a record, without checking the record. It is for finding the record of a log; a
// log must load the record that it continues.
func (d *Dir) Position(log string) ([]byte, error) {
	file, err := openFile(d.file(log))
	if errors.Is(err, fs.ErrNotExist) {
		return d.start(log)
	}
	if err != nil {
		return nil, fmt.Errorf("saved state: %w", err)
	}
	defer file.Close()
	head := make([]byte, headerLen)
	if _, err := io.ReadFull(file, head); err != nil {
		return nil, fmt.Errorf("saved state: %w", err)
	}
	size := binary.BigEndian.Uint32(head[len(magic)+1:])
	if string(head[:len(magic)]) != magic || size > maxRecord {
		return nil, errors.New("saved state: not a record of this program")
	}
	position, err := io.ReadAll(io.LimitReader(file, int64(size)))
	if err != nil {
		return nil, fmt.Errorf("saved state: %w", err)
	}
	return position, nil
}

// Load reads a log's record: ErrNone if there is none, ErrLost if it was removed, a *CorruptError if it is unusable.
// The record of a log that has only begun has nil Counts.
func (d *Dir) Load(log string) (Record, error) {
	path := d.file(log)
	raw, err := readFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		position, err := d.start(log)
		return Record{Position: position}, err
	case err != nil:
		return Record{}, d.Aside(log, err) // the next commit would replace it
	}
	record, err := decode(raw)
	if err != nil {
		return Record{}, d.Aside(log, err)
	}
	return record, nil
}

// Aside moves an unusable record out of the way; it returns a *CorruptError.
func (d *Dir) Aside(log string, because error) error {
	return moveAside(d.file(log), asideName(log, time.Now()), because)
}

func moveAside(path, name string, because error) error {
	aside := filepath.Join(filepath.Dir(path), name)
	if err := os.Rename(path, aside); err != nil {
		return fmt.Errorf("saved state: %w", errors.Join(because, err))
	}
	return &CorruptError{aside, because}
}

// Commit replaces a log's record.
func (d *Dir) Commit(log string, r Record) error {
	d.writes <- struct{}{}
	err := d.replace(d.file(log), encode(r))
	<-d.writes
	if err != nil {
		return err
	}
	if err := d.addToList(fileName(log)); err != nil {
		return err
	}
	return d.hasRecord(log)
}

// WriteBeside replaces a file that is kept beside the records and belongs to no log.
func (d *Dir) WriteBeside(name string, data []byte) error { return d.replace(d.beside(name), data) }

// ReadBeside returns what WriteBeside wrote, or nil.
func (d *Dir) ReadBeside(name string) ([]byte, error) {
	data, err := readFile(d.beside(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

func (d *Dir) beside(name string) string { return filepath.Join(d.path, fileName(name)+".json") }

// replace writes a file beside the old one and renames it over that.
func (d *Dir) replace(path string, data []byte) error {
	temporary := path + ".new"
	f, err := d.disk.Create(temporary)
	if err != nil {
		return fmt.Errorf("saving state: %w", err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("saving state: %w", err)
	}
	if err := d.disk.Rename(temporary, path); err != nil {
		return fmt.Errorf("saving state: %w", err)
	}
	if err := d.disk.SyncDir(d.path); err != nil {
		return fmt.Errorf("saving state: %w", err)
	}
	return nil
}

func encode(r Record) []byte {
	raw := make([]byte, 0, headerLen+len(r.Position)+len(r.Counts)+checksumLen)
	raw = append(raw, magic...)
	raw = append(raw, version)
	raw = binary.BigEndian.AppendUint32(raw, uint32(len(r.Position)))
	raw = binary.BigEndian.AppendUint32(raw, uint32(len(r.Counts)))
	raw = append(raw, r.Position...)
	raw = append(raw, r.Counts...)
	return appendChecksum(raw)
}

func appendChecksum(raw []byte) []byte {
	return binary.BigEndian.AppendUint32(raw, crc32.Checksum(raw, castagnoli))
}

func decode(raw []byte) (Record, error) {
	if len(raw) < headerLen+checksumLen || string(raw[:len(magic)]) != magic {
		return Record{}, errors.New("not a record of this program, or truncated")
	}
	body, checksum := raw[:len(raw)-checksumLen], raw[len(raw)-checksumLen:]
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(checksum) {
		return Record{}, errors.New("checksum mismatch")
	}
	if v := raw[len(magic)]; v != version {
		return Record{}, fmt.Errorf("it has version %d, and this program knows version %d; a newer program has "+
			"written it", v, version)
	}
	position := uint64(binary.BigEndian.Uint32(body[len(magic)+1:]))
	counts := uint64(binary.BigEndian.Uint32(body[len(magic)+5:]))
	parts := body[headerLen:]
	if position+counts != uint64(len(parts)) {
		return Record{}, errors.New("invalid lengths")
	}
	return Record{Position: parts[:position], Counts: parts[position:]}, nil
}

type realDisk struct{}

func (realDisk) Create(path string) (File, error) {
	return create(path, os.O_WRONLY|os.O_TRUNC)
}

func (realDisk) Rename(from, to string) error { return os.Rename(from, to) }

// SyncDir syncs the folder, which holds the name.
func (realDisk) SyncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	err = dir.Sync()
	if closed := dir.Close(); err == nil {
		err = closed
	}
	return err
}
