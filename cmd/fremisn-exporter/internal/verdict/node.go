package verdict

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// judgeServer returns the node of a server, and adds its reasons.
func (j *judgement) judgeServer(s *Server) {
	n := Node{Name: s.Name, Server: s.Address, Upstream: s.Upstream, Probe: probeStatus(s), History: j.history(s)}
	if s.MaxConns > 0 {
		n.MaxConns = &s.MaxConns
	}
	n.Windows = nodeWindows(s)
	n.LastOut = j.lastOut(s)
	n.State, n.Sentence = j.state(s)
	n.Since = j.engine.stateSince(s.Address, n.State, j.in.Now)
	if n.State == StateDown && n.Probe != nil && !n.Probe.Since.IsZero() {
		n.Since = n.Probe.Since
	}
	if out := j.outage(s); n.State == StateTakenOut && out != nil {
		n.Since = out.From.UTC()
	}
	switch n.State {
	case StateDown:
		j.addNode(s, KindNodeDown, n.Since, fmt.Sprintf("%s is down. %s", n.Title(), n.Sentence))
	case StateTakenOut:
		j.addNode(s, KindTakenOut, n.Since, fmt.Sprintf("NGINX passes %s over. %s", n.Title(), n.Sentence))
	}
	if failed, total := failing(s); failed > 0 && n.State != StateOff {
		j.addNode(s, KindNodeFailing, time.Time{}, fmt.Sprintf("%s fails real requests: %d of %s in the last %d "+
			"minutes were errors or timeouts.",
			n.Title(), failed, plural(int(total), "attempt", "attempts"), FailingMinutes))
	}
	if text := j.slow(s, n.Title()); text != "" && n.State != StateOff {
		n.Slow = true
		j.addNode(s, KindNodeSlow, time.Time{}, text)
	}
	j.nodes = append(j.nodes, n)
}

func (j *judgement) addNode(s *Server, kind string, since time.Time, sentence string) {
	j.add(Reason{Kind: kind, Upstream: s.Upstream, Server: s.Address, Node: s.Name, Since: since, Sentence: sentence})
}

// state returns the first state that fits, and a sentence with its facts.
func (j *judgement) state(s *Server) (state, sentence string) {
	down, probed := downProbe(s), probedWell(s)
	failed, total := failing(s)
	switch {
	case s.Off:
		return StateOff, "It is marked down in nginx.conf."
	case down != nil:
		return StateDown, fmt.Sprintf("Its probe %s has failed since %s: %s.", down.Name, clock(down.Since),
			strings.TrimSuffix(down.Sentence, "."))
	case s.Out != nil && s.Out.Unavailable:
		return StateTakenOut, j.outSentence(s)
	case failed > 0:
		return StateFailing, fmt.Sprintf("%d of %s in the last %d minutes were errors or timeouts%s.",
			failed, plural(int(total), "attempt", "attempts"), FailingMinutes, green(s))
	case !probed && (s.Attempts == nil || s.Attempts.Between(0, 60).Outcomes.Total() == 0):
		return StateUnknown, "It is not probed, and no log has a request to it in the last hour."
	}
	return StateUp, upSentence(s)
}

// green adds that the probes do not see the failures of the requests.
func green(s *Server) string {
	if probedWell(s) && failingProbe(s) == nil {
		return "; its probes succeed"
	}
	return ""
}

func upSentence(s *Server) string {
	var parts []string
	if p := failingProbe(s); p != nil {
		parts = append(parts, fmt.Sprintf("Its probe %s fails: %s.", p.Name, strings.TrimSuffix(p.Sentence, ".")))
	} else if probedWell(s) {
		parts = append(parts, "It answers its probes.")
	}
	if s.Attempts == nil {
		return strings.Join(parts, " ")
	}
	five := s.Attempts.Between(0, 5).Outcomes
	bad := five[Error] + five[Timeout]
	switch total := five.Total(); {
	case total == 0:
		parts = append(parts, "No requests in the last 5 minutes.")
	case bad == 0:
		parts = append(parts, fmt.Sprintf("None of %s in the last 5 minutes failed.",
			plural(int(total), "attempt", "attempts")))
	default:
		parts = append(parts, fmt.Sprintf("%d of %s in the last 5 minutes failed.", bad,
			plural(int(total), "attempt", "attempts")))
	}
	return strings.Join(parts, " ")
}

// downProbe returns the probe that makes a node down, or nil. An expired licence does not make a node down.
func downProbe(s *Server) *Probe {
	for i := range s.Probes {
		p := &s.Probes[i]
		if p.Done && !p.Success && p.Reason != "license" && (p.Failures >= ProbeFailures || p.Failures == 0) {
			return p
		}
	}
	return nil
}

// failingProbe returns a probe that failed last, whether or not that makes the node down, or nil.
func failingProbe(s *Server) *Probe {
	for i := range s.Probes {
		if p := &s.Probes[i]; p.Done && !p.Success {
			return p
		}
	}
	return nil
}

// probedWell reports whether a probe of the node succeeded last.
func probedWell(s *Server) bool {
	return slices.ContainsFunc(s.Probes, func(p Probe) bool { return p.Done && p.Success })
}

// probeStatus returns the worst of a node's probes: a failing one before an unfinished one before a successful one.
func probeStatus(s *Server) *ProbeStatus {
	if len(s.Probes) == 0 {
		return nil
	}
	worst := slices.MinFunc(s.Probes, func(a, b Probe) int { return probeRank(a) - probeRank(b) })
	if !worst.Done {
		return &ProbeStatus{Sentence: "No probe has finished yet."}
	}
	status := &ProbeStatus{Success: &worst.Success, Since: worst.Since.UTC(), Sentence: worst.Sentence}
	if worst.Success {
		status.Sentence = "Succeeds."
	}
	return status
}

func probeRank(p Probe) int {
	switch {
	case p.Done && !p.Success:
		return 0
	case !p.Done:
		return 1
	}
	return 2
}

// failing returns how many of a node's attempts failed, and how many there were; 0 if the number is acceptable.
func failing(s *Server) (failed, total uint64) {
	if s.Attempts == nil {
		return 0, 0
	}
	o := s.Attempts.Between(0, FailingMinutes).Outcomes
	failed, total = o[Error]+o[Timeout], o.Total()
	if failed < FailingCount || float64(failed) < FailingRatio*float64(total) {
		return 0, total
	}
	return failed, total
}

// slow returns a sentence if a node is slower than it was before and than its peers, or "".
func (j *judgement) slow(s *Server, title string) string {
	if s.Attempts == nil {
		return ""
	}
	remembered := j.engine.memory.Slow
	before, was := remembered[s.Address]
	minute := s.Attempts.Between(0, 1)
	if !was {
		hour := s.Attempts.Between(1, 60)
		if hour.Timed >= SlowAttempts {
			before.Baseline = hour.P95
		}
	}
	own := before.Baseline > 0 && minute.Timed >= SlowAttempts && minute.P95 >= SlowOwn*before.Baseline
	var peers Window
	if s.Peers != nil {
		peers = s.Peers.Between(0, 1)
	}
	others := minute.Timed >= SlowAttempts && peers.Timed >= SlowAttempts && minute.P95 >= SlowPeers*peers.P95
	switch {
	case own && others, was && (own || others):
		before.Held = j.in.Now
	case !was:
		return ""
	case j.in.Now.Sub(before.Held) >= keepSlow:
		delete(remembered, s.Address)
		return ""
	}
	remembered[s.Address] = before
	return fmt.Sprintf("%s is slow: 95 %% of its attempts in the last minute took up to %s; before it was %s, and "+
		"%s on its peers.",
		title, duration(minute.P95), duration(before.Baseline), duration(peers.P95))
}

// history returns the last hour by minutes, the oldest first.
func (j *judgement) history(s *Server) []Minute {
	rows := []Minute{}
	if s.Attempts == nil {
		return rows
	}
	for m := 59; m >= 0; m-- {
		o := s.Attempts.Between(m, m+1).Outcomes
		at := j.in.Now.Add(-time.Duration(m+1) * time.Minute).Truncate(time.Second)
		rows = append(rows, Minute{At: at, Attempts: o.Total(), Errors: o[Error] + o[Timeout]})
	}
	return rows
}

// stateSince returns since when a node is in a state.
func (e *Engine) stateSince(address, state string, now time.Time) time.Time {
	before, seen := e.memory.States[address]
	if !seen || before.State != state {
		before = since{state, now}
		e.memory.States[address] = before
	}
	return before.Since.UTC()
}

// The windows of the API, in minutes.
var windows = map[string]int{"1m": 1, "5m": 5, "1h": 60}

func requestWindows(h History, unlogged []int) map[string]*RequestWindow {
	all := map[string]*RequestWindow{}
	for name, minutes := range windows {
		w := h.Between(0, minutes)
		total := w.Outcomes.Total()
		p50, p95 := quantiles(w)
		outcomes := named(w.Outcomes, 0, len(w.Outcomes))
		for _, o := range unlogged {
			if w.Outcomes[o] == 0 { // otherwise it came from a log not followed now
				delete(outcomes, outcomeNames[o])
			}
		}
		all[name] = &RequestWindow{
			Requests: total, Rate: float64(total) / (60 * float64(minutes)), Outcomes: outcomes, P50: p50, P95: p95,
		}
	}
	return all
}

func nodeWindows(s *Server) map[string]*NodeWindow {
	all := map[string]*NodeWindow{}
	for name, minutes := range windows {
		all[name] = nil
		if s.Attempts == nil {
			continue
		}
		w := s.Attempts.Between(0, minutes)
		total := w.Outcomes.Total()
		node := &NodeWindow{Attempts: total, Outcomes: attemptOutcomes(w.Outcomes)}
		node.P50, node.P95 = quantiles(w)
		group := total
		if s.Peers != nil {
			group += s.Peers.Between(0, minutes).Outcomes.Total()
		}
		if group > 0 {
			share := float64(total) / float64(group)
			node.Share = &share
		}
		if w.Timed > 0 || total == 0 {
			busy := w.Sum.Seconds() / (60 * float64(minutes))
			node.Busy = &busy
		}
		all[name] = node
	}
	return all
}

// quantiles are null if no request has a duration.
func quantiles(w Window) (p50, p95 *float64) {
	if w.Timed == 0 {
		return nil, nil
	}
	a, b := w.P50.Seconds(), w.P95.Seconds()
	return &a, &b
}

func named(o Outcomes, from, to int) map[string]uint64 {
	all := map[string]uint64{}
	for i := from; i < to; i++ {
		all[outcomeNames[i]] = o[i]
	}
	return all
}

// attemptOutcomes are those that an attempt can have.
func attemptOutcomes(o Outcomes) map[string]uint64 {
	return map[string]uint64{"ok": o[OK], "error": o[Error], "timeout": o[Timeout], "aborted": o[Aborted]}
}

// clock formats a time for a sentence.
func clock(t time.Time) string { return t.UTC().Format("15:04:05") + " UTC" }

// duration formats a duration for a sentence.
func duration(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
