// Alarms: what is watched, what has changed, who is told, what was told.
import {h, replace, table} from "../dom.js";
import {formatAge, formatCount, formatMoment} from "../format.js";
import {Panels, stateText} from "../panels.js";

const kinds = {OK: "good", ALARM: "bad", INSUFFICIENT_DATA: "none"};
const words = {OK: "OK", ALARM: "Alarm", INSUFFICIENT_DATA: "Not enough data"};
const state = (text) => stateText(kinds[text], words[text]);
const deliveries = {delivered: "good", sending: "warn", waiting: "warn", refused: "bad", uncertain: "warn"};
const moment = (iso) => h("span", {class: "moment"}, formatMoment(iso));

const panels = new Panels({
  api: "alarms",
  every: 10_000,
  light(data) {
    const alarming = data.alarms.filter((a) => a.state === "ALARM");
    if (alarming.length === 0) return {state: "fresh", text: "No alarm"};
    return {state: "bad", text: alarming.length === 1 ? alarming[0].name : `${alarming.length} alarms`};
  },
  panels: {
    alarms: {
      isEmpty: (data) => data.alarms.length === 0,
      empty: {text: "No alarm is defined. Alarms are YAML files in the folder alarms of the home.", command: "shoplake alarm ls"},
      render(data, body) {
        const order = {ALARM: 0, INSUFFICIENT_DATA: 1, OK: 2};
        replace(body, table("Alarms", [
          {title: "Alarm", header: true, value: (a) => a.name},
          {title: "State", value: (a) => state(a.state)},
          {title: "Since", value: (a) => (a.since ? h("span", {class: "moment", title: formatMoment(a.since)}, formatAge(a.since)) : "–")},
          {title: "What it means", value: (a) => h("span", {class: "wide"}, a.description, h("span", {class: "note"}, a.condition), a.state !== "OK" && a.reason && h("span", {class: "note"}, a.reason))},
          {title: "Tells", value: (a) => a.topic},
        ], [...data.alarms].sort((a, b) => order[a.state] - order[b.state] || a.name.localeCompare(b.name, "en")), {class: "grid"}));
      },
    },
    changes: {
      isEmpty: (data) => data.history.length === 0,
      empty: {text: "No alarm has changed its state."},
      render: (data, body) => replace(body, table("Changes of states", [
        {title: "At", header: true, value: (c) => moment(c.at)},
        {title: "Alarm", value: (c) => c.alarm},
        {title: "From", value: (c) => words[c.from]},
        {title: "To", value: (c) => state(c.to)},
        {title: "Because", value: (c) => h("span", {class: "wide"}, c.reason)},
      ], data.history, {class: "grid"})),
    },
    topics: {
      render(data, body) {
        const rows = data.topics.flatMap((t) => (t.subscriptions.length === 0 ? [{topic: t.topic}] : t.subscriptions.map((s) => ({topic: t.topic, ...s}))));
        replace(body, table("Subscriptions", [
          {title: "Topic", header: true, value: (s) => s.topic},
          {title: "Subscription", value: (s) => s.name ?? stateText("none", "nobody")},
          {title: "Delivered", numeric: true, value: (s) => (s.name ? formatCount(s.delivered) : "")},
          {title: "Waiting", numeric: true, value: (s) => (s.name ? formatCount(s.waiting) : "")},
          {title: "Given up", numeric: true, value: (s) => (s.name ? formatCount(s.given_up) : "")},
          {title: "Trouble", value: (s) => h("span", {class: "wide"}, s.last_error ?? "")},
        ], rows, {class: "grid"}));
      },
    },
    notifications: {
      isEmpty: (data) => data.notifications.length === 0,
      empty: {text: "Nothing was told yet.", command: "shoplake alarm test pipeline-down"},
      render: (data, body) => replace(body, table("Notifications", [
        {title: "At", header: true, value: (n) => moment(n.published_at)},
        {title: "Topic", value: (n) => n.topic},
        {title: "Subject", value: (n) => h("span", {class: "wide"}, n.subject)},
        {title: "Deliveries", value: (n) => (n.deliveries.length === 0 ? stateText("none", n.is_routed ? "nobody is subscribed" : "to be routed")
          : n.deliveries.map((d) => h("span", {class: "note"}, stateText(deliveries[d.state], `${d.subscription}: ${d.state}`), d.last_error && d.state !== "delivered" && ` ${d.last_error}`)))},
      ], data.notifications, {class: "grid"})),
    },
  },
});
panels.load();
