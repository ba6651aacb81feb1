// Elements from data, by textContent only: names of channels and campaigns are whatever a visitor's URL said.

// h("p", {class: "note", onclick: f, "aria-label": "x"}, "text", element, null)
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [property, v] of Object.entries(value)) element.style.setProperty(property, v);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

export function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

export function replace(element, ...children) {
  element.replaceChildren();
  return append(element, children);
}

export const byId = (id) => document.getElementById(id);

// columns: [{title, value(row) → text or node, numeric, header}]; the first header column names the row.
export function table(caption, columns, rows, attributes = {}) {
  return h("div", {class: "scroll", tabindex: 0, role: "region", "aria-label": caption},
    h("table", attributes,
      h("caption", {class: "hidden"}, caption),
      h("thead", {}, h("tr", {}, columns.map((c) => h("th", {scope: "col", class: c.numeric ? "number" : null}, c.title)))),
      h("tbody", {}, rows.map((row) => h("tr", {class: row.isTotal ? "total" : null}, columns.map((c) =>
        c.header ? h("th", {scope: "row"}, c.value(row)) : h("td", {class: c.numeric ? "number" : null}, c.value(row))))))));
}
