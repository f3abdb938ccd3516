// Draws what the page knows; decides nothing.

import { $, element } from "/static/dom.js";
import { aroundPath, cropPath, detailPath, show } from "./pictures.js";

function thumbnails(ids) {
  const box = element("span", "", "thumbs");
  for (const id of ids) {
    const image = element("img");
    image.alt = "";
    show(image, cropPath(id));
    box.append(image);
  }
  return box;
}

function swatch(colour) {
  const box = element("span", "", "swatch");
  box.style.background = colour;
  return box;
}

export function drawScheme(setup, answer) {
  const { scheme } = setup;
  $("states").replaceChildren(...scheme.states.map((state) => {
    const button = element("button", "", "answer state");
    button.type = "button";
    button.dataset.value = state.name;
    button.title = state.guide;
    button.setAttribute("aria-keyshortcuts", state.key);
    const text = element("span");
    text.append(element("b", state.name), element("span", state.guide, "guide"));
    button.append(swatch(state.colour), element("kbd", state.key), text, element("span", "", "thumbs"));
    button.addEventListener("click", () => answer(state.name));
    return button;
  }));
  for (const [id, value, entry] of [
    ["cannot", "cannot tell", scheme.cannot_tell], ["none", "not a crater", scheme.not_a_crater],
  ]) {
    const button = $(id);
    button.dataset.value = value;
    button.title = entry.guide;
    button.setAttribute("aria-keyshortcuts", entry.key);
    button.replaceChildren(`${value[0].toUpperCase()}${value.slice(1)} `, element("kbd", entry.key));
    button.onclick = () => answer(value);
  }
  drawGuide(scheme);
  drawRim(50 / setup.context_diameters);
}

// Ticks at all four edges, and a circle for who asks: a line over the rim would hide how sharp it is.
function drawRim(radius) {
  const shapes = ["under", ""].flatMap((name) => [-radius, radius].flatMap((at) => [
    `<path class="${name}" d="M${at}-50v3.5M${at} 50v-3.5M-50 ${at}h3.5M50 ${at}h-3.5"/>`,
  ]));
  $("rim").innerHTML = `${shapes.join("")}<circle class="circle under" r="${radius}"/><circle class="circle" r="${radius}"/>`;
}

export function drawStretch(setup, alike) {
  $("alike").setAttribute("aria-pressed", String(alike));
  const stretch = alike ? setup.stretch_alike : setup.stretch;
  $("stretch").textContent = `Pictures: ${stretch}; the ticks at the edges mark the rim.`;
}

function drawGuide(scheme) {
  const entries = [
    ...scheme.states,
    { ...scheme.cannot_tell, name: "Cannot tell", colour: "#7b8090" },
    { ...scheme.not_a_crater, name: "Not a crater", colour: "#7b8090" },
  ];
  $("guide-text").replaceChildren(...entries.map((state) => {
    const entry = element("div", "", "entry");
    const head = element("b", `${state.name} `);
    head.append(element("kbd", state.key));
    entry.append(swatch(state.colour), head, element("p", state.guide));
    if (state.examples?.length) entry.append(thumbnails(state.examples));
    return entry;
  }));
}

const UNCERTAIN_DEG = 20;
const isUncertain = (task) => task.sun_azimuth_std_deg > UNCERTAIN_DEG;
const spread = (task) => task.sun_azimuth_std_deg == null ? "" : ` ± ${task.sun_azimuth_std_deg.toFixed(0)}°`;

function sunText(task) {
  if (task.sun_in_picture_deg == null) return "Sun: direction unknown";
  const sides = ["top", "upper right", "right", "lower right", "bottom", "lower left", "left", "upper left"];
  const side = sides[Math.round(task.sun_in_picture_deg / 45) % 8];
  const high = task.incidence_deg == null ? "" : `, ${(90 - task.incidence_deg).toFixed(0)}° high`;
  const changes = [];
  if (Math.abs(task.rotation_deg) >= 0.5) changes.push(`turned by ${task.rotation_deg.toFixed(0)}°`);
  if (task.mirrored) changes.push("mirrored");
  const ground = ` (azimuth ${task.sun_azimuth_deg.toFixed(0)}°${spread(task)} on the ground${changes.length ? `; picture ${changes.join(" and ")}` : ""})`;
  return `Sun ${isUncertain(task) ? "perhaps " : ""}from the ${side}${high}${ground}`;
}

export function drawTask(task, setup) {
  $("question").textContent = `${task.decision ? "Decision, the labels differ: " : ""}${setup.scheme.question}`;
  const size = task.diameter_km == null ? "Diameter unknown" : `${task.diameter_km.toFixed(task.diameter_km < 10 ? 2 : 1)} km across`;
  const pixels = task.native_px == null ? "" : ` = ${(task.native_px / setup.context_diameters).toFixed(0)} mosaic pixels`;
  $("facts").textContent = `${size}${pixels}. ${sunText(task)}.`;
  const sun = task.sun_in_picture_deg;
  $("sun").toggleAttribute("hidden", sun == null);
  $("frame").classList.toggle("uncertain", isUncertain(task));
  // The arrow lies at the Sun's side and points to it.
  $("sun-turn").setAttribute("transform", `rotate(${sun ?? 0})`);
  const native = Math.round(task.native_px ?? setup.crop_size_px);
  $("native").style.width = `${native}px`;
  $("native-text").textContent = native <= 160 ? "1 : 1, a mosaic pixel a pixel" : "small";
  for (const button of $("states").children) {
    button.querySelector(".thumbs").replaceWith(thumbnails(task.examples[button.dataset.value] ?? []));
  }
  showAround(task, setup);
  show($("native"), detailPath(task.crater_id));
  return show($("crop"), detailPath(task.crater_id));
}

// Hidden where the mosaic shows nothing around the crater.
async function showAround(task, setup) {
  const box = $("around-box");
  box.hidden = true;
  if (setup.surroundings) box.hidden = !await show($("around"), aroundPath(task.crater_id));
}

export function drawLast(last, after) {
  const box = $("last");
  box.hidden = !last;
  if (!last) return;
  const image = element("img");
  image.alt = "The crater before";
  show(image, detailPath(last.crater_id));
  const said = element("span", "Before: you said ");
  said.append(element("b", last.value));
  box.replaceChildren(image, said);
  if (after?.expected) {
    const right = after.expected === last.value;
    box.append(element("span", right ? "Training: right." : `Training: it is ${after.expected}.`, right ? "" : "wrong"));
  }
  if (after?.guess) box.append(element("span", `Model: ${after.guess}`));
  for (const other of after?.others ?? []) {
    box.append(element("span", `${other.labeller}: ${other.value}${other.note ? ` (${other.note})` : ""}`));
  }
}

// `left` is null while there are more than this device holds.
export function drawProgress(progress, left) {
  const { answers, labelled, wanted, disputed, training_left: training } = progress;
  const notes = [`${answers.toLocaleString("en")} ${answers === 1 ? "answer" : "answers"} by you`, `${labelled.toLocaleString("en")} of ${wanted.toLocaleString("en")} labels by everybody`];
  if (left) notes.push(`${left} left for you now`);
  if (training) notes.unshift(`training: ${training} to go`);
  if (disputed) notes.push(`${disputed} to decide`);
  $("progress").textContent = `${notes.join(" · ")}.`;
}

export function drawQueue(queue, offline) {
  const waiting = queue.pending().length, refused = queue.refused();
  const chip = $("saved");
  const away = offline || queue.problem;
  chip.textContent = refused.length ? `${refused.length} refused` : waiting ? `${away ? "offline · " : ""}${waiting} to send` : away ? "offline · all sent" : "all saved";
  chip.className = `chip ${refused.length ? "amiss" : waiting || away ? "waiting" : "ok"}`;
  $("refused-box").hidden = !refused.length;
  $("refused").textContent = refused.map((vote) => `${vote.crater_id}, ${vote.value}: ${vote.reason}`).join("\n");
}

export function zoom(on) {
  $("frame").classList.toggle("zoomed", on);
  $("zoom").setAttribute("aria-pressed", String(on));
}

export function ring() {
  const on = $("frame").classList.toggle("ringed");
  $("ring").setAttribute("aria-pressed", String(on));
}
