// The page: one filter bar, six blocks of figures, the live feed, and a light that watches whether the lake has changed.
import {channelsBlock} from "./blocks/channels.js";
import {freshnessBlock} from "./blocks/freshness.js";
import {funnelBlock} from "./blocks/funnel.js";
import {liveBlock} from "./blocks/live.js";
import {retentionBlock} from "./blocks/retention.js";
import {seriesBlock} from "./blocks/series.js";
import {summaryBlock} from "./blocks/summary.js";
import {prepareExplain} from "./explain.js";
import {prepareFilters, setChoices, showFilters} from "./filters.js";
import {onState} from "./state.js";
import {prepareTheme} from "./theme_button.js";

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

// Charts are drawn with the page's colours, so they are drawn again in another theme.
prepareTheme(() => {
  for (const block of blocks) block.show();
});
