// Data quality: the rules of every table, their last outcome and what they were before.
import {h, replace, table} from "../dom.js";
import {formatAge, formatCount, formatMoment} from "../format.js";
import {Panels, stateText} from "../panels.js";

const kinds = {pass: "good", fail: "bad", error: "bad", skipped: "none"};
const words = {pass: "Passes", fail: "Fails", error: "Error", skipped: "Skipped"};
const isBad = (rule) => kinds[rule.outcome] === "bad";
const number = (x) => (x === null ? "–" : Number.isInteger(x) ? formatCount(x) : String(Number(x.toPrecision(6))));

function counts(data) {
  const rules = data.tables.flatMap((t) => t.rules);
  return {rules: rules.length, bad: rules.filter(isBad).length, blocking: rules.filter((r) => isBad(r) && r.severity === "block").length,
    skipped: rules.filter((r) => r.outcome === "skipped").length, last: rules.map((r) => r.run_at).sort().at(-1) ?? null};
}

// Outcomes, the newest last, as small bars and as words.
function trail(history) {
  const runs = [...history].reverse();
  const text = `${runs.filter((r) => kinds[r.outcome] === "good").length} of ${runs.length} runs passed`;
  return h("span", {class: "trail", role: "img", "aria-label": text, title: text},
    runs.map((r) => h("span", {class: kinds[r.outcome], title: `${formatMoment(r.run_at)}: ${words[r.outcome]}${r.value === null ? "" : `, ${number(r.value)}`}`})));
}

const empty = {text: "No rule has been evaluated yet.", command: "shoplake quality run"};
const panels = new Panels({
  api: "quality",
  every: 30_000,
  light(data) {
    const found = counts(data);
    if (found.rules === 0) return {state: "stale", text: "Never evaluated"};
    if (found.blocking > 0) return {state: "bad", text: `${found.blocking} blocking ${found.blocking === 1 ? "rule fails" : "rules fail"}`};
    return found.bad > 0 ? {state: "stale", text: `${found.bad} ${found.bad === 1 ? "rule fails" : "rules fail"}`} : {state: "fresh", text: "All rules pass"};
  },
  panels: {
    rules: {
      isEmpty: (data) => data.tables.length === 0,
      empty,
      render(data, body) {
        const found = counts(data);
        const facts = [
          ["Rules", formatCount(found.rules), `of ${data.tables.length} ${data.tables.length === 1 ? "table" : "tables"}`],
          ["Fail", formatCount(found.bad), found.bad > 0 ? `${found.blocking} of them keep rows from being published` : "none"],
          ["Skipped", formatCount(found.skipped), "compare with runs that are not there yet"],
          ["Last run", formatAge(found.last), formatMoment(found.last)],
        ];
        replace(body, h("dl", {class: "facts"}, facts.map(([name, value, note]) =>
          h("div", {}, h("dt", {}, name), h("dd", {}, h("span", {class: "fact"}, value), h("span", {class: "sub"}, note))))));
      },
    },
    tables: {
      isEmpty: (data) => data.tables.length === 0,
      empty,
      render(data, body) {
        const worstFirst = [...data.tables].sort((a, b) => b.rules.filter(isBad).length - a.rules.filter(isBad).length || a.table.localeCompare(b.table, "en"));
        replace(body, worstFirst.map((one) => [h("h3", {}, one.table), table(`Rules of ${one.table}`, [
          {title: "Rule", header: true, value: (r) => h("span", {class: "wide"}, r.name)},
          {title: "Outcome", value: (r) => stateText(kinds[r.outcome], words[r.outcome])},
          {title: "If not", value: (r) => (r.severity === "block" ? "not published" : "reported")},
          {title: "Value", numeric: true, value: (r) => number(r.value)},
          {title: "Before", value: (r) => trail(r.history)},
          {title: "At", value: (r) => h("span", {class: "moment"}, formatMoment(r.run_at))},
          {title: "Why", value: (r) => h("span", {class: "wide"}, r.message ?? "")},
        ], [...one.rules].sort((a, b) => isBad(b) - isBad(a)), {class: "grid"})]));
      },
    },
  },
});
panels.load();
