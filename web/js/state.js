// What the page shows, kept in its address: ?from=&to=&channel=…&event=&metric=&model=. Absent means the default, so a
// plain address always shows the last 14 days of the data.

const defaults = {from: null, to: null, channels: [], event: "purchase", metric: "conversions", model: "last"};
const listeners = [];
let current = read();

function read() {
  const parameters = new URLSearchParams(location.search);
  const date = (name) => (/^\d{4}-\d{2}-\d{2}$/.test(parameters.get(name) ?? "") ? parameters.get(name) : null);
  return {
    from: date("from"),
    to: date("to"),
    channels: [...new Set(parameters.getAll("channel"))].sort(),
    event: parameters.get("event") ?? defaults.event,
    metric: parameters.get("metric") === "value" ? "value" : "conversions",
    model: parameters.get("model") === "first" ? "first" : "last",
  };
}

function address(state) {
  const parameters = new URLSearchParams();
  if (state.from) parameters.set("from", state.from);
  if (state.to) parameters.set("to", state.to);
  for (const channel of state.channels) parameters.append("channel", channel);
  for (const name of ["event", "metric", "model"]) if (state[name] !== defaults[name]) parameters.set(name, state[name]);
  const text = parameters.toString();
  return text ? `${location.pathname}?${text}` : location.pathname;
}

export const getState = () => current;

// Changes some parts; the address follows, and "back" undoes it.
export function setState(changes) {
  const before = current;
  current = {...current, ...changes};
  if (address(before) === address(current)) return;
  history.pushState(null, "", address(current));
  notify(before);
}

export function toggleChannel(channel) {
  const channels = current.channels.includes(channel) ? current.channels.filter((c) => c !== channel) : [...current.channels, channel];
  setState({channels: channels.sort()});
}

// listener(state, previous)
export const onState = (listener) => listeners.push(listener);

function notify(before) {
  for (const listener of listeners) listener(current, before);
}

addEventListener("popstate", () => {
  const before = current;
  current = read();
  notify(before);
});

// The filters as the API takes them.
export function filterQuery(state = current) {
  const parameters = new URLSearchParams();
  if (state.from) parameters.set("from", state.from);
  if (state.to) parameters.set("to", state.to);
  for (const channel of state.channels) parameters.append("channel", channel);
  parameters.set("event", state.event);
  return parameters;
}
