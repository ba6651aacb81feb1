// The shop: sales by day, the best products, customers by segment, the newest reviews.
import {axisStyle, Chart, tooltip, tooltipStyle} from "../chart.js";
import {h, replace, table} from "../dom.js";
import {formatCompact, formatCount, formatDay, formatDayYear, formatMoment, formatMoney, formatName, formatShare} from "../format.js";
import {colour} from "../palette.js";
import {Panels} from "../panels.js";

const chart = new Chart("tall");
const sum = (rows, name) => rows.reduce((total, row) => total + (row[name] ?? 0), 0);
const isBlank = (text) => text === null || text.trim() === "";
const title = (product) => (isBlank(product.product_name) ? "(no name)" : product.product_name);

function stars(rating) {
  return h("span", {class: "stars", role: "img", "aria-label": `${rating} of 5 stars`}, "★".repeat(rating), h("span", {class: "none"}, "☆".repeat(5 - rating)));
}

const empty = (text) => ({text, command: "shoplake build"});
const panels = new Panels({
  api: "shop",
  every: 30_000,
  light(data) {
    const last = data.sales.at(-1);
    return last ? {state: "fresh", text: `Sales until ${formatDayYear(last.date)}`} : {state: "stale", text: "No sales yet"};
  },
  panels: {
    sales: {
      isEmpty: (data) => data.sales.length === 0,
      empty: empty("No transactions have been loaded and built yet."),
      sub: (data) => (data.sales.length > 0 ? `${formatDay(data.sales[0].date)} – ${formatDayYear(data.sales.at(-1).date)}, revenue less cancellations` : ""),
      render(data, body) {
        const rows = data.sales;
        const orders = sum(rows, "orders"), gross = sum(rows, "gross_revenue");
        const facts = [
          ["Net revenue", formatMoney(sum(rows, "net_revenue")), `${formatMoney(sum(rows, "cancelled_revenue"))} cancelled`],
          ["Orders", formatCount(orders), `${formatCount(sum(rows, "cancellations"))} cancellations`],
          ["Average order", orders > 0 ? formatMoney(gross / orders) : "–", "before cancellations"],
          ["New customers", formatCount(sum(rows, "new_customers")), "first order in these days"],
        ];
        const columns = [
          {title: "Day", header: true, value: (r) => formatDayYear(r.date)},
          {title: "Orders", numeric: true, value: (r) => formatCount(r.orders)},
          {title: "Customers", numeric: true, value: (r) => formatCount(r.customers)},
          {title: "Gross revenue", numeric: true, value: (r) => formatMoney(r.gross_revenue)},
          {title: "Cancelled", numeric: true, value: (r) => formatMoney(r.cancelled_revenue)},
          {title: "Net revenue", numeric: true, value: (r) => formatMoney(r.net_revenue)},
        ];
        const open = body.querySelector("details")?.open;
        replace(body,
          h("dl", {class: "facts"}, facts.map(([name, value, note]) =>
            h("div", {}, h("dt", {}, name), h("dd", {}, h("span", {class: "fact"}, value), h("span", {class: "sub"}, note))))),
          chart.element,
          h("details", {class: "data", open}, h("summary", {}, "Table"), table("Sales by day", columns, rows)));
        chart.draw(() => ({
          grid: {left: 8, right: 16, top: 16, bottom: 8, containLabel: true},
          xAxis: {type: "category", data: rows.map((r) => r.date), ...axisStyle(), splitLine: {show: false}, axisLabel: {...axisStyle().axisLabel, formatter: formatDay}},
          yAxis: {type: "value", splitNumber: 4, ...axisStyle(), axisLine: {show: false}, axisLabel: {...axisStyle().axisLabel, formatter: formatCompact}},
          tooltip: {trigger: "axis", ...tooltipStyle(), axisPointer: {type: "shadow"}, formatter: (points) => {
            const row = rows[points[0].dataIndex];
            return tooltip(formatDayYear(row.date), [{name: "Net revenue", value: formatMoney(row.net_revenue)}, {name: "Orders", value: formatCount(row.orders)}]);
          }},
          series: [{name: "Net revenue", type: "bar", data: rows.map((r) => r.net_revenue), itemStyle: {color: colour("first")}, emphasis: {disabled: true}}],
        }), `Net revenue by day, ${formatMoney(sum(rows, "net_revenue"))} in all`);
      },
    },
    products: {
      isEmpty: (data) => data.products.length === 0,
      empty: empty("No products have been sold or listed yet."),
      sub: (data) => (data.products.length > 0 ? "by revenue less cancellations, all days" : ""),
      render(data, body) {
        replace(body, table("Products by net revenue", [
          {title: "Product", header: true, value: (r) => h("span", {class: "wide", dir: "auto"}, title(r))},
          {title: "Number", value: (r) => r.product_id},
          {title: "Category", value: (r) => r.category ?? "–"},
          {title: "Net revenue", numeric: true, value: (r) => formatMoney(r.net_revenue)},
          {title: "Orders", numeric: true, value: (r) => formatCount(r.orders)},
          {title: "Sold", numeric: true, value: (r) => formatCount(r.sold_quantity)},
          {title: "Cancelled", numeric: true, value: (r) => formatShare(r.cancellation_rate)},
          {title: "Rating", numeric: true, value: (r) => (r.average_rating === null ? "–" : `${r.average_rating} (${formatCount(r.reviews)})`)},
          {title: "In stock", numeric: true, value: (r) => (r.is_in_catalogue ? formatCount(r.stock_quantity) : "not listed")},
        ], data.products, {class: "grid"}));
      },
    },
    segments: {
      isEmpty: (data) => data.segments.length === 0,
      empty: empty("No customers are known yet."),
      sub: (data) => (data.segments.length > 0 ? "by recency, frequency and money (RFM) in fifths" : ""),
      render(data, body) {
        const customers = sum(data.segments, "customers");
        replace(body, table("Customers by segment", [
          {title: "Segment", header: true, value: (r) => formatName(r.segment)},
          {title: "Customers", numeric: true, value: (r) => formatCount(r.customers)},
          {title: "Share", numeric: true, value: (r) => formatShare(r.customers / customers)},
          {title: "Net revenue", numeric: true, value: (r) => formatMoney(r.net_revenue)},
          {title: "Orders each", numeric: true, value: (r) => formatMoney(r.average_orders)},
          {title: "Days since the last order", numeric: true, value: (r) => (r.median_recency_days === null ? "–" : `${r.median_recency_days} (median)`)},
        ], data.segments, {class: "grid"}));
      },
    },
    reviews: {
      isEmpty: (data) => data.reviews.length === 0,
      empty: empty("No reviews with words have been loaded and built yet."),
      sub: (data) => (data.reviews.length > 0 ? "the newest first" : ""),
      render(data, body) {
        replace(body, h("ul", {class: "reviews"}, data.reviews.map((review) => h("li", {},
          h("p", {class: "sub"}, stars(review.rating), " ", h("bdi", {}, title(review)), ` · ${formatMoment(review.reviewed_at)}`, review.is_verified && " · verified"),
          !isBlank(review.title) && h("p", {dir: "auto"}, h("strong", {}, review.title)),
          h("p", {class: "words", dir: "auto"}, review.review_text)))));
      },
    },
  },
});
panels.load();
