package dashboards

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestLint holds every dashboard to the rules of Grafana's dashboard-linter, and to some of our own.
func TestLint(t *testing.T) {
	uids := map[string]string{}
	for _, b := range shipped(t) {
		t.Run(b.file, func(t *testing.T) {
			if other := uids[b.UID]; other != "" {
				t.Errorf("uid %s is that of %s, too", b.UID, other)
			}
			lintBoard(t, b)
			lintVariables(t, b)
			lintLayout(t, b)
			for _, p := range b.drawn() {
				t.Run(fmt.Sprintf("%d %s", p.ID, p.Title), func(t *testing.T) { lintPanel(t, b, p) })
			}
			for _, a := range b.Annotations.List {
				lintExpr(t, a.Name, a.Expr)
				if !a.Enable || a.Datasource.UID != "${datasource}" || a.Target.Expr != a.Expr ||
					a.Target.Datasource.UID != "${datasource}" {
					t.Errorf("annotation %q: %+v", a.Name, a)
				}
			}
		})
		uids[b.UID] = b.file
	}
	want := map[string]string{
		"fremisn-fleet": "fleet.json", "fremisn-overview": "overview.json", "fremisn-node": "node.json",
		"fremisn-saturation": "saturation.json",
		"fremisn-exporter":   "exporter.json", "fremisn-licence": "licence-tls.json",
	}
	for uid, file := range want {
		if uids[uid] != file {
			t.Errorf("uid %s, which alerts link to, is that of %q, not of %s", uid, uids[uid], file)
		}
	}
}

func lintBoard(t *testing.T, b board) {
	if !strings.HasPrefix(b.Title, "Fremisn / ") || b.Description == "" || !slices.Contains(b.Tags, "fremisn") {
		t.Errorf("title %q, description %q, tags %q", b.Title, b.Description, b.Tags)
	}
	if b.Editable == nil || *b.Editable {
		t.Error("it can be edited; it is generated")
	}
	if b.GraphTooltip != 1 {
		t.Errorf("graphTooltip %d: no shared crosshair", b.GraphTooltip)
	}
	if b.SchemaVersion != 39 {
		t.Errorf("schemaVersion %d is not that of Grafana 10 and 11", b.SchemaVersion)
	}
	for _, no := range []string{`"__inputs"`, `"__requires"`, `"id": null`, `${DS_`} {
		if bytes.Contains(b.text, []byte(no)) {
			t.Errorf("%s: it could not be provisioned from the file that is imported by hand", no)
		}
	}
	if len(b.Links) != 1 || b.Links[0].Type != "dashboards" || !slices.Equal(b.Links[0].Tags, []string{"fremisn"}) ||
		!b.Links[0].IncludeVars ||
		!b.Links[0].KeepTime {
		t.Errorf("links to the others: %+v", b.Links)
	}
	var marks []string
	for _, a := range b.Annotations.List {
		marks = append(marks, a.Name)
	}
	if want := []string{"NGINX restarted", "Exporter restarted", "Alerts"}; !slices.Equal(marks, want) {
		t.Errorf("annotations %q, not %q", marks, want)
	}
}

func lintVariables(t *testing.T, b board) {
	var names []string
	for _, v := range b.Templating.List {
		names = append(names, v.Name)
		if v.Label == "" {
			t.Errorf("variable %s has no label", v.Name)
		}
		if v.Type == "datasource" {
			if v.Query != "prometheus" || v.Name != "datasource" {
				t.Errorf("data source variable %s: %v", v.Name, v.Query)
			}
			continue
		}
		one := b.UID == "fremisn-overview" && v.Name == "instance" // it shows one load balancer
		if v.Type != "query" || v.Datasource.UID != "${datasource}" || v.Multi == one || v.IncludeAll == one ||
			len(v.Options) > 0 {
			t.Errorf("variable %s: %+v", v.Name, v)
		}
		if v.Refresh != 2 {
			t.Errorf("variable %s is not refreshed on a change of the time range", v.Name)
		}
		// The linter wants .+ for job and instance; see .lint.
		want := ".*"
		if v.Name == "job" || v.Name == "instance" {
			want = ""
		}
		if v.AllValue != want {
			t.Errorf("variable %s: all is %q, not %q", v.Name, v.AllValue, want)
		}
		query, _ := v.Query.(map[string]any)
		if query["query"] != v.Definition || !strings.HasPrefix(v.Definition, "label_values(") {
			t.Errorf("variable %s: query %v, definition %q", v.Name, v.Query, v.Definition)
		}
	}
	if want := []string{"datasource", "cluster", "job", "instance", "upstream", "node"}; len(names) < len(want) ||
		!slices.Equal(names[:len(want)], want) {
		t.Errorf("variables %q, not %q", names, want)
	}
}

// lintLayout: unique ids, lines of panels as wide as the grid and of one height, nothing above another.
func lintLayout(t *testing.T, b board) {
	ids := map[int]string{}
	lines := map[int][]panel{}
	for _, p := range b.Panels {
		if p.ID <= 0 || ids[p.ID] != "" {
			t.Errorf("panel %q has the id %d, as %q", p.Title, p.ID, ids[p.ID])
		}
		ids[p.ID] = p.Title
		lines[p.GridPos.Y] = append(lines[p.GridPos.Y], p)
	}
	y := 0
	for len(lines) > 0 {
		line := lines[y]
		if len(line) == 0 {
			t.Fatalf("nothing at y=%d, and panels below", y)
		}
		delete(lines, y)
		x := 0
		for _, p := range line {
			if p.GridPos.X != x || p.GridPos.H != line[0].GridPos.H || p.GridPos.W < 4 {
				t.Errorf("panel %q: %+v, expected at x=%d with the height %d", p.Title, p.GridPos, x, line[0].GridPos.H)
			}
			x += p.GridPos.W
		}
		if x != 24 {
			t.Errorf("the panels at y=%d are %d wide", y, x)
		}
		y += line[0].GridPos.H
	}
	if b.Panels[0].Type != "row" {
		t.Error("it does not begin with a row that asks something")
	}
}

var (
	units = strings.Fields("none short percentunit s reqps cps bytes binBps")
	types = strings.Fields("stat timeseries table heatmap state-timeline")
)

func lintPanel(t *testing.T, b board, p panel) {
	if p.Title == "" || !slices.Contains(types, p.Type) || p.Datasource != (datasource{"prometheus", "${datasource}"}) {
		t.Errorf("title %q, type %q, data source %v", p.Title, p.Type, p.Datasource)
	}
	shows, rest, _ := strings.Cut(p.Description, "\n\n**Bad:** ")
	bad, do, _ := strings.Cut(rest, "\n\n**Do:** ")
	if len(shows) < 20 || len(bad) < 4 || len(do) < 10 {
		t.Errorf("the description does not say what it shows, what is bad and what to do: %q", p.Description)
	}
	if !slices.Contains(units, p.FieldConfig.Defaults.Unit) {
		t.Errorf("unit %q", p.FieldConfig.Defaults.Unit)
	}
	if p.FieldConfig.Defaults.NoValue == "" {
		t.Error("no text for no data")
	}
	if len(p.Targets) == 0 {
		t.Error("it asks nothing")
	}
	refs := map[string]bool{}
	for _, q := range p.Targets {
		if refs[q.RefID] || q.RefID == "" || q.LegendFormat == "" || q.Datasource != p.Datasource {
			t.Errorf("target %+v", q)
		}
		refs[q.RefID] = true
		if q.Instant == q.Range {
			t.Errorf("target %s is neither a range nor an instant, or both", q.RefID)
		}
		if want := map[string]string{"table": "table", "heatmap": "heatmap"}[p.Type]; want != "" && q.Format != want {
			t.Errorf("target %s has the format %q in a %s", q.RefID, q.Format, p.Type)
		}
		lintExpr(t, q.RefID, q.Expr)
		lintLegend(t, b, p, q)
	}
	for _, l := range p.FieldConfig.Defaults.Links {
		lintLink(t, l.URL)
	}
	for _, o := range p.FieldConfig.Overrides {
		if _, err := regexp.Compile(strings.Trim(o.Matcher.Options, "/")); o.Matcher.ID == "byRegexp" && err != nil {
			t.Errorf("override: %v", err)
		}
		for _, property := range o.Properties {
			for _, found := range regexp.MustCompile(`"url":\s*"([^"]*)"`).FindAllStringSubmatch(string(property.Value),
				-1) {
				lintLink(t, strings.ReplaceAll(found[1], `\u0026`, "&"))
			}
		}
	}
}

// lintLink: links go to another of the dashboards, with the time and the choice.
func lintLink(t *testing.T, url string) {
	if !regexp.MustCompile(`^/d/fremisn-(fleet|overview|node|saturation|exporter|licence)\?`).MatchString(url) {
		t.Errorf("link %s", url)
	}
	if !strings.Contains(url, "${__url_time_range}") ||
		!strings.Contains(url, "${__all_variables}") && !strings.Contains(url, "${datasource:queryparam}") {
		t.Errorf("link %s forgets the time or the choice", url)
	}
}

var (
	rangeInText  = regexp.MustCompile(`\[([^\]]*)\]`)
	offsetInText = regexp.MustCompile(`\boffset\s+(\S+)`)
	timesZero    = regexp.MustCompile(`sum by \([^)]*\) \([^()]*\) \* 0`)
	byInText     = regexp.MustCompile(`\bby \(([^)]*)\)`)
)

// lintExpr: every selector by job and instance, and no range that is not Grafana's.
func lintExpr(t *testing.T, where, expr string) {
	t.Helper()
	found := selectors(expr)
	if len(found) == 0 {
		t.Errorf("%s: no selector in %s", where, expr)
	}
	for _, s := range found {
		job, instance, cluster := `job=~"$job"`, `instance=~"$instance"`, `cluster=~"$cluster"`
		if s.metric == "ALERTS" {
			job, instance = `job=~"$job|"`, `instance=~"$instance|"`
		}
		if !strings.Contains(s.matchers, job) || !strings.Contains(s.matchers, instance) ||
			!strings.Contains(s.matchers, cluster) {
			t.Errorf("%s: %s{%s} is not by cluster, job and instance", where, s.metric, s.matchers)
		}
	}
	for _, r := range rangeInText.FindAllStringSubmatch(expr, -1) {
		// Rates have the window of the recorded ones, so that panels side by side agree. What is recorded once in 5
		// minutes is looked for in 10. Events and marks go by Grafana's steps.
		if !slices.Contains([]string{"5m", "10m", "$__rate_interval", "$__range:$__interval"}, r[1]) {
			t.Errorf("%s: the range [%s]", where, r[1])
		}
	}
	for _, o := range offsetInText.FindAllStringSubmatch(expr, -1) {
		if strings.TrimRight(o[1], "),") != "$__interval" {
			t.Errorf("%s: offset %s", where, o[1])
		}
	}
	for _, by := range byInText.FindAllStringSubmatch(expr, -1) {
		if by[1] != "le" && by[1] != "cluster" && !strings.HasPrefix(by[1], "cluster, job, instance") {
			t.Errorf("%s: by (%s) mixes load balancers", where, by[1])
		}
	}
	if strings.Contains(expr, "without (") || strings.Contains(expr, "irate(") {
		t.Errorf("%s: %s", where, expr)
	}
	// The linter wants rate or increase around every counter. Two more are right: a difference between two points in
	// time, which sees the birth of a counter; and times zero, which only asks whether there is one.
	changing := timesZero.ReplaceAllString(expr, "0")
	for _, s := range selectors(changing) {
		if strings.HasSuffix(s.metric, "_total") && !strings.Contains(changing, "rate(") &&
			!strings.Contains(changing, "increase(") &&
			!strings.Contains(changing, "offset $__interval") {
			t.Errorf("%s: the counter %s is shown as it is", where, s.metric)
		}
	}
}

var labelInLegend = regexp.MustCompile(`\{\{(\w+)\}\}`)

// lintLegend: a legend distinguishes load balancers, and names labels that the expression keeps.
func lintLegend(t *testing.T, b board, p panel, q target) {
	t.Helper()
	if p.Type == "table" {
		return
	}
	namesSite := strings.Contains(q.LegendFormat, "{{instance}}")
	switch {
	case q.LegendFormat == "{{le}}":
	case b.UID == "fremisn-overview" && p.Type != "stat":
		if namesSite {
			t.Errorf("legend %q of one load balancer names it", q.LegendFormat)
		}
	case b.UID == "fremisn-fleet" && p.Type == "stat": // a value for each site
		if q.LegendFormat != "{{cluster}}" {
			t.Errorf("legend %q does not name the site", q.LegendFormat)
		}
	case !namesSite:
		t.Errorf("legend %q does not name the load balancer", q.LegendFormat)
	}
	for _, label := range labelInLegend.FindAllStringSubmatch(q.LegendFormat, -1) {
		kept := false
		for _, by := range byInText.FindAllStringSubmatch(q.Expr, -1) {
			kept = kept || slices.Contains(strings.Split(by[1], ", "), label[1])
		}
		kept = kept || strings.Contains(q.Expr, `count_values by (cluster, job, instance) ("`+label[1]+`"`)
		if !kept {
			t.Errorf("legend %q: no %s is kept by %s", q.LegendFormat, label[1], q.Expr)
		}
	}
}
