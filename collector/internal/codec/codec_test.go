package codec

import (
	"bytes"
	"errors"
	"math"
	"testing"
	"time"
)

func TestRoundTrip(t *testing.T) {
	at := time.Unix(1700000000, 123456789)
	var b []byte
	for _, n := range []uint64{0, 1, 127, 128, math.MaxUint64} {
		b = AppendUint(b, n)
	}
	b = AppendString(AppendString(b, ""), "a\xff")
	b = AppendTime(AppendTime(b, time.Time{}), at)
	b = append(AppendUint(b, 3), "xyz"...)
	r := NewReader(b)
	for _, want := range []uint64{0, 1, 127, 128, math.MaxUint64} {
		if n := r.Uint(); n != want {
			t.Errorf("%d, want %d", n, want)
		}
	}
	if s, u := r.String(), r.String(); s != "" || u != "a\xff" {
		t.Errorf("%q and %q", s, u)
	}
	if zero, one := r.Time(), r.Time(); !zero.IsZero() || !one.Equal(at) {
		t.Errorf("%v and %v", zero, one)
	}
	if n := r.CountUpTo(3, 1); n != 3 || string(r.Rest()) != "xyz" || string(r.Bytes(3)) != "xyz" {
		t.Error("items are lost")
	}
	if r.End(); r.Err() != nil {
		t.Error(r.Err())
	}
}

// TestCorrupt: each kind of fault is reported, and afterwards there are only zeros.
func TestCorrupt(t *testing.T) {
	for name, test := range map[string]struct {
		state []byte
		read  func(*Reader)
	}{
		"no number":           {nil, func(r *Reader) { r.Uint() }},
		"half a number":       {[]byte{0x80}, func(r *Reader) { r.Uint() }},
		"ten bytes and on":    {bytes.Repeat([]byte{0xff}, 11), func(r *Reader) { r.Uint() }},
		"too large":           {[]byte{8, 1}, func(r *Reader) { r.UpTo(7) }},
		"too many":            {[]byte{3, 1, 1, 1}, func(r *Reader) { r.CountUpTo(2, 1) }},
		"no room for so many": {[]byte{2, 1, 1, 1}, func(r *Reader) { r.Count(2) }},
		"a long string":       {[]byte{5, 'a'}, func(r *Reader) { _ = r.String() }},
		"too few bytes":       {[]byte{5}, func(r *Reader) { r.Bytes(2) }},
		"minus one byte":      {[]byte{5}, func(r *Reader) { r.Bytes(-1) }},
		"a late time":         {AppendUint(nil, math.MaxUint64), func(r *Reader) { r.Time() }},
		"something left":      {[]byte{5}, func(r *Reader) { r.End() }},
		"what a user says":    {[]byte{5}, func(r *Reader) { r.Fail("no") }},
	} {
		r := NewReader(test.state)
		test.read(r)
		if !errors.Is(r.Err(), ErrCorrupt) {
			t.Errorf("%s: %v", name, r.Err())
		}
		first := r.Err()
		if r.Uint() != 0 || r.String() != "" || r.Count(1) != 0 || r.Err() != first {
			t.Errorf("%s: something is read afterwards, or the error is another", name)
		}
	}
}
