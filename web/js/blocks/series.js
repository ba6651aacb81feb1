import {Block} from "../block.js";
import {axisStyle, Chart, tooltip, tooltipStyle} from "../chart.js";
import {h, replace, table} from "../dom.js";
import {formatCompact, formatCount, formatDay, formatDayYear, formatMoney} from "../format.js";
import {colour} from "../palette.js";
import {segmented} from "../segmented.js";
import {getState, setState} from "../state.js";

export function seriesBlock() {
  const chart = new Chart("tall");
  const choice = segmented("Shown", [["conversions", "Conversions"], ["value", "Value"]], () => getState().metric, (metric) => setState({metric}));
  const block = new Block({
    name: "series",
    controls: [choice.element],
    clear: () => chart.dispose(),
    sub: (data) => `${formatDay(data.from)} – ${formatDayYear(data.to)}, first and last click`,
    render(data, body) {
      choice.show();
      const metric = getState().metric;
      const format = metric === "value" ? formatMoney : formatCount;
      const first = `first_click_${metric}`, last = `last_click_${metric}`;
      const rows = data.rows;
      const missing = rows.filter((r) => !r.is_loaded).length;
      const equal = rows.every((r) => r[first] === r[last]);
      const columns = [
        {title: "Day", header: true, value: (r) => (r.isTotal ? "Sum" : formatDayYear(r.date))},
        {title: "First-click conversions", numeric: true, value: (r) => formatCount(r.first_click_conversions)},
        {title: "Last-click conversions", numeric: true, value: (r) => formatCount(r.last_click_conversions)},
        {title: "First-click value", numeric: true, value: (r) => formatMoney(r.first_click_value)},
        {title: "Last-click value", numeric: true, value: (r) => formatMoney(r.last_click_value)},
        {title: "Sessions", numeric: true, value: (r) => formatCount(r.sessions)},
      ];
      const total = {isTotal: true};
      for (const name of ["first_click_conversions", "last_click_conversions", "first_click_value", "last_click_value", "sessions"])
        total[name] = rows.reduce((sum, r) => sum + (r[name] ?? 0), 0);
      const open = body.querySelector("details")?.open;
      replace(body,
        h("ul", {class: "legend"},
          h("li", {}, h("span", {class: "line first", "aria-hidden": "true"}), "First click"),
          h("li", {}, h("span", {class: "line last", "aria-hidden": "true"}), "Last click"),
          equal && h("li", {class: "sub"}, "Both models count every conversion once, so their sums agree. Choose a channel to see them part.")),
        chart.element,
        missing > 0 && h("p", {class: "sub"}, `${missing} ${missing === 1 ? "day has" : "days have"} no data: the line is broken there, not zero.`),
        h("details", {class: "data", open}, h("summary", {}, "Table"), table("Conversions and value by day", columns, [...rows, total])));

      const lines = (name, title, type, token, z) => ({
        name: title, type: "line", data: rows.map((r) => (r.is_loaded ? r[name] : null)), connectNulls: false, symbol: "circle",
        symbolSize: rows.length > 45 ? 0 : 6, showSymbol: rows.length <= 45, z,
        lineStyle: {width: type === "dashed" ? 2 : 3, type, color: colour(token)}, itemStyle: {color: colour(token)},
        emphasis: {disabled: true},
      });
      chart.draw(() => ({
        grid: {left: 8, right: 28, top: 16, bottom: 8, containLabel: true},
        xAxis: {type: "category", data: rows.map((r) => r.date), boundaryGap: false, ...axisStyle(), splitLine: {show: false},
          axisLabel: {...axisStyle().axisLabel, formatter: formatDay}},
        yAxis: {type: "value", min: 0, minInterval: metric === "value" ? 0.01 : 1, splitNumber: 4, ...axisStyle(), axisLine: {show: false},
          axisLabel: {...axisStyle().axisLabel, formatter: formatCompact}},
        tooltip: {trigger: "axis", ...tooltipStyle(), axisPointer: {lineStyle: {color: colour("line-strong")}}, formatter: (points) => {
          const row = rows[points[0].dataIndex];
          if (!row.is_loaded) return tooltip(formatDayYear(row.date), [{name: "No data", value: ""}]);
          return tooltip(formatDayYear(row.date), [
            {swatch: "line first", name: "First click", value: format(row[first])},
            {swatch: "line last", name: "Last click", value: format(row[last])},
            {name: "Sessions", value: formatCount(row.sessions)},
          ]);
        }},
        series: [lines(first, "First click", "solid", "first", 2), lines(last, "Last click", "dashed", "last", 3)],
      }), `Line chart: ${metric} a day by first and by last click. First click ${format(total[first])} in all, last click ${format(total[last])}. The table below has every day.`);
    },
  });
  return block;
}
