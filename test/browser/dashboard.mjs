// Drives the dashboard in the distribution's Chromium and prints what it saw as one JSON object; test_dashboard.py judges.
//   node dashboard.mjs BASE_URL EMPTY_BASE_URL PICTURES_FOLDER      (SHOPLAKE_BROWSER: the folder with node_modules)
import fs from "node:fs";
import {createRequire} from "node:module";
import os from "node:os";
import path from "node:path";

const [base, emptyBase, pictures] = process.argv.slice(2);
const require = createRequire(path.join(process.env.SHOPLAKE_BROWSER, "package.json"));
const {chromium} = require("playwright-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
fs.mkdirSync(pictures, {recursive: true});

const userData = fs.mkdtempSync(path.join(os.tmpdir(), "shoplake-browser-"));
const browser = await chromium.launchPersistentContext(userData, {
  executablePath: process.env.SHOPLAKE_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
  viewport: null,
});
const seen = {troubles: []};

// A page whose every trouble is recorded: console errors, exceptions, violations of the content policy, requests that fail or
// leave the origin.
async function open(name, {width = 1280, height = 900, scheme = "light", query = "", origin = base, prepare = null, expected = () => false} = {}) {
  const page = await browser.newPage();
  await page.setViewportSize({width, height});
  await page.emulateMedia({colorScheme: scheme});
  const trouble = (kind, text) => expected(kind, text) || seen.troubles.push(`${name}: ${kind}: ${text}`);
  page.on("console", (m) => ["error", "warning"].includes(m.type()) && trouble("console", m.text()));
  page.on("pageerror", (e) => trouble("exception", e.message));
  page.on("dialog", (d) => { trouble("dialog", d.message()); d.dismiss(); });
  page.on("request", (r) => { if (!r.url().startsWith(origin) && !r.url().startsWith("data:")) trouble("foreign request", r.url()); });
  page.on("response", (r) => r.status() >= 400 && trouble("status", `${r.status()} ${r.url()}`));
  await page.addInitScript(() => {
    globalThis.layoutShift = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) globalThis.layoutShift += entry.value;
    }).observe({type: "layout-shift", buffered: true});
    document.addEventListener("securitypolicyviolation", (e) => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`));
  });
  if (prepare) await prepare(page);
  await page.goto(`${origin}/${query}`);
  await settled(page);
  return page;
}

// Polls from outside: the page's content policy forbids Playwright's own waitForFunction, which compiles strings in the page.
async function until(page, condition, argument) {
  const deadline = Date.now() + 30_000;
  while (!(await page.evaluate(condition, argument))) {
    if (Date.now() > deadline) throw new Error(`never true: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

// Every block has loaded and every chart that is shown is drawn.
async function settled(page) {
  await until(page, () => document.querySelectorAll('.body[aria-busy="true"]').length === 0 &&
    [...document.querySelectorAll(".chart")].every((c) => c.dataset.drawn) && document.querySelector("#light").dataset.state !== "loading");
}

const texts = (page, selector) => page.$$eval(selector, (all) => all.map((e) => e.textContent.trim()));
const exactTexts = (page, selector) => page.$$eval(selector, (all) => all.map((e) => e.textContent));
const tableOf = (page, selector) => page.$eval(selector, (table) => [...table.rows].map((row) => [...row.cells].map((c) => c.textContent.trim())));
const figures = (page) => page.$$eval("[data-figure]", (all) => Object.fromEntries(all.map((e) => [e.dataset.figure, e.textContent])));
const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
const picture = (page, name) => page.screenshot({path: path.join(pictures, `${name}.png`), fullPage: true});
async function audit(page, name) {
  const found = await page.evaluate(`${axe}; axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})`);
  seen.accessibility ??= {};
  seen.accessibility[name] = found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).slice(0, 5).join("; ")}`);
}

// Lowest contrast of shown text to what it stands on (text over charts and other images aside).
const lowestTextContrast = (page) => page.evaluate(() => {
  const parse = (c) => { const m = c.match(/[\d.]+/g).map(Number); return {rgb: m.slice(0, 3), alpha: m[3] ?? 1}; };
  const luminance = (rgb) => { const [r, g, b] = rgb.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  let lowest = {ratio: 99, text: ""};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, element = node.parentElement;
    if (!node.textContent.trim() || !element.checkVisibility() || element.closest("svg, dialog:not([open])")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    if (box.width < 2 || element.closest(".hidden, .skip")) continue;
    let under = element;
    while (under && parse(getComputedStyle(under).backgroundColor).alpha === 0) under = under.parentElement;
    const a = luminance(parse(getComputedStyle(element).color).rgb), b = luminance(parse(getComputedStyle(under ?? document.body).backgroundColor).rgb);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < lowest.ratio) lowest = {ratio, text: `${node.textContent.trim().slice(0, 40)} in ${element.className || element.tagName}`};
  }
  return lowest;
});
const tokens = (page) => page.evaluate(() => {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(["surface", "page", "first", "last", ...Array.from({length: 9}, (_, i) => `channel-${i + 1}`)].map((n) => [n, style.getPropertyValue(`--${n}`).trim()]));
});

// --- the page on the demo data, light ---
{
  const page = await open("light");
  seen.light = {text: await texts(page, "#light .light-text"), state: await page.$eval("#light", (e) => e.dataset.state)};
  seen.facts = await page.$$eval("#freshness .facts > div", (all) => Object.fromEntries(all.map((e) => [e.querySelector("dt").textContent, e.querySelector(".fact").textContent])));
  seen.figures = await figures(page);
  seen.series = await tableOf(page, "#series table");
  seen.channels = await tableOf(page, "#channels table");
  seen.funnel = await page.$$eval("#funnel .stage", (all) => all.map((e) => ["stage-name", "stage-count", "stage-share"].map((c) => e.querySelector(`.${c}`).firstChild.textContent)));
  seen.funnelSteps = await texts(page, "#funnel .step strong");
  seen.retention = await tableOf(page, "#retention table.heat");
  seen.retentionFacts = await page.$$eval("#retention .facts > div", (all) => Object.fromEntries(all.map((e) => [e.querySelector("dt").textContent, e.querySelector(".fact").textContent])));
  seen.headings = await texts(page, "main h2");
  seen.layoutShift = await page.evaluate(() => globalThis.layoutShift);
  seen.firstPaint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
  seen.contrast = {light: await lowestTextContrast(page)};
  seen.tokens = {light: await tokens(page)};
  seen.chartsHaveInk = await page.$$eval(".chart canvas", (all) => all.map((c) => c.getContext("2d").getImageData(0, 0, c.width, c.height).data.some((v) => v !== 0)));
  await audit(page, "light");
  await picture(page, "dashboard-light");

  // Value instead of conversions; the address keeps it.
  await page.click("#series .segmented button[data-value=value]");
  await settled(page);
  seen.metricAddress = new URL(page.url()).search;

  // A channel from the table filters the whole page; back undoes it.
  const before = await figures(page);
  await page.click('#channels table button:has-text("Email")');
  await until(page, () => document.querySelector("#channels-summary").textContent === "Email");
  await settled(page);
  seen.filtered = {address: new URL(page.url()).search, figures: await figures(page), channels: await tableOf(page, "#channels table"),
    funnel: await texts(page, "#funnel .stage-count"), csv: await page.getAttribute('#channels .actions a', "href")};
  await picture(page, "dashboard-filtered");
  await page.goBack();
  await until(page, () => document.querySelector("#channels-summary").textContent === "All channels");
  await settled(page);
  seen.backRestores = JSON.stringify(await figures(page)) === JSON.stringify(before);

  // A preset and typed dates.
  await page.click('[data-days="7"]');
  await settled(page);
  seen.sevenDays = {address: new URL(page.url()).search, rows: (await tableOf(page, "#series table")).length - 2};
  await page.click("#clear");
  await settled(page);
  seen.cleared = new URL(page.url()).searchParams.get("from");

  // What a figure means.
  await page.click('#summary button:has-text("Explain")');
  seen.explain = {title: await page.textContent("#explain-title"), terms: await texts(page, "#explain dt"), sql: await page.textContent("#explain pre")};
  await audit(page, "explain");
  await page.screenshot({path: path.join(pictures, "explain.png")});
  await page.keyboard.press("Escape");
  seen.explainFocus = await page.evaluate(() => document.activeElement.textContent);

  // Theme by choice, remembered.
  await page.click("#theme");
  await page.click("#theme");
  seen.chosenTheme = await page.evaluate(() => document.documentElement.dataset.theme);
  await page.reload();
  await settled(page);
  seen.rememberedTheme = await page.evaluate(() => document.documentElement.dataset.theme);
  await page.click("#theme");

  await page.emulateMedia({media: "print"});
  seen.printHides = await page.$eval("#filters", (e) => getComputedStyle(e).display);
  await picture(page, "dashboard-print");
  await page.close();
}

// --- keyboard alone ---
{
  const page = await open("keyboard");
  const reached = [];
  const unseen = [];
  for (let i = 0; i < 400; ++i) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const e = document.activeElement;
      if (e === document.body || e === document.documentElement) return null;
      e.dataset.reached = "yes";
      const style = getComputedStyle(e), box = e.getBoundingClientRect();
      return {name: e.getAttribute("aria-label") || e.id || e.textContent.trim().slice(0, 30),
        // The calendar button inside a date field shows its own ring.
        outlined: style.outlineStyle !== "none" || e.matches("input[type=date]:not(:focus)"), shown: box.width > 0 && box.bottom > 0 && box.top < innerHeight};
    });
    if (!at) break;
    reached.push(at.name);
    if (!at.outlined || !at.shown) unseen.push(at.name);
  }
  seen.keyboard = {reached, unseen, missed: await page.$$eval("a[href], button, input, select, summary, [tabindex='0']", (all) =>
    all.filter((e) => !e.disabled && e.checkVisibility() && !e.closest("dialog, .menu:not([open]) .menu-panel") && !e.dataset.reached).map((e) => e.outerHTML.slice(0, 80)))};

  await page.focus("#channels-summary");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#channels-menu[open]");
  await audit(page, "menu");
  await page.keyboard.press("Tab");
  const chosen = await page.evaluate(() => document.activeElement.dataset.channel);
  await page.keyboard.press("Space");
  await until(page, (c) => document.querySelector("#channels-summary").textContent === c, chosen);
  seen.keyboard.focusStays = (await page.evaluate(() => document.activeElement.dataset.channel)) === chosen;
  await page.keyboard.press("Escape");
  seen.keyboard.menuClosed = (await page.$("#channels-menu[open]")) === null;
  seen.keyboard.focusBack = await page.evaluate(() => document.activeElement.id);
  await settled(page);
  await page.close();
}

// --- dark; phone; tablet ---
{
  const page = await open("dark", {scheme: "dark"});
  seen.contrast.dark = await lowestTextContrast(page);
  seen.tokens.dark = await tokens(page);
  await audit(page, "dark");
  await picture(page, "dashboard-dark");
  await page.close();
}
seen.overflow = {};
for (const [name, width] of [["phone", 360], ["tablet", 768]]) {
  const page = await open(name, {width, height: 780, query: "?metric=value"});
  seen.overflow[name] = await overflow(page);
  await page.click("#channels-summary");
  seen.overflow[`${name} menu`] = await overflow(page);
  await page.keyboard.press("Escape");
  await page.goto(`${base}/`);
  await settled(page);
  await audit(page, name);
  await picture(page, `dashboard-${name}`);
  await page.close();
}

// --- the other pages: the shop, and those about the house itself ---
seen.pages = {};
for (const name of ["shop", "pipeline", "quality", "alarms", "cost"]) {
  const page = await open(name, {query: `${name}.html`});
  const found = seen.pages[name] = {
    light: await page.textContent("#light .light-text"), headings: await texts(page, "main h2"), current: await texts(page, '.pages a[aria-current="page"]'),
    tables: {}, messages: await texts(page, ".message > p:first-child"), facts: await page.$$eval(".facts > div", (all) => Object.fromEntries(all.map((e) => [e.querySelector("dt").textContent, e.querySelector(".fact").textContent]))),
    contrast: {light: await lowestTextContrast(page)}, graph: await texts(page, ".flow-graph g title"), edges: await page.$$eval(".flow-graph path.next, .flow-graph path.catch", (all) => all.map((e) => e.getAttribute("class"))),
  };
  for (const region of await page.$$(".body .scroll:has(table)"))
    found.tables[await region.getAttribute("aria-label")] = await region.$eval("table", (table) => [...table.rows].map((row) => [...row.cells].map((c) => c.textContent.trim())));
  found.names = await exactTexts(page, ".grid .wide");
  found.words = await exactTexts(page, ".reviews .words");
  await audit(page, name);
  await picture(page, `${name}-light`);
  for (let i = 0; i < 200; ++i) {
    await page.keyboard.press("Tab");
    if (await page.evaluate(() => { const e = document.activeElement; e.dataset.reached = "yes"; return e === document.body; })) break;
  }
  found.missed = await page.$$eval("a[href], button, input, summary, [tabindex='0']", (all) => all.filter((e) => e.checkVisibility() && !e.disabled && !e.dataset.reached).map((e) => e.outerHTML.slice(0, 80)));
  await page.close();
  const dark = await open(`${name} dark`, {query: `${name}.html`, scheme: "dark"});
  found.contrast.dark = await lowestTextContrast(dark);
  await audit(dark, `${name} dark`);
  await picture(dark, `${name}-dark`);
  await dark.close();
  const phone = await open(`${name} phone`, {query: `${name}.html`, width: 360, height: 780});
  found.overflow = await overflow(phone);
  await audit(phone, `${name} phone`);
  await picture(phone, `${name}-phone`);
  await phone.close();
  // A server bills its own commits each minute, so that an empty home's cost is nothing only on days before it.
  const days = name === "cost" ? "?from=2020-01-01&to=2020-01-31" : "";
  const empty = await open(`${name} empty`, {query: `${name}.html${days}`, origin: emptyBase});
  found.empty = {messages: await texts(empty, ".message > p:first-child"), commands: await texts(empty, "main code")};
  await audit(empty, `${name} empty`);
  await empty.close();
}

// --- names that try to be something else ---
{
  const nasty = ["<img src=x onerror=alert(1)>", "\"><script>alert(1)</script>", "__proto__", "constructor", "${7*7}{{7*7}}", "\u202Eevil\u202C", "a".repeat(300), "日本語 🛒 العربية",
    "'; drop table marts.x; --", "=cmd|' /C calc'!A0", "null", " ", "&lt;b&gt;", "%00%0a"];
  const rename = async (page) => page.route("**/api/{channels,freshness}?*", async (route) => {
    const response = await route.fetch();
    const body = await response.json();
    if (body.rows) body.rows = nasty.map((channel, i) => ({...body.rows[i % body.rows.length], channel}));
    else body.channels = nasty;
    await route.fulfill({response, json: body});
  });
  const page = await open("nasty", {width: 360, prepare: rename});
  seen.nasty = {expected: nasty.map((n) => n.trim()), shown: (await tableOf(page, "#channels table")).slice(1, -1).map((r) => r[0]), overflow: await overflow(page),
    elements: await page.$$eval("#channels img, #channels script", (all) => all.length)};
  await page.click("#channels-summary");
  seen.nasty.menuOverflow = await overflow(page);
  await picture(page, "dashboard-nasty-names");
  await page.close();
}

// --- a block that fails stays alone, and comes back ---
{
  let failing = true;
  const page = await open("failing", {
    expected: (kind, text) => /\/api\/funnel|503/.test(text),
    prepare: (p) => p.route("**/api/funnel?*", (route) => failing
      ? route.fulfill({status: 503, json: {error: {code: "test.broken", message: "The engine has no memory left.", advice: "Give it more."}}}) : route.continue()),
  });
  seen.failing = {message: await page.textContent("#funnel .message"), others: await page.$$eval(".message.error", (all) => all.length)};
  await page.screenshot({path: path.join(pictures, "block-failing.png"), fullPage: true});
  failing = false;
  await page.click('#funnel button:has-text("Try again")');
  await page.waitForSelector("#funnel .stage");
  seen.failing.recovered = (await texts(page, "#funnel .stage-name")).length;
  await page.close();
}

// --- an empty lake ---
{
  const page = await open("empty", {origin: emptyBase});
  seen.empty = {light: await page.textContent("#light .light-text"), commands: await texts(page, "main code"), messages: await texts(page, ".message > p:first-child")};
  await audit(page, "empty");
  await picture(page, "dashboard-empty");
  await page.close();
}

await browser.close();
fs.rmSync(userData, {recursive: true, force: true});
console.log(JSON.stringify(seen));
