import {Block} from "../block.js";
import {byId, h, replace} from "../dom.js";
import {formatAge, formatCount, formatDayYear, formatMoment, formatShare} from "../format.js";

const words = {fresh: "Fresh", stale: "Stale", empty: "No data yet"};

export function freshnessBlock(onChange) {
  let version = null;
  const block = new Block({
    name: "freshness",
    usesFilters: false,
    render(data, body) {
      const total = data.events + data.rejected;
      const facts = [
        ["Last event", data.last_event_at ? formatAge(data.last_event_at) : "–", data.last_event_at && formatMoment(data.last_event_at)],
        ["Events", formatCount(data.events), data.first_date && `${formatDayYear(data.first_date)} – ${formatDayYear(data.last_date)}`],
        ["Rejected", formatCount(data.rejected), total > 0 ? `${formatShare(data.rejected / total)} of all records` : "no records yet"],
        ["Last load", data.last_load_at ? formatAge(data.last_load_at) : "–", data.last_load_at && formatMoment(data.last_load_at)],
        ["Figures built", data.last_build_at ? formatAge(data.last_build_at) : "–", data.last_build_at && formatMoment(data.last_build_at)],
      ];
      replace(body,
        h("dl", {class: "facts"}, facts.map(([name, value, note]) =>
          h("div", {}, h("dt", {}, name), h("dd", {}, h("span", {class: "fact"}, value), note && h("span", {class: "sub"}, note))))),
        data.reasons.length > 0 && h("ul", {class: "reasons"}, data.reasons.map((r) =>
          h("li", {}, r.text, r.command && [" ", h("code", {}, r.command)]))));
    },
  });

  const show = block.show.bind(block);
  block.show = () => {
    show();
    const {data} = block;
    if (!data) return;
    const light = byId("light");
    light.dataset.state = data.state;
    const text = data.state === "empty" || !data.last_event_at ? words[data.state] : `${words[data.state]} · last event ${formatAge(data.last_event_at)}`;
    const shown = light.querySelector(".light-text");
    if (shown.textContent !== text) shown.textContent = text;
    byId("version").textContent = `shoplake ${data.shoplake_version}`;
    const changed = version !== null && version !== data.version;
    const first = version === null;
    version = data.version;
    onChange(data, first, changed);
  };
  const showError = block.showError.bind(block);
  block.showError = (error) => {
    showError(error);
    const light = byId("light");
    light.dataset.state = "unreachable";
    light.querySelector(".light-text").textContent = "Not known";
  };
  // The light must not hide in an empty block: it shows facts and reasons in every state.
  block.showEmpty = () => block.options.render(block.data, block.body);
  return block;
}
