import {Block} from "../block.js";
import {h, replace} from "../dom.js";
import {formatCount, formatDay, formatDayYear, formatName, formatShare} from "../format.js";

export function funnelBlock() {
  return new Block({
    name: "funnel",
    sub: (data) => `${formatDay(data.from)} – ${formatDayYear(data.to)}, sessions that reached each step after the steps before it`,
    render(data, body) {
      const rows = data.rows;
      const first = rows[0]?.sessions ?? 0;
      if (first === 0) {
        replace(body, h("p", {class: "message"}, "No sessions in this period."));
        return;
      }
      replace(body, h("ol", {class: "funnel"}, rows.map((row, i) => {
        const lost = i === 0 ? 0 : rows[i - 1].sessions - row.sessions;
        return h("li", {},
          i > 0 && h("p", {class: "step"},
            h("span", {"aria-hidden": "true"}, "↓ "), h("strong", {}, formatShare(row.conversion_from_previous)), ` go on, ${formatCount(lost)} leave here`),
          h("div", {class: "stage"},
            h("span", {class: "stage-name"}, formatName(row.stage)),
            h("span", {class: "stage-track", "aria-hidden": "true"}, h("span", {class: "stage-bar", style: {width: `${(100 * row.sessions) / first}%`}})),
            h("span", {class: "stage-count number"}, formatCount(row.sessions), h("span", {class: "hidden"}, " sessions,")),
            h("span", {class: "stage-share number sub"}, formatShare(row.conversion_from_first), h("span", {class: "hidden"}, " of the first step"))));
      })));
    },
  });
}
