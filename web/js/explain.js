// What a figure means and the SQL it came from, in a dialog.
import {byId, h, replace} from "./dom.js";
import {formatMoment} from "./format.js";

let opener = null;

export function explain(title, data) {
  const dialog = byId("explain");
  const explanation = data.explain;
  byId("explain-title").textContent = title;
  replace(byId("explain-body"),
    explanation.definitions.length > 0 && h("dl", {}, explanation.definitions.map((d) => [h("dt", {}, d.term), h("dd", {}, d.text)])),
    explanation.tables.length > 0 && [
      h("h3", {}, "Tables"),
      h("ul", {class: "tables"}, explanation.tables.map((t) =>
        h("li", {}, h("code", {}, t.name), t.written_at ? ` written ${formatMoment(t.written_at)}, snapshot ${t.snapshot_id}` : " not there yet"))),
    ],
    explanation.sql && [
      h("h3", {}, "SQL"),
      h("p", {class: "sub"}, "As it ran. It works in ", h("code", {}, "shoplake query"), ", too."),
      h("pre", {tabindex: 0, "aria-label": "SQL"}, h("code", {}, explanation.sql)),
      h("button", {type: "button", class: "button", onclick: (event) => copy(event.currentTarget, explanation.sql)}, "Copy"),
    ]);
  opener = document.activeElement;
  dialog.showModal();
}

async function copy(button, text) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Select the text and copy it";
  }
}

export function prepareExplain() {
  const dialog = byId("explain");
  byId("explain-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => opener?.focus());
}
