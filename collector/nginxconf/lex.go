package nginxconf

import "fmt"

// A token is a word, or one of ; { }.
type token struct {
	text   string
	line   int
	quoted bool // a quoted word is never ; { or }
}

func (t token) is(punctuation string) bool { return !t.quoted && t.text == punctuation }

// A lexer splits a configuration file into tokens as ngx_conf_read_token of NGINX does: a word may be quoted as a
// whole, never in part; within quotes and outside of them a backslash escapes the next character, and \t, \r and \n,
// \" \' and \\ are unescaped; "${" belongs to a word.
type lexer struct {
	file string
	text []byte
	at   int
	line int
}

func (l *lexer) errorf(line int, format string, args ...any) error {
	return &Error{Pos: Pos{l.file, line}, Msg: fmt.Sprintf(format, args...)}
}

// longest is NGINX's maximum length of a word or a comment, by which it detects an unclosed quote.
const longest = 4096

// tooLong rejects what began at start and has reached the maximum length.
func (l *lexer) tooLong(start, line int, quote byte) error {
	if l.at-start < longest || l.at >= len(l.text) {
		return nil
	}
	if quote != 0 {
		return l.errorf(line, `too long parameter, probably missing terminating "%s" character`, string(quote))
	}
	return l.errorf(line, `too long parameter "%s..." started`, l.text[start:start+10])
}

// next returns the next token; ok is false at the end of the file.
func (l *lexer) next() (t token, ok bool, err error) {
	if err := l.skipSpace(); err != nil {
		return token{}, false, err
	}
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
	word, err := l.word(line)
	return token{text: word, line: line}, true, err
}

func (l *lexer) skipSpace() error {
	for l.at < len(l.text) {
		switch l.text[l.at] {
		case '\n':
			l.line++
		case ' ', '\t', '\r':
		case '#':
			start := l.at
			for l.at < len(l.text) && l.text[l.at] != '\n' {
				l.at++
				if err := l.tooLong(start, l.line, 0); err != nil {
					return err
				}
			}
			continue
		default:
			return nil
		}
		l.at++
	}
	return nil
}

func (l *lexer) quotedWord(quote byte, begin int) (string, error) {
	start := l.at
	for ; l.at < len(l.text); l.at++ {
		if err := l.tooLong(start, begin, quote); err != nil {
			return "", err
		}
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
	l.at = len(l.text)
	return "", l.errorf(l.line, `unexpected end of file, expecting ";" or "}"`)
}

// afterQuote rejects what must not follow a quoted word. NGINX allows ")", for if.
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

func (l *lexer) word(begin int) (string, error) {
	start := l.at
	for variable := false; l.at < len(l.text); l.at = min(l.at+1, len(l.text)) {
		if err := l.tooLong(start, begin, 0); err != nil {
			return "", err
		}
		c := l.text[l.at]
		if c == '{' && variable { // "${" belongs to the word
			continue
		}
		variable = c == '$'
		switch c {
		case '\\':
			if l.at++; l.at < len(l.text) && l.text[l.at] == '\n' {
				l.line++
			}
		case ' ', '\t', '\r', '\n', ';', '{':
			return unescape(l.text[start:l.at]), nil
		}
	}
	return unescape(l.text[start:l.at]), nil
}

// unescape resolves the escapes that NGINX resolves; other backslashes stay, for regular expressions.
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
