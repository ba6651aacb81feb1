// Panels: sections of a page that show one answer of the API. The answer is asked for again while the page is looked at;
// what was there stays until the new one is here.
import {fetchBlock} from "./api.js";
import {byId, h, replace} from "./dom.js";
import {prepareTheme} from "./theme_button.js";

// options: api (its name), parameters() → URLSearchParams, panels {id: {render(data, body), sub(data), isEmpty(data), empty}},
// light(data) → {state, text}, every (milliseconds).
export class Panels {
  constructor(options) {
    this.options = options;
    this.data = null;
    this.controller = null;
    prepareTheme(() => this.show());
    const every = options.every ?? 15_000;
    setInterval(() => document.visibilityState === "visible" && this.load(), every);
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.load());
  }

  bodies() {
    return Object.keys(this.options.panels).map((id) => byId(id).querySelector(".body"));
  }

  async load() {
    this.controller?.abort();
    const controller = new AbortController();
    this.controller = controller;
    try {
      const data = await fetchBlock(this.options.api, this.options.parameters?.() ?? new URLSearchParams(), controller.signal);
      if (controller.signal.aborted) return;
      this.data = data;
      this.show();
    } catch (error) {
      if (error.name === "AbortError" || controller.signal.aborted) return;
      this.data = null;
      this.showError(error);
    }
    for (const body of this.bodies()) body.setAttribute("aria-busy", "false");
  }

  show() {
    if (!this.data) return;
    const {state, text} = this.options.light(this.data);
    this.setLight(state, text);
    for (const [id, panel] of Object.entries(this.options.panels)) {
      const section = byId(id);
      const body = section.querySelector(".body");
      section.querySelector("[data-sub]").textContent = panel.sub?.(this.data) ?? "";
      if (panel.isEmpty?.(this.data)) replace(body, h("div", {class: "message"}, panel.empty.text && h("p", {}, panel.empty.text),
        panel.empty.command && h("p", {class: "command"}, h("code", {}, panel.empty.command))));
      else panel.render(this.data, body);
    }
  }

  setLight(state, text) {
    const light = byId("light");
    light.dataset.state = state;
    const shown = light.querySelector(".light-text");
    if (shown.textContent !== text) shown.textContent = text;
  }

  showError(error) {
    this.setLight("unreachable", "Not known");
    for (const body of this.bodies()) {
      replace(body, h("div", {class: "message error", role: "alert"},
        h("p", {}, error.message),
        error.advice && h("p", {class: "advice"}, error.advice),
        h("button", {type: "button", class: "button", onclick: () => this.load()}, "Try again")));
    }
    if (!error.code) console.error(error);
  }
}

// A state in words, with a sign that needs no colour.
const signs = {good: "✓", warn: "●", bad: "✕", none: "–"};
export const stateText = (kind, text) => h("span", {class: `state ${kind}`}, h("span", {"aria-hidden": "true"}, `${signs[kind]} `), text);
