package nginxconf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
)

// A directive is a name with its arguments, and its block where it has one.
type directive struct {
	Pos
	end      int // the line on which it ends, where NGINX finds fault with it
	name     string
	args     []string
	block    []*directive
	hasBlock bool
}

// Bounds of what is read: a configuration is typed by people, and a file that is not one must not cost more.
const (
	maxFile  = 4 << 20
	maxFiles = 2000
	maxDepth = 50
)

// A parser reads a configuration file with all that it includes.
type parser struct {
	prefix string // where relative includes begin: the main file's folder
	files  []string
	globs  []string
	depth  int
}

func (p *parser) parseFile(path string) ([]*directive, error) {
	if len(p.files) >= maxFiles {
		return nil, &Error{Pos{File: path}, fmt.Sprintf("more than %d files are included", maxFiles)}
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, &Error{Pos{File: path}, "is a directory"}
	case info.Size() > maxFile:
		return nil, &Error{Pos{File: path}, fmt.Sprintf("has more than %d bytes", maxFile)}
	case !info.Mode().IsRegular():
		return nil, &Error{Pos{File: path}, "is no regular file"}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p.files = append(p.files, path)
	return p.parse(path, text)
}

func (p *parser) parse(path string, text []byte) ([]*directive, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, &Error{Pos{File: path}, "includes nest too deep; does a file include itself?"}
	}
	defer func() { p.depth-- }()
	l := &lexer{file: path, text: text, line: 1}
	return p.block(l, false, 0)
}

// block reads directives up to the end of the file, or to the } of the block it is within.
func (p *parser) block(l *lexer, within bool, depth int) ([]*directive, error) {
	if depth > maxDepth {
		return nil, l.errorf(l.line, "blocks nest more than %d deep", maxDepth)
	}
	var list []*directive
	for {
		d, end, err := p.directive(l, within, depth)
		switch {
		case err != nil:
			return nil, err
		case end:
			return list, nil
		case d.name == "include" && !d.hasBlock:
			included, err := p.include(d)
			if err != nil {
				return nil, err
			}
			list = append(list, included...)
		default:
			list = append(list, d)
		}
	}
}

// directive reads one directive; end says that the file or the block has ended instead.
func (p *parser) directive(l *lexer, within bool, depth int) (d *directive, end bool, err error) {
	for {
		t, ok, err := l.next()
		if err != nil {
			return nil, false, err
		}
		switch {
		case !ok && d != nil, !ok && within:
			return nil, false, l.errorf(l.line, `unexpected end of file, expecting %s`, expected(d))
		case !ok:
			return nil, true, nil
		case t.is("}") && d == nil && within:
			return nil, true, nil
		case t.is("}"), t.is(";") && d == nil, t.is("{") && d == nil:
			return nil, false, l.errorf(t.line, `unexpected "%s"`, t.text)
		case t.is(";"):
			d.end = t.line
			return d, false, nil
		case t.is("{"):
			d.hasBlock = true
			if strings.HasSuffix(d.name, "_by_lua_block") {
				return d, false, l.skipLua()
			}
			d.block, err = p.block(l, true, depth+1)
			d.end = l.line
			return d, false, err
		case d == nil:
			d = &directive{Pos: Pos{l.file, t.line}, name: t.text}
		default:
			d.args = append(d.args, t.text)
		}
	}
}

func expected(d *directive) string {
	if d != nil {
		return `";" or "}"`
	}
	return `"}"`
}

// skipLua goes behind a block of Lua, whose braces balance but whose words are not NGINX's.
func (l *lexer) skipLua() error {
	for open := 1; l.at < len(l.text); l.at++ {
		switch l.text[l.at] {
		case '\n':
			l.line++
		case '{':
			open++
		case '}':
			if open--; open == 0 {
				l.at++
				return nil
			}
		}
	}
	return l.errorf(l.line, `unexpected end of file, expecting "}"`)
}

// include reads the files that a directive names. A pattern may match none; a plain name must be there.
func (p *parser) include(d *directive) ([]*directive, error) {
	if len(d.args) != 1 {
		return nil, errorAt(d, `invalid number of arguments in "include" directive`)
	}
	path := d.args[0]
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.prefix, path)
	}
	paths := []string{path}
	if strings.ContainsAny(path, "*?[") {
		var err error
		if paths, err = filepath.Glob(path); err != nil {
			return nil, errorAt(d, "include %q: %s", d.args[0], err)
		}
		sort.Strings(paths)
		p.globs = append(p.globs, path)
	}
	var list []*directive
	for _, path := range paths {
		included, err := p.parseFile(path)
		if err != nil {
			return nil, includeError(d, path, err)
		}
		list = append(list, included...)
	}
	return list, nil
}

func includeError(d *directive, path string, err error) error {
	var own *Error
	if errors.As(err, &own) {
		return err
	}
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		err = pathError.Err
	}
	return errorAt(d, `open() "%s" failed (%s)`, path, inWords(err))
}

// inWords is a system's error as NGINX gives it, such as "2: No such file or directory".
func inWords(err error) string {
	var number syscall.Errno
	if !errors.As(err, &number) {
		return err.Error()
	}
	text := number.Error()
	return fmt.Sprintf("%d: %s", int(number), strings.ToUpper(text[:1])+text[1:])
}
