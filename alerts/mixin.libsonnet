// The rules and dashboards for those who render them from jsonnet: the usual prometheusAlerts, prometheusRules and
// grafanaDashboards. The files beside this one are the source; without changes this gives exactly them. What may differ
// from site to site is in _config:
//
//   (import 'fremisn-exporter/alerts/mixin.libsonnet') + {
//     _config+:: { selector: 'job=~"lb-.+"', alertLabels: { team: 'faces' } },
//   }
{
  _config+:: {
    // Matchers of the exporters that the rules are for, '' for all. Every rule selects by fremisn_exporter_build_info.
    selector: '',
    // The job that is missed where no exporter is scraped at all.
    job: 'fremisn-exporter',
    // The label that tells sites apart.
    clusterLabel: 'cluster',
    // The objectives of exporters that export none: shares, and seconds.
    objectives: { availability: 0.99, latency: { within: 2.5, ratio: 0.95 } },
    // Labels added to every alert, and to every recorded series.
    alertLabels: {},
    recordLabels: {},
    // Severities by alert name, where the shipped ones do not fit: { FremisnExporterDown: 'critical' }.
    severities: {},
    // Where runbooks and dashboards are.
    runbookBase: 'https://github.com/fremisn/fremisn-exporter/blob/main/alerts/runbooks/',
    dashboardBase: '',
  },

  local root = self,
  local config = self._config,

  // The objectives in the shipped rules; each number occurs once.
  local shipped = { availability: '* 0 + 0.99\n', within: '* 0 + 2.5\n', ratio: '* 0 + 0.95\n' },

  // Expressions and templates name the site's label in groupings, in matchers and as a label.
  local sites(text) =
    if config.clusterLabel == 'cluster' then text
    else std.foldl(
      function(t, pair) std.strReplace(t, pair[0], pair[1]),
      [
        ['(cluster,', '(' + config.clusterLabel + ','],
        ['{cluster="', '{' + config.clusterLabel + '="'],
        ['$labels.cluster', '$labels.' + config.clusterLabel],
      ],
      text
    ),

  local expression(text) =
    local objectives = std.foldl(
      function(t, pair) std.strReplace(t, pair[0], '* 0 + %g\n' % pair[1]),
      [
        [shipped.availability, config.objectives.availability],
        [shipped.within, config.objectives.latency.within],
        [shipped.ratio, config.objectives.latency.ratio],
      ],
      text
    );
    local info = 'fremisn_exporter_build_info';
    local ours = if config.selector == '' then objectives
    else std.strReplace(objectives, info, info + '{' + config.selector + '}');
    std.strReplace(sites(ours), 'up{job="fremisn-exporter"}', 'up{job="' + config.job + '"}'),

  local runbooks = 'https://github.com/fremisn/fremisn-exporter/blob/main/alerts/runbooks/',
  local annotation(name, text) =
    if name == 'runbook_url' then std.strReplace(text, runbooks, config.runbookBase)
    else if name == 'dashboard_url' then config.dashboardBase + sites(text)
    else sites(text),

  local rule(r) =
    local labels = (if std.objectHas(r, 'labels') then r.labels else {})
                   + (if std.objectHas(r, 'alert') then config.alertLabels else config.recordLabels)
                   + (if std.objectHas(r, 'alert') && std.objectHas(config.severities, r.alert)
                      then { severity: config.severities[r.alert] } else {});
    r + { expr: expression(r.expr) }
    + (if labels == {} then {} else { labels: labels })
    + (if std.objectHas(r, 'annotations') then { annotations: std.mapWithKey(annotation, r.annotations) } else {}),

  local render(text) = [g + { rules: std.map(rule, g.rules) } for g in std.parseYaml(text).groups],

  // The files one by one, by their names.
  ruleFiles:: {
    'recording.rules.yml': { groups: render(importstr 'recording.rules.yml') },
    'days.rules.yml': { groups: render(importstr 'days.rules.yml') },
    'balancer.rules.yml': { groups: render(importstr 'balancer.rules.yml') },
    'nodes.rules.yml': { groups: render(importstr 'nodes.rules.yml') },
    'traffic.rules.yml': { groups: render(importstr 'traffic.rules.yml') },
    'exporter.rules.yml': { groups: render(importstr 'exporter.rules.yml') },
  },

  // What looks back over days holds two alerts, too: they belong to the evaluation that records what they read.
  prometheusRules+:: {
    groups+: root.ruleFiles['recording.rules.yml'].groups + root.ruleFiles['days.rules.yml'].groups,
  },
  prometheusAlerts+:: {
    groups+: std.flattenArrays([
      root.ruleFiles[file + '.rules.yml'].groups
      for file in ['balancer', 'nodes', 'traffic', 'exporter']
    ]),
  },
  grafanaDashboards+:: {
    'fremisn-fleet.json': import '../dashboards/fleet.json',
    'fremisn-overview.json': import '../dashboards/overview.json',
    'fremisn-node.json': import '../dashboards/node.json',
    'fremisn-saturation.json': import '../dashboards/saturation.json',
    'fremisn-exporter.json': import '../dashboards/exporter.json',
    'fremisn-licence-tls.json': import '../dashboards/licence-tls.json',
  },
}
