package check

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/terminal"
	"github.com/fremisn/fremisn-exporter/collector"
)

// A status is the verdict on one finding, with the words of the JSON report.
type status string

const (
	statusOK   status = "good"
	statusWarn status = "look"  // a warning; does not fail the check
	statusFail status = "wrong" // does not work
	statusNote status = "note"  // for use, not a finding
)

// Sections, in the order of the report.
const (
	sectionConfig = "Config"
	sectionStatus = "Status page"
	sectionLogs   = "Logs"
	sectionNodes  = "Nodes"
	sectionSystem = "This host"
	sectionNginx  = "Findings in nginx.conf"
	sectionOK     = "OK"

	sectionFormats = "Log formats that give every metric, with all fields of your own"
)

// A finding is the result of one check.
type finding struct {
	Section string `json:"section"`
	Status  status `json:"verdict"`
	Subject string `json:"subject"`
	Text    string `json:"text"`
	// printed verbatim, never wrapped: a line with its caret, a log_format to copy
	Verbatim string `json:"verbatim,omitempty"`
	Remedy   string `json:"remedy,omitempty"`
	// metrics that a log_format lacks, with the variables that they need
	Missing map[string]string `json:"missing,omitempty"`
	From    string            `json:"from,omitempty"`   // its place: a file, or file:line
	Source  string            `json:"source,omitempty"` // of the fact
}

// A report is the result of check.
type Report struct {
	findings []finding
	folder   string // of nginx.conf: Text omits it from places

	formats    []string // names of the proposed log_formats
	given, all int      // the available metrics of NGINX, and all possible ones
	things     []string // what would add the rest
}

func (r *Report) add(l finding) { r.findings = append(r.findings, l) }

// OK reports whether everything works. Warnings do not fail the check.
func (r *Report) OK() bool { return r.count(statusFail) == 0 }

func (r *Report) count(v status) int {
	n := 0
	for _, l := range r.findings {
		if l.Status == v {
			n++
		}
	}
	return n
}

// JSON writes the report for machines.
func (r *Report) JSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(struct {
		OK       bool      `json:"ok"`
		Findings []finding `json:"lines"`
	}{r.OK(), r.findings})
}

// A page writes the report for people.
type page struct {
	w      io.Writer
	width  int
	indent int // the column where the text begins
	colour bool
	folder string
}

var marks = map[status]struct{ sign, colour string }{statusOK: {"✔", "32"}, statusWarn: {"!", "33"},
	statusFail: {"✖", "31"}, statusNote: {"»", "36"}}

// Text writes the report for people, aligned, for the width of w.
func (r *Report) Text(w io.Writer) { r.text(w, terminal.Width(w), terminal.HasColours(w)) }

// screen is how many rows a report may have before what is OK is only listed.
const screen = 40

func (r *Report) text(w io.Writer, width int, colour bool) {
	var b strings.Builder
	r.write(&b, width, colour, r.short())
	if strings.Count(b.String(), "\n") > screen {
		b.Reset()
		r.write(&b, width, colour, r.faults())
	}
	io.WriteString(w, b.String())
}

func (r *Report) write(w io.Writer, width int, colour bool, findings []finding) {
	p := page{w: w, width: width, indent: r.indent(), colour: colour, folder: r.folder}
	section := ""
	for _, l := range findings {
		if l.Section != section {
			section = l.Section
			fmt.Fprintln(w, p.paint("1", section))
		}
		p.line(l)
	}
	for _, row := range wrap(r.sum(), width) {
		fmt.Fprintln(w, p.paint("1", row))
	}
}

// sum returns the verdict. It names the errors, which may have left the screen.
func (r *Report) sum() string {
	failed, counts := r.count(statusFail), fmt.Sprintf("%s, %d OK.", count(r.count(statusWarn), "warning"),
		r.count(statusOK))
	switch missing := r.all - r.given; {
	case failed > 0:
		var subjects []string
		for _, l := range r.findings {
			if subject := printable(l.Subject); l.Status == statusFail && !slices.Contains(subjects, subject) {
				subjects = append(subjects, subject)
			}
		}
		return fmt.Sprintf("%s (%s), %s", count(failed, "error"), strings.Join(subjects, ", "), counts)
	case missing > 0:
		verb := "are"
		if missing == 1 {
			verb = "is"
		}
		return fmt.Sprintf("Works, but %d of %d metrics %s missing%s. 0 errors, %s", missing, r.all, verb, r.toDo(),
			counts)
	}
	return "All works: 0 errors, " + counts
}

// toDo returns what would add the missing metrics.
func (r *Report) toDo() string {
	words := []string{"", "this", "these two things", "these three things", "these four things"}
	if len(r.things) == 0 || len(r.things) >= len(words) {
		return ""
	}
	return ": do " + words[len(r.things)] + ": " + strings.Join(r.things, "; ")
}

// countMetrics counts the available metrics, and says what would add the others.
func (r *Report) countMetrics(s *settings.Settings) {
	r.given, r.all = collector.MetricsGiven(s.Observed)
	if len(s.Observed.Status) == 0 && !s.NoStatus {
		r.things = append(r.things, "add the status page")
	}
	if len(s.Observed.AccessLogs) == 0 {
		r.things = append(r.things, "have an access log that can be followed")
	}
	if len(r.formats) > 0 {
		r.things = append(r.things, "use log_format "+strings.Join(r.formats, " and "))
	}
	if len(s.Observed.ErrorLogs) == 0 {
		r.things = append(r.things, "have an error log that can be followed")
	}
}

const mostSubject = 12

func (r *Report) indent() int {
	widest := 0
	for _, l := range r.short() {
		widest = max(widest, min(mostSubject, utf8.RuneCountInString(printable(l.Subject))))
	}
	return widest + 6
}

func (p page) line(l finding) {
	mark := marks[l.Status]
	subject := []rune(printable(l.Subject))
	if len(subject) > p.indent-6 {
		subject = append(subject[:p.indent-7], '…')
	}
	text := printable(l.Text)
	if l.From != "" {
		text += " [" + printable(strings.TrimPrefix(l.From, p.folder)) + "]"
	}
	rows := wrap(text, p.width-p.indent)
	if text == "" {
		rows = nil // the next part says it
	}
	for i, row := range rows {
		if i == 0 {
			fmt.Fprintf(p.w, "  %s %-*s%s\n", p.paint(mark.colour+";1", mark.sign), p.indent-4, string(subject), row)
			continue
		}
		p.row(row)
	}
	if l.Verbatim != "" {
		for _, row := range strings.Split(l.Verbatim, "\n") {
			fmt.Fprintf(p.w, "      %s\n", p.paint("36", row))
		}
	}
	if l.Remedy != "" {
		for i, row := range wrap(printable(l.Remedy), p.width-p.indent-2) {
			arrow := "→ "
			if i > 0 {
				arrow = "  "
			}
			p.row(arrow + row)
		}
	}
}

// maxOK is how many OK lines of one section are shown: a fleet of answering nodes is one line.
const maxOK = 10

// short returns the report's lines without the OK ones of a section that has too many for a screen.
func (r *Report) short() []finding {
	oks := map[string]int{}
	for _, l := range r.findings {
		if l.Status == statusOK {
			oks[l.Section]++
		}
	}
	var shown []finding
	told := map[string]bool{}
	for _, l := range r.findings {
		switch n := oks[l.Section]; {
		case l.Status != statusOK || n <= maxOK:
			shown = append(shown, l)
		case !told[l.Section]:
			told[l.Section] = true
			shown = append(shown, finding{Section: l.Section, Status: statusOK, Subject: fmt.Sprintf("%d of them", n),
				Text: "are OK; --output json names each"})
		}
	}
	return shown
}

// faults returns what is not OK, after one line with the names of what is.
func (r *Report) faults() []finding {
	var names []string
	times := map[string]int{}
	var shown []finding
	for _, l := range r.findings {
		if l.Status != statusOK {
			shown = append(shown, l)
			continue
		}
		if times[l.Subject]++; times[l.Subject] == 1 {
			names = append(names, l.Subject)
		}
	}
	for i, name := range names {
		if n := times[name]; n > 1 {
			names[i] = fmt.Sprintf("%s (%d)", name, n)
		}
	}
	if len(names) > maxOK {
		names = append(names[:maxOK], fmt.Sprintf("%d more", len(names)-maxOK))
	}
	if len(names) == 0 {
		return shown
	}
	ok := finding{Section: sectionOK, Status: statusOK, Subject: fmt.Sprintf("%d of them", r.count(statusOK)),
		Text: strings.Join(names, ", ") + "; --output json has more of each"}
	return append([]finding{ok}, shown...)
}

func (p page) row(text string) { fmt.Fprintf(p.w, "%*s%s\n", p.indent, "", text) }

func (p page) paint(code, text string) string {
	if !p.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// wrap breaks text between words; a word that is too long stays whole on its own row, since it may be a path or a
// command.
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

// words returns what may be on rows of their own: a number stays with its unit.
func words(text string) []string {
	const tie = "\x00"
	all := strings.Fields(unit.ReplaceAllString(text, "$1"+tie+"$2"))
	for i, word := range all {
		all[i] = strings.ReplaceAll(word, tie, " ")
	}
	return all
}

// printable prevents the text of a file or a node from controlling the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == utf8.RuneError {
			return '·'
		}
		return r
	}, text)
}
