import {Block} from "../block.js";
import {h, replace} from "../dom.js";
import {formatCount, formatDay, formatDayYear, formatShare} from "../format.js";

const named = new Set([1, 7]);
const steps = 6;
const smallest = 10;  // people in a row that is coloured: one of two coming back is no 50 %

// The colour step of a rate, 0 (none) to 6, on a scale that ends at the highest rate shown.
const step = (rate, highest) => (rate === 0 || highest === 0 ? 0 : Math.min(steps, Math.max(1, Math.ceil((steps * rate) / highest))));
const percent = (rate) => (rate === null ? "" : rate === 0 ? "0" : rate < 0.0005 ? "<0.1" : (rate * 100).toFixed(rate < 0.0995 ? 1 : 0));

export function retentionBlock() {
  return new Block({
    name: "retention",
    sub: (data) => `People first seen ${formatDay(data.from)} – ${formatDayYear(data.to)}, and how many of them have a session on a later day`,
    render(data, body) {
      const cohorts = new Map();
      for (const row of data.rows) {
        if (!cohorts.has(row.cohort_date)) cohorts.set(row.cohort_date, {users: row.cohort_users, days: new Map()});
        cohorts.get(row.cohort_date).days.set(row.day_n, row);
      }
      if (cohorts.size === 0) {
        replace(body, h("p", {class: "message"}, "Nobody was first seen in this period."));
        return;
      }
      const last = Math.max(1, ...data.rows.map((r) => r.day_n));
      const days = Array.from({length: last}, (_, i) => i + 1);
      // Of all cohorts old enough to have a day n.
      const all = new Map(days.map((n) => {
        let users = 0, returning = 0;
        for (const cohort of cohorts.values()) {
          const row = cohort.days.get(n);
          if (row) {
            users += cohort.users;
            returning += row.returning_users;
          }
        }
        return [n, {users, returning, rate: users === 0 ? null : returning / users}];
      }));
      const people = [...cohorts.values()].reduce((sum, c) => sum + c.users, 0);
      const highest = Math.max(0, ...data.rows.filter((r) => r.day_n > 0 && r.cohort_users >= smallest).map((r) => r.retention_rate ?? 0));

      const cell = (n, rate, returning, users) => {
        if (rate === null || rate === undefined) return h("td", {class: `none${named.has(n) ? " named" : ""}`}, h("span", {class: "hidden"}, "not yet"));
        return h("td", {class: `${users < smallest ? "plain" : `heat-${step(rate, highest)}`}${named.has(n) ? " named" : ""}`, title: `Day ${n}: ${formatCount(returning)} of ${formatCount(users)}, ${formatShare(rate)}`}, percent(rate));
      };
      const headline = (n) => {
        const found = all.get(n);
        return h("div", {}, h("dt", {}, `D${n}`), h("dd", {},
          h("span", {class: "fact"}, formatShare(found?.rate ?? null)),
          h("span", {class: "sub"}, found?.users ? `${formatCount(found.returning)} of ${formatCount(found.users)} people` : "no cohort is old enough")));
      };
      replace(body,
        h("dl", {class: "facts"}, headline(1), headline(7)),
        h("div", {class: "scroll tall", tabindex: 0, role: "region", "aria-label": "Retention by cohort and day"},
          h("table", {class: "heat"},
            h("caption", {class: "hidden"}, "Share in percent of the people of each cohort with a session on day n after they were first seen"),
            h("thead", {}, h("tr", {}, h("th", {scope: "col"}, "First seen"), h("th", {scope: "col", class: "number"}, "People"),
              days.map((n) => h("th", {scope: "col", class: named.has(n) ? "named" : null}, `D${n}`)))),
            h("tbody", {},
              h("tr", {class: "all"}, h("th", {scope: "row"}, "All"), h("td", {class: "number"}, formatCount(people)),
                days.map((n) => cell(n, all.get(n).rate, all.get(n).returning, all.get(n).users))),
              [...cohorts].map(([date, cohort]) => h("tr", {}, h("th", {scope: "row"}, formatDay(date)), h("td", {class: "number"}, formatCount(cohort.users)),
                days.map((n) => {
                  const row = cohort.days.get(n);
                  return cell(n, row ? row.retention_rate : null, row?.returning_users, cohort.users);
                })))))),
        h("p", {class: "sub scale"}, "Percent of the people of the row. ",
          h("span", {class: "scale-steps", "aria-hidden": "true"}, Array.from({length: steps + 1}, (_, i) => h("span", {class: `heat-${i}`}))),
          ` 0 to ${formatShare(highest)}; blank: that day is not in the data yet.`,
          [...cohorts.values()].some((c) => c.users < smallest) && ` Rows of fewer than ${smallest} people are not coloured.`));
    },
  });
}
