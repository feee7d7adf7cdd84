package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// schemaVersion is that of Grafana 10 and 11: later versions migrate it, earlier ones do not.
const schemaVersion = 39

const gridWidth = 24

// A board is a dashboard under construction: rows of lines of panels, from the top down.
type board struct {
	uid, title, description string
	variables               []dashboard.VariableModel
	panels                  []dashboard.PanelOrRowPanel
	rows                    uint32
	y                       uint32
	errs                    []error
}

func newBoard(uid, title, description string, more ...dashboard.VariableModel) *board {
	return &board{uid: uid, title: title, description: description, variables: append(variables(), more...)}
}

// row begins a part of the dashboard, with a question as its title.
func (b *board) row(question string) {
	b.rows++
	b.panels = append(b.panels, dashboard.PanelOrRowPanel{RowPanel: &dashboard.RowPanel{
		Type: "row", Id: 1000 + b.rows, Title: cog.ToPtr(question), Panels: []dashboard.Panel{},
		GridPos: &dashboard.GridPos{W: gridWidth, H: 1, Y: b.y},
	}})
	b.y++
}

// line puts panels side by side; together they take the whole width.
func (b *board) line(height uint32, panels ...panel) {
	x := uint32(0)
	for _, p := range panels {
		if p.err != nil {
			b.errs = append(b.errs, p.err)
			continue
		}
		placed := p.Panel
		placed.GridPos = &dashboard.GridPos{X: x, Y: b.y, W: p.GridPos.W, H: height}
		x += p.GridPos.W
		b.panels = append(b.panels, dashboard.PanelOrRowPanel{Panel: &placed})
	}
	if x != gridWidth {
		b.errs = append(b.errs, fmt.Errorf("a line of panels at y=%d is %d wide, not %d", b.y, x, gridWidth))
	}
	b.y += height
}

func (b *board) build() (dashboard.Dashboard, error) {
	ids := map[uint32]bool{}
	for _, p := range b.panels {
		if p.Panel == nil {
			continue
		}
		if ids[*p.Panel.Id] {
			b.errs = append(b.errs, fmt.Errorf("two panels with the id %d", *p.Panel.Id))
		}
		ids[*p.Panel.Id] = true
	}
	if len(b.errs) > 0 {
		return dashboard.Dashboard{}, errors.Join(b.errs...)
	}
	builder := dashboard.NewDashboardBuilder(b.title).
		Uid(b.uid).Description(b.description).Tags([]string{"fremisn"}).Readonly().
		Tooltip(dashboard.DashboardCursorSyncCrosshair).Time("now-3h", "now").Refresh("30s").Timezone("browser").
		Link(dashboard.NewDashboardLinkBuilder("Fremisn").Type(dashboard.DashboardLinkTypeDashboards).
			Tags([]string{"fremisn"}).
			Icon("external link").Tooltip("The other dashboards, for the same time and choice").
			IncludeVars(true).KeepTime(true).AsDropdown(false).TargetBlank(false))
	for _, a := range annotations() {
		builder.Annotation(a)
	}
	built, err := builder.Build()
	if err != nil {
		return built, err
	}
	built.SchemaVersion = schemaVersion
	// Marks and links are always visible; the SDK would put them into a menu.
	for i := range built.Annotations.List {
		built.Annotations.List[i].Placement, built.Annotations.List[i].BuiltIn = nil, nil
	}
	for i := range built.Links {
		built.Links[i].Placement = nil
	}
	built.Templating.List = b.variables
	built.Panels = b.panels
	return built, nil
}

// variables returns those of every dashboard. All jobs and all instances are a list of those of this exporter: .+
// would include every other exporter of NGINX, blackbox_exporter and whatever else Prometheus scrapes. All upstreams
// and nodes are a regular expression, which also matches an empty name; so are all sites, since the label cluster may
// be absent.
func variables() []dashboard.VariableModel {
	return []dashboard.VariableModel{
		{
			Type: "datasource", Name: "datasource", Label: cog.ToPtr("Data source"),
			Hide:  cog.ToPtr(dashboard.VariableHideDontHide),
			Query: &dashboard.StringOrMap{String: cog.ToPtr("prometheus")}, Current: &dashboard.VariableOption{
				Text: dashboard.StringOrArrayOfString{
					String: cog.ToPtr("default"),
				}, Value: dashboard.StringOrArrayOfString{String: cog.ToPtr("default")},
			},
			Refresh: cog.ToPtr(
				dashboard.VariableRefreshOnDashboardLoad,
			), Options: []dashboard.VariableOption{}, Regex: cog.ToPtr(""),
			Multi: cog.ToPtr(false), IncludeAll: cog.ToPtr(false),
		},
		choice("cluster", "Site", `label_values(fremisn_exporter_build_info, cluster)`, ".*"),
		choice("job", "Job", `label_values(fremisn_exporter_build_info{cluster=~"$cluster"}, job)`, ""),
		choice(
			"instance",
			"Instance",
			`label_values(fremisn_exporter_build_info{cluster=~"$cluster",job=~"$job"}, instance)`,
			"",
		),
		choice("upstream", "Upstream", `label_values(nginx_upstream_server_info{`+balancer+`}, upstream)`, ".*"),
		choice(
			"node",
			"Node",
			`label_values({__name__=~"nginx_upstream_server_info|probe_success",`+group+`}, node)`,
			".*",
		),
	}
}

// ofOneBalancer makes a dashboard show one load balancer at a time: legends of graphs need not name it.
func (b *board) ofOneBalancer() {
	for i := range b.variables {
		if v := &b.variables[i]; v.Name == "instance" {
			v.Multi, v.IncludeAll, v.Current = cog.ToPtr(false), cog.ToPtr(false), nil
		}
	}
	for _, p := range b.panels {
		if p.Panel == nil || p.Panel.Type == "stat" || p.Panel.Type == "table" {
			continue
		}
		for i, target := range p.Panel.Targets {
			if q, is := target.(prometheus.Dataquery); is {
				q.LegendFormat = cog.ToPtr(strings.TrimSuffix(*q.LegendFormat, atBalancer))
				p.Panel.Targets[i] = q
			}
		}
	}
}

func choice(name, label, values, all string) dashboard.VariableModel {
	v := dashboard.VariableModel{
		Type: "query", Name: name, Label: cog.ToPtr(label), Hide: cog.ToPtr(dashboard.VariableHideDontHide),
		Datasource: theDatasource(),
		Definition: cog.ToPtr(
			values,
		), Query: &dashboard.StringOrMap{Map: map[string]any{"query": values,
			"refId": "PrometheusVariableQueryEditor-VariableQuery"}},
		Refresh: cog.ToPtr(
			dashboard.VariableRefreshOnTimeRangeChanged,
		), Sort: cog.ToPtr(dashboard.VariableSortNaturalAsc),
		Multi: cog.ToPtr(true), IncludeAll: cog.ToPtr(true), Regex: cog.ToPtr(""),
		Options: []dashboard.VariableOption{},
		Current: &dashboard.VariableOption{
			Selected: cog.ToPtr(true),
			Text:     dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}},
			Value:    dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}},
		},
	}
	if all != "" {
		v.AllValue = cog.ToPtr(all)
	}
	return v
}

// annotations mark events on every dashboard. An alert may lack the labels that select it.
func annotations() []cog.Builder[dashboard.AnnotationQuery] {
	return []cog.Builder[dashboard.AnnotationQuery]{
		annotation("NGINX restarted", poor, "NGINX restarted", "{{instance}}", "instance",
			`max by (`+byBalancer+`) (resets(nginx_connections_accepted{`+balancer+`}[$__rate_interval])) > 0`),
		annotation("Exporter restarted", idle, "Exporter restarted", "{{instance}}", "instance",
			`changes(process_start_time_seconds{`+balancer+`}[$__rate_interval]) > 0`),
		annotation("Alerts", bad, "{{alertname}}", "{{node}} {{upstream}} {{log}} {{instance}}", "severity,node",
			firingAlerts),
	}
}

// firingAlerts may lack an instance, for example of an absent exporter.
const (
	firing = `ALERTS{alertstate="firing",alertname=~"Fremisn.+",alertname!="FremisnWatchdog",` +
		`cluster=~"$cluster",job=~"$job|",instance=~"$instance|"`
	firingAlerts = firing + "}"
	firingPages  = firing + `,severity="critical"}` // those that page a person
)

func annotation(name, colour, title, text, tags, expr string) cog.Builder[dashboard.AnnotationQuery] {
	return dashboard.NewAnnotationQueryBuilder().
		Name(name).Datasource(*theDatasource()).Enable(true).Hide(false).IconColor(colour).
		Expr(expr).TitleFormat(title).TextFormat(text).TagKeys(tags).
		Target(prometheus.NewDataqueryBuilder().RefId("Anno").Datasource(*theDatasource()).Expr(expr).Range())
}

// URLs of other dashboards, for the same time and selection; a node is that of the clicked row or series.
const (
	sameTime   = "${__url_time_range}"
	sameChoice = "${__all_variables}"
	otherNode  = "/d/fremisn-node?${datasource:queryparam}&${cluster:queryparam}&var-job=${__field.labels.job}&" +
		"var-instance=${__field.labels.instance}&${upstream:queryparam}&var-node=${__field.labels.node}&" + sameTime
	nodeOfRow = "/d/fremisn-node?${datasource:queryparam}&${cluster:queryparam}&var-job=${__data.fields.job}&" +
		"var-instance=${__data.fields.instance}&${upstream:queryparam}&var-node=${__value.text}&" + sameTime
	serverOfRow = "/d/fremisn-node?${datasource:queryparam}&${cluster:queryparam}&var-job=${__data.fields.job}&" +
		"var-instance=${__data.fields.instance}&${upstream:queryparam}&var-server=${__value.text}&" + sameTime
	saturationURL = "/d/fremisn-saturation?" + sameChoice + "&" + sameTime
	overviewOfRow = "/d/fremisn-overview?${datasource:queryparam}&var-cluster=${__data.fields.choice}&" +
		"var-job=${__data.fields.job}&var-instance=${__value.text}&" + sameTime
	exporterURL = "/d/fremisn-exporter?" + sameChoice + "&" + sameTime
	licenceURL  = "/d/fremisn-licence?" + sameChoice + "&" + sameTime
)

// leadsTo makes every value of a panel a link.
func leadsTo(title, url string) option {
	return func(p *dashboard.Panel) {
		p.FieldConfig.Defaults.Links = append(p.FieldConfig.Defaults.Links, dashboard.DashboardLink{
			Title: title, Type: dashboard.DashboardLinkTypeLink, Url: cog.ToPtr(url), Tags: []string{},
		})
	}
}
