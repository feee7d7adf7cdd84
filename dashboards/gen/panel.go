package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// about is what every panel needs.
type about struct {
	id    uint32 // never changed: links to a panel contain it
	title string
	shows string // what it shows
	bad   string // what is bad
	do    string // what to do then
	unit  string
	empty string // the text in place of missing data
}

func (a about) missing() error {
	var errs []error
	if a.id == 0 {
		errs = append(errs, errors.New("no id"))
	}
	for name, text := range map[string]string{
		"title": a.title, "what it shows": a.shows, "what is bad": a.bad, "what to do": a.do, "unit": a.unit,
		"text without data": a.empty,
	} {
		if strings.TrimSpace(text) == "" {
			errs = append(errs, fmt.Errorf("no %s", name))
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("panel %d %q: %w", a.id, a.title, errors.Join(errs...))
	}
	return nil
}

func (a about) description() string {
	return a.shows + "\n\n**Bad:** " + a.bad + "\n\n**Do:** " + a.do
}

// A panel is a panel, or the error why it could not be built.
type panel struct {
	dashboard.Panel
	err error
}

// An option changes how a panel looks.
type option func(*dashboard.Panel)

// newPanel is the only constructor of panels: everything that Grafana's kinds of them have in common.
func newPanel(width uint32, a about, kind cog.Builder[dashboard.Panel], queries []query, options []option) panel {
	if err := a.missing(); err != nil {
		return panel{err: err}
	}
	if len(queries) == 0 {
		return panel{err: fmt.Errorf("panel %d %q asks nothing", a.id, a.title)}
	}
	p, err := kind.Build()
	if err != nil {
		return panel{err: fmt.Errorf("panel %d %q: %w", a.id, a.title, err)}
	}
	p.Id, p.Title, p.Description = cog.ToPtr(a.id), cog.ToPtr(a.title), cog.ToPtr(a.description())
	p.Datasource = theDatasource()
	p.GridPos = &dashboard.GridPos{W: width}
	p.RepeatDirection, p.Transparent = nil, nil
	if p.FieldConfig == nil {
		p.FieldConfig = dashboard.NewFieldConfigSource()
	}
	p.FieldConfig.Defaults.Unit, p.FieldConfig.Defaults.NoValue = cog.ToPtr(a.unit), cog.ToPtr(a.empty)
	if p.FieldConfig.Overrides == nil {
		p.FieldConfig.Overrides = []dashboard.DashboardFieldConfigSourceOverrides{}
	}
	for i, q := range queries {
		target, err := q.target(string(rune('A' + i)))
		if err != nil {
			return panel{err: fmt.Errorf("panel %d %q: %w", a.id, a.title, err)}
		}
		p.Targets = append(p.Targets, target)
	}
	for _, option := range options {
		option(&p)
	}
	return panel{Panel: p}
}

func theDatasource() *common.DataSourceRef {
	return &common.DataSourceRef{Type: cog.ToPtr("prometheus"), Uid: cog.ToPtr("${datasource}")}
}

func (q query) target(ref string) (variants.Dataquery, error) {
	b := prometheus.NewDataqueryBuilder().
		RefId(ref).Datasource(*theDatasource()).EditorMode(prometheus.QueryEditorModeCode).
		Expr(q.expr).LegendFormat(q.legend)
	if q.instant {
		b.Instant()
	} else {
		b.Range()
	}
	switch {
	case q.table:
		b.Format(prometheus.PromQueryFormatTable)
	case q.heatmap:
		b.Format(prometheus.PromQueryFormatHeatmap)
	default:
		b.Format(prometheus.PromQueryFormatTimeSeries)
	}
	if q.exemplars {
		b.Exemplar(true)
	}
	return b.Build()
}

// oneStat is a number, or a word for it, on the colour of its threshold.
func oneStat(width uint32, a about, q query, options ...option) panel {
	graph := common.BigValueGraphModeArea
	if q.instant {
		graph = common.BigValueGraphModeNone
	}
	kind := stat.NewPanelBuilder().
		ColorMode(common.BigValueColorModeBackground).GraphMode(graph).JustifyMode(common.BigValueJustifyModeCenter).
		Orientation(common.VizOrientationAuto).TextMode(common.BigValueTextModeAuto).WideLayout(true).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"}))
	return newPanel(width, a, kind, []query{q}, options)
}

// lines is a graph over time.
func lines(width uint32, a about, queries []query, options ...option) panel {
	return newPanel(width, a, graph(common.GraphDrawStyleLine, 0), queries, options)
}

// stacked is a graph whose lines add up.
func stacked(width uint32, a about, queries []query, options ...option) panel {
	kind := graph(
		common.GraphDrawStyleLine,
		60,
	).Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal))
	return newPanel(width, a, kind, queries, options)
}

// bars is for occasional events; the legend shows how often in the time range.
func bars(width uint32, a about, queries []query, options ...option) panel {
	kind := graph(common.GraphDrawStyleBars, 80).
		Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal)).
		Legend(legend("sum"))
	return newPanel(width, a, kind, queries, append([]option{atLeastTo(4)}, options...))
}

func graph(style common.GraphDrawStyle, fill float64) *timeseries.PanelBuilder {
	return timeseries.NewPanelBuilder().
		DrawStyle(style).FillOpacity(fill).LineWidth(1).ShowPoints(common.VisibilityModeAuto).AxisSoftMin(0).
		ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdPaletteClassic)).
		Legend(legend("lastNotNull", "max")).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).
			Sort(common.SortOrderDescending))
}

func legend(calculations ...string) *common.VizLegendOptionsBuilder {
	return common.NewVizLegendOptionsBuilder().
		DisplayMode(common.LegendDisplayModeTable).
		Placement(common.LegendPlacementBottom).ShowLegend(true).Calcs(append([]string{}, calculations...))
}

// timeline is states over time, one line each.
func timeline(width uint32, a about, queries []query, options ...option) panel {
	kind := statetimeline.NewPanelBuilder().
		MergeValues(true).
		ShowValue(common.VisibilityModeAuto).RowHeight(0.8).AlignValue(common.TimelineValueAlignmentLeft).
		FillOpacity(80).LineWidth(0).Legend(legend().DisplayMode(common.LegendDisplayModeList))
	return newPanel(width, a, kind, queries, options)
}

// heat is a classic histogram over time.
func heat(width uint32, a about, q query, options ...option) panel {
	kind := heatmap.NewPanelBuilder().
		Calculate(false).CellGap(1).ShowValue(common.VisibilityModeNever).ShowLegend().
		YAxis(heatmap.NewYAxisConfigBuilder().Unit(a.unit).AxisPlacement(common.AxisPlacementLeft).Min(0)).
		RowsFrame(heatmap.NewRowsHeatmapOptionsBuilder().Layout(common.HeatmapCellLayoutAuto)).
		CellValues(heatmap.NewCellValuesBuilder().Unit("short").Decimals(0)).
		Color(heatmap.NewHeatmapColorOptionsBuilder().Mode(heatmap.HeatmapColorModeScheme).Scheme("Oranges").
			Fill("dark-orange").Scale(heatmap.HeatmapColorScaleExponential).Exponent(0.5).Steps(64).Reverse(false)).
		FilterValues(heatmap.NewFilterValueRangeBuilder().Le(1e-9)).
		Tooltip(heatmap.NewHeatmapTooltipBuilder().Mode(common.TooltipDisplayModeSingle).YHistogram(true).
			ShowColorScale(false))
	return newPanel(width, a, kind, []query{q}, options)
}

// A field is a column of a table: the label or the query it comes from, and how it looks.
type field struct {
	from  string // a label, or a query's legend
	title string
	look  []dashboard.DynamicConfigValue
}

// rows is a table, with a row for each set of the labels that the queries have in common. Columns without a field are
// hidden.
func rows(width uint32, a about, queries []query, fields []field, options ...option) panel {
	kind := table.NewPanelBuilder().ShowHeader(true).CellHeight(common.TableCellHeightSm).
		Footer(common.NewTableFooterOptionsBuilder().Show(false).Reducer([]string{"sum"}))
	p := newPanel(width, a, kind, queries, options)
	if p.err != nil {
		return p
	}
	var names []string
	order, titles := map[string]int{}, map[string]string{}
	for i, f := range fields {
		name := f.from
		for j, q := range queries {
			if q.legend == f.from {
				name = fmt.Sprintf("Value #%c", 'A'+j)
				if len(queries) == 1 {
					name = "Value"
				}
			}
		}
		names = append(names, name)
		order[name], titles[name] = i, f.title
		if len(f.look) > 0 {
			override(&p.Panel, "byName", f.title, f.look...)
		}
	}
	p.Transformations = append(
		p.Transformations,
		dashboard.DataTransformerConfig{Id: "merge", Options: map[string]any{}},
		dashboard.DataTransformerConfig{
			Id:      "filterFieldsByName",
			Options: map[string]any{"include": map[string]any{"names": names}},
		},
		dashboard.DataTransformerConfig{
			Id:      "organize",
			Options: map[string]any{"indexByName": order, "renameByName": titles, "excludeByName": map[string]bool{}},
		},
	)
	return p
}

// sortedBy sorts a table by a column, the largest first.
func sortedBy(column string) option {
	return func(p *dashboard.Panel) {
		p.Options.(*table.Options).SortBy = []common.TableSortByFieldState{{DisplayName: column, Desc: cog.ToPtr(true)}}
	}
}

func override(p *dashboard.Panel, matcher, what string, properties ...dashboard.DynamicConfigValue) {
	p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, dashboard.DashboardFieldConfigSourceOverrides{
		Matcher: dashboard.MatcherConfig{Id: matcher, Options: what}, Properties: properties,
	})
}
