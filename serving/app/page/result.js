// Shows one prediction.

import { craterPath, place, showImage } from "/static/api.js";
import { stateColour } from "/static/colours.js";
import { $, element } from "/static/dom.js";

const percent = (p) => `${(100 * p).toFixed(p < 0.1 ? 1 : 0)} %`;

export function showStatus(text, isError = false) {
  $("status").textContent = text;
  $("status").classList.toggle("error", isError);
}

// A failed question leaves nothing of the answer before it.
export function clearAnswer() {
  $("answer").hidden = true;
  $("crop").removeAttribute("src");
}

export function showLegend(clusters, craters, colour) {
  const entry = (id) => {
    const ring = element("span", "", "ring");
    ring.style.borderColor = colour(id);
    const item = element("li", id < 0 ? "no cluster" : `cluster ${id}`);
    item.prepend(ring);
    return item;
  };
  const ids = [...new Set(clusters ?? [])].sort((a, b) => a - b);
  $("legend").replaceChildren(element("li", `Circles: ${craters}.`), ...ids.map(entry));
}

export function showPrediction(prediction, { title, request }) {
  $("place").textContent = title;
  $("answer").hidden = false;
  showState(prediction.state);
  showScale($("degradation"), prediction.degradation);
  showScale($("encoder-degradation"), prediction.encoder_degradation);
  $("warnings").replaceChildren(...prediction.warnings.map((w) => element("li", w.message)));
  $("json").textContent = JSON.stringify(prediction, null, 2);
  $("curl").textContent = request;
}

function showState(state) {
  const bars = $("probabilities");
  bars.replaceChildren();
  $("state").textContent = state ? state.label : "No states";
  if (!state) {
    $("state").append(element("small", "This model was registered without a classification head."));
    return;
  }
  const doubt = state.abstained ? `Better leave it to a person. ${state.reason ?? ""}` : "";
  const set = state.conformal_set.length > 1 ? `Cannot be excluded: ${state.conformal_set.join(", ")}.` : "";
  if (doubt || set) $("state").append(element("small", `${doubt} ${set}`.trim()));
  Object.entries(state.probabilities).forEach(([label, probability], k, all) => {
    const name = element("span", label);
    name.classList.toggle("out", !state.conformal_set.includes(label));
    const bar = element("span", "", "bar"), fill = element("span", "", "fill");
    fill.style.width = `${100 * probability}%`;
    fill.style.background = stateColour(k, all.length);
    bar.append(fill);
    bars.append(name, bar, element("span", percent(probability)));
  });
}

function showScale(figure, degradation) {
  figure.hidden = !degradation;
  if (!degradation) return;
  const { score, uncertainty } = degradation;
  const low = Math.max(0, score - uncertainty), high = Math.min(1, score + uncertainty);
  const part = (name) => figure.querySelector(`.${name}`);
  part("score").textContent = `${score.toFixed(2)} ± ${uncertainty.toFixed(2)}`;
  part("marker").style.left = `${100 * score}%`;
  part("band").style.left = `${100 * low}%`;
  part("band").style.width = `${100 * (high - low)}%`;
}

export function showCluster(prediction, members, onPick) {
  const { cluster, novelty } = prediction;
  $("cluster-box").hidden = !cluster;
  if (!cluster) return;
  const name = cluster.id < 0 ? "No cluster (noise)" : `Cluster ${cluster.id}`;
  const rare = novelty == null ? "" : ` · more unusual than ${percent(novelty)} of known craters`;
  $("cluster-title").textContent = `${name}${members ? `: typical of ${members.count.toLocaleString("en")}` : ""}${rare}`;
  fill($("gallery"), members?.craters.slice(0, 8) ?? [], onPick);
}

// `diameter` is that of the crater asked about; unknown for a dropped image.
export function showSimilar(similar, diameter, most, onPick) {
  $("similar-box").hidden = !similar.length;
  $("size-filter").hidden = diameter === undefined;
  const show = () => {
    const like = (crater) => Math.abs(Math.log2(crater.diameter_km / diameter)) <= 1;
    const chosen = diameter !== undefined && $("same-size").checked ? similar.filter(like) : similar;
    fill($("similar"), chosen.slice(0, most), onPick);
    if (!chosen.length) $("similar").append(element("p", "None of the nearest craters has a similar size."));
  };
  $("same-size").onchange = show;
  show();
}

function fill(gallery, craters, onPick) {
  gallery.replaceChildren(...craters.map((crater) => {
    const button = element("button");
    button.type = "button";
    const image = element("img");
    image.alt = "";
    showImage(image, `${craterPath(crater.crater_id)}/image.png`);
    const text = element("span", place(crater));
    text.prepend(element("b", crater.crater_id));
    button.append(image, text);
    button.addEventListener("click", () => onPick(crater.crater_id));
    return button;
  }));
}
