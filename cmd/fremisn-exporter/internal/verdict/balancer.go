package verdict

import (
	"fmt"
	"strings"
	"time"
)

// A pageSample is the request counter of a status page at one time.
type pageSample struct {
	at       time.Time
	requests uint64
}

// A logSample is the line counters of a log at one time.
type logSample struct {
	at               time.Time
	lines, malformed uint64
}

// sample remembers counters for rates over the last minutes.
func (e *Engine) sample(in Input) {
	pages := map[string][]pageSample{}
	for _, p := range in.Pages {
		if p.Up {
			row := append(e.pages[p.URL], pageSample{in.Now, p.Requests})
			for len(row) > 2 && in.Now.Sub(row[1].at) >= time.Minute {
				row = row[1:]
			}
			if last := len(row) - 2; last >= 0 && p.Requests < row[last].requests {
				row = row[last+1:] // NGINX was restarted
			}
			pages[p.URL] = row
		}
	}
	e.pages = pages
	logs := map[string][]logSample{}
	for _, l := range in.Logs {
		row := append(e.logs[l.Name], logSample{in.Now, l.Lines, l.Malformed})
		for len(row) > 2 && in.Now.Sub(row[1].at) >= MalformedMinutes*time.Minute {
			row = row[1:]
		}
		logs[l.Name] = row
	}
	e.logs = logs
}

// judgeNGINX judges the status pages. NGINX is up if one of several answers.
func (j *judgement) judgeNGINX() {
	known, up := 0, 0
	for _, p := range j.in.Pages {
		if p.Known {
			known++
		}
		if p.Up {
			up++
		}
	}
	severity := Warning
	if known > 0 && up == 0 {
		severity, j.down = Critical, true
	}
	for _, p := range j.in.Pages {
		if p.Known && !p.Up {
			j.add(Reason{
				Kind: KindNGINXDown, Severity: severity, Subject: p.URL,
				Sentence: fmt.Sprintf("NGINX does not answer at its status page %s: %s.", p.URL,
					strings.TrimSuffix(p.Problem, ".")),
			})
		}
	}
}

func (j *judgement) nginx() NGINX {
	var n NGINX
	var sum Connections
	rate, rated := 0.0, false
	for _, p := range j.in.Pages {
		if !p.Known {
			continue
		}
		up := p.Up || n.Up != nil && *n.Up
		n.Up = &up
		if !p.Up {
			continue
		}
		sum.Active += p.Connections.Active
		sum.Reading += p.Connections.Reading
		sum.Writing += p.Connections.Writing
		sum.Waiting += p.Connections.Waiting
		n.Connections = &sum
		row := j.engine.pages[p.URL]
		if first, last := row[0], row[len(row)-1]; last.at.After(first.at) {
			rate += float64(last.requests-first.requests) / last.at.Sub(first.at).Seconds()
			rated = true
		}
	}
	if rated {
		n.RequestsPerSecond = &rate
	}
	return n
}

// judgeGroups finds groups without a usable server, for which NGINX rejects all requests.
func (j *judgement) judgeGroups() {
	for _, g := range j.in.Groups {
		if len(g.Servers) == 0 {
			continue
		}
		usable := false
		members := map[string]bool{}
		for _, address := range g.Servers {
			members[address] = true
			usable = usable || j.isUsable(address)
		}
		if usable {
			continue
		}
		j.down = true
		for i := range j.reasons {
			r := &j.reasons[i]
			ofMember := members[r.Server] && (r.Kind == KindNodeDown || r.Kind == KindTakenOut)
			if ofMember || r.Kind == KindPoison && r.Upstream == g.Name {
				r.Severity = Critical
			}
		}
		j.addGroupOff(g)
	}
}

// isUsable reports whether NGINX passes requests to a server and the server may answer them.
func (j *judgement) isUsable(address string) bool {
	for _, n := range j.nodes {
		if n.Server == address {
			return n.State != StateDown && n.State != StateOff && n.State != StateTakenOut
		}
	}
	return true
}

// addGroupOff adds a reason for a group whose servers are all marked down in nginx.conf.
func (j *judgement) addGroupOff(g Group) {
	for _, n := range j.nodes {
		for _, address := range g.Servers {
			if n.Server == address && n.State != StateOff {
				return
			}
		}
	}
	j.add(Reason{
		Kind: KindNodeDown, Severity: Critical, Upstream: g.Name, Subject: "off",
		Sentence: fmt.Sprintf("Every server of %s is marked down in nginx.conf.", g.Name),
	})
}

// judgeRequests judges the answers that clients got in the last minute.
func (j *judgement) judgeRequests() {
	if j.in.Requests == nil {
		return
	}
	minute := j.in.Requests.Between(0, 1).Outcomes
	total := minute.Total()
	if noLive := minute[NoLive]; noLive > 0 {
		j.add(Reason{Kind: KindSaturated, Sentence: j.saturation(noLive, total)})
	}
	if limited := minute[Limited]; total > 0 && float64(limited) >= LimitedRatio*float64(total) {
		j.add(Reason{Kind: KindLimited, Sentence: fmt.Sprintf(
			"NGINX's limits rejected %d of %s in the last minute (limit_req or limit_conn).",
			limited, plural(int(total), "request", "requests"))})
	}
	failed := minute.Failed()
	if failed < DownCount || float64(failed) < DownRatio*float64(total) {
		return
	}
	j.down = true
	j.add(Reason{Kind: KindRequestsFailed, Severity: Critical, Sentence: fmt.Sprintf(
		"%d of %s failed in the last minute.", failed, plural(int(total), "request", "requests"))})
}

// saturation returns why no server could be picked: all were busy, or some were out.
func (j *judgement) saturation(noLive, total uint64) string {
	text := fmt.Sprintf("NGINX found no free server for %d of %s in the last minute",
		noLive, plural(int(total), "request", "requests"))
	out, unusable, limited, mayBeBusy := 0, 0, true, false
	for _, n := range j.nodes {
		switch n.State {
		case StateTakenOut:
			out++
		case StateDown, StateOff:
			unusable++
		default:
			limited, mayBeBusy = limited && n.MaxConns != nil, mayBeBusy || n.MaxConns != nil
		}
	}
	switch {
	case out == 0 && unusable > 0:
		return fmt.Sprintf("%s: %s down, and the others were busy or had just failed.", text,
			plural(unusable, "server is", "servers are"))
	case out == 0 && !limited:
		return text + ": all of them had failed just before."
	case out > 0 && !mayBeBusy:
		return fmt.Sprintf("%s: it passes over %s after failures.", text, plural(out, "server", "servers"))
	case out > 0:
		return fmt.Sprintf("%s: it passes over %s after failures, and the others were busy.", text,
			plural(out, "server", "servers"))
	}
	return text + ": every slot (max_conns) was busy."
}

// judgeExporter judges whether this program can read its inputs and save its state.
func (j *judgement) judgeExporter() {
	for _, l := range j.in.Logs {
		if l.Problem != "" {
			j.add(Reason{Kind: KindLogUnread, Subject: l.Name,
				Sentence: fmt.Sprintf("The log %s cannot be read: %s.", l.Name, strings.TrimSuffix(l.Problem, "."))})
			continue
		}
		row := j.engine.logs[l.Name]
		lines, malformed := grown(row)
		if malformed > 0 && float64(malformed) >= MalformedRatio*float64(lines) {
			j.add(Reason{Kind: KindLogUnread, Subject: l.Name, Sentence: fmt.Sprintf(
				"In the last %d minutes %[1]d of %[2]s of the log %[3]s fit no known log_format; check shows where "+
					"they differ.",
				malformed, plural(int(lines), "line", "lines"), l.Name, MalformedMinutes)})
		}
	}
	for _, l := range j.in.Licences {
		j.add(Reason{Kind: KindLicence, Server: l.Server, Node: j.names[l.Server], Subject: l.Name,
			Sentence: l.Sentence})
	}
	if j.in.Config != "" {
		j.add(Reason{Kind: KindConfig, Sentence: "The configuration on disk is not the one that runs: " +
			strings.TrimSuffix(j.in.Config, ".") + "."})
	}
	if j.in.State != "" {
		j.add(Reason{Kind: KindStateNotSaved, Sentence: "Positions and counters are not saved: " +
			strings.TrimSuffix(j.in.State, ".") + "."})
	}
}

// grown returns the increase of a log's counters over its samples.
func grown(row []logSample) (lines, malformed uint64) {
	first, last := row[0], row[len(row)-1]
	if last.lines < first.lines || last.malformed < first.malformed {
		return 0, 0 // the log's counters were reset
	}
	return last.lines - first.lines, last.malformed - first.malformed
}

func (j *judgement) logs() []LogStatus {
	logs := []LogStatus{}
	for _, l := range j.in.Logs {
		logs = append(logs, LogStatus{l.Name, l.Path, l.Lines, l.Malformed, l.Lag, l.Problem})
	}
	return logs
}
