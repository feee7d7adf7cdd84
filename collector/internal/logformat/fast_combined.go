package logformat

import "strings"

// combinedStart is how NGINX's predefined log_format begins, and with it most of those that people write.
const combinedStart = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "`

// combinedSteps is the number of its steps.
const combinedSteps = 7

// startsCombined reports whether the first steps of a program are those of combinedStart.
func (p *Program) startsCombined(format, escape string) bool {
	if escape == "json" || escape == "none" || !strings.HasPrefix(format, combinedStart) {
		return false
	}
	last := &p.steps[combinedSteps-1]
	return last.name == "http_referer" && last.kind == kindText // none before it, nor it, is captured
}

// The literals of combinedStart, or the parts that are checked at once, as the low bytes of a load.
const (
	noUser     = ' ' | '-'<<8 | ' '<<16 | '-'<<24 | ' '<<32 | '['<<40 // " - - ["
	afterTime  = ']' | ' '<<8 | '"'<<16                               // `] "`
	aroundCode = '"' | ' '<<8 | ' '<<40                               // `" 000 `, without the digits
	afterSize  = ' ' | '"'<<8                                         // ` "`
	noReferer  = afterSize | '-'<<16 | '"'<<24 | ' '<<32 | '"'<<40    // ` "-" "`
	quotes     = '"' | ' '<<8 | '"'<<16                               // `" "`
)

// fastCombined is fastSteps for the steps of combinedStart at once: several literals and values take one comparison,
// and no step has to be looked up. It returns the position after them, or -1 if a value is not as in most lines.
func (p *Program) fastCombined(t text, pos int, parser *Parser, r *Record) (at int) {
	steps := (*[combinedSteps]step)(p.steps)
	at = t.stop(pos, steps[0].clear, steps[0].stop)
	if t.load(at)&(1<<48-1) != noUser {
		return -1
	}
	at += 6
	if !parser.local.isLocal(t, at) || t.load(at+26)&(1<<24-1) != afterTime {
		return -1
	}
	*r.number(steps[2].into) = parser.local.millis
	if at = steps[3].fastRequest(t, at+29, r); at < 0 {
		return -1
	}
	w := t.load(at)
	if r.Code = status(w >> 16); r.Code < 0 || w&(0xff<<40|0xffff) != aroundCode {
		return -1
	}
	at += 6
	n, digits := fastNumber(t.load(at))
	if uint(digits-1) > 6 {
		return -1
	}
	*r.number(steps[5].into) = n
	at += digits
	switch w = t.load(at); {
	case w&(1<<48-1) == noReferer:
		return at + 6
	case w&(1<<16-1) != afterSize:
		return -1
	}
	at = t.stop(at+2, steps[6].clear, steps[6].stop)
	if t.load(at)&(1<<24-1) != quotes {
		return -1
	}
	return at + 3
}
