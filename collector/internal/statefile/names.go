package statefile

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"
	"time"
)

const (
	// suffix ends the name of a record's file.
	suffix = ".state"
	// maxFile is how long a file's name may be, bytes.
	maxFile = 255
	// maxEscaped is how long a log's escaped name may be in it. Every record that an earlier version could write fits.
	maxEscaped = maxFile - len(suffix+".new")
	// keptOfName is how much of a longer name its file shows, before a hash of all of it.
	keptOfName = 150
)

// fileName returns a log's name in its escaped form for a file name. Names are the user's: one that is too long for a
// file is cut, and told apart by its hash.
func fileName(log string) string {
	name := escape(log)
	if len(name) <= maxEscaped {
		return name
	}
	return shorten(name)
}

// asideName returns the name of the file of a log's unusable record.
func asideName(log string, now time.Time) string {
	name, rest := fileName(log), suffix+now.UTC().Format(".unusable-20060102T150405.000000000")
	if len(name)+len(rest) > maxFile {
		name = shorten(name)
	}
	return name + rest
}

func escape(log string) string { return strings.ReplaceAll(url.QueryEscape(log), ".", "%2E") }

func unescape(name string) (log string, err error) { return url.QueryUnescape(name) }

// shorten cuts an escaped name, not within an escape, and adds a hash of all of it.
func shorten(name string) string {
	kept := name[:keptOfName]
	if i := strings.LastIndexByte(kept, '%'); i > len(kept)-len("%C3") {
		kept = kept[:i]
	}
	hash := sha256.Sum256([]byte(name))
	return kept + "-" + hex.EncodeToString(hash[:16])
}

// NameOf returns the name by which Logs lists a log's record: the log's own, unless that is too long for a file. Every
// method of a Dir takes either for the other.
func NameOf(log string) string {
	if name, err := unescape(fileName(log)); err == nil {
		return name
	}
	return log
}
