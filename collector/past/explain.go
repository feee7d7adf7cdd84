package past

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// An Explanation is the result of explain. Times are RFC 3339 in UTC.
type Explanation struct {
	From      *time.Time `json:"from"`
	To        *time.Time `json:"to"`
	Requests  uint64     `json:"requests"`
	Failed    uint64     `json:"failed"` // outcome error, timeout or no_live
	Incidents []Incident `json:"incidents"`
	Unknown   []string   `json:"unknown"` // what could not be known, and why

	blind bool // the log has no servers, which is the first of Unknown
}

// An Incident is one thing that went wrong.
type Incident struct {
	From       time.Time `json:"from"`
	To         time.Time `json:"to"`
	Kind       string    `json:"kind"`
	Upstream   string    `json:"upstream"`
	Server     string    `json:"server"` // "" for several
	Node       string    `json:"node"`
	Route      string    `json:"route"`
	Requests   int       `json:"requests"` // that it harmed
	Sentence   string    `json:"sentence"`
	Remedy     string    `json:"remedy"`
	RequestIDs []string  `json:"request_ids"`
}

// JSON writes the explanation.
func (e *Explanation) JSON(w io.Writer) error { return writeJSON(w, e) }

// Text writes the explanation for a person.
func (e *Explanation) Text(w io.Writer) error {
	var b strings.Builder
	e.summary(&b)
	for i := range e.Incidents {
		e.Incidents[i].text(&b)
	}
	if len(e.Incidents) > 0 {
		for _, u := range e.Unknown {
			fmt.Fprintf(&b, "\n%s", wrapped("Not known: "+u, ""))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (e *Explanation) summary(b *strings.Builder) {
	when := "at times that the log does not have"
	if e.From != nil {
		when = span(*e.From, *e.To)
	}
	switch {
	case len(e.Incidents) == 1:
		fmt.Fprintf(b, "%s: %s requests, %s failed, one incident\n", when, grouped(e.Requests), grouped(e.Failed))
	case len(e.Incidents) > 1:
		fmt.Fprintf(b, "%s: %s requests, %s failed, %d incidents, the worst first\n", when, grouped(e.Requests),
			grouped(e.Failed), len(e.Incidents))
	case e.Failed == 0:
		fmt.Fprintf(b, "Quiet: %s requests, %s, and none failed.\n", grouped(e.Requests), when)
	case e.blind:
		b.WriteString(wrapped(fmt.Sprintf("%s requests, %s; %s failed, for reasons that the log does not have: %s.",
			grouped(e.Requests), when, grouped(e.Failed), e.Unknown[0]), ""))
	default:
		fmt.Fprintf(b, "Quiet: %s requests, %s; %s failed, here and there, with no pattern that makes an incident.\n",
			grouped(e.Requests), when, grouped(e.Failed))
	}
}

func (i *Incident) text(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s  %s, %s requests\n", span(i.From, i.To), strings.ReplaceAll(i.Kind, "_", " "),
		grouped(uint64(i.Requests)))
	b.WriteString(wrapped(i.Sentence, "  "))
	b.WriteString(wrapped("To do: "+i.Remedy, "  "))
	if len(i.RequestIDs) > 0 {
		b.WriteString(wrapped("Look at: "+strings.Join(i.RequestIDs[:min(3, len(i.RequestIDs))], " "), "  "))
	}
}

// wrapped breaks a text into lines of a hundred columns.
func wrapped(text, indent string) string {
	const width = 100
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		n := len([]rune(word))
		switch {
		case column == 0:
			b.WriteString(indent)
			column = len(indent)
		case column+1+n > width:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteString(" ")
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String() + "\n"
}

// newExplanation puts incidents into words.
func newExplanation(d *detector, evidence *errorEvidence) *Explanation {
	e := &Explanation{Incidents: []Incident{}, Unknown: []string{}, blind: !d.tellsServers}
	for _, s := range d.log.slots {
		e.Requests += uint64(s.requests)
		for i, o := range outcomes() {
			if o == "error" || o == "timeout" || o == "no_live" {
				e.Failed += uint64(s.outcomes[i])
			}
		}
	}
	w := words{d.facts, evidence}
	for _, i := range d.detect() {
		told := Incident{
			From: time.UnixMilli(i.from).UTC(), To: time.UnixMilli(i.to).UTC(), Kind: i.kind, Upstream: i.upstream,
			Server: i.server,
			Node:   d.facts.topology.Node(i.server), Route: i.route, Requests: i.harmed, RequestIDs: i.requestIDs(),
		}
		told.Sentence, told.Remedy = w.of(i)
		e.Incidents = append(e.Incidents, told)
	}
	e.Unknown = append(e.Unknown, w.unknown(d)...)
	return e
}
