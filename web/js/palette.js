// A channel looks the same in every chart, in both themes: one of nine colours (style.css, --channel-1 to --channel-9, chosen
// so that any two differ under protanopia, deuteranopia and tritanopia, each with contrast ≥ 4.5:1), and beyond nine a
// pattern over them.

const known = [
  "Google", "Facebook", "Direct", "Email", "Referral", "Organic Social", "Display", "Paid Search", "Organic Search",
  "Cross-network", "Paid Social", "Unassigned", "Affiliates", "Organic Video", "Paid Video", "Audio", "Paid Other", "Organic Shopping",
  "Paid Shopping", "SMS", "Unattributed", "Mobile Push Notifications", "AI Assistant",
];
const colours = 9;
const patterns = 3;

// {slot: 1…9, pattern: 0…2}
export function channelStyle(channel) {
  let index = known.indexOf(channel);
  if (index < 0) {
    // A name that no rule knows keeps its looks, too: they follow from its letters.
    let hash = 2166136261;
    for (const c of channel) hash = Math.imul(hash ^ c.codePointAt(0), 16777619) >>> 0;
    index = known.length + (hash % (colours * patterns - known.length));
  }
  return {slot: (index % colours) + 1, pattern: Math.floor(index / colours)};
}

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
export const channelColour = (channel) => colour(`channel-${channelStyle(channel).slot}`);

// The pattern of a channel for ECharts.
export function channelDecal(channel) {
  const {pattern} = channelStyle(channel);
  if (pattern === 0) return null;
  const shade = colour("surface");
  return pattern === 1
    ? {symbol: "rect", dashArrayX: [1, 0], dashArrayY: [3, 5], rotation: -Math.PI / 4, color: shade}
    : {symbol: "circle", symbolSize: 0.7, dashArrayX: [[6, 6], [0, 6, 6, 0]], dashArrayY: [6, 0], color: shade};
}

export const swatchClass = (channel) => {
  const {slot, pattern} = channelStyle(channel);
  return `swatch channel-${slot} pattern-${pattern}`;
};
