// Cost: what the work would have cost on AWS, by day, flow and query.
import {axisStyle, Chart, tooltip, tooltipStyle} from "../chart.js";
import {byId, h, replace, table} from "../dom.js";
import {addDays, formatCount, formatDay, formatDayYear, formatMillis, formatShare} from "../format.js";
import {colour} from "../palette.js";
import {Panels} from "../panels.js";

const dollars = (x) => (x === null || x === undefined ? "–" : x > 0 && x < 0.0001 ? "< $0.0001" : `$${x >= 1 || x === 0 ? x.toFixed(2) : x.toFixed(4)}`);
const bytes = (x) => {
  for (const [size, unit] of [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]]) if (x >= size) return `${(x / size).toFixed(1)} ${unit}`;
  return `${formatCount(x)} B`;
};
const quantity = (line) => (line.unit === "bytes" ? bytes(line.quantity) : `${line.quantity < 100 ? Number(line.quantity.toPrecision(3)) : formatCount(line.quantity)} ${line.unit}`);
// Stages are few: each has a colour of the palette by its place among them, as long as these are the same.
const stagesOf = (data) => [...new Set(data.lines.map((l) => l.stage))].sort();
const slot = (stages, stage) => (stages.indexOf(stage) % 9) + 1;
const swatch = (stages, stage) => `swatch channel-${slot(stages, stage)}`;
const sum = (lines) => lines.reduce((total, line) => total + line.dollars, 0);
const chart = new Chart("tall");

function daysOf(data) {
  const days = [];
  for (let day = data.from; day <= data.to; day = addDays(day, 1)) days.push(day);
  return days;
}

function drawDays(data) {
  const days = daysOf(data);
  const stages = stagesOf(data);
  const of = (stage, day) => sum(data.lines.filter((l) => l.stage === stage && l.day === day));
  chart.draw(() => ({
    grid: {left: 8, right: 16, top: 16, bottom: 8, containLabel: true},
    xAxis: {type: "category", data: days, ...axisStyle(), splitLine: {show: false}, axisLabel: {...axisStyle().axisLabel, formatter: formatDay}},
    yAxis: {type: "value", min: 0, splitNumber: 4, ...axisStyle(), axisLine: {show: false}, axisLabel: {...axisStyle().axisLabel, formatter: (x) => `$${x}`}},
    tooltip: {trigger: "axis", ...tooltipStyle(), axisPointer: {type: "shadow"}, formatter: (points) => tooltip(formatDayYear(points[0].axisValue), [
      ...points.filter((p) => p.value > 0).map((p) => ({swatch: swatch(stages, p.seriesName), name: p.seriesName, value: dollars(p.value)})),
      {name: "Together", value: dollars(points.reduce((total, p) => total + p.value, 0))}])},
    series: stages.map((stage) => ({name: stage, type: "bar", stack: "all", barMaxWidth: 40, data: days.map((day) => of(stage, day)), itemStyle: {color: colour(`channel-${slot(stages, stage)}`)}, emphasis: {disabled: true}})),
  }), `Bar chart: cost a day by stage, ${dollars(data.total)} in all. The table below has every line.`);
}

const nothing = {text: "Nothing was used on these days.", command: "shoplake cost"};
const chosen = () => {
  const parameters = new URLSearchParams();
  const now = new URLSearchParams(location.search);
  for (const name of ["from", "to"]) if (/^\d{4}-\d{2}-\d{2}$/.test(now.get(name) ?? "")) parameters.set(name, now.get(name));
  return parameters;
};

const panels = new Panels({
  api: "cost",
  every: 60_000,
  parameters: chosen,
  light(data) {
    const today = sum(data.lines.filter((l) => l.day === data.to));
    if (data.daily_budget !== null && today > data.daily_budget) return {state: "bad", text: "Over the daily budget"};
    if (data.daily_budget === null && data.monthly_budget === null) return {state: "fresh", text: "No budget is set"};
    return {state: "fresh", text: "Within the budget"};
  },
  panels: {
    spent: {
      sub: (data) => `List prices of ${data.region} as of ${formatDayYear(data.prices_of)}; nothing is charged`,
      render(data, body) {
        const last = sum(data.lines.filter((l) => l.day === data.to));
        const month = sum(data.lines.filter((l) => l.day.slice(0, 7) === data.to.slice(0, 7)));
        const share = (amount, budget) => (budget === null ? "no budget" : `${formatShare(amount / budget)} of ${dollars(budget)}`);
        const facts = [
          ["All of these days", dollars(data.total), `${formatDayYear(data.from)} – ${formatDayYear(data.to)}`],
          ["The last of them", dollars(last), share(last, data.daily_budget)],
          ["Its month", dollars(month), share(month, data.monthly_budget)],
        ];
        replace(body, h("dl", {class: "facts"}, facts.map(([name, value, note]) =>
          h("div", {}, h("dt", {}, name), h("dd", {}, h("span", {class: "fact"}, value), h("span", {class: "sub"}, note))))));
        byId("from").value = data.from;
        byId("to").value = data.to;
      },
    },
    days: {
      isEmpty: (data) => data.lines.length === 0,
      empty: nothing,
      render(data, body) {
        const open = body.querySelector("details")?.open;
        const stages = stagesOf(data);
        replace(body,
          h("ul", {class: "legend"}, stages.map((stage) => h("li", {}, h("span", {class: swatch(stages, stage), "aria-hidden": "true"}), stage))),
          chart.element,
          h("details", {class: "data", open}, h("summary", {}, "Table"), table("Cost by day, stage and meter", [
            {title: "Day", header: true, value: (l) => formatDayYear(l.day)},
            {title: "Stage", value: (l) => l.stage},
            {title: "Meter", value: (l) => l.meter.replaceAll("_", " ")},
            {title: "Quantity", numeric: true, value: quantity},
            {title: "Cost", numeric: true, value: (l) => dollars(l.dollars)},
          ], data.lines)));
        drawDays(data);
      },
    },
    "cost-flows": {
      isEmpty: (data) => data.flows.length === 0,
      empty: {text: "No flow has run on these days."},
      sub: () => "Transitions, and what the tasks would take of Glue and Lambda by their times",
      render: (data, body) => replace(body, table("Cost by flow", [
        {title: "Flow", header: true, value: (f) => f.flow},
        {title: "Executions", numeric: true, value: (f) => formatCount(f.executions)},
        {title: "Transitions", numeric: true, value: (f) => formatCount(f.transitions)},
        {title: "Cost", numeric: true, value: (f) => dollars(f.dollars)},
      ], data.flows, {class: "grid"})),
    },
    "cost-queries": {
      isEmpty: (data) => data.queries.length === 0,
      empty: {text: "No query was asked on these days.", command: "shoplake query \"from marts.dim_user limit 10\""},
      sub: () => "By what they scanned, each at least 10 MiB, as Athena bills",
      render: (data, body) => replace(body, table("Cost by query", [
        {title: "Query", header: true, value: (q) => h("code", {class: "wide"}, q.query)},
        {title: "Times", numeric: true, value: (q) => formatCount(q.count)},
        {title: "Scanned", numeric: true, value: (q) => bytes(q.scanned_bytes)},
        {title: "Took", numeric: true, value: (q) => formatMillis(q.seconds * 1000)},
        {title: "Cost", numeric: true, value: (q) => dollars(q.dollars)},
      ], data.queries, {class: "grid"})),
    },
  },
});

function choose() {
  const from = byId("from").value, to = byId("to").value;
  if (!from || !to) return;  // half-typed
  history.pushState(null, "", `${location.pathname}?${new URLSearchParams(from <= to ? {from, to} : {from: to, to: from})}`);
  panels.load();
}
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("from").addEventListener("change", choose);
byId("to").addEventListener("change", choose);
addEventListener("popstate", () => panels.load());
panels.load();
