package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// A verdict is what a line of the report says.
type verdict string

const (
	good  verdict = "good"
	look  verdict = "look"  // worth a look; does not fail the check
	wrong verdict = "wrong" // does not work
)

// Sections, in the order of the report.
const (
	sectionConfig   = "Config"
	sectionStatus   = "Status page"
	sectionLogs     = "Logs"
	sectionNodes    = "Nodes"
	sectionSystem   = "This host"
	sectionFindings = "Findings in nginx.conf"
)

// A line is one thing that was looked at.
type line struct {
	Section string            `json:"section"`
	Verdict verdict           `json:"verdict"`
	Subject string            `json:"subject"`
	Text    string            `json:"text"`
	Verse   string            `json:"verbatim,omitempty"` // shown as it is, never wrapped: a line with its caret, a log_format to copy
	Remedy  string            `json:"remedy,omitempty"`
	Missing map[string]string `json:"missing,omitempty"` // metrics that a log_format cannot give, by the variables that it lacks
	From    string            `json:"from,omitempty"`    // where it is said: a file, or file:line
	Source  string            `json:"source,omitempty"`  // of the fact
}

// A report is what check found.
type report struct {
	Lines  []line
	Folder string // of nginx.conf: Text leaves it out of places
}

func (r *report) add(l line) { r.Lines = append(r.Lines, l) }

// ExitCode is 1 where something is wrong: what is worth a look does not fail the check.
func (r *report) ExitCode() int {
	if r.count(wrong) > 0 {
		return exitFailed
	}
	return exitOK
}

func (r *report) count(v verdict) int {
	n := 0
	for _, l := range r.Lines {
		if l.Verdict == v {
			n++
		}
	}
	return n
}

// JSON writes the report for machines.
func (r *report) JSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(struct {
		OK    bool   `json:"ok"`
		Lines []line `json:"lines"`
	}{r.ExitCode() == exitOK, r.Lines})
}

const (
	defaultWidth = 80
	leastWidth   = 60
)

// terminalWidth is how many columns w has, 80 where it is no terminal.
func terminalWidth(w io.Writer) int {
	file, ok := w.(*os.File)
	if !ok {
		return defaultWidth
	}
	size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 {
		return defaultWidth
	}
	return max(leastWidth, min(int(size.Col), 140))
}

// A page writes the report for people.
type page struct {
	w      io.Writer
	width  int
	indent int // where the text begins
	colour bool
	folder string
}

var marks = map[verdict]struct{ sign, colour string }{good: {"✔", "32"}, look: {"!", "33"}, wrong: {"✖", "31"}}

// Text writes the report for people, aligned, in so many columns.
func (r *report) Text(w io.Writer, width int, colour bool) {
	p := page{w: w, width: width, indent: r.indent(), colour: colour, folder: r.Folder}
	section := ""
	for _, l := range r.short() {
		if l.Section != section {
			section = l.Section
			fmt.Fprintln(w, p.paint("1", heading(section)))
		}
		p.line(l)
	}
	for _, row := range wrap(r.sum(), width) {
		fmt.Fprintln(w, p.paint("1", row))
	}
}

// sum is the verdict; it names what is wrong, which may have left the screen.
func (r *report) sum() string {
	verdict := "All works"
	if n := r.count(wrong); n > 0 {
		var subjects []string
		for _, l := range r.Lines {
			if subject := printable(l.Subject); l.Verdict == wrong && !slices.Contains(subjects, subject) {
				subjects = append(subjects, subject)
			}
		}
		verdict = fmt.Sprintf("%d wrong (%s)", n, strings.Join(subjects, ", "))
	}
	return fmt.Sprintf("%s; %d good, %d worth a look.", verdict, r.count(good), r.count(look))
}

const mostSubject = 12

func (r *report) indent() int {
	widest := 0
	for _, l := range r.short() {
		widest = max(widest, min(mostSubject, utf8.RuneCountInString(printable(l.Subject))))
	}
	return widest + 6
}

func (p page) line(l line) {
	mark := marks[l.Verdict]
	subject := []rune(printable(l.Subject))
	if len(subject) > p.indent-6 {
		subject = append(subject[:p.indent-7], '…')
	}
	text := printable(l.Text)
	if l.From != "" {
		text += " [" + printable(strings.TrimPrefix(l.From, p.folder)) + "]"
	}
	for i, row := range wrap(text, p.width-p.indent) {
		if i == 0 {
			fmt.Fprintf(p.w, "  %s %-*s%s\n", p.paint(mark.colour+";1", mark.sign), p.indent-4, string(subject), row)
			continue
		}
		p.row(row)
	}
	if l.Verse != "" {
		for _, row := range strings.Split(l.Verse, "\n") {
			fmt.Fprintf(p.w, "      %s\n", p.paint("36", row))
		}
	}
	if l.Remedy != "" {
		for i, row := range wrap(printable(l.Remedy)+shortSource(l.Source), p.width-p.indent-2) {
			arrow := "→ "
			if i > 0 {
				arrow = "  "
			}
			p.row(arrow + row)
		}
	}
}

// mostGood is how many good lines of one section are shown: a fleet of nodes that answer is one line.
const mostGood = 10

// short is the report's lines without the good ones of a section that has too many for a screen.
func (r *report) short() []line {
	goods := map[string]int{}
	for _, l := range r.Lines {
		if l.Verdict == good {
			goods[l.Section]++
		}
	}
	var shown []line
	told := map[string]bool{}
	for _, l := range r.Lines {
		switch n := goods[l.Section]; {
		case l.Verdict != good || n <= mostGood:
			shown = append(shown, l)
		case !told[l.Section]:
			told[l.Section] = true
			shown = append(shown, line{Section: l.Section, Verdict: good, Subject: fmt.Sprintf("%d of them", n), Text: "are good; --output json names each"})
		}
	}
	return shown
}

// heading tells where the sources of findings are, which the lines name without it.
func heading(section string) string {
	if section == sectionFindings {
		return section + " (sources: " + strings.TrimPrefix(nginxDocs, "https://") + ")"
	}
	return section
}

// shortSource is what is left of a URL of NGINX's documentation when what all of them share is left out.
func shortSource(url string) string {
	if url == "" {
		return ""
	}
	short := strings.TrimPrefix(strings.TrimPrefix(url, nginxDocs), "https://")
	return " (" + strings.Replace(short, ".html", "", 1) + ")"
}

func (p page) row(text string) { fmt.Fprintf(p.w, "%*s%s\n", p.indent, "", text) }

func (p page) paint(code, text string) string {
	if !p.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// wrap breaks text between words; a word that is too long stands alone and whole, for it may be a path or a command.
func wrap(text string, width int) []string {
	var rows []string
	row := ""
	for _, word := range words(text) {
		switch {
		case row == "":
			row = word
		case utf8.RuneCountInString(row)+1+utf8.RuneCountInString(word) > width:
			rows, row = append(rows, row), word
		default:
			row += " " + word
		}
	}
	return append(rows, row)
}

var unit = regexp.MustCompile(`(\d) (m?s)\b`)

// words are what may stand on rows of their own: a number stays with its unit.
func words(text string) []string {
	const tie = "\x00"
	all := strings.Fields(unit.ReplaceAllString(text, "$1"+tie+"$2"))
	for i, word := range all {
		all[i] = strings.ReplaceAll(word, tie, " ")
	}
	return all
}

// printable keeps what a file or a node says from steering the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == utf8.RuneError {
			return '·'
		}
		return r
	}, text)
}
