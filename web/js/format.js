// Numbers and dates for people. Missing is "–", never 0.
const integer = new Intl.NumberFormat("en", {maximumFractionDigits: 0});
const money = new Intl.NumberFormat("en", {minimumFractionDigits: 2, maximumFractionDigits: 2});
const compact = new Intl.NumberFormat("en", {notation: "compact", maximumFractionDigits: 1});
const day = new Intl.DateTimeFormat("en-GB", {day: "numeric", month: "short", timeZone: "UTC"});
const dayYear = new Intl.DateTimeFormat("en-GB", {day: "numeric", month: "short", year: "numeric", timeZone: "UTC"});
const moment = new Intl.DateTimeFormat("en-GB", {day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZone: "UTC"});
const time = new Intl.DateTimeFormat("en-GB", {hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone: "UTC"});
const missing = "–";
const isMissing = (x) => x === null || x === undefined;

export const formatCount = (x) => (isMissing(x) ? missing : integer.format(x));
export const formatMoney = (x) => (isMissing(x) ? missing : money.format(x));
export const formatCompact = (x) => (isMissing(x) ? missing : compact.format(x));
export const formatDay = (iso) => (isMissing(iso) ? missing : day.format(new Date(`${iso}T00:00:00Z`)));
export const formatDayYear = (iso) => (isMissing(iso) ? missing : dayYear.format(new Date(`${iso}T00:00:00Z`)));
export const formatMoment = (iso) => (isMissing(iso) ? missing : `${moment.format(new Date(iso))} UTC`);

export const formatTime = (iso) => (isMissing(iso) ? missing : time.format(new Date(iso)));
export const formatMillis = (x) => (isMissing(x) ? missing : x < 1000 ? `${integer.format(x)} ms` : `${(x / 1000).toFixed(x < 10_000 ? 2 : 1)} s`);

// A share of 0…1 as percent; two figures where it is small.
export function formatShare(x) {
  if (isMissing(x)) return missing;
  const percent = x * 100;
  if (percent === 0 || percent === 100) return `${percent} %`;
  return `${percent.toFixed(Math.abs(percent) < 1 ? 2 : 1)} %`;
}

// A difference in percent with its sign; "±0" where nothing changed.
export function formatDifference(percent) {
  if (isMissing(percent)) return missing;
  const rounded = Math.round(percent * 10) / 10;
  if (rounded === 0) return "±0 %";
  return `${rounded > 0 ? "+" : "−"}${Math.abs(rounded).toFixed(1)} %`;
}

// A signed count.
export const formatSigned = (x) => (isMissing(x) ? missing : x === 0 ? "±0" : `${x > 0 ? "+" : "−"}${integer.format(Math.abs(x))}`);

export function formatAge(iso, now = Date.now()) {
  const seconds = Math.round((now - Date.parse(iso)) / 1000);
  if (seconds < 0) return "in the future";
  for (const [size, name] of [[730 * 86400, ""], [86400, "day"], [3600, "hour"], [60, "minute"]]) {
    if (seconds >= size) {
      if (!name) return `${Math.floor(seconds / (365.25 * 86400))} years ago`;
      const n = Math.floor(seconds / size);
      return `${integer.format(n)} ${name}${n === 1 ? "" : "s"} ago`;
    }
  }
  return "just now";
}

// "begin_checkout" → "Begin checkout".
export function formatName(name) {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export const addDays = (iso, days) => new Date(Date.parse(`${iso}T00:00:00Z`) + days * 86400000).toISOString().slice(0, 10);
export const daysBetween = (from, to) => Math.round((Date.parse(`${to}T00:00:00Z`) - Date.parse(`${from}T00:00:00Z`)) / 86400000);
