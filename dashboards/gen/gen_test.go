package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

var complete = about{id: 1, title: "T", shows: "s", bad: "b", do: "d", unit: "s", empty: "e"}

func TestNoPanelWithout(t *testing.T) {
	for what, change := range map[string]func(*about){
		"id": func(a *about) { a.id = 0 }, "title": func(a *about) { a.title = "" },
		"what it shows": func(a *about) { a.shows = " " },
		"what is bad":   func(a *about) { a.bad = "" }, "what to do": func(a *about) { a.do = "" },
		"unit":              func(a *about) { a.unit = "" },
		"text without data": func(a *about) { a.empty = "" },
	} {
		a := complete
		change(&a)
		asked := over("l", "e")
		for kind, p := range map[string]panel{
			"stat": oneStat(4, a, asked), "lines": lines(4, a, []query{asked}), "stacked": stacked(4, a,
				[]query{asked}), "bars": bars(4, a, []query{asked}),
			"timeline": timeline(4, a, []query{asked}), "heat": heat(4, a, asked), "rows": rows(4, a,
				[]query{asked}, nil),
		} {
			if p.err == nil || !strings.Contains(p.err.Error(), "no "+what) {
				t.Errorf("%s without %s: %v", kind, what, p.err)
			}
		}
	}
	if p := lines(4, complete, []query{over("l", "e")}); p.err != nil {
		t.Error(p.err)
	}
	if p := lines(4, complete, nil); p.err == nil {
		t.Error("a panel that asks nothing")
	}
}

func TestBoardRefuses(t *testing.T) {
	asked := over("l", "e")
	second := complete
	second.id = 2
	for name, c := range map[string]struct {
		line []panel
		want string
	}{
		"a line too narrow": {[]panel{oneStat(12, complete, asked)}, "12 wide"},
		"a line too wide":   {[]panel{oneStat(12, complete, asked), oneStat(13, second, asked)}, "25 wide"},
		"an id twice":       {[]panel{oneStat(12, complete, asked), oneStat(12, complete, asked)}, "id 1"},
		"a faulty panel":    {[]panel{oneStat(24, about{}, asked)}, "no title"},
	} {
		b := newBoard("fremisn-x", "X", "x")
		b.line(4, c.line...)
		if _, err := b.build(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPromise(t *testing.T) {
	rules := `
      - record: fremisn:availability:objective
        expr: |
          fremisn_objective_availability
            or x * 0 + 0.99
      - record: fremisn:latency:objective
        expr: |
          y or x * 0 + 0.95
      - record: fremisn:latency_bound:seconds
        expr: |
          z or x * 0 + 2.5
`
	read := func(text string) (promise, error) {
		file := filepath.Join(t.TempDir(), "rules.yml")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return readPromise(file)
	}
	if p, err := read(rules); err != nil || p != (promise{0.99, 0.95, 2.5}) {
		t.Errorf("%+v, %v", p, err)
	}
	for _, text := range []string{
		rules + strings.ReplaceAll(rules, "2.5", "5"), strings.ReplaceAll(rules, "0.99", "x"),
		strings.ReplaceAll(rules, "latency_bound", "bound"), "",
	} {
		if _, err := read(text); err == nil {
			t.Errorf("taken: %s", text)
		}
	}
}

// TestSchema has Grafana's own types read what was made: a field that they do not know, or of another type, is an
// error.
func TestSchema(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	dir := t.TempDir()
	if err := run(dir, "../../alerts/recording.rules.yml"); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) != 6 {
		t.Fatalf("made: %q, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var strict dashboard.Dashboard
		// The SDK gives an error even where it found no fault: one without any.
		var faults cog.BuildErrors
		if err := strict.UnmarshalJSONStrict(text); err != nil && (!errors.As(err, &faults) || len(faults) > 0) {
			t.Errorf("%s: %v", filepath.Base(file), err)
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(text, &fields); err != nil {
			t.Fatal(err)
		}
		for _, field := range []string{"id", "spec", "kind", "apiVersion"} {
			if _, is := fields[field]; is {
				t.Errorf("%s: %q does not belong into the classic schema", filepath.Base(file), field)
			}
		}
	}
}
