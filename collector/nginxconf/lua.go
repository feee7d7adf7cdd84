package nginxconf

import "bytes"

// skipLua skips a block of Lua, whose end it finds as lua-nginx-module does: braces balance, except those within
// strings and comments. Lua's tokens are not NGINX's.
func (l *lexer) skipLua() error {
	start := l.at
	end := luaEnd(l.text[start:])
	if end < 0 {
		l.line += bytes.Count(l.text[start:], []byte{'\n'})
		return l.errorf(l.line, `unexpected end of file, expecting "}"`)
	}
	l.line += bytes.Count(l.text[start:start+end], []byte{'\n'})
	l.at = start + end
	return nil
}

// luaEnd returns the offset after the } that closes a block whose { has been read, -1 for none.
func luaEnd(text []byte) int {
	open := 1
	for at := 0; at < len(text); {
		switch c := text[at]; {
		case c == '{':
			open++
		case c == '}':
			if open--; open == 0 {
				return at + 1
			}
		case c == '"' || c == '\'':
			at = behindLuaString(text, at)
			continue
		case c == '-' && bytes.HasPrefix(text[at:], []byte("--")):
			if closing := longBracket(text[at+2:]); closing != nil {
				at = behind(text, at+2, closing)
			} else {
				at = behind(text, at, []byte{'\n'})
			}
			continue
		case c == '[':
			if closing := longBracket(text[at:]); closing != nil {
				at = behind(text, at, closing)
				continue
			}
		}
		at++
	}
	return -1
}

func behindLuaString(text []byte, at int) int {
	quote := text[at]
	for at++; at < len(text); at++ {
		switch text[at] {
		case '\\':
			at++
		case quote:
			return at + 1
		}
	}
	return len(text)
}

// longBracket returns the end of the long bracket, such as [==[, that text begins with; nil for none.
func longBracket(text []byte) []byte {
	if len(text) == 0 || text[0] != '[' {
		return nil
	}
	level := len(text[1:]) - len(bytes.TrimLeft(text[1:], "="))
	if len(text) < level+2 || text[level+1] != '[' {
		return nil
	}
	return []byte("]" + string(bytes.Repeat([]byte{'='}, level)) + "]")
}

func behind(text []byte, at int, end []byte) int {
	i := bytes.Index(text[at:], end)
	if i < 0 {
		return len(text)
	}
	return at + i + len(end)
}
