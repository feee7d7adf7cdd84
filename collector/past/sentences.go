package past

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// words describe incidents: what happened, how that is known, and what to do about it.
type words struct {
	facts    *facts
	evidence *errorEvidence
}

// of returns the sentence and the remedy of an incident.
func (w words) of(i *incident) (sentence, remedy string) {
	var evidence string
	switch i.kind {
	case saturation:
		sentence, evidence, remedy = w.saturation(i)
	case takenOut:
		sentence, evidence, remedy = w.takenOut(i)
	case nodeFailure:
		sentence, evidence, remedy = w.nodeFailure(i)
	case slowNode:
		sentence, evidence, remedy = w.slowNode(i)
	case poison:
		sentence, evidence, remedy = w.poison(i)
	case rateLimit:
		sentence, evidence, remedy = w.rateLimit(i)
	case clientAborts:
		sentence, evidence, remedy = w.clientAborts(i)
	}
	return sentence + " " + evidence, remedy + "; runbook " + runbooks()[i.kind]
}

// runbooks name the runbook of each kind of incident, beside the alerts.
func runbooks() map[string]string {
	return map[string]string{
		saturation:   "alerts/runbooks/FremisnSlotsSaturated.md",
		takenOut:     "alerts/runbooks/FremisnNoLiveUpstreams.md",
		nodeFailure:  "alerts/runbooks/FremisnNodeGrayFailing.md",
		slowNode:     "alerts/runbooks/FremisnNodeLatencyOutlier.md",
		poison:       "alerts/runbooks/FremisnNoLiveUpstreams.md",
		rateLimit:    "alerts/runbooks/FremisnRateLimitingHigh.md",
		clientAborts: "alerts/runbooks/FremisnLatencyBudgetBurn.md",
	}
}

func (w words) saturation(i *incident) (sentence, evidence, remedy string) {
	u, found := w.facts.groups[i.upstream]
	slots, bound := slotsOf(u)
	sentence = fmt.Sprintf("%s found no free slot in %s, and no server was passed over after failures: all of them "+
		"had as many connections as they may have.",
		requests(i.harmed), plain(i.upstream))
	if bound {
		sentence = strings.TrimSuffix(sentence, ".") + fmt.Sprintf(" (%d slots in all).", slots)
	}
	evidence = "Shown by the group's name in place of a server in $upstream_addr."
	if !found || !bound {
		return sentence, evidence, "raise max_conns of the servers of " + plain(i.upstream) +
			" or add a server; fremisn-exporter whatif --try max_conns=2 shows what that would change"
	}
	remedy = fmt.Sprintf("raise max_conns (%s) or add a server to %s (%s); fremisn-exporter whatif --try "+
		"max_conns=%d shows what that would change",
		w.at(u.Servers[0].Pos), plain(u.Name), w.at(u.Pos), u.Servers[0].MaxConns+1)
	if u.Zone == "" && w.facts.conf.Workers != "1" {
		remedy += fmt.Sprintf("; add zone to %s (%s), for without it each worker counts its own connections",
			plain(u.Name), w.at(u.Pos))
	}
	return sentence, evidence, remedy
}

// slotsOf returns how many connections a group may have in one worker, or, with a zone, in all of them.
func slotsOf(u nginxconf.Upstream) (slots int, bound bool) {
	for _, s := range u.Servers {
		if s.MaxConns == 0 && !s.Down {
			return 0, false
		}
		if !s.Down {
			slots += s.MaxConns
		}
	}
	return slots, slots > 0
}

func (w words) takenOut(i *incident) (sentence, evidence, remedy string) {
	s := w.facts.server(i.server)
	sentence = fmt.Sprintf("NGINX passed %s over for fail_timeout (%s) after failed attempts; meanwhile %s "+
		"found no free server in %s. It answered again at the next try.",
		w.named(i.servers), s.FailTimeout, requests(i.noLive), plain(i.upstream))
	return sentence, w.passing(i),
		fmt.Sprintf("raise max_fails (now %d) or shorten fail_timeout (now %s) at server %s%s, and find out why "+
			"it failed",
			s.MaxFails, s.FailTimeout, plain(s.Address), w.atOf(s.Pos))
}

func (w words) nodeFailure(i *incident) (sentence, evidence, remedy string) {
	who := w.named(i.servers)
	if i.server == "" {
		who = "every server of " + plain(i.upstream) + " (" + who + ")"
	}
	sentence = fmt.Sprintf("%s failed: %s had a failed attempt there (%s)", who, requests(i.harmed-i.noLive),
		w.codes(i))
	if i.share > 0 && i.server != "" {
		sentence += fmt.Sprintf(", %s of its attempts", percent(i.share))
	}
	switch {
	case i.lost == 0:
		sentence += "; another server helped all of them."
	case i.lost >= i.harmed:
		sentence += "; none of them got an answer."
	default:
		sentence += fmt.Sprintf("; %s got no answer, another server helped the rest.", requests(i.lost))
	}
	if i.noLive > 0 {
		sentence += fmt.Sprintf(" Among them are %d that found no server left.", i.noLive)
	}
	if len(i.outs) > 0 {
		evidence = w.passing(i)
	} else {
		evidence = "Shown by the status of each attempt." + w.agrees(i)
	}
	s := w.facts.server(i.servers[0])
	return sentence, evidence,
		fmt.Sprintf("look at the node: its process, its log, its network; until it is well, add down to server %s%s",
			plain(s.Address), w.atOf(s.Pos))
}

func (w words) slowNode(i *incident) (sentence, evidence, remedy string) {
	before, now, peers := float64(i.before)/1000, float64(i.now)/1000, float64(i.peers)/1000
	sentence = fmt.Sprintf("%s became slow: its p95 rose from %s to %s, while the other servers of %s were at %s; "+
		"%s took longer than was usual there.",
		w.named(i.servers), inSeconds(&before), inSeconds(&now), plain(orElse(i.upstream, "its group")),
		inSeconds(&peers), requests(i.harmed))
	evidence = "Shown by $upstream_response_time against its own past and the others at the same time."
	s := w.facts.server(i.server)
	remedy = "look for other work on the node: load, memory, disk, a neighbour"
	if u, found := w.facts.groups[i.upstream]; found && u.Method != "least_conn" {
		remedy += fmt.Sprintf("; least_conn in upstream %s (%s) sends fewer requests to a slow server", plain(u.Name),
			w.at(u.Pos))
	}
	return sentence, evidence, remedy + fmt.Sprintf("; or give server %s%s a smaller weight", plain(s.Address),
		w.atOf(s.Pos))
}

func (w words) poison(i *incident) (sentence, evidence, remedy string) {
	own := i.harmed - i.noLive
	they, blame := "they", "these requests are"
	if own == 1 {
		they, blame = "it", "this request is"
	}
	sentence = fmt.Sprintf("%s for %s %s failed on every server %s reached (%s), while other requests were "+
		"answered: %s to blame, not the nodes.",
		requests(own), plain(i.events[0].method), plain(i.path), they, w.named(i.servers), blame)
	if i.noLive > 0 {
		sentence += fmt.Sprintf(" NGINX passed the servers over because of that, and %s found none left.",
			requests(i.noLive))
	}
	remedy = "send one of these requests to a node by hand and fix what it breaks"
	if p, found := w.facts.proxy(i.upstream); found && p.NextAt.Line > 0 {
		remedy += fmt.Sprintf("; until then proxy_next_upstream off (%s) keeps them to one server each", w.at(p.NextAt))
	} else if found {
		remedy += fmt.Sprintf("; until then proxy_next_upstream off beside %s (%s) keeps them to one server each",
			p.Directive, w.at(p.Pos))
	}
	if s := w.facts.server(i.servers[0]); i.noLive > 0 {
		remedy += fmt.Sprintf(", and max_fails=0 at each server of %s%s keeps NGINX from passing them over",
			plain(orElse(i.upstream, "the group")), w.atOf(s.Pos))
	}
	if len(i.outs) > 0 {
		return sentence, w.passing(i), remedy
	}
	return sentence, "Shown by the status of each attempt." + w.agrees(i), remedy
}

func (w words) rateLimit(i *incident) (sentence, evidence, remedy string) {
	sentence = fmt.Sprintf("%s were rejected by a limit, %s of all at the time.", requests(i.harmed), percent(i.share))
	evidence = "Shown by $limit_req_status, $limit_conn_status or the status that a limit answers with." + w.agrees(i)
	if w.facts.conf != nil && len(w.facts.conf.LimitReqs) > 0 {
		l := w.facts.conf.LimitReqs[0]
		return sentence, evidence,
			fmt.Sprintf("if these clients are welcome, raise burst (now %d) of limit_req (%s) or the rate of its "+
				"zone %s (now %g a second); fremisn-exporter whatif --try limit_req.burst=%d shows what that would "+
				"change",
				l.Burst, w.at(l.Pos), plain(l.Zone), l.Rate, max(1, 2*l.Burst))
	}
	return sentence, evidence, "if these clients are welcome, raise burst of limit_req or the rate of limit_req_zone"
}

func (w words) clientAborts(i *incident) (sentence, evidence, remedy string) {
	var waited []int64
	for _, e := range i.events {
		if e.millis >= 0 {
			waited = append(waited, e.millis)
		}
	}
	after := ""
	if len(waited) > 0 {
		slices.Sort(waited)
		median := float64(waited[len(waited)/2]) / 1000
		after = ", half of them within " + inSeconds(&median)
		if first, last := waited[len(waited)/20],
			waited[len(waited)-1-len(waited)/20]; float64(last) < 1.2*float64(max(1, first)) {
			after = fmt.Sprintf(", all after about %s: this is the clients' own timeout", inSeconds(&median))
		}
	}
	sentence = fmt.Sprintf("%s were cancelled by their clients before the answer%s; %s of all at the time.",
		requests(i.harmed), after, percent(i.share))
	evidence = "Shown by status 499."
	if i.server != "" {
		sentence += fmt.Sprintf(" All of them waited for %s.", w.named([]string{i.server}))
	}
	return sentence, evidence,
		"find out what they waited for (the slowest requests, fremisn-exporter analyze); where the work takes that " +
			"long, the clients' timeout has to be longer"
}

// passing says how it is known that NGINX passed a server over.
func (w words) passing(i *incident) string {
	times := 0
	if w.evidence != nil {
		times = w.evidence.count("server_disabled", i.servers, i.from, i.to)
	}
	switch {
	case times > 0:
		return fmt.Sprintf("NGINX's error log says so (temporarily disabled, %d ×).", times)
	case w.evidence != nil:
		return "When NGINX passed a server over is worked out from the failures; at level warn the error log says it." +
			w.agrees(i)
	}
	return "Shown by the status of each attempt. No error log is given: when NGINX passed a server over is worked " +
		"out from max_fails and fail_timeout."
}

// agrees says what the error log has about an incident.
func (w words) agrees(i *incident) string {
	if w.evidence == nil {
		return ""
	}
	counts := w.evidence.events(i.servers, i.from, i.to)
	if len(counts) == 0 {
		return " The error log has no entry about it."
	}
	return " The error log has " + strings.Join(counts, ", ") + "."
}

// codes formats the results of failed attempts.
func (w words) codes(i *incident) string {
	codes := map[string]uint64{}
	for _, e := range i.events {
		for k := range e.attempts {
			if a := &e.attempts[k]; a.failed() && slices.Contains(i.servers, a.server) {
				codes[a.code]++
			}
		}
	}
	list := codeCounts(codes)
	for k, c := range list {
		code, n, _ := strings.Cut(c, ":")
		list[k] = n + " × " + code
	}
	return strings.Join(list[:min(4, len(list))], ", ")
}

func (w words) named(servers []string) string {
	var names []string
	for _, s := range servers[:min(4, len(servers))] {
		names = append(names, plain(w.facts.name(s)))
	}
	if more := len(servers) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// at formats the place of a directive.
func (w words) at(p nginxconf.Pos) string { return p.String() }

func (w words) atOf(p nginxconf.Pos) string {
	if p.Line == 0 {
		return ""
	}
	return " (" + p.String() + ")"
}

// unknown says what the log does not show.
func (w words) unknown(d *detector) []string {
	var list []string
	if !d.namesServers {
		list = append(list, "the log_format has no $upstream_addr, $upstream_status or $upstream_response_time, so "+
			"the log does not show on "+
			"which server a request failed, nor whether it reached one; fremisn-exporter check prints a log_format "+
			"that does")
	}
	if w.facts.conf == nil {
		list = append(list,
			"no nginx.conf is read, so max_conns, max_fails and fail_timeout are taken to be NGINX's defaults, and "+
				"no directive can be named")
	}
	if w.evidence == nil {
		list = append(list,
			"no error log is given (--error-log): whether NGINX took a node out is worked out from the access "+
				"log alone")
	}
	if every := d.events.every(); every > 1 {
		list = append(list,
			fmt.Sprintf("too many requests failed to examine each: one in %d is examined, and counts are estimates",
				every))
	}
	return list
}

func requests(n int) string { return numbered(n, "request") }

// numbered is such as "1 file" or "1,234 files".
func numbered(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return grouped(uint64(max(0, n))) + " " + what
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
