// What the collector takes in right now, pushed by the server (server-sent events). Where no collector runs the block goes.
// EventSource reconnects by itself.
import {byId, h, replace, table} from "../dom.js";
import {formatCount, formatMillis, formatMoney, formatName, formatTime} from "../format.js";

const words = {
  live: "Live",
  waiting: "Waiting for events",
  paused: "Paused while a build runs",
  behind: "Catching up",
  stale: "Behind: the figures wait for the next build",
};

// onFigures() is called when the marts have changed, at most every `every` milliseconds.
export function liveBlock(onFigures, every = 5000) {
  const section = byId("live");
  const body = section.querySelector(".body");
  let version = null;
  let pending = null;
  let last = 0;

  function figuresChanged() {
    if (pending !== null || document.visibilityState !== "visible") return;
    pending = setTimeout(() => {
      pending = null;
      last = Date.now();
      onFigures();
    }, Math.max(0, last + every - Date.now()));
  }

  function show(data) {
    section.hidden = data.state === "off";
    if (section.hidden) return;
    const sub = section.querySelector("[data-sub]");
    const text = data.message ? `${words[data.state]} · ${data.message}` : words[data.state];
    if (sub.textContent !== text) sub.textContent = text;
    section.dataset.state = data.state;
    const facts = [
      ["rate", "Events per second", formatCount(data.events_per_second), "over the last ten seconds"],
      ["latency", "Receipt to mart", data.latency_ms ? formatMillis(data.latency_ms.p50) : "–", data.latency_ms ? `p99 ${formatMillis(data.latency_ms.p99)}` : "no event yet"],
      ["acknowledged", "Acknowledged", formatCount(data.acknowledged), data.waiting_records > 0 ? `${formatCount(data.waiting_records)} on their way` : "all counted"],
      ["dead", "Dead letters", formatCount(data.dead_letters), data.dead_letters > 0 ? "shoplake quarantine ls" : "none"],
    ];
    replace(body,
      h("dl", {class: "facts"}, facts.map(([key, name, value, note]) =>
        h("div", {}, h("dt", {}, name), h("dd", {}, h("span", {class: "fact", "data-live": key}, value), h("span", {class: "sub"}, note))))),
      data.events.length > 0 && h("div", {class: "feed"}, table("The last events", [
        {title: "Time (UTC)", value: (e) => formatTime(e.at), header: true},
        {title: "Event", value: (e) => formatName(e.name)},
        {title: "Page", value: (e) => h("span", {class: "name", title: e.page}, e.page || "–")},
        {title: "Source", value: (e) => e.source || "–"},
        {title: "Visitor", value: (e) => e.user || "–"},
        {title: "Value", numeric: true, value: (e) => (e.value === null ? "" : formatMoney(e.value))},
      ], data.events)));
    body.setAttribute("aria-busy", "false");
    if (version !== null && version !== data.version) figuresChanged();
    version = data.version;
  }

  const source = new EventSource("/api/live/events");
  source.addEventListener("live", (message) => show(JSON.parse(message.data)));
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && version !== null) figuresChanged();
  });
}
