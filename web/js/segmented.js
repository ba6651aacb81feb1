// A choice of a few, as a row of toggle buttons.
import {h} from "./dom.js";

export function segmented(label, choices, current, choose) {
  const buttons = choices.map(([value, text]) =>
    h("button", {type: "button", class: "button", "data-value": value, onclick: () => choose(value)}, text));
  const show = () => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.value === current()));
  };
  show();
  return {element: h("div", {class: "segmented", role: "group", "aria-label": label}, buttons), show};
}
