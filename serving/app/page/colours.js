// The colours of states and clusters: those of lunar_models/colours.py, which a test compares.

const CLUSTERS = [
  "#174bd7", "#0fd4bb", "#b180fc", "#8c6378", "#478ebc", "#a6b2f7", "#6b46a0", "#41b0bb",
  "#8ba5eb", "#87eadd", "#d8c0fe", "#c6b1bc", "#a3c6de", "#d2d8fb", "#b5a2d0", "#a0d8dd",
  "#0f318c", "#0a8a7a", "#7353a4", "#5b404e", "#2e5c7a", "#6c74a1", "#462e68", "#2a727a",
];
const UNKNOWN = "#9a9a9a";
const FRESH_TO_OLD = ["#edb929", "#e0811f", "#bf4c1f", "#8a2a1f"];

export const clusterColour = (id) => (id < 0 ? UNKNOWN : CLUSTERS[id % CLUSTERS.length]);

// The colour of state `k` of `count`, from 0, the freshest.
export function stateColour(k, count) {
  const place = (k / Math.max(count - 1, 1)) * (FRESH_TO_OLD.length - 1);
  const low = Math.min(Math.floor(place), FRESH_TO_OLD.length - 2);
  return `color-mix(in srgb, ${FRESH_TO_OLD[low + 1]} ${100 * (place - low)}%, ${FRESH_TO_OLD[low]})`;
}
