package nginxconf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// A directive is a name with its arguments, and its block if it has one.
type directive struct {
	Pos
	end      int // the line on which it ends, which NGINX names in errors
	name     string
	args     []string
	block    []*directive
	hasBlock bool
}

// Limits of reading: people type a configuration, and a file that is not one must not cost more.
const (
	maxFile       = 4 << 20
	maxText       = 32 << 20 // of all files
	maxFiles      = 20000
	maxDirectives = 500000
	maxDepth      = 500
)

// A parser reads a configuration file with everything that it includes.
type parser struct {
	main    string          // the main file
	prefix  string          // the base of relative includes: the main file's folder
	dump    *dump           // the output of nginx -T, nil if the files themselves are read
	isRead  map[string]bool // files
	files   []string
	stamps  []string // of the files, taken before reading
	globs   []string
	matches []string // of the globs
	reads   int
	text    int // bytes read so far
	number  int // of directives
	depth   int
}

func (p *parser) parseFile(path string, in place) ([]*directive, error) {
	text, err := p.read(path)
	if err != nil {
		return nil, err
	}
	return p.parse(path, text, in)
}

// read returns the text of a file, or of its part of a dump.
func (p *parser) read(path string) ([]byte, error) {
	if p.reads++; p.reads > maxFiles {
		return nil, fmt.Errorf("is one of more than %d files", maxFiles)
	}
	if p.dump != nil {
		text, err := p.dump.read(path)
		return text, errors.Join(err, p.counted(text))
	}
	return p.readFile(path)
}

// counted limits the total of bytes read.
func (p *parser) counted(text []byte) error {
	if p.text += len(text); p.text > maxText {
		return fmt.Errorf("makes it more than %d bytes together", maxText)
	}
	return nil
}

// readFile returns the text of a file. It does not read what is not a regular file, or is too large for a
// configuration; it does not wait for a FIFO.
func (p *parser) readFile(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errors.New("is a directory")
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a regular file")
	case info.Size() > maxFile:
		return nil, fmt.Errorf("has more than %d bytes", maxFile)
	}
	// Read no more than the file's size, which is zero for the kernel's virtual files, some of which are endless.
	text, err := io.ReadAll(io.LimitReader(file, info.Size()))
	if err == nil {
		err = p.counted(text)
	}
	if err != nil {
		return nil, err
	}
	if !p.isRead[path] { // several servers may include it
		p.isRead[path] = true
		p.files = append(p.files, path)
		p.stamps = append(p.stamps, stamp(path, info))
	}
	return text, nil
}

func (p *parser) parse(path string, text []byte, in place) ([]*directive, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, errors.New("nests too deep; does it include itself?")
	}
	defer func() { p.depth-- }()
	l := &lexer{file: path, text: text, line: 1}
	if bytes.HasPrefix(text, []byte(byteOrderMark)) {
		return nil, l.errorf(1, "unknown directive: the file begins with a byte order mark; save it without")
	}
	return p.block(l, in, 0)
}

const byteOrderMark = "\xef\xbb\xbf"

// block reads directives up to the end of the file, or to the } of its block if the depth is not 0.
func (p *parser) block(l *lexer, in place, depth int) ([]*directive, error) {
	if depth > maxDepth {
		return nil, l.errorf(l.line, "blocks nest more than %d deep", maxDepth)
	}
	var list []*directive
	for {
		d, end, err := p.directive(l, in, depth)
		switch {
		case err != nil:
			return nil, err
		case end:
			return list, nil
		case d.name == "include" && !d.hasBlock:
			included, err := p.include(d, in)
			if err != nil {
				return nil, err
			}
			list = append(list, included...)
		default:
			list = append(list, d)
		}
	}
}

// directive reads one directive; end says that the file or the block has ended.
func (p *parser) directive(l *lexer, in place, depth int) (d *directive, end bool, err error) {
	for {
		t, ok, err := l.next()
		if err != nil {
			return nil, false, err
		}
		switch {
		case !ok && d != nil, !ok && depth > 0:
			return nil, false, l.errorf(l.line, `unexpected end of file, expecting %s`, expected(d))
		case !ok:
			return nil, true, nil
		case t.is("}") && d == nil && depth > 0:
			return nil, true, nil
		case t.is("}"), t.is(";") && d == nil, t.is("{") && d == nil:
			return nil, false, l.errorf(t.line, `unexpected "%s"`, t.text)
		case t.is(";"):
			d.end = t.line
			return d, false, in.misplaced(d)
		case t.is("{"):
			d.end, d.hasBlock = t.line, true
			if err := in.misplaced(d); err != nil {
				return nil, false, err
			}
			if strings.HasSuffix(d.name, "_by_lua_block") {
				return d, false, l.skipLua()
			}
			d.block, err = p.block(l, in.within(d.name), depth+1)
			d.end = l.line
			return d, false, err
		case d == nil:
			if p.number++; p.number > maxDirectives {
				return nil, false, l.errorf(t.line, "more than %d directives", maxDirectives)
			}
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

// include reads the files that a directive names. A pattern may match none; a plain name must exist.
func (p *parser) include(d *directive, in place) ([]*directive, error) {
	if len(d.args) != 1 {
		return nil, errorAt(d, `invalid number of arguments in "include" directive`)
	}
	path := d.args[0]
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.prefix, path)
	}
	paths := []string{path}
	switch {
	case !isPattern(path):
	case p.dump != nil:
		paths = p.dump.glob(path)
	default:
		paths = glob(path)
		p.globs = append(p.globs, path)
		p.matches = append(p.matches, matched(path, paths))
	}
	var list []*directive
	for _, path := range paths {
		included, err := p.parseFile(path, in)
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
	if !errors.As(err, &pathError) {
		return errorAt(d, `include "%s" %s`, path, err)
	}
	return &Error{Pos: Pos{d.File, d.end}, Msg: fmt.Sprintf(`open() "%s" failed (%s)`, path, inWords(pathError.Err)),
		Unreadable: path, cause: pathError.Err}
}

// inWords returns a system's error in NGINX's form, such as "2: No such file or directory".
func inWords(err error) string {
	var number syscall.Errno
	if !errors.As(err, &number) {
		return err.Error()
	}
	text := number.Error()
	return fmt.Sprintf("%d: %s", int(number), strings.ToUpper(text[:1])+text[1:])
}
