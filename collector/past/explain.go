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

	blind bool   // the log has no servers, which is the first of Unknown
	empty string // the time that was asked for, where no line is in it
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

// Text writes the explanation for a person, in so many columns; 0 is for no terminal.
func (e *Explanation) Text(w io.Writer, columns int) error {
	p := prose{columns}
	var b strings.Builder
	e.summary(&b, p)
	for i := range e.Incidents {
		e.Incidents[i].text(&b, p)
	}
	if len(e.Incidents) > 0 {
		for _, u := range e.Unknown {
			fmt.Fprintf(&b, "\n%s", p.wrapped("Not known: "+u, ""))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (e *Explanation) summary(b *strings.Builder, p prose) {
	when := "at times that the log does not have"
	if e.From != nil {
		when = span(*e.From, *e.To)
	}
	text := fmt.Sprintf("Quiet: %s, %s; %s failed, here and there, with no pattern that makes an incident.",
		numbered(int(e.Requests), "request"), when, grouped(e.Failed))
	switch {
	case e.empty != "":
		text = fmt.Sprintf("No line %s.", e.empty)
	case len(e.Incidents) == 1:
		text = fmt.Sprintf("%s: %s, %s failed, one incident", when, numbered(int(e.Requests), "request"),
			grouped(e.Failed))
	case len(e.Incidents) > 1:
		text = fmt.Sprintf("%s: %s, %s failed, %d incidents, the worst first", when,
			numbered(int(e.Requests), "request"), grouped(e.Failed), len(e.Incidents))
	case e.Failed == 0:
		text = fmt.Sprintf("Quiet: %s, %s, and none failed.", numbered(int(e.Requests), "request"), when)
	case e.blind:
		text = fmt.Sprintf("%s, %s; %s failed, for reasons that the log does not have: %s.",
			numbered(int(e.Requests), "request"), when, grouped(e.Failed), e.Unknown[0])
	}
	widest := widestRow // one line, where there is room
	if len(e.Incidents) == 0 && e.blind {
		widest = widestText
	}
	b.WriteString(p.joined(strings.Fields(text), " ", "", "", widest))
}

func (i *Incident) text(b *strings.Builder, p prose) {
	fmt.Fprintf(b, "\n%s  %s, %s requests\n", span(i.From, i.To), strings.ReplaceAll(i.Kind, "_", " "),
		grouped(uint64(i.Requests)))
	b.WriteString(p.wrapped(i.Sentence, "  "))
	b.WriteString(p.wrapped("To do: "+i.Remedy, "  "))
	if len(i.RequestIDs) > 0 {
		some := i.RequestIDs[:min(3, len(i.RequestIDs))]
		b.WriteString(p.wrapped("Look at the requests "+strings.Join(some, ", "), "  "))
	}
}

// newExplanation puts incidents into words.
func newExplanation(d *detector, evidence *errorEvidence) *Explanation {
	e := &Explanation{Incidents: []Incident{}, Unknown: []string{}, blind: !d.namesServers}
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
