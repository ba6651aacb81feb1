// ECharts, loaded once and after the first paint, with what all charts share: the page's colours and fonts, tooltips as
// elements (no markup from data), no animation.
import {h} from "./dom.js";
import {colour} from "./palette.js";

const loaded = new Promise((resolve, reject) => {
  const script = document.createElement("script");
  script.src = "/echarts.min.js";
  script.onload = () => resolve(globalThis.echarts);
  script.onerror = () => reject(new Error("The chart library did not load."));
  document.head.append(script);
});

export class Chart {
  constructor(className, onClick) {
    this.element = h("div", {class: `chart ${className}`, role: "img"});
    this.onClick = onClick;
    this.instance = null;
    this.observer = new ResizeObserver(() => this.instance?.resize());
    this.generation = 0;
  }

  // option: ECharts' option, or a function that makes it (called once the library and the layout are there).
  async draw(option, label) {
    this.element.setAttribute("aria-label", label);
    const generation = ++this.generation;
    const echarts = await loaded;
    if (generation !== this.generation || !this.element.isConnected) return;
    if (!this.instance) {
      this.instance = echarts.init(this.element, null, {renderer: "canvas"});
      this.observer.observe(this.element);
      if (this.onClick) this.instance.on("click", this.onClick);
    }
    this.instance.setOption({...base(), ...(typeof option === "function" ? option() : option)}, {notMerge: true});
    this.element.dataset.drawn = String(generation);
  }

  dispose() {
    this.generation++;
    this.observer.disconnect();
    this.instance?.dispose();
    this.instance = null;
    delete this.element.dataset.drawn;
  }
}

function base() {
  return {
    animation: false,
    textStyle: {fontFamily: getComputedStyle(document.body).fontFamily, color: colour("text")},
    backgroundColor: "transparent",
  };
}

export const axisStyle = () => ({
  axisLine: {lineStyle: {color: colour("line-strong")}},
  axisTick: {show: false},
  axisLabel: {color: colour("text-soft"), fontSize: 12, hideOverlap: true},
  splitLine: {lineStyle: {color: colour("line")}},
});

export const tooltipStyle = () => ({
  confine: true,
  transitionDuration: 0,
  backgroundColor: colour("surface"),
  borderColor: colour("line-strong"),
  textStyle: {color: colour("text"), fontSize: 13},
  extraCssText: "box-shadow: 0 2px 8px rgb(0 0 0 / 16%)",
});

// [{swatch, name, value}] under a title.
export function tooltip(title, lines) {
  return h("div", {class: "tip"},
    h("strong", {}, title),
    h("table", {role: "presentation"}, lines.map((l) => h("tr", {},
      h("td", {}, l.swatch && h("span", {class: l.swatch}), " ", l.name), h("td", {class: "number"}, l.value)))));
}
