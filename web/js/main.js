// The page: one filter bar, six blocks of figures, the live feed, and a light that watches whether the lake has changed.
import {channelsBlock} from "./blocks/channels.js";
import {freshnessBlock} from "./blocks/freshness.js";
import {funnelBlock} from "./blocks/funnel.js";
import {liveBlock} from "./blocks/live.js";
import {retentionBlock} from "./blocks/retention.js";
import {seriesBlock} from "./blocks/series.js";
import {summaryBlock} from "./blocks/summary.js";
import {byId, h, replace} from "./dom.js";
import {prepareExplain} from "./explain.js";
import {prepareFilters, setChoices, showFilters} from "./filters.js";
import {onState} from "./state.js";

const watchEvery = 15_000;

prepareExplain();
prepareFilters();
showFilters();

const blocks = [summaryBlock(), seriesBlock(), channelsBlock(), funnelBlock(), retentionBlock()];
const loadAll = () => Promise.all(blocks.map((block) => block.load()));

const freshness = freshnessBlock((data, isFirst, changed) => {
  setChoices(data);
  if (changed) loadAll();
});
freshness.load();
loadAll();
liveBlock(() => freshness.load());

onState((state, before) => {
  showFilters();
  const filters = (s) => JSON.stringify([s.from, s.to, s.channels, s.event]);
  if (filters(state) !== filters(before)) loadAll();
  else for (const block of blocks) block.show();
});

setInterval(() => {
  if (document.visibilityState === "visible") freshness.load();
}, watchEvery);
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") freshness.load();
});

// Theme: as the system, light, dark. Charts are drawn with the page's colours, so they are drawn again.
const themes = {system: "as the system", light: "light", dark: "dark"};
const redraw = () => {
  for (const block of blocks) block.show();
};
function showTheme() {
  const theme = document.documentElement.dataset.theme ?? "system";
  const [icon, name] = {system: ["◐", "Auto"], light: ["☀", "Light"], dark: ["☾", "Dark"]}[theme];
  replace(byId("theme"), h("span", {"aria-hidden": "true"}, icon), h("span", {class: "theme-name"}, ` ${name}`));
  byId("theme").setAttribute("aria-label", `Theme: ${themes[theme]}`);
}
byId("theme").addEventListener("click", () => {
  const order = ["system", "light", "dark"];
  const next = order[(order.indexOf(document.documentElement.dataset.theme ?? "system") + 1) % order.length];
  if (next === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  document.documentElement.dispatchEvent(new Event("themechange"));
  try {
    if (next === "system") localStorage.removeItem("shoplake.theme");
    else localStorage.setItem("shoplake.theme", next);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  showTheme();
  redraw();
});
showTheme();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
matchMedia("print").addEventListener("change", redraw);
