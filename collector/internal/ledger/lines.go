package ledger

import (
	"fmt"

	"github.com/fremisn/fremisn-exporter/collector/internal/codec"
)

// Lines counts the lines of a log by result.
type Lines struct{ Parsed, Malformed, TooLong, Ignored uint64 }

// linesState begins the state of a log's counts since the second version. It is a number in a longer encoding than
// needed, which no state of the first version begins with.
const linesState = "\x80\x00\x02"

// IsFirstVersion reports whether a state was written by the first version of this program, in which access logs and
// error logs had encodings of their own.
func IsFirstVersion(state []byte) bool {
	return len(state) < len(linesState) || string(state[:len(linesState)]) != linesState
}

// besideState begins the state of a log that has data beside its counts. It, too, is a number in a longer encoding
// than needed.
const besideState = "\x80\x00\x03"

// AppendBeside appends a state that is kept beside the counts of a log, which AppendCounts appends after it.
//
//	besideState, length, what is kept beside
func AppendBeside(dst, beside []byte) []byte {
	dst = append(dst, besideState...)
	dst = codec.AppendUint(dst, uint64(len(beside)))
	return append(dst, beside...)
}

// CutBeside separates what AppendBeside appended from the counts after it. Its first result is nil for a state
// without.
func CutBeside(state []byte) (beside, counts []byte, err error) {
	if len(state) < len(besideState) || string(state[:len(besideState)]) != besideState {
		return nil, state, nil
	}
	r := codec.NewReader(state[len(besideState):])
	if beside = r.Bytes(r.Count(1)); r.Err() != nil {
		return nil, nil, fmt.Errorf("restoring the counts of a log: %w", r.Err())
	}
	return beside, r.Rest(), nil
}

// AppendCounts appends the state of a log's counts to dst: its lines by result, and the series that they made.
//
//	linesState, results{number}, the ledger's state
func AppendCounts(dst []byte, n Lines, l *Ledger) []byte {
	dst = append(dst, linesState...)
	numbers := []uint64{n.Parsed, n.Malformed, n.TooLong, n.Ignored}
	dst = codec.AppendUint(dst, uint64(len(numbers)))
	for _, number := range numbers {
		dst = codec.AppendUint(dst, number)
	}
	return l.AppendState(dst)
}

// RestoreCounts sets a new ledger to what AppendCounts wrote. It also reads an access log's state of the first
// version: three numbers and the ledger's state. After an error the ledger must not be used.
func RestoreCounts(state []byte, l *Ledger) (Lines, error) {
	r := codec.NewReader(state)
	count := 3
	if !IsFirstVersion(state) {
		r.Bytes(len(linesState))
		count = r.CountUpTo(maxResults, 1)
	}
	var numbers [maxResults]uint64
	for i := range count {
		numbers[i] = r.Uint()
	}
	err := r.Err()
	if err == nil {
		err = l.Restore(r.Rest())
	}
	if err != nil {
		return Lines{}, fmt.Errorf("restoring the counts of a log: %w", err)
	}
	return Lines{numbers[0], numbers[1], numbers[2], numbers[3]}, nil
}

// maxResults is more than the number of results.
const maxResults = 16
