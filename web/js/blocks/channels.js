import {Block} from "../block.js";
import {axisStyle, Chart, tooltip, tooltipStyle} from "../chart.js";
import {h, replace, table} from "../dom.js";
import {formatCompact, formatCount, formatDay, formatDayYear, formatDifference, formatMoney, formatShare, formatSigned} from "../format.js";
import {channelColour, channelDecal, colour, swatchClass} from "../palette.js";
import {segmented} from "../segmented.js";
import {getState, setState, toggleChannel} from "../state.js";

const slicesMax = 8;
const barsMax = 12;

// A channel's name on an axis. ECharts keeps the widths of texts in a plain object, so a name like "constructor" or "__proto__" must
// not reach it as it is: a space of no width makes it another text.
function shorten(name) {
  if (name.trim() === "") return "(blank)";
  if (name in {}) return `${name}\u200b`;
  return name.length > 22 ? `${name.slice(0, 21)}…` : name;
}

export function channelsBlock() {
  // ECharts gets numbers and colours only: names from data stay in these lists, found again by index.
  let ring = [];  // what the ring shows: {title, channel if it is one, value, share, style}
  const pie = new Chart("pie", (event) => ring[event.dataIndex].channel !== undefined && toggleChannel(ring[event.dataIndex].channel));
  let shown = [];  // the rows of the bars, in order
  const bars = new Chart("bars", (event) => toggleChannel(shown[event.dataIndex].channel));
  const metricChoice = segmented("Shown", [["conversions", "Conversions"], ["value", "Value"]], () => getState().metric, (metric) => setState({metric}));
  const modelChoice = segmented("Model of the shares", [["first", "First click"], ["last", "Last click"]], () => getState().model, (model) => setState({model}));

  return new Block({
    name: "channels",
    controls: [metricChoice.element],
    clear: () => {
      pie.dispose();
      bars.dispose();
    },
    sub: (data) => `${formatDay(data.from)} – ${formatDayYear(data.to)}; choose a channel to see its slice of the whole page`,
    render(data, body) {
      metricChoice.show();
      modelChoice.show();
      const {metric, model, channels: chosen} = getState();
      const format = metric === "value" ? formatMoney : formatCount;
      const key = `${model}_click_${metric}`;
      const rows = data.rows;
      const total = rows.reduce((sum, r) => sum + r[key], 0);
      const share = (r) => r[`${model}_click_${metric}_share`];
      const name = (channel) => h("button", {type: "button", class: "channel", "aria-pressed": String(chosen.includes(channel)), onclick: () => toggleChannel(channel)},
        h("span", {class: swatchClass(channel), "aria-hidden": "true"}), h("span", {class: "name"}, channel));

      const bySize = rows.filter((r) => r[key] > 0).sort((a, b) => b[key] - a[key] || a.channel.localeCompare(b.channel, "en"));
      const slices = bySize.slice(0, bySize.length > slicesMax ? slicesMax - 1 : slicesMax);
      const rest = bySize.slice(slices.length);
      const restSum = rest.reduce((sum, r) => sum + r[key], 0);
      // With a channel filter the ring still is the whole: the share of the channels that are not shown stays visible.
      const shownShare = rows.reduce((sum, r) => sum + (share(r) ?? 0), 0);
      const hidden = chosen.length > 0 && shownShare > 0 ? Math.max(0, total / shownShare - total) : 0;

      const columns = [
        {title: "Channel", header: true, value: (r) => (r.isTotal ? "Sum" : name(r.channel))},
        {title: "Sessions", numeric: true, value: (r) => formatCount(r.sessions)},
        {title: "First click", numeric: true, value: (r) => formatCount(r.first_click_conversions)},
        {title: "Last click", numeric: true, value: (r) => formatCount(r.last_click_conversions)},
        {title: "Difference", numeric: true, value: (r) => formatSigned(r.last_click_conversions - r.first_click_conversions)},
        {title: "in percent", numeric: true, value: (r) => formatDifference(r.conversions_difference_percent)},
        {title: "First-click value", numeric: true, value: (r) => formatMoney(r.first_click_value)},
        {title: "Last-click value", numeric: true, value: (r) => formatMoney(r.last_click_value)},
        {title: "Difference", numeric: true, value: (r) => formatDifference(r.value_difference_percent)},
      ];
      const sum = {isTotal: true};
      for (const column of ["sessions", "first_click_conversions", "last_click_conversions", "first_click_value", "last_click_value"])
        sum[column] = rows.reduce((s, r) => s + (r[column] ?? 0), 0);
      const percent = (a, b) => (a === 0 ? null : (100 * (b - a)) / a);
      sum.conversions_difference_percent = percent(sum.first_click_conversions, sum.last_click_conversions);
      sum.value_difference_percent = percent(sum.first_click_value, sum.last_click_value);

      replace(body,
        h("div", {class: "pair"},
          h("div", {class: "pair-left"},
            h("div", {class: "pair-head"}, h("h3", {}, metric === "value" ? "Share of value" : "Share of conversions"), modelChoice.element),
            total === 0 ? h("p", {class: "message"}, "No conversions in this period.") : h("div", {class: "donut"},
              pie.element,
              h("ul", {class: "shares"},
                slices.map((r) => h("li", {}, name(r.channel), h("span", {class: "number"}, formatShare(share(r))))),
                rest.length > 0 && h("li", {}, h("span", {class: "channel"}, h("span", {class: "swatch other", "aria-hidden": "true"}), `${rest.length} others`),
                  h("span", {class: "number"}, formatShare(rest.reduce((s, r) => s + share(r), 0))))))),
          h("div", {class: "pair-right"},
            h("div", {class: "pair-head"}, h("h3", {}, "First against last click"),
              h("ul", {class: "legend"},
                h("li", {}, h("span", {class: "swatch first", "aria-hidden": "true"}), "First"),
                h("li", {}, h("span", {class: "swatch last", "aria-hidden": "true"}), "Last"))),
            bars.element)),
        h("details", {class: "data", open: true}, h("summary", {}, "Table"), table("Conversions and value by channel and model", columns, [...rows, sum])));

      if (total > 0) {
        ring = slices.map((r) => ({title: r.channel, channel: r.channel, value: r[key], share: share(r), style: {color: channelColour(r.channel), decal: channelDecal(r.channel)}}));
        if (restSum > 0) ring.push({title: `${rest.length} others`, value: restSum, share: rest.reduce((sum, r) => sum + share(r), 0), style: {color: colour("text-soft")}});
        if (hidden > 0) ring.push({title: "Not chosen", value: hidden, share: 1 - shownShare, style: {color: colour("hover")}});
        pie.draw(() => ({
          tooltip: {trigger: "item", ...tooltipStyle(), formatter: (p) => tooltip(ring[p.dataIndex].title, [
            {name: metric === "value" ? "Value" : "Conversions", value: format(metric === "value" ? p.value : Math.round(p.value))}, {name: "Share", value: formatShare(ring[p.dataIndex].share)}])},
          title: {text: metric === "value" ? formatCompact(total) : formatCount(total), subtext: model === "first" ? "first click" : "last click", left: "center", top: "38%",
            itemGap: 6, textStyle: {fontSize: 20, fontWeight: 600, color: colour("text")}, subtextStyle: {fontSize: 12, color: colour("text-soft")}},
          series: [{
            type: "pie", radius: ["62%", "94%"], label: {show: false}, emphasis: {scaleSize: 4},
            itemStyle: {borderColor: colour("surface"), borderWidth: 2},
            data: ring.map(({value, style}, i) => ({name: String(i), value, itemStyle: style})),
          }],
        }), `Ring chart: share of ${metric} by channel under ${model} click. The list beside it has the same figures.`);
      }
      shown = [...rows].sort((a, b) => Math.max(b[`first_click_${metric}`], b[`last_click_${metric}`]) - Math.max(a[`first_click_${metric}`], a[`last_click_${metric}`])).slice(0, barsMax);
      bars.element.style.setProperty("--rows", String(shown.length));
      const bar = (title, column, token) => ({name: title, type: "bar", data: shown.map((r) => r[column]), itemStyle: {color: colour(token), borderRadius: [0, 2, 2, 0]},
        barMaxWidth: 12, barGap: "12%", emphasis: {disabled: true}});
      bars.draw(() => ({
        grid: {left: 0, right: 24, top: 4, bottom: 0, containLabel: true},
        yAxis: {type: "category", inverse: true, data: shown.map((_, i) => String(i)), ...axisStyle(), axisLine: {show: false}, axisLabel: {...axisStyle().axisLabel, color: colour("text"), hideOverlap: false, interval: 0, formatter: (i) => shorten(shown[Number(i)].channel)}},
        xAxis: {type: "value", minInterval: metric === "value" ? 0.01 : 1, splitNumber: 4, ...axisStyle(), axisLabel: {...axisStyle().axisLabel, formatter: formatCompact}},
        tooltip: {trigger: "axis", ...tooltipStyle(), axisPointer: {type: "shadow", shadowStyle: {color: colour("hover")}}, formatter: (points) => {
          const row = shown[points[0].dataIndex];
          return tooltip(row.channel, [
            {swatch: "swatch first", name: "First click", value: format(row[`first_click_${metric}`])},
            {swatch: "swatch last", name: "Last click", value: format(row[`last_click_${metric}`])},
            {name: "Difference", value: formatDifference(row[`${metric}_difference_percent`])},
          ]);
        }},
        series: [bar("First click", `first_click_${metric}`, "first"), bar("Last click", `last_click_${metric}`, "last")],
      }), `Bar chart: ${metric} by channel, first click beside last click. The table below has every channel.`);
    },
  });
}
