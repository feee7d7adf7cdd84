package verdict

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// outage returns the present outage of a server, or nil.
func (j *judgement) outage(s *Server) *Outage {
	for i := len(j.in.Outages) - 1; i >= 0; i-- {
		if o := &j.in.Outages[i]; o.Server == s.Address && o.Ended.IsZero() {
			return o
		}
	}
	return nil
}

// outSentence says when and why NGINX took a server out.
func (j *judgement) outSentence(s *Server) string {
	o := j.outage(s)
	if o == nil {
		return "It was taken out after failures."
	}
	return j.outText(o) + green(s) + "."
}

// outText returns the start, the end and the cause.
func (j *judgement) outText(o *Outage) string {
	end := ", until at least " + clock(o.Until)
	switch {
	case !o.Ended.IsZero():
		end = ", until " + clock(o.Ended)
	case o.Until.Before(j.in.Now):
		end = ", and NGINX could try it again from " + clock(o.Until) + " on, but has not"
	}
	text := "It was taken out at " + clock(o.From)
	if cause := j.cause(o); cause != "" {
		text += " after " + cause
	}
	return text + end
}

// eventWords are the error log's events in words.
var eventWords = map[string]string{
	"connect_refused": "a refused connection", "connect_timeout": "a connection that timed out",
	"connect_error": "a failed connection", "read_timeout": "a timeout", "send_timeout": "a timeout while sending",
	"connection_reset": "a reset connection", "premature_close": "a connection that was closed without an answer",
	"invalid_header": "an invalid answer", "ssl": "a failed TLS handshake", "server_disabled": "a failure",
	"other": "a failure",
}

// cause returns the failure in words.
func (j *judgement) cause(o *Outage) string {
	words := eventWords[o.Event]
	if words == "" {
		words = "a failure"
	}
	if o.Request == "" {
		return words
	}
	words += " on " + o.Request
	if r := j.requestOf(o); r != nil && r.RequestID != "" {
		words += " (request " + r.RequestID + ")"
	}
	return words
}

// requestOf finds the request of an outage in the access log: it failed on that server at about that time, with the
// same method and path. Of several, it is the one with the most attempts.
func (j *judgement) requestOf(o *Outage) *Request {
	var found *Request
	candidates := slices.Concat(j.in.Failures, j.in.Rescued)
	for i := range candidates {
		r := &candidates[i]
		near := r.Time.Sub(o.From)
		if near < -2*time.Second || near > 3*time.Minute || r.Method+" "+r.Path != o.Request {
			continue
		}
		if r.Timed && r.Time.Add(-r.Duration-2*time.Second).After(o.From) {
			continue // it came later
		}
		hit := slices.ContainsFunc(r.Attempts, func(a Attempt) bool { return a.Server == o.Server })
		if hit && (found == nil || len(r.Attempts) > len(found.Attempts)) {
			found = r
		}
	}
	return found
}

// lastOut returns the latest time in which NGINX passed a server over.
func (j *judgement) lastOut(s *Server) *OutStatus {
	for i := len(j.in.Outages) - 1; i >= 0; i-- {
		o := &j.in.Outages[i]
		if o.Server != s.Address {
			continue
		}
		out := &OutStatus{From: o.From.UTC(), Sentence: j.outText(o) + "."}
		if !o.Ended.IsZero() {
			to := o.Ended.UTC()
			out.To = &to
		}
		return out
	}
	return nil
}

// judgePoison finds a request that failed on several servers and made NGINX take them out: an outage for everyone
// while every probe succeeds. NGINX numbers the connections of each worker, so worker and connection identify the
// request.
func (j *judgement) judgePoison() {
	type key struct {
		pid        int
		connection int64
		request    string
	}
	hit := map[key][]*Outage{}
	var order []key
	for i := range j.in.Outages {
		o := &j.in.Outages[i]
		if !o.Ended.IsZero() || o.Connection == 0 {
			continue
		}
		k := key{o.PID, o.Connection, o.Request}
		if len(hit[k]) == 0 {
			order = append(order, k)
		}
		hit[k] = append(hit[k], o)
	}
	for _, k := range order {
		if len(hit[k]) < 2 {
			continue
		}
		j.addPoison(hit[k])
	}
}

func (j *judgement) addPoison(outages []*Outage) {
	var titles []string
	for _, o := range outages {
		titles = append(titles, titleOf(j.names[o.Server], o.Server))
	}
	first := outages[0]
	id := ""
	if r := j.requestOf(first); r != nil && r.RequestID != "" {
		id = ", request " + r.RequestID
	}
	j.add(Reason{
		Kind: KindPoison, Upstream: first.Upstream, Since: first.From, Subject: first.Request,
		Sentence: fmt.Sprintf("One request (%s%s) failed on %s, and NGINX took out every server that it reached.",
			first.Request, id, list(titles)),
	})
}

// list joins names for a sentence.
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
