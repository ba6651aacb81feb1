// One question of the page: loads its figures, shows them, or says in its own place why not.
import {csvAddress, fetchBlock} from "./api.js";
import {h, replace} from "./dom.js";
import {explain} from "./explain.js";
import {filterQuery} from "./state.js";

export class Block {
  // options: name (of the API), render(data, body), sub(data) → text, usesFilters
  constructor(options) {
    this.options = options;
    this.section = document.getElementById(options.name);
    this.body = this.section.querySelector(".body");
    this.subtitle = this.section.querySelector("[data-sub]");
    this.data = null;
    this.controller = null;

    this.csv = h("a", {class: "button quiet", href: "#", download: "", "aria-label": `CSV of “${this.title}”`}, "CSV");
    this.explainButton = h("button", {type: "button", class: "button quiet", "aria-label": `Explain “${this.title}”`, disabled: true,
      onclick: () => explain(this.title, this.data)}, "Explain");
    this.section.querySelector(".actions").append(...(options.controls ?? []), this.explainButton, this.csv);
    this.updateCsv();
  }

  get title() {
    return this.section.querySelector("h2").textContent;
  }

  parameters() {
    return this.options.usesFilters === false ? new URLSearchParams() : filterQuery();
  }

  updateCsv() {
    this.csv.href = csvAddress(this.options.name, this.parameters());
  }

  // Loads and shows; what was there stays until the new figures are here, so that nothing jumps.
  async load() {
    this.controller?.abort();
    const controller = new AbortController();
    this.controller = controller;
    this.body.setAttribute("aria-busy", "true");
    this.updateCsv();
    try {
      const data = await fetchBlock(this.options.name, this.parameters(), controller.signal);
      if (controller.signal.aborted) return;
      this.data = data;
      this.show();
    } catch (error) {
      if (error.name === "AbortError" || controller.signal.aborted) return;
      this.data = null;
      this.explainButton.disabled = true;
      this.showError(error);
    }
    this.body.setAttribute("aria-busy", "false");
  }

  // Shows the figures again, in another theme or with another choice of metric.
  show() {
    if (!this.data) return;
    this.explainButton.disabled = false;
    if (this.subtitle) this.subtitle.textContent = this.data.state === "empty" ? "" : (this.options.sub?.(this.data) ?? "");
    if (this.data.state === "empty") this.showEmpty(this.data.hint);
    else this.options.render(this.data, this.body);
  }

  showEmpty(hint) {
    this.options.clear?.();
    replace(this.body, h("div", {class: "message"},
      h("p", {}, hint.text),
      hint.command && h("p", {class: "command"}, h("code", {}, hint.command))));
  }

  showError(error) {
    this.options.clear?.();
    replace(this.body, h("div", {class: "message error", role: "alert"},
      h("p", {}, error.message),
      error.advice && h("p", {class: "advice"}, error.advice),
      h("button", {type: "button", class: "button", onclick: () => this.load()}, "Try again")));
    if (!error.code) console.error(error);
  }
}
