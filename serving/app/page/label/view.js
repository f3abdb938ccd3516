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
  $("question").textContent = scheme.question;
  $("states").replaceChildren(...scheme.states.map((state) => {
    const button = element("button", "", "answer state");
    button.type = "button";
    button.dataset.value = state.name;
    button.title = state.guide;
    button.setAttribute("aria-keyshortcuts", state.key);
    button.append(swatch(state.colour), element("kbd", state.key), element("b", state.name),
      element("span", "", "thumbs"));
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
  const ticks = 50 / setup.context_diameters;
  const place = (name, side, percent) => { document.querySelector(`.tick.${name}`).style[side] = `${percent}%`; };
  place("left", "left", 50 - ticks);
  place("right", "left", 50 + ticks);
  place("top", "top", 50 - ticks);
  place("bottom", "top", 50 + ticks);
  $("stretch").textContent = `Pictures: ${setup.stretch}; the ticks at the edges mark the rim.`;
  $("around-box").hidden = !setup.surroundings;
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

function sunText(task) {
  if (task.sun_in_picture_deg == null) return "Sun: direction unknown";
  const sides = ["top", "upper right", "right", "lower right", "bottom", "lower left", "left", "upper left"];
  const side = sides[Math.round(task.sun_in_picture_deg / 45) % 8];
  const high = task.incidence_deg == null ? "" : `, ${(90 - task.incidence_deg).toFixed(0)}° high`;
  const changes = [];
  if (Math.abs(task.rotation_deg) >= 0.5) changes.push(`turned by ${task.rotation_deg.toFixed(0)}°`);
  if (task.mirrored) changes.push("mirrored");
  const ground = ` (azimuth ${task.sun_azimuth_deg.toFixed(0)}° on the ground${changes.length ? `; picture ${changes.join(" and ")}` : ""})`;
  return `Sun from the ${side}${high}${ground}`;
}

export function drawTask(task, setup) {
  const size = task.diameter_km == null ? "Diameter unknown" : `${task.diameter_km.toFixed(task.diameter_km < 10 ? 2 : 1)} km across`;
  const pixels = task.native_px == null ? "" : ` = ${(task.native_px / setup.context_diameters).toFixed(0)} mosaic pixels`;
  $("facts").textContent = `${size}${pixels}. ${sunText(task)}.`;
  const sun = task.sun_in_picture_deg;
  $("sun").toggleAttribute("hidden", sun == null);
  // The arrow lies at the Sun's side and points to it.
  $("sun-turn").setAttribute("transform", `rotate(${sun ?? 0})`);
  const native = Math.round(task.native_px ?? setup.crop_size_px);
  $("native").style.width = `${native}px`;
  $("native-text").textContent = native <= 160 ? "1 : 1, a mosaic pixel a pixel" : "small";
  for (const button of $("states").children) {
    button.querySelector(".thumbs").replaceWith(thumbnails(task.examples[button.dataset.value] ?? []));
  }
  if (setup.surroundings) show($("around"), aroundPath(task.crater_id));
  show($("native"), detailPath(task.crater_id));
  return show($("crop"), detailPath(task.crater_id));
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

export function drawProgress(progress) {
  const { answers, labelled, wanted, disputed, training_left: training } = progress;
  const notes = [`${answers.toLocaleString("en")} ${answers === 1 ? "answer" : "answers"} by you`, `${labelled.toLocaleString("en")} of ${wanted.toLocaleString("en")} labels in all`];
  if (training) notes.unshift(`training: ${training} to go`);
  if (disputed) notes.push(`${disputed} to decide`);
  $("progress").textContent = `${notes.join(" · ")}.`;
}
