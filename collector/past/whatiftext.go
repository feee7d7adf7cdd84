package past

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// JSON writes the answer.
func (r *WhatIf) JSON(w io.Writer) error { return writeJSON(w, r) }

// Text writes the answer as a table: a column for the log, one for the model, one for each --try.
func (r *WhatIf) Text(w io.Writer, columns int) error {
	p := prose{columns}
	var b strings.Builder
	head := []string{strings.ToUpper(plain(r.Upstream)), "LOG", "MODEL", "OFF BY"}
	for _, s := range r.Scenarios {
		head = append(head, s.Set.String())
	}
	t := newTable(nil, head...)
	r.counts(t)
	r.times(t)
	r.busy(t)
	t.write(&b, p)
	b.WriteString("\n")
	if r.Trusted {
		b.WriteString(p.wrapped("Trusted: with the settings as they are, the model is within 10 % of the log.", ""))
	} else {
		b.WriteString(p.wrapped("Not trusted: "+r.Reason+".", ""))
	}
	b.WriteString("\nAssumptions:\n")
	for _, a := range r.Assumptions {
		b.WriteString(p.joined(wordsOf(a), " ", "- ", "  ", widestText))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *WhatIf) counts(t *table) {
	for _, row := range []struct {
		name string
		of   func(*Figures) int
		off  *float64
	}{
		{"requests", func(f *Figures) int { return f.Requests }, nil},
		{"ok", func(f *Figures) int { return f.OK }, nil},
		{"no live server", func(f *Figures) int { return f.NoLive }, &r.Error.NoLive},
		{"limited", func(f *Figures) int { return f.Limited }, &r.Error.Limited},
		{"errors, timeouts", func(f *Figures) int { return f.Errors }, nil},
	} {
		cells := []string{row.name, count(row.of(&r.Observed)), count(row.of(&r.Model)), offBy(row.off)}
		for i := range r.Scenarios {
			cells = append(cells, count(row.of(&r.Scenarios[i].Figures)))
		}
		t.add(cells...)
	}
}

func (r *WhatIf) times(t *table) {
	for _, row := range []struct {
		name string
		of   func(*Figures) *float64
		off  *float64
	}{
		{"p50 of ok", func(f *Figures) *float64 { return f.P50 }, nil},
		{"p95", func(f *Figures) *float64 { return f.P95 }, &r.Error.P95},
		{"p99", func(f *Figures) *float64 { return f.P99 }, nil},
	} {
		cells := []string{row.name, inSeconds(row.of(&r.Observed)), inSeconds(row.of(&r.Model)), offBy(row.off)}
		for i := range r.Scenarios {
			cells = append(cells, inSeconds(row.of(&r.Scenarios[i].Figures)))
		}
		t.add(cells...)
	}
}

// busy adds a row for each server, including those that only a scenario has.
func (r *WhatIf) busy(t *table) {
	servers := slices.Clone(r.servers)
	for _, s := range r.Scenarios {
		for _, name := range sortedKeys(s.Utilisation) {
			if !slices.Contains(servers, name) {
				servers = append(servers, name)
			}
		}
	}
	for _, name := range servers {
		cells := []string{"busy " + plain(name), "", share(r.utilisation[name]), ""}
		for _, s := range r.Scenarios {
			cells = append(cells, share(s.Utilisation[name]))
		}
		t.add(cells...)
	}
}

func count(n int) string { return grouped(uint64(max(0, n))) }

func offBy(e *float64) string {
	if e == nil {
		return ""
	}
	if *e > 10 {
		return "> 1000 %"
	}
	return fmt.Sprintf("%.1f %%", 100**e)
}

func share(v *float64) string {
	if v == nil {
		return ""
	}
	return fmt.Sprintf("%.0f %%", 100**v)
}
