// Renders every dashboard with Grafana's UI library in headless Chromium, against a Prometheus that scrapes the demo:
//   node preview.mjs MINUTES DEMO EXPORTER RULES   runs the demo for as long; `make dashboards-preview`
//   node preview.mjs MINUTES PROMETHEUS            takes one that runs
// Grafana itself is not involved: what it would lay out and fetch is done in queries.mjs and page.jsx.
import { build } from 'esbuild';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import UPNG from 'upng-js';
import { chosen, frames } from './queries.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const width = 1400;
const rowHeight = 38; // of Grafana's grid: 30 px and 8 px between

// bundle is the page's script, and what it imports of styles and fonts.
async function bundle() {
  const result = await build({
    entryPoints: [join(here, 'page.jsx')],
    bundle: true, write: false, outdir: '/', format: 'iife', platform: 'browser', minify: true, logLevel: 'error',
    jsx: 'automatic',
    loader: { '.svg': 'dataurl', '.png': 'dataurl', '.woff2': 'dataurl', '.ttf': 'dataurl' },
    define: { 'process.env.NODE_ENV': '"production"', global: 'window' },
    alias: { 'monaco-editor': join(here, 'nothing.mjs'), '@monaco-editor/react': join(here, 'nothing.mjs') },
  });
  const text = (suffix) => result.outputFiles.find((f) => f.path.endsWith(suffix)).text;
  return { script: text('.js'), style: text('.css') };
}

// panelsOf are the panels that are seen, with the data of each.
async function panelsOf(prometheus, dashboard, range) {
  return Promise.all(dashboard.panels.map(async (panel) => {
    const found = await Promise.all((panel.targets ?? []).map((t) => frames(prometheus, t, dashboard, range)));
    return { panel, frames: found.flat() };
  }));
}

function serve(pages) {
  const server = createServer((request, response) => {
    const page = pages.get(request.url);
    const icon = request.url.match(/^\/public\/img\/icons\/([\w/.-]+\.svg)$/);
    if (page) {
      response.setHeader('Content-Type', page.type);
      response.end(page.body);
    } else if (icon) {
      readFile(join(here, 'node_modules', '@grafana', 'ui', 'dist', 'public', 'img', 'icons', icon[1]))
        .then((svg) => { response.setHeader('Content-Type', 'image/svg+xml'); response.end(svg); })
        .catch(() => { response.statusCode = 404; response.end(); });
    } else {
      response.statusCode = 404;
      response.end();
    }
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

async function photograph(url, height, file) {
  const profile = await mkdtemp(join(tmpdir(), 'fremisn-preview-'));
  try {
    await promisify(execFile)('chromium', [
      '--headless=new', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--enable-logging=stderr',
        '--force-device-scale-factor=1', '--no-first-run',
      '--disable-background-networking', `--user-data-dir=${profile}`, `--window-size=${width},${height}`,
      '--virtual-time-budget=15000', `--screenshot=${file}`, url,
    ], { timeout: 120_000 }).then(({ stderr }) => stderr.split('\n').filter((line) => line.includes('CONSOLE'))
      .forEach((line) => console.error(line)));
    const picture = UPNG.decode(await readFile(file));
    await writeFile(file, Buffer.from(
      UPNG.encode(UPNG.toRGBA8(picture), picture.width, picture.height, 256))); // 256 colours are enough
  } finally {
    await rm(profile, { recursive: true, force: true });
  }
}

// startDemo runs the demo and gives it and the address of its Prometheus.
function startDemo(binary, exporter, rules, seconds) {
  const demo = spawn(binary, ['--exporter', exporter, '--rules', rules], {
    env: { ...process.env, DEMO_SECONDS: String(seconds) }, stdio: ['ignore', 'pipe', 'inherit'] });
  return new Promise((resolve, reject) => {
    let said = '';
    demo.stdout.on('data', (text) => {
      said += text;
      const prometheus = said.match(/(http:\/\/\S+) +Prometheus/);
      if (prometheus) {
        resolve({ demo, prometheus: prometheus[1] });
      }
    });
    demo.on('exit', (code) => reject(new Error(`the demo has ended with ${code}:\n${said}`)));
  });
}

async function render(prometheus, minutes) {
  const version = createRequire(import.meta.url)('@grafana/ui/package.json').version;
  const step = 5;
  const end = Math.floor(Date.now() / 1000 / step) * step;
  const range = { start: end - 60 * minutes, end, step };
  const { script, style } = await bundle();
  await mkdir(join(here, 'screenshots'), { recursive: true });
  const pages = new Map([
    ['/page.js', { type: 'text/javascript', body: script }], ['/page.css', { type: 'text/css', body: style }]]);
  const server = await serve(pages);
  try {
    for (const file of (await readdir(join(here, '..'))).filter((f) => f.endsWith('.json')).sort()) {
      const dashboard = JSON.parse(await readFile(join(here, '..', file)));
      const panels = await panelsOf(prometheus, dashboard, range);
      const rows = Math.max(...dashboard.panels.map((p) => p.gridPos.y + p.gridPos.h));
      const data = JSON.stringify({ dashboard, panels, range, version, rowHeight, width,
        chosen: chosen(dashboard) }).replace(/</g, '\\u003c');
      const name = file.replace('.json', '');
      pages.set(`/${name}`, {
        type: 'text/html; charset=utf-8',
        body: `<!doctype html><title>${name}</title><link rel="stylesheet" href="/page.css">
          <style>*, *::before, *::after { box-sizing: border-box } body { margin: 0 }</style><div id="root"></div>
          <script>window.preview=${data}</script><script src="/page.js"></script>`,
      });
      await photograph(`http://127.0.0.1:${server.address().port}/${name}`, rows * rowHeight + 110,
        join(here, 'screenshots', `${name}.png`));
      const empty = panels.filter((p) => p.panel.type !== 'row' &&
        p.frames.every((f) => f.fields[0].values.length === 0));
      const titles = empty.map((p) => p.panel.title).join(', ') || 'none';
      console.log(`${name}: ${panels.length} panels, without data: ${titles}`);
    }
  } finally {
    server.close();
  }
}

const [minutes, source, exporter, rules] = process.argv.slice(2);
if (exporter) {
  const spare = 5; // minutes that drawing may take
  const { demo, prometheus } = await startDemo(source, exporter, rules, 60 * (Number(minutes) + spare));
  const ended = new Promise((resolve) => demo.on('exit', resolve));
  try {
    console.log(`the demo runs for ${minutes} minutes, so that there is something to see`);
    await new Promise((resolve) => setTimeout(resolve, 60_000 * Number(minutes)));
    await render(prometheus, Number(minutes));
  } finally {
    demo.kill('SIGINT');
    await ended;
  }
} else {
  await render(source, Number(minutes));
}
