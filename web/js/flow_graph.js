// A state machine in Amazon States Language as a graph: states in rows by their distance from the start, edges to what
// follows, dashed ones for what is caught. Inner machines of Parallel and Map states are named, not drawn.

const svg = "http://www.w3.org/2000/svg";
const box = {width: 168, height: 44, gapX: 24, gapY: 36, margin: 8};

function element(tag, attributes, ...children) {
  const made = document.createElementNS(svg, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// [{from, to, isCatch}]
export function edgesOf(definition) {
  const edges = [];
  for (const [name, state] of Object.entries(definition.States ?? {})) {
    const add = (to, isCatch = false) => to && edges.push({from: name, to, isCatch});
    add(state.Next);
    for (const choice of state.Choices ?? []) add(choice.Next);
    add(state.Default);
    for (const caught of state.Catch ?? []) add(caught.Next, true);
  }
  return edges.filter((edge, i) => edges.findIndex((e) => e.from === edge.from && e.to === edge.to) === i);
}

// Rows of names: the longest way from the start, so that edges lead down (but for loops).
export function rowsOf(definition) {
  const edges = edgesOf(definition);
  const names = Object.keys(definition.States ?? {});
  const level = new Map([[definition.StartAt, 0]]);
  for (let round = 0; round < names.length; ++round) {
    let changed = false;
    for (const {from, to} of edges) {
      if (!level.has(from) || to === definition.StartAt || level.get(from) + 1 >= names.length) continue;
      if ((level.get(to) ?? -1) < level.get(from) + 1 && !leadsTo(edges, to, from)) {
        level.set(to, level.get(from) + 1);
        changed = true;
      }
    }
    if (!changed) break;
  }
  for (const name of names) if (!level.has(name)) level.set(name, Math.max(...level.values()) + 1);
  const rows = [];
  for (const name of names) (rows[level.get(name)] ??= []).push(name);
  return rows.filter(Boolean);
}

function leadsTo(edges, from, to, seen = new Set()) {
  if (from === to) return true;
  if (seen.has(from)) return false;
  seen.add(from);
  return edges.some((edge) => edge.from === from && leadsTo(edges, edge.to, to, seen));
}

const short = (text, length = 24) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

// kindOf(name) → "good", "warn", "bad" or "none".
export function flowGraph(flow, definition, kindOf) {
  const rows = rowsOf(definition);
  const columns = Math.max(...rows.map((row) => row.length));
  const width = columns * (box.width + box.gapX) - box.gapX + 2 * box.margin;
  const height = rows.length * (box.height + box.gapY) - box.gapY + 2 * box.margin;
  const place = new Map();
  rows.forEach((row, y) => {
    const left = (width - (row.length * (box.width + box.gapX) - box.gapX)) / 2;
    row.forEach((name, x) => place.set(name, {x: left + x * (box.width + box.gapX), y: box.margin + y * (box.height + box.gapY)}));
  });
  const id = `arrow-${flow}`;
  const graph = element("svg", {class: "flow-graph", width, height, viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `Graph of ${flow}: ${rows.flat().length} states; the table below has them in words`},
    element("defs", {}, element("marker", {id, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, orient: "auto"}, element("path", {d: "M0 0L8 4L0 8z"}))));
  for (const {from, to, isCatch} of edgesOf(definition)) {
    const a = place.get(from), b = place.get(to);
    if (!a || !b) continue;
    const x1 = a.x + box.width / 2, y1 = a.y + box.height, x2 = b.x + box.width / 2, y2 = b.y;
    const bend = y2 > y1 ? (y2 - y1) / 2 : 48;
    graph.append(element("path", {d: `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2 - 2}`, class: isCatch ? "catch" : "next", "marker-end": `url(#${id})`}));
  }
  for (const [name, {x, y}] of place) {
    const state = definition.States[name];
    const title = element("title", {});
    title.textContent = `${name}: ${state.Type}${state.Resource ? `, ${state.Resource}` : ""}`;
    const label = element("text", {x: x + box.width / 2, y: y + 19, "text-anchor": "middle"});
    label.textContent = short(name);
    const kind = element("text", {x: x + box.width / 2, y: y + 35, "text-anchor": "middle", class: "kind"});
    kind.textContent = short(state.Resource ? state.Resource.split(":").slice(-2).join(":") : state.Type, 28);
    graph.append(element("g", {class: kindOf(name)}, title, element("rect", {x, y, width: box.width, height: box.height, rx: 8}), label, kind));
  }
  return graph;
}
