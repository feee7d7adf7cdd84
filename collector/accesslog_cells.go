package collector

import (
	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
)

// Cells remember which series of the ledger a combination of values is counted in, so that a line costs a few loads
// and no lookup of labels. What they hold is bounded and can be dropped at any time. A series is made when it
// first counts something, never before.

// A requestCell is where requests of one route, method, status and outcome are counted.
type requestCell struct {
	key            uint64
	route          string
	outcome        outcome
	requests       *ledger.Counter
	duration       *ledger.Histogram
	sent, received *ledger.Counter
}

// requestCells is a hash table of cells with open addressing; its length is a power of two.
type requestCells struct {
	table []*requestCell
	count int
}

const maxRequestCells = 1 << 13

func newRequestCells() requestCells {
	return requestCells{table: make([]*requestCell, 64)}
}

func (c *requestCells) get(b *accessBook, route int, method logformat.Method, code int64, result outcome) *requestCell {
	key := uint64(route)<<32 | uint64(uint16(code))<<16 | uint64(method)<<8 | uint64(result)
	for slot := c.slot(key); ; slot++ {
		cell := c.table[slot&uint64(len(c.table)-1)]
		if cell == nil {
			return c.learn(b, key, route, method, code, result)
		}
		if cell.key == key {
			return cell
		}
	}
}

func (c *requestCells) learn(b *accessBook, key uint64, route int, method logformat.Method, code int64, result outcome) *requestCell {
	name := b.routes.names[route]
	cell := &requestCell{
		key: key, route: name, outcome: result,
		requests: b.ledger.Counter(familyRequests, name, method.String(), codeName(code), result.String()),
	}
	c.add(cell)
	return cell
}

func (c *requestCells) slot(key uint64) uint64 {
	return key * 0x9e3779b97f4a7c15 >> 32 & uint64(len(c.table)-1)
}

func (c *requestCells) add(cell *requestCell) {
	if c.count == maxRequestCells {
		*c = newRequestCells()
	}
	if 2*c.count >= len(c.table) {
		old := c.table
		c.table = make([]*requestCell, 2*len(old))
		for _, cell := range old {
			if cell != nil {
				c.insert(cell)
			}
		}
	}
	c.insert(cell)
	c.count++
}

func (c *requestCells) insert(cell *requestCell) {
	slot := c.slot(cell.key)
	for c.table[slot] != nil {
		slot = (slot + 1) & uint64(len(c.table)-1)
	}
	c.table[slot] = cell
}

// A serverCell is where the attempts on one server are counted.
type serverCell struct {
	name                    string
	codes                   []*attemptCell
	retries, sent, received *ledger.Counter
}

// An attemptCell is where attempts on one server with one status are counted. Statuses of one outcome share their
// histograms.
type attemptCell struct {
	code     int64
	result   outcome
	attempts *ledger.Counter
	times    *timeCells
}

type timeCells struct{ response, header, connect *ledger.Histogram }

// attempts is the cell of attempts with this status. A server has few of them, the usual one first.
func (s *serverCell) attempts(b *accessBook, code int64, result outcome) *attemptCell {
	for _, c := range s.codes {
		if c.code == code && c.result == result {
			return c
		}
	}
	cell := &attemptCell{code: code, result: result, times: &timeCells{}}
	cell.attempts = b.ledger.Counter(familyAttempts, s.name, codeName(code), result.String())
	for _, c := range s.codes {
		if c.result == result {
			cell.times = c.times
		}
	}
	s.codes = append(s.codes, cell)
	return cell
}

// serverCells are the cells of the servers that the parser knows, by the number that it gave to a value of
// $upstream_addr.
type serverCells struct {
	generation int
	byName     map[string]*serverCell
	byID       [][]*serverCell // for each value its elements, nil for what is no attempt
}

func newServerCells(generation int) serverCells {
	return serverCells{generation: generation, byName: map[string]*serverCell{}}
}

// first is the cell of the only element of u.
func (c *serverCells) first(u *logformat.Upstreams) *serverCell {
	if uint(u.ID) < uint(len(c.byID)) {
		if cells := c.byID[u.ID]; cells != nil {
			return cells[0]
		}
	}
	return c.at(u, 0)
}

// at is the cell of element i of u.
func (c *serverCells) at(u *logformat.Upstreams, i int) *serverCell {
	if u.ID < 0 {
		return c.named(u.Elements[i].Name)
	}
	if u.ID >= len(c.byID) || c.byID[u.ID] == nil {
		cells := make([]*serverCell, len(u.Elements))
		for j := range cells {
			if u.Elements[j].Kind == logformat.Attempt {
				cells[j] = c.named(u.Elements[j].Name)
			}
		}
		for u.ID >= len(c.byID) {
			c.byID = append(c.byID, nil)
		}
		c.byID[u.ID] = cells
	}
	return c.byID[u.ID][i]
}

// maxServerCells bounds the names, not the cells in use at one moment.
const maxServerCells = 1 << 13

func (c *serverCells) named(name string) *serverCell {
	if cell := c.byName[name]; cell != nil {
		return cell
	}
	if len(c.byName) == maxServerCells {
		clear(c.byName)
		c.byID = nil
	}
	cell := &serverCell{name: name}
	c.byName[name] = cell
	return cell
}
