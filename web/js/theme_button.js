// The button that chooses the theme: as the system, light, dark (theme.js keeps the choice).
import {byId, h, replace} from "./dom.js";

const themes = {system: "as the system", light: "light", dark: "dark"};

function showTheme() {
  const theme = document.documentElement.dataset.theme ?? "system";
  const [icon, name] = {system: ["◐", "Auto"], light: ["☀", "Light"], dark: ["☾", "Dark"]}[theme];
  replace(byId("theme"), h("span", {"aria-hidden": "true"}, icon), h("span", {class: "theme-name"}, ` ${name}`));
  byId("theme").setAttribute("aria-label", `Theme: ${themes[theme]}`);
}

// `redraw` is called when the page has other colours.
export function prepareTheme(redraw) {
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
}
