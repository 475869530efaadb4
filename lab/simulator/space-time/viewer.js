/**
 * The script of the page: draws a space-time diagram (Lamport 1978). Nodes are lines from top to bottom, messages are
 * arrows from where and when they left to where and when they arrived. Rows are events, not milliseconds: a millisecond
 * in which much happens gets the room that it needs. Only rows in sight are drawn, so ten thousand cost as much as fifty.
 * Plain JavaScript, as it goes into the page as it is.
 */

const rowHeight = 20;
const timeWidth = 76;
const laneWidthMin = 84;
const laneWidthMax = 170;
const labelRoom = 220;
/** Of a letter in the name of a lane. */
const nameWidth = 7.8;
const margin = 6;
/** An arrow longer than this many rows is looked at wherever one scrolls. */
const longArrow = 150;
/** A time in which nothing happens that is worth a line of its own. */
const gapMsMin = 1_000;

const element = (id) => document.getElementById(id);
const data = JSON.parse(element('data').textContent);
const scroll = element('scroll');
const svg = element('diagram');
const suspects = new Set(data.suspects);
const kindsShown = new Set(['message', 'lost', 'provider', 'fault', 'node', 'client', 'check']);
const lanesHidden = new Set();
let follow = new Set();
let words = '';
let rows = [];
let longRows = [];
let selected = -1;
let lanes = { shown: [], x: () => undefined, width: 0 };

// ── What is shown ────────────────────────────────────────────────────────────────────────────────────────────────────

/** Requests that only this order appears in: what concerns them concerns it. */
function idsOfOrder(id) {
  const ordersOf = new Map();
  for (const { about = [] } of data.events) {
    const orders = about.filter((each) => each.startsWith('ord_'));
    for (const each of about) {
      if (!each.startsWith('op-')) continue;
      if (!ordersOf.has(each)) ordersOf.set(each, new Set());
      for (const order of orders) ordersOf.get(each).add(order);
    }
  }
  const requests = [...ordersOf]
    .filter(([, orders]) => orders.size === 1 && orders.has(id))
    .map(([request]) => request);
  return new Set([id, ...requests]);
}

const isSuspect = ({ kind, about = [] }) => kind === 'check' || about.some((id) => suspects.has(id));

function isShown(event) {
  const { kind, lane, from, about = [], text, detail = '' } = event;
  if (!kindsShown.has(kind)) return false;
  if (lane >= 0 && lanesHidden.has(lane) && (from === undefined || lanesHidden.has(from))) return false;
  if (from !== undefined && lanesHidden.has(from) && lanesHidden.has(lane)) return false;
  const isForAll = kind === 'check' || lane < 0;
  const isCircumstance = kind === 'fault' || kind === 'node';
  if (follow.size > 0 && !isForAll && !isCircumstance && !about.some((id) => follow.has(id))) return false;
  if (words === '' || isForAll) return true;
  const names = `${data.lanes[lane] ?? ''} ${data.lanes[from] ?? ''}`;
  return `${kind} ${names} ${text} ${detail} ${about.join(' ')}`.toLowerCase().includes(words);
}

/** Rows of what is shown. Statements in a row of one process to one database share one; long silence has one. */
function makeRows() {
  rows = [];
  let lastMs = 0;
  for (const event of data.events) {
    if (!isShown(event)) continue;
    const last = rows.at(-1);
    const isSameLink = last?.event && last.event.from === event.from && last.event.lane === event.lane;
    if (event.kind === 'sql' && last?.event?.kind === 'sql' && isSameLink) {
      last.statements.push(event.detail ?? event.text);
      continue;
    }
    if (event.atMs - lastMs >= gapMsMin) rows.push({ atMs: event.atMs, gapMs: event.atMs - lastMs });
    rows.push({ atMs: event.atMs, event, statements: event.kind === 'sql' ? [event.detail ?? event.text] : [] });
    lastMs = event.atMs;
  }
  for (const [i, row] of rows.entries()) {
    const sentAtMs = row.event?.sentAtMs;
    row.sent = sentAtMs === undefined ? i : Math.min(rowAt(sentAtMs), i);
  }
  longRows = [...rows.keys()].filter((i) => i - rows[i].sent > longArrow);
}

/** The first row that is not before a moment. */
function rowAt(ms) {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle].atMs < ms) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Lanes on which something is shown: without SQL there is no need of databases. */
function placeLanes() {
  const used = new Set(rows.flatMap(({ event }) => [event?.lane, event?.from]));
  const shown = [...data.lanes.keys()].filter((lane) => used.has(lane) && !lanesHidden.has(lane));
  const least = shown.map((lane) => Math.max(laneWidthMin, data.lanes[lane].length * nameWidth + 14));
  const left = scroll.clientWidth - timeWidth - labelRoom - least.reduce((sum, width) => sum + width, 0);
  const more = Math.max(0, Math.min(laneWidthMax - laneWidthMin, left / Math.max(1, shown.length)));
  const at = new Map();
  let end = timeWidth;
  for (const [i, lane] of shown.entries()) {
    const width = least[i] + more;
    at.set(lane, Math.round(end + width / 2));
    end += width;
  }
  lanes = { shown, x: (lane) => at.get(lane), width: end + labelRoom };
}

// ── Drawing ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const entities = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escapeText = (text) => text.replaceAll(/[&<>"]/g, (character) => entities[character]);
const short = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
/** The end of an id is what tells it from others of the same second. */
const shortId = (id) => (id.length > 12 ? `…${id.slice(-7)}` : id);
const label = (x, y, text, most = 70) => `<text x="${x}" y="${y + 4}">${escapeText(short(text, most))}</text>`;

function secondsOf(ms) {
  return ms < 60_000
    ? `${(ms / 1000).toFixed(1)} s`
    : `${Math.floor(ms / 60_000)} min ${Math.round((ms / 1000) % 60)} s`;
}

function draw() {
  const height = scroll.clientHeight;
  const first = Math.max(0, Math.floor(scroll.scrollTop / rowHeight) - margin);
  const last = Math.min(rows.length, Math.ceil((scroll.scrollTop + height) / rowHeight) + margin);
  const y = (row) => (row - first) * rowHeight + rowHeight / 2;
  const parts = [];
  for (const lane of lanes.shown) parts.push(laneLine(lane, first, last, y));
  for (const event of data.events) {
    if (event.kind === 'fault' && event.untilMs !== undefined) parts.push(faultBand(event, first, last, y));
  }
  const arrows = new Set(longRows.filter((i) => i >= last && rows[i].sent < last));
  for (let i = first; i < Math.min(rows.length, last + longArrow); i++)
    if (i < last || rows[i].sent < last) arrows.add(i);
  // Arrows come from above: drawn from the bottom up, none crosses out the words of a row on its way.
  for (const i of [...arrows].sort((a, b) => b - a)) parts.push(drawRow(i, y));
  svg.setAttribute('width', lanes.width);
  svg.setAttribute('height', Math.max(1, last - first) * rowHeight);
  svg.style.top = `${first * rowHeight}px`;
  svg.innerHTML = markers + parts.join('');
  drawTimes(first, last);
  drawSight(height);
}

const markers = ['message', 'provider']
  .map(
    (kind) =>
      `<marker id="${kind}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto" class="tip ${kind}"><path d="M0 0.5 8 4 0 7.5z"/></marker>`,
  )
  .join('');

function laneLine(lane, first, last, y) {
  const x = lanes.x(lane);
  const lines = [];
  for (const life of data.lives) {
    if (life.lane !== lane) continue;
    const from = rowAt(life.fromMs);
    const to = life.toMs >= (rows.at(-1)?.atMs ?? 0) ? rows.length : rowAt(life.toMs);
    if (to < first || from > last || to <= from) continue;
    const [top, bottom] = [y(Math.max(from, first - 1)), y(Math.min(to, last + 1))];
    if (life.state !== 'up')
      lines.push(`<rect x="${x - 9}" y="${top}" width="18" height="${bottom - top}" rx="4" class="${life.state}"/>`);
    lines.push(`<line x1="${x}" x2="${x}" y1="${top}" y2="${bottom}" class="lane ${life.state}"/>`);
  }
  return lines.join('');
}

/** A fault that lasts, beside the lane of whom it hits. */
function faultBand(event, first, last, y) {
  const x = lanes.x(event.lane);
  const [from, to] = [rowAt(event.atMs), rowAt(event.untilMs)];
  if (x === undefined || to < first || from > last) return '';
  const [top, bottom] = [y(Math.max(from, first - 1)), y(Math.min(to, last + 1))];
  const kind = event.text.includes('slower') ? 'slow' : 'cut';
  const title = `<title>${escapeText(event.text)}</title>`;
  return `<rect x="${x - 16}" y="${top}" width="5" height="${Math.max(4, bottom - top)}" class="during ${kind}">${title}</rect>`;
}

function drawRow(i, y) {
  const { event, statements, gapMs, sent } = rows[i];
  const at = y(i);
  if (!event) return `<text class="gap" x="${timeWidth + 8}" y="${at + 4}">${secondsOf(gapMs)} later</text>`;
  const { kind } = event;
  const chosen =
    i === selected ? `<rect class="chosen" x="0" y="${at - rowHeight / 2}" width="100%" height="${rowHeight}"/>` : '';
  const hit = `<rect class="hit" x="0" y="${at - rowHeight / 2}" width="100%" height="${rowHeight}"/>`;
  const isRefusal = (kind === 'message' || kind === 'client') && /\b[45]\d\d\b/.test(event.text);
  return `${chosen}<g class="${kind}${isRefusal ? ' refusal' : ''}" data-row="${i}">${shapesOf(event, statements, at, y(sent))}${hit}</g>`;
}

function shapesOf(event, statements, at, sentY) {
  const { kind, lane, from, text } = event;
  if (lane < 0 || kind === 'check') {
    return `<line x1="0" x2="${lanes.width}" y1="${at}" y2="${at}" class="all"/>${label(timeWidth + 8, at, text, 160)}`;
  }
  const x = lanes.x(lane) ?? lanes.x(from);
  const x0 = lanes.x(from) ?? x;
  if (kind === 'sql') {
    const said = statements.length === 1 ? statements[0] : `${statements.length} statements: ${statements[0]}`;
    return `<line x1="${x0}" x2="${x}" y1="${at}" y2="${at}"/><circle cx="${x}" cy="${at}" r="2.5"/>${label(Math.max(x, x0) + 9, at, said, 48)}`;
  }
  if (from !== undefined && event.sentAtMs !== undefined) {
    if (kind === 'lost') return lost(x0, sentY, x, at, text);
    const line = `<line x1="${x0}" y1="${sentY}" x2="${x}" y2="${at}" marker-end="url(#${kind})"/>`;
    return line + label(Math.max(x, x0) + 9, at, text);
  }
  const mark =
    kind === 'fault'
      ? `<path d="M${x} ${at - 6}l6 6-6 6-6-6z"/>`
      : `<circle cx="${x}" cy="${at}" r="${kind === 'client' ? 4 : kind === 'log' ? 2 : 5}"/>`;
  return mark + label(x + 11, at, kind === 'log' ? `${text} ${event.detail ?? ''}` : text);
}

/** Nobody knows where it was lost; it is drawn to half of its way. */
function lost(x0, y0, x1, y1, text) {
  const x = (x0 + x1) / 2;
  const cross = `<path d="M${x - 4} ${y1 - 4}l8 8m0-8l-8 8"/>`;
  return `<line x1="${x0}" y1="${y0}" x2="${x}" y2="${y1}"/>${cross}${label(Math.max(x0, x1) + 9, y1, `${text} (lost)`)}`;
}

/** The time is written where it has moved by more than can be overlooked. It stays in sight when lanes are scrolled. */
function drawTimes(first, last) {
  const texts = [];
  let lastMs = Number.NEGATIVE_INFINITY;
  for (let i = first; i < last; i++) {
    const { atMs, event } = rows[i];
    const mark = event && suspects.size > 0 && isSuspect(event) ? ' class="suspect"' : '';
    const text = event && atMs - lastMs >= 0.5 ? (atMs / 1000).toFixed(4) : '';
    if (text) lastMs = atMs;
    if (text || mark) texts.push(`<span${mark} style="top:${i * rowHeight}px">${text}</span>`);
  }
  element('times').innerHTML = texts.join('');
}

/** The whole run at a glance: where faults, losses and violations are. */
function drawOverview() {
  const canvas = element('overview');
  const ratio = globalThis.devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = canvas.clientHeight * ratio;
  const pen = canvas.getContext('2d');
  const style = getComputedStyle(document.documentElement);
  const shades = { fault: '--fault', node: '--node', lost: '--lost', check: '--violated' };
  for (const [i, { event }] of rows.entries()) {
    if (!event) continue;
    const shade = suspects.size > 0 && isSuspect(event) ? '--violated' : shades[event.kind];
    if (!shade) continue;
    pen.fillStyle = style.getPropertyValue(shade);
    const isWide = shade === '--violated' || event.kind === 'fault';
    const height = event.kind === 'check' ? 3 * ratio : ratio;
    pen.fillRect(isWide ? 0 : canvas.width / 2, (i / rows.length) * canvas.height, canvas.width, height);
  }
}

/** What part of it is in sight. */
function drawSight(height) {
  const total = Math.max(1, rows.length * rowHeight);
  element('sight').style.top = `${(100 * scroll.scrollTop) / total}%`;
  element('sight').style.height = `${Math.min(100, Math.max(1, (100 * height) / total))}%`;
}

function drawNames() {
  element('names').innerHTML = data.lanes
    .map((name, lane) => {
      const x = lanes.x(lane);
      return x === undefined
        ? ''
        : `<button class="${classOf(name)}" data-lane="${lane}" style="left:${x}px" title="Hide ${escapeText(name)}">${escapeText(name)}</button>`;
    })
    .join('');
  element('hidden').innerHTML = [...lanesHidden]
    .map((lane) => `<button data-lane="${lane}" title="Show again">+ ${escapeText(data.lanes[lane])}</button>`)
    .join('');
}

const classOf = (name) => (name.startsWith('db-') ? 'database' : name === 'shoppers' ? 'client' : '');

// ── What people do ───────────────────────────────────────────────────────────────────────────────────────────────────

/** After another choice: the row that was looked at stays where it was, as far as it is still there. */
function update() {
  const at = rows[selected]?.event;
  const ms = at?.atMs ?? rows[Math.floor(scroll.scrollTop / rowHeight)]?.atMs ?? 0;
  makeRows();
  placeLanes();
  element('canvas').style.height = `${rows.length * rowHeight + 40}px`;
  element('canvas').style.width = `${lanes.width}px`;
  element('names').style.width = `${lanes.width}px`;
  drawNames();
  const count = rows.reduce((sum, { event, statements }) => sum + (event ? Math.max(1, statements.length) : 0), 0);
  element('count').textContent = `${count.toLocaleString('en')} of ${data.events.length.toLocaleString('en')} events`;
  selected = at ? rows.findIndex(({ event }) => event === at) : -1;
  scroll.scrollTop = Math.max(
    0,
    (selected >= 0 ? selected : rowAt(ms)) * rowHeight - (at ? scroll.clientHeight / 3 : 0),
  );
  tell();
  drawOverview();
  draw();
}

function choose(row) {
  if (row < 0 || row >= rows.length) return;
  selected = row;
  const top = row * rowHeight;
  const room = scroll.clientHeight - 4 * rowHeight;
  if (top < scroll.scrollTop || top > scroll.scrollTop + room) scroll.scrollTop = top - scroll.clientHeight / 3;
  tell();
  draw();
}

/** The next row, in one direction, that is of some sort. */
function chooseNext(step, isWanted) {
  for (let row = selected + step; row >= 0 && row < rows.length; row += step) {
    if (rows[row].event && isWanted(rows[row].event)) return choose(row);
  }
}

/** All there is to say about the chosen row. */
function tell() {
  const panel = element('told');
  const row = rows[selected];
  panel.hidden = !row?.event;
  if (!row?.event) return;
  const { kind, atMs, sentAtMs, lane, from, text, detail, about = [] } = row.event;
  const where = [data.lanes[from], data.lanes[lane]].filter(Boolean).join(' → ');
  const took = sentAtMs === undefined ? '' : `, ${(atMs - sentAtMs).toFixed(2)} ms under way`;
  const said = row.statements.length > 0 ? row.statements : [text, ...(detail ? [detail] : [])];
  const links = about
    .map((id) => `<button data-follow="${id}" title="${id}">follow ${escapeText(shortId(id))}</button>`)
    .join(' ');
  panel.innerHTML =
    `<p><b class="${kind}">${kind}</b> ${escapeText(where)} <span>at ${atMs.toFixed(3)} ms${took}</span></p>` +
    `<pre>${said.map(escapeText).join('\n')}</pre>${links}`;
}

function followOnly(id) {
  element('order').value = data.orders.some((order) => order.id === id) ? id : '';
  follow = id === '' ? new Set() : id.startsWith('ord_') ? idsOfOrder(id) : new Set([id]);
  element('following').textContent = id === '' ? '' : `following ${shortId(id)} ✕`;
  element('following').hidden = id === '';
  update();
}

const isFault = ({ kind, atMs }) => kind === 'fault' || kind === 'lost' || (kind === 'node' && atMs > 0);
const keys = {
  ArrowDown: () => chooseNext(1, () => true),
  j: () => chooseNext(1, () => true),
  ArrowUp: () => chooseNext(-1, () => true),
  k: () => chooseNext(-1, () => true),
  f: () => chooseNext(1, isFault),
  F: () => chooseNext(-1, isFault),
  v: () => chooseNext(1, isSuspect),
  V: () => chooseNext(-1, isSuspect),
  s: () => element('kind-sql').click(),
  '/': () => element('words').focus(),
  t: () => element('theme').click(),
  Escape() {
    selected = -1;
    words = '';
    element('words').value = '';
    followOnly('');
  },
};

document.addEventListener('keydown', (event) => {
  const isTyping = event.target.matches('input[type=search], select');
  if (event.ctrlKey || event.metaKey || event.altKey || (isTyping && event.key !== 'Escape')) return;
  const act = keys[event.key];
  if (!act) return;
  event.preventDefault();
  if (isTyping) event.target.blur();
  act();
});

for (const box of document.querySelectorAll('input[data-kind]')) {
  box.checked = kindsShown.has(box.dataset.kind);
  box.addEventListener('change', () => {
    for (const kind of box.dataset.kind.split(' ')) kindsShown[box.checked ? 'add' : 'delete'](kind);
    update();
  });
}
element('order').insertAdjacentHTML(
  'beforeend',
  data.orders.map(({ id, name }) => `<option value="${id}">${escapeText(name)}</option>`).join(''),
);
element('order').addEventListener('change', ({ target }) => followOnly(target.value));
element('words').addEventListener('input', ({ target }) => {
  words = target.value.trim().toLowerCase();
  update();
});
const root = document.documentElement;
root.dataset.theme = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
element('theme').addEventListener('click', () => {
  root.dataset.theme = root.dataset.theme === 'dark' ? 'light' : 'dark';
  drawOverview();
});
document.addEventListener('click', ({ target }) => {
  const { lane, follow: id } = target.closest('[data-lane], [data-follow]')?.dataset ?? {};
  if (lane !== undefined) {
    if (!lanesHidden.delete(Number(lane))) lanesHidden.add(Number(lane));
    update();
  } else if (id !== undefined) followOnly(id);
  const row = target.closest('[data-row]')?.dataset.row;
  if (row !== undefined) choose(Number(row));
});
element('overview').addEventListener('click', ({ offsetY, target }) => {
  scroll.scrollTop = (offsetY / target.clientHeight) * rows.length * rowHeight - scroll.clientHeight / 2;
});
let isDrawing = false;
scroll.addEventListener('scroll', () => {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    draw();
  });
});
addEventListener('resize', update);
update();
