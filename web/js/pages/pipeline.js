// Pipeline health: the stages as they are now, and the flows with the states of their last execution.
import {h, replace, table} from "../dom.js";
import {flowGraph, rowsOf} from "../flow_graph.js";
import {formatAge, formatCount, formatMillis, formatMoment} from "../format.js";
import {Panels, stateText} from "../panels.js";

const kinds = {SUCCEEDED: "good", RUNNING: "warn", FAILED: "bad", TIMED_OUT: "bad", ABORTED: "bad"};
const words = {SUCCEEDED: "Succeeded", RUNNING: "Running", FAILED: "Failed", TIMED_OUT: "Timed out", ABORTED: "Stopped"};
const status = (text) => stateText(kinds[text] ?? "none", words[text] ?? "Not reached");
const isDown = (stage) => stage.up === 0;
const took = (from, to) => (from && to ? Date.parse(to) - Date.parse(from) : null);
const seconds = (x) => (x === null ? "–" : x === 0 ? "nothing waits" : formatMillis(x * 1000));

function executions(flow) {
  const longest = Math.max(1, ...flow.executions.map((e) => took(e.started_at, e.ended_at) ?? 0));
  return table(`Executions of ${flow.flow}`, [
    {title: "Execution", header: true, value: (e) => e.name},
    {title: "Status", value: (e) => [status(e.status), e.error && h("span", {class: "note"}, `${e.error}${e.cause ? `: ${e.cause.slice(0, 120)}` : ""}`)]},
    {title: "Started", value: (e) => h("span", {class: "moment"}, formatMoment(e.started_at))},
    {title: "By", value: (e) => e.started_by},
    {title: "Took", numeric: true, value: (e) => formatMillis(took(e.started_at, e.ended_at))},
    {title: "", value: (e) => h("span", {class: `bar ${kinds[e.status] === "bad" ? "bad" : ""}`, "aria-hidden": "true"},
      h("span", {style: {width: `${(100 * (took(e.started_at, e.ended_at) ?? 0)) / longest}%`}}))},
  ], flow.executions, {class: "grid"});
}

function states(flow) {
  const names = rowsOf(flow.definition).flat();
  return h("details", {class: "data"}, h("summary", {}, "States of the last execution"), table(`States of ${flow.flow}`, [
    {title: "State", header: true, value: (name) => name},
    {title: "Type", value: (name) => flow.definition.States[name].Type},
    {title: "Status", value: (name) => status(flow.states[name]?.status)},
    {title: "Entered", value: (name) => (flow.states[name] ? formatMoment(flow.states[name].entered_at) : "–")},
    {title: "Took", numeric: true, value: (name) => formatMillis(took(flow.states[name]?.entered_at, flow.states[name]?.exited_at))},
  ], names));
}

const panels = new Panels({
  api: "pipeline",
  every: 5000,
  light(data) {
    const down = data.stages.filter(isDown).map((s) => s.stage);
    const failed = data.flows.filter((f) => kinds[f.executions[0]?.status] === "bad").map((f) => f.flow);
    if (down.length > 0) return {state: "bad", text: `Down: ${down.join(", ")}`};
    if (failed.length > 0) return {state: "stale", text: `Failed last: ${failed.join(", ")}`};
    return {state: "fresh", text: "All stages work"};
  },
  panels: {
    stages: {
      sub: (data) => `As of ${formatMoment(data.at)}; counts since the server started`,
      render: (data, body) => replace(body, table("Stages", [
        {title: "Stage", header: true, value: (s) => s.stage},
        {title: "State", value: (s) => (s.up === null ? stateText("none", "no state of its own") : isDown(s) ? stateText("bad", "Down") : stateText("good", "Up"))},
        {title: "Handled", numeric: true, value: (s) => formatCount(s.count)},
        {title: "Errors", numeric: true, value: (s) => (s.errors > 0 ? h("span", {class: "state bad"}, formatCount(s.errors)) : formatCount(s.errors))},
        {title: "Waiting", numeric: true, value: (s) => formatCount(s.waiting)},
        {title: "Oldest that waits", numeric: true, value: (s) => seconds(s.freshness_seconds)},
      ], data.stages, {class: "grid"})),
    },
    flows: {
      isEmpty: (data) => data.flows.length === 0,
      empty: {text: "No flow has run yet.", command: "shoplake flow start NAME"},
      sub: (data) => (data.flows.length === 0 ? "" : `${data.flows.length} ${data.flows.length === 1 ? "flow" : "flows"}; a frame is the state of the last execution`),
      render(data, body) {
        const open = new Set([...body.querySelectorAll(".flow")].filter((f) => f.querySelector("details")?.open).map((f) => f.dataset.flow));
        replace(body, data.flows.map((flow) => {
          const last = flow.executions[0];
          const part = h("div", {class: "flow", "data-flow": flow.flow},
            h("h3", {}, flow.flow),
            h("p", {class: "sub"}, status(last.status), ` · started ${formatAge(last.started_at)} by ${last.started_by}`),
            flow.definition && h("div", {class: "scroll", tabindex: 0, role: "region", "aria-label": `Graph of ${flow.flow}`},
              flowGraph(flow.flow, flow.definition, (name) => kinds[flow.states[name]?.status] ?? "none")),
            executions(flow),
            flow.definition && states(flow));
          if (open.has(flow.flow)) part.querySelector("details").open = true;
          return part;
        }));
      },
    },
  },
});
panels.load();
