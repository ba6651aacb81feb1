import {Block} from "../block.js";
import {h, replace} from "../dom.js";
import {formatCount, formatDay, formatDayYear, formatDifference, formatMoney, formatShare} from "../format.js";

// Below this a change in percent says more about chance than about the shop.
const smallest = 10;

function change(current, previous, hasPrevious, base) {
  if (!hasPrevious) return h("span", {class: "change none"}, "no earlier data to compare");
  if (current === null || previous === null) return h("span", {class: "change none"}, "nothing to compare");
  if (Math.min(base, previous === 0 ? 0 : base) < smallest) return h("span", {class: "change none"}, "too few before to compare");
  const percent = (100 * (current - previous)) / previous;
  const direction = Math.round(percent * 10) === 0 ? "same" : percent > 0 ? "up" : "down";
  const arrow = {up: "▲", down: "▼", same: "●"}[direction];
  return h("span", {class: `change ${direction}`}, h("span", {"aria-hidden": "true"}, `${arrow} `), formatDifference(percent), h("span", {class: "hidden"}, " to the period before"));
}

function card(name, value, changeElement, note, marker) {
  return h("div", {class: "card"},
    h("dt", {}, marker && h("span", {class: `swatch ${marker}`, "aria-hidden": "true"}), name),
    h("dd", {}, h("span", {class: "figure"}, value), changeElement, h("span", {class: "sub"}, note)));
}

export function summaryBlock() {
  return new Block({
    name: "summary",
    sub: (data) => `${formatDay(data.from)} – ${formatDayYear(data.to)}, compared with ${formatDay(data.previous_from)} – ${formatDay(data.previous_to)}`,
    render(data, body) {
      const now = data.rows.find((r) => r.period === "current");
      const before = data.rows.find((r) => r.period === "previous");
      const has = data.previous_complete;
      const to = (name, base) => change(now[name], before[name], has, base ?? before[name]);
      const was = (text) => (has ? `before: ${text}` : "");
      const model = (percent, what) => (percent === null ? "no first click to compare with" : `${formatDifference(percent)} ${what}`);
      replace(body, h("dl", {class: "cards"},
        card("First-click conversions", formatCount(now.first_click_conversions), to("first_click_conversions"), was(formatCount(before.first_click_conversions)), "first"),
        card("Last-click conversions", formatCount(now.last_click_conversions), to("last_click_conversions"),
          model(now.conversions_difference_percent, "to first click"), "last"),
        card("First-click value", formatMoney(now.first_click_value), to("first_click_value", before.first_click_conversions), was(formatMoney(before.first_click_value)), "first"),
        card("Last-click value", formatMoney(now.last_click_value), to("last_click_value", before.last_click_conversions),
          model(now.value_difference_percent, "to first click"), "last"),
        card("Credited differently", formatShare(now.moved_share), null,
          `${formatCount(now.moved_conversions)} of ${formatCount(now.touched_conversions)} change channel between the models`),
        card("Sessions", formatCount(now.sessions), to("sessions"), `${formatShare(now.conversion_rate)} of them convert`)));
    },
  });
}
