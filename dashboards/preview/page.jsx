// A dashboard as Grafana lays it out. Time series, stats, tables, panels' frames and legends are Grafana's own; the
// heatmap and the state timeline, which its library does not have, are drawn here in its colours.
import 'uplot/dist/uPlot.min.css';
import { createRoot } from 'react-dom/client';
import {
  applyFieldOverrides, cacheFieldDisplayNames, createTheme, dateTime, FieldType, getDisplayProcessor,
    getFieldDisplayName, getFieldDisplayValues,
  LoadingState, standardTransformers, standardTransformersRegistry, toDataFrame, transformDataFrame,
} from '@grafana/data';
import {
  BigValue, BigValueColorMode, BigValueGraphMode, BigValueJustifyMode, BigValueTextMode, GlobalStyles, PanelChrome,
    Table, ThemeContext, TimeSeries,
} from '@grafana/ui';
import { firstValueFrom } from 'rxjs';

const { dashboard, panels, range, version, rowHeight, width, chosen } = window.preview;
const theme = createTheme({ colors: { mode: 'dark' } });
window.grafanaBootData = { settings: {}, user: {} };
standardTransformersRegistry.setInit(() =>
  [standardTransformers.mergeTransformer, standardTransformers.filterFieldsByNameTransformer,
    standardTransformers.organizeFieldsTransformer]
    .map((t) => ({ id: t.id, name: t.name, transformation: t, editor: () => null })));

const timeRange = { from: dateTime(range.start * 1000), to: dateTime(range.end * 1000),
  raw: { from: `now-${(range.end - range.start) / 60}m`, to: 'now' } };
const noVariables = (text) => text;

// prepared gives a panel's frames with its transformations and field settings.
async function prepared({ panel, frames }) {
  let data = frames.map((f) => toDataFrame(f));
  if (panel.transformations?.length) {
    data = await firstValueFrom(transformDataFrame(panel.transformations.filter((t) => !t.disabled), data));
  }
  const shown = applyFieldOverrides({
    data, theme, timeZone: 'utc', replaceVariables: noVariables,
    fieldConfig: panel.fieldConfig ?? { defaults: {}, overrides: [] },
    fieldConfigRegistry: registry,
  });
  cacheFieldDisplayNames(shown); // colours by name come from it
  return shown;
}

// In Grafana the first step of thresholds has no value, which is below all.
const thresholds = (value) => value &&
  { ...value, steps: value.steps.map((s) => ({ ...s, value: s.value ?? -Infinity })) };

// The registry of settings: the standard ones, and every custom one that a dashboard uses, taken as they are.
const registry = (() => {
  const standard = ['displayName', 'unit', 'min', 'max', 'decimals', 'noValue', 'color', 'thresholds', 'mappings',
    'links'].map((path) => ({
    id: path, path, name: path, process: path === 'thresholds' ? thresholds : (value) => value, shouldApply: () => true,
      override: () => null, editor: () => null,
  }));
  const custom = new Set();
  for (const { panel } of panels) {
    Object.keys(panel.fieldConfig?.defaults?.custom ?? {}).forEach((k) => custom.add(k));
    (panel.fieldConfig?.overrides ?? []).forEach((o) => o.properties.forEach((p) => p.id.startsWith('custom.') &&
      custom.add(p.id.slice(7))));
  }
  const own = [...custom].map((path) => ({
    id: `custom.${path}`, path, name: path, isCustom: true, process: (value) => value, shouldApply: () => true,
      override: () => null, editor: () => null,
  }));
  const all = [...standard, ...own];
  return { getIfExists: (id) => all.find((i) => i.id === id), list: () => all,
    get: (id) => all.find((i) => i.id === id) };
})();

const isEmpty = (data) => data.every((f) => f.length === 0 || f.fields.every((field) => field.type === FieldType.time));

function Nothing({ panel, height }) {
  return <div style={{ height, display: 'flex', alignItems: 'center', justifyContent: 'center',
    color: theme.colors.text.secondary }}>
    {panel.fieldConfig?.defaults?.noValue ?? 'No data'}
  </div>;
}

function Series({ panel, data, width, height }) {
  const frames = data.map((f) => ({ ...f, fields: f.fields.map((field) => field.type === FieldType.number
    ? { ...field, config: { ...field.config, custom: { drawStyle: 'line', lineWidth: 1, showPoints: 'never',
      ...field.config.custom } } } : field) }));
  return <TimeSeries frames={frames} timeRange={timeRange} timeZone="utc" width={width} height={height} structureRev={1}
    legend={panel.options.legend} options={panel.options} tweakScale={undefined}>{() => null}</TimeSeries>;
}

function Stat({ panel, data, width, height }) {
  const values = getFieldDisplayValues({
    fieldConfig: panel.fieldConfig, reduceOptions: panel.options.reduceOptions, replaceVariables: noVariables, theme,
      data,
    sparkline: panel.options.graphMode !== 'none', timeZone: 'utc',
  });
  const each = Math.max(1, values.length);
  const across = panel.options.orientation === 'horizontal' || width < height ? 1 : each;
  const down = each / across;
  return <div style={{ display: 'flex', flexDirection: across === 1 ? 'column' : 'row', gap: 4, width, height }}>
    {values.map((v, i) => <BigValue key={i} theme={theme} value={v.display} sparkline={v.sparkline}
      width={Math.floor(width / across) - 4} height={Math.floor(height / down) - 4}
      colorMode={panel.options.colorMode ?? BigValueColorMode.Value}
        graphMode={panel.options.graphMode ?? BigValueGraphMode.None}
      justifyMode={panel.options.justifyMode ?? BigValueJustifyMode.Auto}
        textMode={panel.options.textMode ?? BigValueTextMode.Auto} count={values.length} />)}
  </div>;
}

function States({ data, width, height }) {
  const name = Math.min(300, width / 3);
  const series = data.flatMap((f) => f.fields.filter((field) => field.type === FieldType.number)
    .map((field) => ({ field, frame: f, times: f.fields[0].values })));
  const row = Math.min(28, (height - 24) / Math.max(1, series.length));
  return <div style={{ fontSize: 12, color: theme.colors.text.primary }}>
    {series.map(({ field, frame, times }, i) => {
      const display = field.display ?? getDisplayProcessor({ field, theme });
      return <div key={i} style={{ display: 'flex', height: row, alignItems: 'center' }}>
        <div style={{ width: name, overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap', paddingRight: 8,
          textAlign: 'right' }}>{getFieldDisplayName(field, frame, data)}</div>
        <div style={{ display: 'flex', flex: 1, height: row * 0.8 }}>
          {Array.from(times, (_, j) => <div key={j} style={{ flex: 1, background: field.values[j] === null
            ? 'transparent' : display(field.values[j]).color }} />)}
        </div>
      </div>;
    })}
    <Axis left={name} />
  </div>;
}

function Axis({ left }) {
  const at = (share) => new Date(1000 * (range.start + share * (range.end - range.start))).toISOString().slice(11, 16);
  return <div style={{ display: 'flex', justifyContent: 'space-between', paddingLeft: left,
    color: theme.colors.text.secondary, fontSize: 11 }}>
    {[0, 0.25, 0.5, 0.75, 1].map((s) => <span key={s}>{at(s)}</span>)}
  </div>;
}

// Heat draws buckets: the series are cumulated by le, so that each loses what the one below it has.
function Heat({ data, width, height }) {
  const rows = data.map((f) => ({ le: Number(f.fields[1].labels?.le?.replace('+Inf', 'Infinity')),
    values: Array.from(f.fields[1].values) })).sort((a, b) => a.le - b.le);
  const counts = rows.map((r, i) => r.values.map(
    (v, j) => Math.max(0, (v ?? 0) - (i > 0 ? rows[i - 1].values[j] ?? 0 : 0))));
  const used = counts.map((c) => c.some((v) => v > 0));
  const from = used.indexOf(true), to = used.lastIndexOf(true);
  if (from < 0) {
    return <Nothing panel={{ fieldConfig: { defaults: { noValue: 'no data' } } }} height={height} />;
  }
  const shown = counts.slice(from, to + 1), most = Math.max(...shown.flat());
  const tall = (height - 20) / shown.length;
  const label = (le) => (le === Infinity ? '+Inf' : le < 1 ? `${Math.round(le * 1000)} ms` : `${le} s`);
  return <div style={{ fontSize: 11, color: theme.colors.text.secondary }}>
    {shown.map((c, i) => ({ c, le: rows[from + i].le })).reverse().map(
      ({ c, le }) => <div key={le} style={{ display: 'flex', height: tall }}>
      <div style={{ width: 68, textAlign: 'right', paddingRight: 8, lineHeight: `${tall}px`,
        whiteSpace: 'nowrap' }}>≤ {label(le)}</div>
      {c.map((v, j) => <div key={j} style={{ flex: 1, background: v > 0
        ? `rgba(255, 152, 48, ${0.15 + 0.85 * Math.sqrt(v / most)})` : 'transparent' }} />)}
    </div>)}
    <Axis left={68} />
  </div>;
}

function Body(props) {
  const { panel, data, width, height } = props;
  if (isEmpty(data) && panel.type !== 'stat') {
    return <Nothing panel={panel} height={height} />;
  }
  switch (panel.type) {
    case 'timeseries': return <Series {...props} />;
    case 'stat': return <Stat {...props} />;
    case 'table': return <Table data={data[0]} width={width - 2} height={height - 2} columnMinWidth={60}
      enableSharedCrosshair={false} cellHeight={panel.options.cellHeight} />;
    case 'heatmap': return <Heat {...props} />;
    case 'state-timeline': return <States {...props} />;
    default: throw new Error(`no panel of the type ${panel.type} is drawn yet`);
  }
}

const column = (width - 32) / 24;

function Placed({ panel, data }) {
  const { x, y, w, h } = panel.gridPos;
  const box = { position: 'absolute', left: 16 + x * column, top: y * rowHeight, width: w * column - 8,
    height: h * rowHeight - 8 };
  if (panel.type === 'row') {
    return <div style={{ ...box, color: theme.colors.text.primary, fontSize: 16, fontWeight: 500,
      lineHeight: `${box.height}px` }}>{panel.collapsed ? '›' : '⌄'} {panel.title}</div>;
  }
  return <div style={box}>
    <PanelChrome title={panel.title} description={panel.description} width={box.width} height={box.height}
      loadingState={LoadingState.Done} padding={panel.type === 'table' ? 'none' : 'md'}>
      {(innerWidth, innerHeight) => <Body panel={panel} data={data} width={innerWidth} height={innerHeight} />}
    </PanelChrome>
  </div>;
}

async function everything() {
  return Promise.all(panels.map(async (p) => (
    { panel: p.panel, data: p.panel.type === 'row' ? [] : await prepared(p) })));
}

function Board({ drawn }) {
  const rows = Math.max(...panels.map((p) => p.panel.gridPos.y + p.panel.gridPos.h));
  return <ThemeContext.Provider value={theme}>
    <GlobalStyles />
    <div style={{ background: theme.colors.background.canvas, width, fontFamily: theme.typography.fontFamily }}>
      <div style={{ padding: '10px 16px', display: 'flex', justifyContent: 'space-between',
        color: theme.colors.text.primary }}>
        <span style={{ fontSize: 18 }}>{dashboard.title}</span>
        <span style={{ color: theme.colors.text.secondary }}>
          last {(range.end - range.start) / 60} minutes · all load balancers,{' '}
          {chosen.node ? `node ${chosen.node}` : 'all nodes'}</span>
      </div>
      <div style={{ position: 'relative', height: rows * rowHeight }}>
        {drawn.map((p, i) => <Placed key={p.panel.id ?? i} {...p} />)}
      </div>
      <div style={{ padding: '10px 16px', color: theme.colors.warning.text, fontSize: 13 }}>
        A preview, not Grafana itself: this repository’s JSON, drawn with Grafana’s UI library {version} in headless
        Chromium under the traffic of `make demo`;
        heatmaps and state timelines are approximate; annotations are left out.
      </div>
    </div>
  </ThemeContext.Provider>;
}

everything().then((drawn) => createRoot(document.getElementById('root')).render(<Board drawn={drawn} />));
