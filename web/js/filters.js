// The bar that rules every block: period, conversion event, channels. The page's address holds its state.
import {byId, h, replace} from "./dom.js";
import {addDays, formatName} from "./format.js";
import {swatchClass} from "./palette.js";
import {getState, setState, toggleChannel} from "./state.js";

let bounds = {first: null, last: null};
let channels = [];
let events = ["purchase"];

// What the data holds: its first and last day, channels and conversion events.
export function setChoices(freshness) {
  bounds = {first: freshness.first_date, last: freshness.last_date};
  channels = freshness.channels;
  events = freshness.conversion_events.length > 0 ? freshness.conversion_events : ["purchase"];
  showFilters();
}

function effectiveRange() {
  const state = getState();
  const to = state.to ?? bounds.last;
  return {from: state.from ?? (to && addDays(to, -13)), to};
}

export function showFilters() {
  const state = getState();
  const {from, to} = effectiveRange();
  byId("from").value = from ?? "";
  byId("to").value = to ?? "";
  for (const id of ["from", "to"]) {
    byId(id).min = bounds.first ?? "";
    byId(id).max = bounds.last ?? "";
    byId(id).disabled = !bounds.last;
  }
  let pressed = false;  // where two presets mean the same days, one is enough
  for (const button of document.querySelectorAll("[data-days]")) {
    const days = button.dataset.days;
    const start = days === "all" ? bounds.first : bounds.last && addDays(bounds.last, 1 - Number(days));
    button.disabled = !bounds.last;
    const matches = !pressed && Boolean(to) && to === bounds.last && from === start;
    pressed ||= matches;
    button.setAttribute("aria-pressed", String(matches));
  }

  const choices = events.includes(state.event) ? events : [...events, state.event];
  replace(byId("event"), choices.map((name) => h("option", {value: name, selected: name === state.event}, formatName(name))));

  const offered = [...new Set([...channels, ...state.channels])].sort((a, b) => a.localeCompare(b, "en"));
  const list = byId("channels-list");
  const focused = document.activeElement?.dataset?.channel;
  replace(list, offered.length === 0 ? h("p", {class: "sub"}, "No channels yet") : offered.map((channel) => {
    const input = h("input", {type: "checkbox", "data-channel": channel, onchange: () => toggleChannel(channel)});
    input.checked = state.channels.includes(channel);
    return h("label", {}, input, h("span", {class: swatchClass(channel)}), h("span", {class: "name"}, channel));
  }));
  if (focused !== undefined) [...list.querySelectorAll("input")].find((i) => i.dataset.channel === focused)?.focus();
  byId("channels-summary").textContent =
    state.channels.length === 0 ? "All channels" : state.channels.length === 1 ? state.channels[0] : `${state.channels.length} channels`;
  byId("channels-summary").classList.toggle("active", state.channels.length > 0);
  byId("clear").hidden = state.channels.length === 0 && !state.from && !state.to && state.event === "purchase";
}

export function prepareFilters() {
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  for (const button of document.querySelectorAll("[data-days]")) {
    button.addEventListener("click", () => {
      const days = button.dataset.days;
      if (days === "14") setState({from: null, to: null});
      else if (days === "all") setState({from: bounds.first, to: bounds.last});
      else setState({from: addDays(bounds.last, 1 - Number(days)), to: bounds.last});
    });
  }
  const dates = () => {
    const from = byId("from").value, to = byId("to").value;
    if (!from || !to) return;  // half-typed
    setState(from <= to ? {from, to} : {from: to, to: from});
  };
  byId("from").addEventListener("change", dates);
  byId("to").addEventListener("change", dates);
  byId("event").addEventListener("change", (event) => setState({event: event.target.value}));
  byId("clear").addEventListener("click", () => {
    setState({from: null, to: null, channels: [], event: "purchase"});
    byId("channels-summary").focus();
  });

  const menu = byId("channels-menu");
  document.addEventListener("click", (event) => {
    if (menu.open && !event.composedPath().includes(menu)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && menu.open) {
      menu.open = false;
      byId("channels-summary").focus();
    }
  });
}
