package main

import (
	"math"
	"slices"
	"strconv"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// Colours have one meaning each: green is good, yellow is a warning, red needs a person; each node has its own.
const (
	good    = "green"
	look    = "yellow"
	poor    = "orange"
	bad     = "red"
	neutral = "text"
	idle    = "blue"
	unsure  = "purple"
	nothing = "#6e7079" // no data: neither good nor bad
)

// belowAll is less than any value that a panel shows. Grafana gives NaN the first of the thresholds' colours: so that
// one is neutral, and begins below all values.
const belowAll = -1e12

// nodeColours are fixed for FREMIS-N's nodes; write your own here, and run make dashboards. Others get the palette's,
// in the order of their names. (The palette by name would do, but Grafana 10 gives all of Prometheus' series one
// colour of it.)
var nodeColours = []struct{ node, colour string }{
	{"master", "blue"},
	{"slave-1", "orange"},
	{"slave-2", "purple"},
}

func colouredByNode(p *dashboard.Panel) {
	for _, n := range nodeColours {
		override(p, "byRegexp", "/(^|[^-\\w])"+n.node+"($|[^-\\w])/", fixed(n.colour))
	}
}

// coloured gives each series whose name begins with a word its colour.
func coloured(pairs ...string) option {
	return func(p *dashboard.Panel) {
		for i := 0; i < len(pairs); i += 2 {
			override(p, "byRegexp", "/^"+pairs[i]+"($|[^-\\w])/", fixed(pairs[i+1]))
		}
	}
}

func fixed(colour string) dashboard.DynamicConfigValue {
	return dashboard.DynamicConfigValue{Id: "color", Value: map[string]string{"mode": "fixed", "fixedColor": colour}}
}

// dotted and broken distinguish lines of one colour: those whose name begins with word.
func dotted(word string) option { return lineOf(word, 2, 6) }

func broken(word string) option { return lineOf(word, 10, 5) }

func lineOf(word string, dash ...int) option {
	return func(p *dashboard.Panel) {
		override(p, "byRegexp", "/^"+word+"/", dashes(dash...))
	}
}

func dashes(dash ...int) dashboard.DynamicConfigValue {
	return dashboard.DynamicConfigValue{Id: "custom.lineStyle", Value: map[string]any{"fill": "dash", "dash": dash}}
}

// dashed draws the series whose name begins with word as a thin dashed line without filling: a limit, not a
// measurement.
func dashed(word, colour string) option {
	return func(p *dashboard.Panel) {
		override(p, "byRegexp", "/^"+word+"/", fixed(colour),
			dashes(8, 8),
			dashboard.DynamicConfigValue{Id: "custom.fillOpacity", Value: 0},
			dashboard.DynamicConfigValue{Id: "custom.stacking", Value: map[string]any{"mode": "none", "group": "A"}})
	}
}

// A step is a colour from a value on.
type step struct {
	from   float64
	colour string
}

// threshold is base below all steps, and another colour if there is no value.
func threshold(base string, steps []step) dashboard.ThresholdsConfig {
	t := dashboard.ThresholdsConfig{
		Mode:  dashboard.ThresholdsModeAbsolute,
		Steps: []dashboard.Threshold{{Color: nothing}},
	}
	steps = append([]step{{belowAll, base}}, steps...)
	for _, s := range steps {
		t.Steps = append(t.Steps, s.threshold())
	}
	return t
}

func (s step) threshold() dashboard.Threshold {
	return dashboard.Threshold{Value: cog.ToPtr(math.Round(s.from*1e9) / 1e9), Color: s.colour}
}

// from colours values: base, and from each step's value on, its colour.
func from(base string, steps ...step) option {
	return func(p *dashboard.Panel) {
		p.FieldConfig.Defaults.Thresholds = cog.ToPtr(threshold(base, steps))
		p.FieldConfig.Defaults.Color = &dashboard.FieldColor{Mode: dashboard.FieldColorModeIdThresholds}
	}
}

// bound draws a line into a graph that should not be crossed.
func bound(value float64) option { return bounds(step{value, bad}) }

func bounds(steps ...step) option {
	return func(p *dashboard.Panel) {
		lines := dashboard.ThresholdsConfig{
			Mode:  dashboard.ThresholdsModeAbsolute,
			Steps: []dashboard.Threshold{{Color: "transparent"}},
		}
		for _, s := range steps {
			lines.Steps = append(lines.Steps, s.threshold())
		}
		p.FieldConfig.Defaults.Thresholds = &lines
		custom := p.FieldConfig.Defaults.Custom.(*timeseries.FieldConfig)
		custom.ThresholdsStyle = &common.GraphThresholdsStyleConfig{Mode: common.GraphThresholdsStyleModeDashed}
	}
}

// A word replaces a value.
type word struct {
	value  float64
	text   string
	colour string
}

func mapping(words []word) dashboard.ValueMapping {
	m := dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: map[string]dashboard.ValueMappingResult{}}
	for i, w := range words {
		m.Options[strconv.FormatFloat(w.value, 'g', -1, 64)] = dashboard.ValueMappingResult{
			Text: cog.ToPtr(w.text), Color: cog.ToPtr(w.colour), Index: cog.ToPtr(int32(i)),
		}
	}
	return dashboard.ValueMapping{ValueMap: &m}
}

// words replace all values that a panel can have.
func words(all ...word) option {
	return func(p *dashboard.Panel) {
		p.FieldConfig.Defaults.Mappings = append(p.FieldConfig.Defaults.Mappings, mapping(all))
		from(nothing)(p)
	}
}

// someWords replace some values; the others are shown as numbers.
func someWords(some ...word) option {
	return func(p *dashboard.Panel) {
		p.FieldConfig.Defaults.Mappings = append(p.FieldConfig.Defaults.Mappings, mapping(some))
	}
}

// nodeWords are the states of a node in words.
var nodeWords = []word{
	{stateUp, "up", good},
	{stateDown, "DOWN", bad},
	{stateFailing, "fails requests", poor},
	{statePassed, "taken out by NGINX", poor},
	{stateOut, "off in nginx.conf", idle},
	{stateUnknown, "not probed", unsure},
}

func decimals(n float64) option {
	return func(p *dashboard.Panel) { p.FieldConfig.Defaults.Decimals = cog.ToPtr(n) }
}

func upTo(max float64) option {
	return func(p *dashboard.Panel) { p.FieldConfig.Defaults.Max = cog.ToPtr(max) }
}

// atLeastTo extends the axis up to a value, so that small values do not look large.
func atLeastTo(value float64) option {
	return func(p *dashboard.Panel) {
		p.FieldConfig.Defaults.Custom.(*timeseries.FieldConfig).AxisSoftMax = cog.ToPtr(value)
	}
}

// nameOnly shows a stat's name, on the colour of its value; valueAndName shows both, even for a single value.
func nameOnly(p *dashboard.Panel) {
	p.Options.(*stat.Options).TextMode = common.BigValueTextModeName
}

func valueAndName(p *dashboard.Panel) {
	p.Options.(*stat.Options).TextMode = common.BigValueTextModeValueAndName
}

// added shows the sum over the time range: for events, how many there were.
func added(p *dashboard.Panel) {
	p.Options.(*stat.Options).ReduceOptions.Calcs = []string{"sum"}
}

// Formats of a table's column.

func unit(name string, decimals int) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{{Id: "unit", Value: name}, {Id: "decimals", Value: decimals}}
}

func withEmpty(text string, looks ...[]dashboard.DynamicConfigValue) []dashboard.DynamicConfigValue {
	return append(slices.Concat(looks...), dashboard.DynamicConfigValue{Id: "noValue", Value: text})
}

func inColour(base string, steps ...step) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{
		{Id: "custom.cellOptions", Value: map[string]string{"type": "color-text"}},
		{Id: "color", Value: map[string]string{"mode": "thresholds"}},
		{Id: "thresholds", Value: threshold(base, steps)},
	}
}

func inWords(all ...word) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{
		{Id: "custom.cellOptions", Value: map[string]string{"type": "color-background", "mode": "basic"}},
		{Id: "mappings", Value: []dashboard.ValueMapping{mapping(all)}},
	}
}

func width(pixels int, looks ...[]dashboard.DynamicConfigValue) []dashboard.DynamicConfigValue {
	return append(slices.Concat(looks...), dashboard.DynamicConfigValue{Id: "custom.width", Value: pixels})
}

// hidden keeps a column for links without showing it.
func hidden() []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{{Id: "custom.hidden", Value: true}}
}

func linked(title, url string) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{{Id: "links", Value: []map[string]string{{"title": title, "url": url}}}}
}
