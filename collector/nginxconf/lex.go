package nginxconf

import "fmt"

// A token is a word, or one of ; { }.
type token struct {
	text   string
	line   int
	quoted bool // a quoted word is never ; { or }
}

func (t token) is(punctuation string) bool { return !t.quoted && t.text == punctuation }

// A lexer cuts a configuration file into tokens as ngx_conf_read_token of NGINX does: a word may be quoted as a
// whole, never in part; within quotes and outside of them a backslash takes the next character out of the syntax, and
// \t, \r and \n, \" \' and \\ are undone; "${" belongs to a word.
type lexer struct {
	file string
	text []byte
	at   int
	line int
}

func (l *lexer) errorf(line int, format string, args ...any) error {
	return &Error{Pos{l.file, line}, fmt.Sprintf(format, args...)}
}

// next is the next token; ok is false at the end of the file.
func (l *lexer) next() (t token, ok bool, err error) {
	l.skipSpace()
	if l.at == len(l.text) {
		return token{line: l.line}, false, nil
	}
	line := l.line
	switch c := l.text[l.at]; c {
	case ';', '{', '}':
		l.at++
		return token{text: string(c), line: line}, true, nil
	case '"', '\'':
		l.at++
		word, err := l.quotedWord(c, line)
		return token{text: word, line: line, quoted: true}, true, err
	}
	return token{text: l.word(), line: line}, true, nil
}

func (l *lexer) skipSpace() {
	for l.at < len(l.text) {
		switch l.text[l.at] {
		case '\n':
			l.line++
		case ' ', '\t', '\r':
		case '#':
			for l.at < len(l.text) && l.text[l.at] != '\n' {
				l.at++
			}
			continue
		default:
			return
		}
		l.at++
	}
}

func (l *lexer) quotedWord(quote byte, begin int) (string, error) {
	start := l.at
	for ; l.at < len(l.text); l.at++ {
		switch c := l.text[l.at]; c {
		case '\n':
			l.line++
		case '\\':
			if l.at++; l.at < len(l.text) && l.text[l.at] == '\n' {
				l.line++
			}
		case quote:
			word := unescape(l.text[start:l.at])
			l.at++
			return word, l.afterQuote()
		}
	}
	return "", l.errorf(l.line, `unexpected end of file, expecting ";" or "}"`)
}

// afterQuote refuses what may not follow a quoted word. NGINX lets ")" follow, for if.
func (l *lexer) afterQuote() error {
	if l.at == len(l.text) {
		return nil
	}
	switch c := l.text[l.at]; c {
	case ' ', '\t', '\r', '\n', ';', '{', ')':
		return nil
	default:
		return l.errorf(l.line, `unexpected "%s"`, string(c))
	}
}

func (l *lexer) word() string {
	start := l.at
	for l.at < len(l.text) {
		switch c := l.text[l.at]; {
		case c == '\\':
			if l.at++; l.at < len(l.text) && l.text[l.at] == '\n' {
				l.line++
			}
		case c == '$' && l.at+1 < len(l.text) && l.text[l.at+1] == '{':
			l.at++
		case c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ';' || c == '{':
			return unescape(l.text[start:l.at])
		}
		l.at = min(l.at+1, len(l.text))
	}
	return unescape(l.text[start:l.at])
}

// unescape undoes the escapes that NGINX undoes; other backslashes stay, for regular expressions.
func unescape(raw []byte) string {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] == '\\' && i+1 < len(raw) {
			switch next := raw[i+1]; next {
			case '"', '\'', '\\':
				out = append(out, next)
				i++
				continue
			case 't':
				out = append(out, '\t')
				i++
				continue
			case 'r':
				out = append(out, '\r')
				i++
				continue
			case 'n':
				out = append(out, '\n')
				i++
				continue
			}
		}
		out = append(out, raw[i])
	}
	return string(out)
}
