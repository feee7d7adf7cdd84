package logformat

import (
	"strings"
	"sync"
)

// Programs compiles each log_format once, however many logs are written in it. It is for several goroutines. The zero
// Programs is empty; a nil one compiles each time.
type Programs struct {
	mu       sync.Mutex
	compiled map[programKey]compiledFormat
}

type programKey struct{ format, escape, capture string }

type compiledFormat struct {
	program *Program
	err     error
}

// Compile is the function Compile with a cache of earlier results.
func (p *Programs) Compile(format, escape string, o Options) (*Program, error) {
	if p == nil {
		return Compile(format, escape, o)
	}
	key := programKey{format, escape, strings.Join(o.Capture, " ")}
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.compiled[key]
	if !ok {
		c.program, c.err = Compile(format, escape, o)
		if p.compiled == nil {
			p.compiled = map[programKey]compiledFormat{}
		}
		p.compiled[key] = c
	}
	return c.program, c.err
}

// Count returns how many log_formats have been compiled.
func (p *Programs) Count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.compiled)
}
