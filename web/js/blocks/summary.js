import {Block} from "../block.js";
import {h, replace} from "../dom.js";
import {formatCount, formatDay, formatDayYear, formatDifference, formatMoney, formatShare} from "../format.js";

// Below this a change in percent says more about chance than about the shop.
const smallest = 10;

// The change from the period before: percent with sign, arrow and colour. `base` is the count
// that says how much the percentage is worth.
function change(now, before, base, complete, format) {
  if (!complete) return null;
  const was = h("span", {class: "sub was"}, `from ${format(before)}`);
  if (base < smallest || before === 0) return h("span", {class: "change none"}, was);
  const percent = (100 * (now - before)) / before;
  const direction = Math.round(percent * 10) === 0 ? "same" : percent > 0 ? "up" : "down";
  return h("span", {class: `change ${direction}`},
    h("span", {"aria-hidden": "true"}, {up: "▲ ", down: "▼ ", same: "● "}[direction]), formatDifference(percent), was);
}

const figure = (key, name, marker, value, changed) =>
  h("div", {class: "figure-group"},
    h("dt", {}, marker && h("span", {class: `swatch ${marker}`, "aria-hidden": "true"}), name),
    h("dd", {}, h("span", {class: value.length >= 12 ? "figure longest" : value.length >= 9 ? "figure long" : "figure", "data-figure": key}, value), changed));

export function summaryBlock() {
  return new Block({
    name: "summary",
    sub: (data) => `${formatDay(data.from)} – ${formatDayYear(data.to)}, ` +
      (data.previous_complete ? `compared with ${formatDay(data.previous_from)} – ${formatDay(data.previous_to)}` : "no earlier data to compare with"),
    render(data, body) {
      const now = data.rows.find((r) => r.period === "current");
      const before = data.rows.find((r) => r.period === "previous");
      const changed = (name, base, format) => change(now[name], before[name], before[base], data.previous_complete, format);
      const pair = (title, first, last, difference, format) => h("section", {class: "card wide", "aria-label": title},
        h("header", {}, h("h3", {}, title),
          h("p", {class: "badge"}, difference === null ? "no first click to compare" : [h("strong", {"data-figure": `${first.endsWith("value") ? "value" : "conversions"}_difference_percent`}, formatDifference(difference)), " last to first click"])),
        h("dl", {},
          figure(first, "First click", "first", format(now[first]), changed(first, "first_click_conversions", format)),
          figure(last, "Last click", "last", format(now[last]), changed(last, "last_click_conversions", format))));
      replace(body, h("div", {class: "cards"},
        pair("Conversions", "first_click_conversions", "last_click_conversions", now.conversions_difference_percent, formatCount),
        pair("Value", "first_click_value", "last_click_value", now.value_difference_percent, formatMoney),
        h("section", {class: "card", "aria-label": "Credited differently"},
          h("header", {}, h("h3", {}, "Credited differently")),
          h("dl", {}, figure("moved_share", "of the conversions", null, formatShare(now.moved_share),
            h("span", {class: "sub"}, now.touched_conversions === 0 ? "no conversions" : `${formatCount(now.moved_conversions)} of ${formatCount(now.touched_conversions)} change channel`)))),
        h("section", {class: "card", "aria-label": "Sessions"},
          h("header", {}, h("h3", {}, "Sessions")),
          h("dl", {}, figure("sessions", "begun in the period", null, formatCount(now.sessions),
            [changed("sessions", "sessions", formatCount), h("span", {class: "sub was"}, `${formatShare(now.conversion_rate)} convert`)])))));
    },
  });
}
