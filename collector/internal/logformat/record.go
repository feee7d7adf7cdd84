package logformat

import (
	"bytes"
	"unsafe"
)

// A Field names a value of a line that metrics need.
type Field uint8

const (
	Request Field = iota
	RequestMethod
	RequestURI
	RequestID
	Status
	RequestTime
	BytesSent
	BodyBytesSent
	RequestLength
	LimitReqStatus
	LimitConnStatus
	CacheStatus
	Msec
	TimeISO8601
	TimeLocal
	UpstreamAddr
	UpstreamStatus // from here on: lists, one element for each of UpstreamAddr
	UpstreamResponseTime
	UpstreamHeaderTime
	UpstreamConnectTime
	UpstreamBytesSent
	UpstreamBytesReceived
	UpstreamResponseLength
	noField

	firstNumberList = UpstreamStatus
	numberLists     = int(noField - firstNumberList)
)

// A Method is an HTTP method with a label of its own.
type Method uint8

const (
	MethodOther Method = iota
	MethodGet
	MethodHead
	MethodPost
	MethodPut
	MethodDelete
	MethodConnect
	MethodOptions
	MethodTrace
	MethodPatch
	methodCount
)

func (m Method) String() string {
	return [methodCount]string{"OTHER", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE",
		"PATCH"}[m]
}

func methodOf(word []byte) Method {
	switch string(word) {
	case "GET":
		return MethodGet
	case "HEAD":
		return MethodHead
	case "POST":
		return MethodPost
	case "PUT":
		return MethodPut
	case "DELETE":
		return MethodDelete
	case "CONNECT":
		return MethodConnect
	case "OPTIONS":
		return MethodOptions
	case "TRACE":
		return MethodTrace
	case "PATCH":
		return MethodPatch
	}
	return MethodOther
}

// methodTable is a perfect hash of the methods as loaded words: one lookup instead of a comparison with each.
var methodTable = [16]struct {
	word   uint64
	method Method
	length uint8
}{
	4:  {'T'<<0 | 'R'<<8 | 'A'<<16 | 'C'<<24 | 'E'<<32, MethodTrace, 5},
	6:  {'C'<<0 | 'O'<<8 | 'N'<<16 | 'N'<<24 | 'E'<<32 | 'C'<<40 | 'T'<<48, MethodConnect, 7},
	7:  {'P'<<0 | 'A'<<8 | 'T'<<16 | 'C'<<24 | 'H'<<32, MethodPatch, 5},
	8:  {'O'<<0 | 'P'<<8 | 'T'<<16 | 'I'<<24 | 'O'<<32 | 'N'<<40 | 'S'<<48, MethodOptions, 7},
	9:  {'P'<<0 | 'O'<<8 | 'S'<<16 | 'T'<<24, MethodPost, 4},
	10: {'P'<<0 | 'U'<<8 | 'T'<<16, MethodPut, 3},
	12: {'G'<<0 | 'E'<<8 | 'T'<<16, MethodGet, 3},
	13: {'H'<<0 | 'E'<<8 | 'A'<<16 | 'D'<<24, MethodHead, 4},
	15: {'D'<<0 | 'E'<<8 | 'L'<<16 | 'E'<<24 | 'T'<<32 | 'E'<<40, MethodDelete, 6},
}

const methodHash = 0x35bf992dc9e9c617

// A Word is the status of a cache or a limit.
type Word uint8

const (
	NoWord    Word = iota // "-" or empty: no status
	OtherWord             // unknown to this package
	Passed
	Delayed
	Rejected
	DelayedDryRun
	RejectedDryRun
	Miss
	Bypass
	Expired
	Stale
	Updating
	Revalidated
	Hit
	Scarce
	WordCount // the number of words
)

var words = [WordCount]string{
	"", "other", "passed", "delayed", "rejected", "delayed_dry_run", "rejected_dry_run",
	"miss", "bypass", "expired", "stale", "updating", "revalidated", "hit", "scarce",
}

func (w Word) String() string { return words[w] }

func wordOf(value []byte) Word {
	switch string(value) {
	case "", "-":
		return NoWord
	case "PASSED":
		return Passed
	case "DELAYED":
		return Delayed
	case "REJECTED":
		return Rejected
	case "DELAYED_DRY_RUN":
		return DelayedDryRun
	case "REJECTED_DRY_RUN":
		return RejectedDryRun
	case "MISS":
		return Miss
	case "BYPASS":
		return Bypass
	case "EXPIRED":
		return Expired
	case "STALE":
		return Stale
	case "UPDATING":
		return Updating
	case "REVALIDATED":
		return Revalidated
	case "HIT":
		return Hit
	case "SCARCE":
		return Scarce
	}
	return OtherWord
}

// Path returns the path of the request, raw: the URI up to its query or the next word.
func (r *Record) Path() []byte {
	path, _, _ := bytes.Cut(r.URI, []byte{' '})
	path, _, _ = bytes.Cut(path, []byte{'?'})
	return path
}

// Absent is the value of a number that a line does not have ("-", or empty).
const Absent int64 = -1

// A Record is one line. Its slices point into the argument of Parse; fields that the format lacks are zero, nil or
// Absent.
type Record struct {
	Code      int64  // $status
	Millis    int64  // $request_time, milliseconds
	Sent      int64  // $bytes_sent, else $body_bytes_sent
	Received  int64  // $request_length
	Time      int64  // Unix milliseconds: $msec, else $time_iso8601, else $time_local; 0 where the format has none
	URI       []byte // what follows the method in $request, else $request_uri: raw, mostly with a query; see Path
	IDAt      int    // where $request_id begins, in the argument of Parse
	IDLen     int    // and its length; 0 for none
	Format    int    // which of the parser's formats the line fits
	Method    Method // of $request, else $request_method
	LimitReq  Word
	LimitConn Word
	Cache     Word
	unused    int64 // where unused numbers go
	mark      int   // where the value begins that is being captured

	// Captured holds the values of Options.Capture as logged, with their escapes; nil if the format lacks the
	// variable.
	Captured [][]byte

	Elements  int        // attempts and group names: the length of each list
	Upstreams *Upstreams // $upstream_addr as elements; nil for none
	lists     [maxLists]list
}

// maxLists is numberLists rounded up to a power of two.
const maxLists = 8

// One list variable too many would be read in another's place: then this does not compile.
const _ = uint(maxLists - numberLists)

// offsetOf returns the offset in a Record of a field's number or word.
func offsetOf(f Field) uint8 {
	var r Record
	switch f {
	case RequestTime:
		return uint8(unsafe.Offsetof(r.Millis))
	case BytesSent, BodyBytesSent:
		return uint8(unsafe.Offsetof(r.Sent))
	case RequestLength:
		return uint8(unsafe.Offsetof(r.Received))
	case Msec, TimeISO8601, TimeLocal:
		return uint8(unsafe.Offsetof(r.Time))
	case LimitReqStatus:
		return uint8(unsafe.Offsetof(r.LimitReq))
	case LimitConnStatus:
		return uint8(unsafe.Offsetof(r.LimitConn))
	case CacheStatus:
		return uint8(unsafe.Offsetof(r.Cache))
	}
	return uint8(unsafe.Offsetof(r.unused))
}

// A list holds the numbers of a list variable; Absent for an element of "-".
type list struct {
	one        int64   // of a list of one element without separators
	many       []int64 // of any other
	separators []byte  // ',' or ':' after each but the last of many
	isMany     bool
}

// At returns the number of a list variable for element i of Elements.
func (r *Record) At(f Field, i int) int64 {
	l := &r.lists[f-firstNumberList]
	if l.isMany {
		return l.many[i]
	}
	return l.one
}

// Separator returns what follows element i, ',' or ':', 0 after the last. It is for formats without $upstream_addr,
// and comes from any list of the line.
func (r *Record) Separator(i int) byte {
	for k := range r.lists {
		if l := &r.lists[k]; l.isMany {
			if i < len(l.separators) {
				return l.separators[i]
			}
			return 0
		}
	}
	return 0
}

// NewRecord returns a record that Parse can fill repeatedly.
func NewRecord() *Record {
	r := new(Record)
	r.clear()
	return r
}

// clear empties the record. It keeps the room of its slices.
func (r *Record) clear() {
	lists, captured := r.lists, r.Captured
	*r = Record{Code: Absent, Millis: Absent, Sent: Absent, Received: Absent, lists: lists, Captured: captured}
	clear(r.Captured)
	for k := range r.lists {
		l := &r.lists[k]
		l.one, l.isMany = Absent, false
	}
}
