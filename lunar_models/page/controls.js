// Filters, colours, the record and the selection: everything beside the plots.

// What the dots are coloured by: per crater an index into the palette.
const colouring = { index: new Uint16Array(count), palette: [], words: [] };

// Mixed, always in the same way, so that no group lies on top of the others.
const drawOrder = Uint32Array.from({ length: count }, (_, i) => i)
  .sort((a, b) => Math.imul(a, 0x9e3779b1) - Math.imul(b, 0x9e3779b1));

function colourBy(key) {
  const grouping = groupings.find((g) => g.key === key);
  $("#ramp").hidden = Boolean(grouping);
  if (grouping) {
    colouring.index = grouping.index;
    colouring.palette = grouping.items.map((item) => item.colour);
  } else colourByNumber(columns.get(key));
  colouring.words = Uint32Array.from(colouring.palette, asWord);
}

// "#rrggbb" as an opaque pixel of an ImageData, which every browser keeps as ABGR.
function asWord(colour) {
  const rgb = parseInt(colour.slice(1), 16);
  return (0xff000000 | ((rgb & 255) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
}

function colourByNumber(c) {
  const sorted = Float32Array.from(c.values).filter((v) => !Number.isNaN(v)).sort();
  const low = sorted[Math.floor(sorted.length * 0.02)], high = sorted[Math.ceil(sorted.length * 0.98) - 1];
  const steps = viridis.length;
  const step = (v) => Math.min(Math.max(Math.floor(((v - low) / (high - low || 1)) * steps), 0), steps - 1);
  colouring.palette = [...viridis, "#6b7480"]; // the last is for unknown values
  colouring.index = Uint16Array.from(c.values, (v) => (Number.isNaN(v) ? steps : step(v)));
  $("#ramp i").style.background = `linear-gradient(90deg, ${viridis.join(",")})`;
  const [first, last] = document.querySelectorAll("#ramp span");
  first.textContent = digits(low);
  last.textContent = digits(high) + (c.unit ? ` ${c.unit}` : "");
}

function redraw() {
  for (const plot of plots) plot.draw();
}

// ---- filters

const diameter = column("diameter_km");
const span = diameter.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
const fromSlider = (id) => span[0] * (span[1] / span[0]) ** (Number($(id).value) / 1000);

function applyFilters() {
  // the ends of the slider stand for the ends of the data, whatever rounding makes of them
  const low = Number($("#diameter-low").value) ? fromSlider("#diameter-low") : -Infinity;
  const high = Number($("#diameter-high").value) < 1000 ? fromSlider("#diameter-high") : Infinity;
  let shown = 0;
  for (let i = 0; i < count; i++) {
    const fits = diameter[i] >= low && diameter[i] <= high && groupings.every((g) => !g.hidden.has(g.index[i]));
    visible[i] = fits;
    shown += fits;
  }
  const text = (v) => `${v.toPrecision(3).replace(/\.?0+$/, "")}`;
  $("#diameter-text").textContent = `${text(fromSlider("#diameter-low"))} – ${text(fromSlider("#diameter-high"))} km`;
  $("#count").textContent = `${thousands(shown)} of ${thousands(count)} craters shown`;
  if (hovered >= 0 && !visible[hovered]) hover(-1);
  showSelection();
  redraw();
}

function chip(grouping, item, k, number) {
  const element = document.createElement("label");
  element.className = "chip";
  element.style.setProperty("--colour", item.colour);
  const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: true });
  box.setAttribute("aria-label", `Show ${item.name}`);
  box.addEventListener("change", () => {
    box.checked ? grouping.hidden.delete(k) : grouping.hidden.add(k);
    applyFilters();
  });
  const small = Object.assign(document.createElement("small"), { textContent: thousands(number) });
  element.append(box, document.createElement("i"), item.name.replace("cluster ", ""), small);
  return element;
}

function buildFilters() {
  for (const grouping of groupings) {
    const place = $(grouping.key === "state" ? "#state-filter" : "#cluster-filter");
    place.hidden = false;
    const numbers = new Array(grouping.items.length).fill(0);
    for (const k of grouping.index) numbers[k]++;
    grouping.items.forEach((item, k) => place.append(chip(grouping, item, k, numbers[k])));
    $("#colour").append(new Option(grouping.name, grouping.key));
  }
  for (const c of columns.values())
    if (c.base64 && !groupings.some((g) => g.key === c.name)) $("#colour").append(new Option(c.label, c.name));
  const [low, high] = [$("#diameter-low"), $("#diameter-high")];
  low.addEventListener("input", () => { low.value = Math.min(low.value, high.value); applyFilters(); });
  high.addEventListener("input", () => { high.value = Math.max(low.value, high.value); applyFilters(); });
  $("#colour").addEventListener("change", (event) => { colourBy(event.target.value); redraw(); });
  $("#filters").addEventListener("submit", (event) => event.preventDefault());
  drawHistogram();
}

function drawHistogram() {
  const canvas = $("#histogram"), bars = 44;
  Object.assign(canvas, { width: 440, height: 48 });
  const tally = new Array(bars).fill(0), width = Math.log(span[1] / span[0]) || 1;
  for (const v of diameter) tally[Math.min(bars - 1, Math.floor((Math.log(v / span[0]) / width) * bars))]++;
  const top = Math.sqrt(Math.max(...tally)), context = canvas.getContext("2d");
  context.fillStyle = "#3b4654";
  tally.forEach((n, k) => {
    const h = n ? Math.max(2, (Math.sqrt(n) / top) * 46) : 0;
    context.fillRect((k * 440) / bars + 1, 48 - h, 440 / bars - 2, h);
  });
}

// ---- the record

let hovered = -1; // under the pointer or reached by the keyboard
let kept = -1; // clicked

function hover(i, { pointer, aloud } = {}) {
  if (i !== hovered) {
    hovered = i;
    showRecord(i >= 0 ? i : kept);
    for (const plot of plots) plot.paintTop();
  }
  showTip(i, pointer);
  if (aloud && i >= 0) $("#spoken").textContent = describe(i).map((pair) => pair.join(" ")).join(", ");
}

function keep(i) {
  kept = i;
  showRecord(i >= 0 ? i : hovered);
  for (const plot of plots) plot.paintTop();
}

function showRecord(i) {
  const context = $("#crop").getContext("2d");
  $("#record .hint").hidden = i >= 0;
  $("#pin-note").textContent = i >= 0 && i === kept ? "kept" : "";
  $("#record dl").replaceChildren();
  if (i < 0) return context.clearRect(0, 0, 224, 224);
  drawCrop(context, i, 0, 0, 224, () => i === (hovered >= 0 ? hovered : kept));
  for (const [name, value] of [["id", raw.ids[i]], ...describe(i)]) {
    const dt = Object.assign(document.createElement("dt"), { textContent: name });
    const dd = Object.assign(document.createElement("dd"), { textContent: value });
    $("#record dl").append(dt, dd);
  }
}

function showTip(i, pointer) {
  const tip = $("#tip");
  tip.hidden = i < 0 || !pointer;
  if (tip.hidden) return;
  drawCrop($("canvas", tip).getContext("2d"), i, 0, 0, 96, () => i === hovered);
  $("b", tip).textContent = raw.ids[i];
  const [first, second] = tip.querySelectorAll("span");
  first.textContent = `${digits(diameter[i])} km across`;
  second.textContent = groupings.map((g) => g.items[g.index[i]].name).join(", ");
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.min(pointer.x + 18, innerWidth - width - 8)}px`;
  tip.style.top = `${Math.min(pointer.y + 18, innerHeight - height - 8)}px`;
}

// ---- the selection

function select(rows, { add = false } = {}) {
  if (!add) selected.fill(0);
  for (const i of rows) selected[i] = 1;
  selectedCount = selected.reduce((a, b) => a + b, 0);
  showSelection();
  redraw();
}

function showSelection() {
  const rows = [];
  for (let i = 0; i < count; i++) if (selected[i] && visible[i]) rows.push(i);
  $("#clear").hidden = !selectedCount;
  $("#selection-count").textContent = selectedCount
    ? `${thousands(rows.length)} craters selected`
    : "Drag over craters in either picture; Shift adds to the selection.";
  showShares(rows);
  showSamples(rows);
  $("#selection details").hidden = !rows.length;
  $("#selection textarea").value = rows.map((i) => raw.ids[i]).join("\n");
}

function showShares(rows) {
  $("#shares").replaceChildren();
  if (!rows.length) return;
  const grouping = groupings.find((g) => g.key === $("#colour").value) ?? groupings[0];
  const tally = new Array(grouping.items.length).fill(0);
  for (const i of rows) tally[grouping.index[i]]++;
  grouping.items.forEach((item, k) => {
    if (!tally[k]) return;
    const line = Object.assign(document.createElement("div"), { className: "share" });
    const name = Object.assign(document.createElement("span"), { textContent: item.name });
    const bar = document.createElement("div"), fill = document.createElement("i");
    fill.style.cssText = `width:${(100 * tally[k]) / rows.length}%;background:${item.colour}`;
    bar.append(fill);
    const share = `${((100 * tally[k]) / rows.length).toFixed(1)} %`;
    line.append(name, bar, Object.assign(document.createElement("span"), { textContent: share }));
    $("#shares").append(line);
  });
}

let samplesDrawn = 0;

function showSamples(rows) {
  const canvas = $("#samples"), across = 6, side = 76, most = 24;
  const shown = rows.length <= most ? rows : Array.from({ length: most }, (_, k) => rows[Math.floor((k * rows.length) / most)]);
  const turn = ++samplesDrawn;
  canvas.hidden = !shown.length;
  Object.assign(canvas, { width: across * side, height: Math.ceil(shown.length / across) * side });
  const context = canvas.getContext("2d");
  shown.forEach((i, k) =>
    drawCrop(context, i, (k % across) * side + 1, Math.floor(k / across) * side + 1, side - 2, () => turn === samplesDrawn)
  );
}
