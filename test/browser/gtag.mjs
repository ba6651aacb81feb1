// A shop's page in the distribution's Chromium that sends hits to a collector of another origin in the ways gtag does.
// Prints one JSON object; test_gtag.py judges.
//   node gtag.mjs COLLECTOR_URL MEASUREMENT_ID      (SHOPLAKE_BROWSER: the folder with node_modules)
import fs from "node:fs";
import http from "node:http";
import {createRequire} from "node:module";
import os from "node:os";
import path from "node:path";

const [collector, measurementId] = process.argv.slice(2);
const require = createRequire(path.join(process.env.SHOPLAKE_BROWSER, "package.json"));
const {chromium} = require("playwright-core");

// The shop: another origin than the collector.
const shop = http.createServer((request, response) => {
  response.writeHead(200, {"Content-Type": "text/html; charset=utf-8"});
  response.end("<!doctype html><title>Hüte & mehr</title><h1>Shop</h1>");
});
await new Promise((resolve) => shop.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${shop.address().port}`;

const userData = fs.mkdtempSync(path.join(os.tmpdir(), "shoplake-gtag-"));
const browser = await chromium.launchPersistentContext(userData, {
  executablePath: process.env.SHOPLAKE_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
});
const seen = {origin, troubles: [], answers: []};
const page = await browser.newPage();
page.on("console", (message) => ["error", "warning"].includes(message.type()) && seen.troubles.push(`console: ${message.text()}`));
page.on("pageerror", (error) => seen.troubles.push(`exception: ${error.message}`));
// What is answered with 204 counts as aborted: there is no body to finish with.
page.on("requestfailed", (request) => request.failure()?.errorText !== "net::ERR_ABORTED" &&
  seen.troubles.push(`failed: ${request.method()} ${request.url().slice(0, 80)}: ${request.failure()?.errorText}`));

const collected = (request) => request.url().startsWith(`${collector}/g/collect`) && request.method() !== "OPTIONS";
page.on("response", (response) => {
  if (collected(response.request())) {
    seen.answers.push({method: response.request().method(), status: response.status(), kind: response.request().resourceType(),
      allowed: response.headers()["access-control-allow-origin"] ?? null});
  }
});

await page.goto(`${origin}/hats?utm_source=newsletter&utm_medium=email&utm_campaign=mai`);
seen.page = await page.evaluate(async ({collector, measurementId}) => {
  const pageId = String(Date.now());
  const second = Math.floor(Date.now() / 1000);
  let hitNumber = 0;
  const query = (more) => new URLSearchParams({
    v: "2", tid: measurementId, cid: `1234567890.${second}`, sid: String(second), sct: "1", seg: "0", _p: pageId, _s: String(++hitNumber),
    ul: navigator.language.toLowerCase(), sr: `${screen.width}x${screen.height}`, gcs: "G111", dl: location.href, dr: document.referrer, dt: document.title, ...more,
  });
  const url = (more) => `${collector}/g/collect?${query(more)}`;
  const image = (source) => new Promise((resolve) => {
    const element = new Image();
    element.onload = element.onerror = () => resolve();
    element.src = source;
  });

  // The first hit of a visit, and the same again as after a lost answer.
  const first = url({en: "page_view", _ss: "1", _fv: "1"});
  const statuses = [];
  statuses.push((await fetch(first, {method: "POST", keepalive: true, mode: "no-cors"})).status);
  statuses.push((await fetch(first, {method: "POST", keepalive: true})).status);
  // Readable across origins, also when the request is one that the browser asks about first.
  statuses.push((await fetch(url({en: "view_item", cu: "EUR", "epn.value": "19.5", pr1: "idH1~nmHut~pr19.5~qt1"}), {method: "POST"})).status);
  statuses.push((await fetch(url({en: "preflighted"}), {method: "POST", headers: {"Content-Type": "application/json"}, body: ""})).status);
  await image(url({en: "scroll", "epn.percent_scrolled": "90", _et: "5010"}));
  // Several events of one beacon.
  const queued = navigator.sendBeacon(url({seg: "1"}).replace(/&en=[^&]*/, ""),
    "en=add_to_cart&cu=EUR&epn.value=39&pr1=idH1~nmHut~pr19.5~qt2\r\nen=purchase&cu=EUR&epn.value=44.25&ep.transaction_id=T-1001&pr1=idH1~nmHut~pr19.5~qt2&_et=812\r\n");
  return {statuses, queued, pageId, second, userAgent: navigator.userAgent, language: navigator.language.toLowerCase()};
}, {collector, measurementId});

// The beacon has been answered.
const deadline = Date.now() + 30_000;
while (seen.answers.length < 6 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
await browser.close();
shop.close();
fs.rmSync(userData, {recursive: true, force: true});
console.log(JSON.stringify(seen));
