package dashboards

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A board is what the tests need to know of a dashboard.
type board struct {
	file string
	text []byte

	UID, Title, Description, Refresh string
	Tags                             []string
	Editable                         *bool
	GraphTooltip, SchemaVersion      int
	Panels                           []panel
	Templating                       struct{ List []variable }
	Annotations                      struct{ List []annotation }
	Links                            []struct {
		Type                  string
		Tags                  []string
		IncludeVars, KeepTime bool
	}
}

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               datasource
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []target
	Options                  map[string]any
	Transformations          []struct {
		ID      string
		Options map[string]any
	}
	FieldConfig struct {
		Defaults struct {
			Unit, NoValue string
			Max           *float64
			Thresholds    *struct{ Steps []threshold }
			Links         []link
			Custom        map[string]any
		}
		Overrides []struct {
			Matcher    struct{ ID, Options string }
			Properties []struct {
				ID    string
				Value json.RawMessage
			}
		}
	}
}

type datasource struct{ Type, UID string }

type threshold struct {
	Value *float64
	Color string
}

type link struct{ Title, URL string }

type target struct {
	RefID, Expr, LegendFormat, Format string
	Instant, Range                    bool
	Datasource                        datasource
}

type variable struct {
	Type, Name, Label, AllValue, Definition string
	Refresh                                 int
	Multi, IncludeAll                       bool
	Datasource                              datasource
	Query                                   any
	Options                                 []any
}

type annotation struct {
	Name, Expr string
	Enable     bool
	Datasource datasource
	Target     target
}

// shipped are the dashboards in this folder.
func shipped(t *testing.T) []board {
	t.Helper()
	files, err := filepath.Glob("*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	var all []board
	for _, file := range files {
		b := board{file: file}
		if b.text, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b.text, &b); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, b)
	}
	return all
}

// drawn are the panels that draw something, without the rows.
func (b board) drawn() []panel {
	var drawn []panel
	for _, p := range b.Panels {
		if p.Type != "row" {
			drawn = append(drawn, p)
		}
	}
	return drawn
}

// panel is the one with the title, which must be there.
func (b board) panel(t *testing.T, title string) panel {
	t.Helper()
	for _, p := range b.drawn() {
		if p.Title == title {
			return p
		}
	}
	t.Fatalf("%s: no panel %q", b.file, title)
	return panel{}
}

func named(t *testing.T, file string) board {
	t.Helper()
	for _, b := range shipped(t) {
		if b.file == file {
			return b
		}
	}
	t.Fatalf("no dashboard %s", file)
	return board{}
}

// A choice is what is chosen in a dashboard: variables to what Grafana puts in their place.
type choice map[string]string

// everything is the choice that a dashboard opens with, where Prometheus holds nothing else.
func everything() choice {
	return choice{
		"cluster": ".*", "job": ".+", "instance": ".+", "upstream": ".*", "node": ".*", "server": ".*",
		"__all":           "$__all", // no variable, and a value of them all
		"__rate_interval": "10s", "__interval": "1s", "__range": "60s",
	}
}

var variableInText = regexp.MustCompile(`\$\{?([A-Za-z_]\w*)\}?`)

// in resolves the variables of an expression.
func (c choice) in(t *testing.T, expr string) string {
	t.Helper()
	return variableInText.ReplaceAllStringFunc(expr, func(found string) string {
		value, ok := c[variableInText.FindStringSubmatch(found)[1]]
		if !ok {
			t.Errorf("no variable %s for %s", found, expr)
		}
		return value
	})
}

var special = regexp.MustCompile(`[$^*{}\[\]'+?.()|]`)

// chosen is what Grafana's Prometheus data source writes for values of a variable that allows several.
func chosen(values ...string) string {
	escaped := make([]string, len(values))
	for i, value := range values {
		escaped[i] = special.ReplaceAllString(strings.ReplaceAll(value, `\`, `\\\\`), `\\$0`)
	}
	if len(escaped) == 1 {
		return escaped[0]
	}
	return "(" + strings.Join(escaped, "|") + ")"
}

// A selector is a metric with its matchers, as an expression has it.
type selector struct {
	metric, matchers string
}

var (
	selectorInText = regexp.MustCompile(`([A-Za-z_:][A-Za-z0-9_:]*)\{([^}]*)\}`)
	labelInText    = regexp.MustCompile(`([A-Za-z_]\w*)\s*(?:=~|!~|!=|=)`)
)

// selectors of an expression. A matcher's value holds no brace: the dashboards' variables are written $name.
func selectors(expr string) []selector {
	var all []selector
	for _, found := range selectorInText.FindAllStringSubmatch(expr, -1) {
		all = append(all, selector{found[1], found[2]})
	}
	return all
}

// labels that the selector asks for.
func (s selector) labels() []string {
	var labels []string
	for _, found := range labelInText.FindAllStringSubmatch(s.matchers, -1) {
		labels = append(labels, found[1])
	}
	return labels
}
