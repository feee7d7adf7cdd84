// What Grafana does between a panel and Prometheus: variables, steps, names of series, frames.

const minutes = (n) => `${n}m`;

// chosen are the values of variables. A person comes to a node's dashboard by a link that names one; all other lists
// are "All".
export const chosen = (dashboard) => (dashboard.uid === 'fremisn-node' ? { node: 'slave-2' } : {});

// resolve replaces variables with their values.
export function resolve(expr, dashboard, range) {
  const values = {
    __rate_interval: '1m',
    __interval: `${range.step}s`,
    __range: minutes(Math.round((range.end - range.start) / 60)),
    __range_s: String(range.end - range.start),
    __range_ms: String(1000 * (range.end - range.start)),
    ...chosen(dashboard),
  };
  for (const variable of dashboard.templating.list) {
    values[variable.name] ??= variable.allValue ?? '.*';
  }
  return expr.replace(/\$\{?(\w+)(?::\w+)?\}?/g, (whole, name) => values[name] ?? whole);
}

async function ask(prometheus, path, parameters) {
  const response = await fetch(`${prometheus}/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const answer = await response.json();
  if (answer.status !== 'success') {
    throw new Error(`${parameters.query}: ${answer.error}`);
  }
  return answer.data.result;
}

const legend = (format, labels) =>
  format && format !== '__auto'
    ? format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name) => labels[name] ?? '')
    : Object.entries(labels).map(([k, v]) => `${k}=${v}`).join(', ');

const number = (text) => (text === 'NaN' ? null : Number(text.replace('Inf', 'Infinity')));

// frames gives a target's answer as plain frames, which the page turns into Grafana's.
export async function frames(prometheus, target, dashboard, range) {
  const query = resolve(target.expr, dashboard, range);
  if (target.format === 'table') {
    return [table(target, await ask(prometheus, 'query', { query, time: range.end }))];
  }
  const series = target.instant
    ? (await ask(prometheus, 'query', { query, time: range.end })).map((s) => ({ ...s, values: [s.value] }))
    : await ask(prometheus, 'query_range', { query, start: range.start, end: range.end, step: range.step });
  return series.map((s) => {
    const points = target.instant ? s.values : onGrid(s.values, range);
    return {
      refId: target.refId,
      name: legend(target.legendFormat, s.metric),
      fields: [
        { name: 'Time', type: 'time', values: points.map(([at]) => at * 1000) },
        {
          name: 'Value', type: 'number', labels: s.metric,
          values: points.map(([, v]) => (v === null ? null : number(v))),
          config: { displayNameFromDS: legend(target.legendFormat, s.metric) },
        },
      ],
    };
  });
}

// onGrid puts nulls where a series has no sample, so that lines break where data does.
function onGrid(values, range) {
  const at = new Map(values.map(([t, v]) => [Math.round(t), v]));
  const points = [];
  for (let t = range.start; t <= range.end; t += range.step) {
    points.push([t, at.get(t) ?? null]);
  }
  return points;
}

function table(target, rows) {
  const labels = [...new Set(rows.flatMap((r) => Object.keys(r.metric)))].sort();
  return {
    refId: target.refId,
    fields: [
      { name: 'Time', type: 'time', values: rows.map((r) => r.value[0] * 1000) },
      ...labels.map((name) => ({ name, type: 'string', values: rows.map((r) => r.metric[name] ?? '') })),
      { name: `Value #${target.refId}`, type: 'number', values: rows.map((r) => number(r.value[1])) },
    ],
  };
}
