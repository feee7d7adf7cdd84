package logformat

import (
	"bytes"
	"math/bits"
	"strings"
)

// Upstreams is a parsed value of $upstream_addr.
type Upstreams struct {
	// ID numbers the values that a Parser remembers, from 0, until its Generation changes; -1 for one that it does not
	// remember.
	ID       int
	Elements []Element

	many bool // it has separators, even if a trailing " : " leaves only one element
	raw  []byte
	hash uint64
}

// An Element is one element of $upstream_addr.
type Element struct {
	Kind   ElementKind
	Name   string // address or group name, valid UTF-8
	Retry  bool   // an attempt that NGINX followed with another in the same group
	follow byte   // ',' or ':', 0 after the last
}

// ElementKind is the kind of an element.
type ElementKind uint8

const (
	Nothing ElementKind = iota // an empty element: an internal redirect without an attempt
	Attempt                    // host:port or unix:/path
	Group                      // the name of a group with no usable server
)

const (
	// maxName is the maximum length of an element in bytes: addresses and names of hosts and groups are shorter.
	maxName = 255
	// maxRaw is the maximum length of a remembered value, maxCached and maxElements the maximum number of values and
	// elements.
	maxRaw      = 512
	maxCached   = 4096
	maxElements = 8192
	// firstTable is the initial size of the table: most logs have few servers. It doubles when it fills.
	firstTable = 64
)

// addressCache remembers values of $upstream_addr: a log repeats a few of them.
type addressCache struct {
	short      shortValues
	table      []*Upstreams // a hash table with open addressing; its length is a power of two
	count      int
	elements   int
	generation int
	scratch    Upstreams
}

// shortest and longest limit the length of a value of one address to be among the short ones: with IPv4 and a port,
// any.
const (
	shortest = 8
	longest  = 23
)

// shortValues remembers values of one address by their bytes, where comparing them is cheapest: each is at the index
// that its bytes give, or not here.
type shortValues [64]shortValue

type shortValue struct {
	words  shortWords
	length int // 0 for none
	u      *Upstreams
}

// shortWords are a value's bytes, padded with zeros.
type shortWords struct{ a, b, c uint64 }

func (v *shortValues) at(words shortWords) *shortValue {
	return &v[(words.b^words.c*golden^words.a)*golden>>58]
}

// cutShort cuts eight to 23 bytes at the first mark in m1 or m2, which shows the end of the bytes; the first eight
// have no mark. It has no branches: the length of addresses differs from line to line.
func cutShort(w0, w1, w2, m1, m2 uint64) (words shortWords, n int) {
	inFirst := uint64(int64(m1|-m1) >> 63) // all bits if m1 has one
	words = shortWords{w0, w1 & (m1&-m1>>7 - 1), w2 & (m2&-m2>>7 - 1) &^ inFirst}
	return words, 8 + bits.TrailingZeros64(m1)>>3 + bits.TrailingZeros64(m2)>>3&^int(inFirst)
}

// insert remembers the value from i to j.
func (v *shortValues) insert(t text, i, j int, u *Upstreams) {
	if n := j - i; n >= shortest && n <= longest {
		var padded [24]byte
		copy(padded[:], t.slice(i, j))
		words := shortWords{load(padded[:], 0), load(padded[:], 8), load(padded[:], 16)}
		*v.at(words) = shortValue{words, n, u}
	}
}

// get returns the parsed value from start to end, nil if it is not a list of addresses.
func (c *addressCache) get(t text, start, end int) *Upstreams {
	i, n := start, end-start
	hash := uint64(n) * golden
	for ; n >= 8; n -= 8 {
		hash = mix(hash ^ t.load(i))
		i += 8
	}
	if n > 0 {
		hash = mix(hash ^ t.load(i)<<(64-8*n))
	}
	value := t.slice(start, end)
	if len(c.table) == 0 {
		c.table = make([]*Upstreams, firstTable)
	}
	mask := uint64(len(c.table) - 1)
	for slot := hash & mask; ; slot = (slot + 1) & mask {
		u := c.table[slot]
		if u == nil {
			return c.insert(value, hash)
		}
		if u.hash == hash && string(u.raw) == string(value) {
			return u
		}
	}
}

const golden = 0x9e3779b97f4a7c15

func mix(x uint64) uint64 {
	high, low := bits.Mul64(x, golden)
	return high ^ low
}

// insert parses a new value, and remembers it unless it is unusually long.
func (c *addressCache) insert(value []byte, hash uint64) *Upstreams {
	u := &c.scratch
	keep := len(value) <= maxRaw
	if keep {
		u = &Upstreams{raw: bytes.Clone(value), hash: hash}
	}
	u.ID = -1
	if !keep && bytes.Count(value, []byte(", "))+bytes.Count(value, []byte(" : ")) >= maxElements {
		return nil
	}
	if u.Elements = splitAddresses(u.Elements[:0], value); u.Elements == nil {
		return nil
	}
	u.many = len(u.Elements) > 1 || value[len(value)-1] == ' '
	if !keep {
		return u
	}
	switch {
	case c.count == maxCached || c.elements+len(u.Elements) > maxElements:
		*c = addressCache{generation: c.generation + 1, table: make([]*Upstreams, firstTable)}
	case 2*c.count >= len(c.table):
		c.grow()
	}
	u.ID = c.count
	c.place(u)
	c.count++
	c.elements += len(u.Elements)
	return u
}

func (c *addressCache) grow() {
	old := c.table
	c.table = make([]*Upstreams, 2*len(old))
	for _, u := range old {
		if u != nil {
			c.place(u)
		}
	}
}

// place puts a value into the table, which has room.
func (c *addressCache) place(u *Upstreams) {
	mask := uint64(len(c.table) - 1)
	slot := u.hash & mask
	for c.table[slot] != nil {
		slot = (slot + 1) & mask
	}
	c.table[slot] = u
}

// splitAddresses appends the elements of value to dst. It returns nil if one is not a valid name.
func splitAddresses(dst []Element, value []byte) []Element {
	for rest := value; ; {
		name, follow, after := nextElement(rest)
		if !isName(name) {
			return nil
		}
		kind := kindOf(name)
		dst = append(dst, Element{Kind: kind, Name: strings.ToValidUTF8(string(name), "\uFFFD"), follow: follow})
		if follow == 0 {
			break
		}
		rest = after
	}
	for i := range dst[:len(dst)-1] {
		dst[i].Retry = dst[i].follow == ',' && dst[i].Kind == Attempt && dst[i+1].Kind == Attempt
	}
	return dst
}

// isName reports whether an element can be an address or a group's name: only paths of sockets may have spaces. A
// comma at the end is half a separator.
func isName(element []byte) bool {
	if len(element) > maxName || bytes.IndexByte(element, '"') >= 0 || bytes.HasSuffix(element, []byte(",")) {
		return false
	}
	return bytes.IndexByte(element, ' ') < 0 || bytes.HasPrefix(element, []byte("unix:"))
}

// nextElement cuts the first element off a list: up to ", " or " : ". It drops a " : " that ends the list: NGINX
// writes it when a redirect made no further attempt.
func nextElement(list []byte) (element []byte, follow byte, rest []byte) {
	for i := 0; i < len(list); i++ {
		switch {
		case list[i] == ',' && i+1 < len(list) && list[i+1] == ' ':
			return list[:i], ',', list[i+2:]
		case list[i] == ' ' && i+2 < len(list) && list[i+1] == ':' && list[i+2] == ' ':
			if i+3 == len(list) {
				return list[:i], 0, nil
			}
			return list[:i], ':', list[i+3:]
		}
	}
	return list, 0, nil
}

// kindOf distinguishes addresses from names: an address has a port, or begins with unix:.
func kindOf(name []byte) ElementKind {
	if isNothing(name) {
		return Nothing
	}
	if bytes.HasPrefix(name, []byte("unix:")) {
		return Attempt
	}
	colon := bytes.LastIndexByte(name, ':')
	if colon <= 0 || colon == len(name)-1 {
		return Group
	}
	for _, c := range name[colon+1:] {
		if c < '0' || c > '9' {
			return Group
		}
	}
	return Attempt
}
