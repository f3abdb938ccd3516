// Colours, the record and the selection: everything beside the plots and the filters.

// What the dots are coloured by: per crater an index into the palette.
const colouring = { index: new Uint16Array(count), palette: [], words: [] };
const MOST_VALUES = 24;

// Mixed, always in the same way, so that no group lies on top of the others.
const drawOrder = Uint32Array.from({ length: count }, (_, i) => i)
  .sort((a, b) => Math.imul(a, 0x9e3779b1) - Math.imul(b, 0x9e3779b1));

function colourBy(key) {
  const c = columns.get(key);
  const grouping = groupings.find((g) => g.key === key) ?? (c.base64 ? null : byValue(c));
  $("#ramp").hidden = Boolean(grouping);
  if (grouping) {
    colouring.index = grouping.index;
    colouring.palette = grouping.items.map((item) => item.colour);
  } else colourByNumber(c);
  colouring.grouping = grouping;
  colouring.words = Uint32Array.from(colouring.palette, asWord);
  showKey(grouping);
  showSelection();
}

// A column of words as groups, the most frequent first; names of states have the states' colours.
function byValue(c) {
  const tally = new Map();
  for (const v of c.values) tally.set(v, (tally.get(v) ?? 0) + 1);
  const named = new Map((groupings.find((g) => g.key === "state")?.items ?? []).map((s) => [s.name, s.colour]));
  const values = [...tally.keys()].filter(Boolean).sort((x, y) => tally.get(y) - tally.get(x)).slice(0, MOST_VALUES);
  const items = values.map((v, k) => ({ name: v, colour: named.get(v) ?? raw.colours.groups[k] }));
  items.push({ name: tally.size > values.length + tally.has("") ? "others" : "none", colour: raw.colours.unknown });
  const place = new Map(values.map((v, k) => [v, k]));
  return { key: c.name, items, index: Uint16Array.from(c.values, (v) => place.get(v) ?? values.length) };
}

// The key to the colours, where no filter shows them.
function showKey(grouping) {
  const shown = grouping && !groupings.includes(grouping);
  $("#key").hidden = !shown;
  $("#key").replaceChildren(...(shown ? grouping.items : []).map((item) => {
    const entry = Object.assign(document.createElement("li"), { textContent: item.name });
    entry.style.setProperty("--colour", item.colour);
    return entry;
  }));
}

// "#rrggbb" as an opaque pixel of an ImageData, which every browser keeps as ABGR.
function asWord(colour) {
  const rgb = parseInt(colour.slice(1), 16);
  return (0xff000000 | ((rgb & 255) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
}

function colourByNumber(c) {
  const sorted = Float32Array.from(c.values).filter((v) => !Number.isNaN(v)).sort();
  const wear = c.name.endsWith("degradation"); // 0 to 1, in the colours of the states
  const low = wear ? 0 : sorted[Math.floor(sorted.length * 0.02)];
  const high = wear ? 1 : sorted[Math.ceil(sorted.length * 0.98) - 1];
  const ramp = wear ? raw.colours.degradation : raw.colours.number, steps = ramp.length;
  const step = (v) => Math.min(Math.max(Math.floor(((v - low) / (high - low || 1)) * steps), 0), steps - 1);
  colouring.palette = [...ramp, raw.colours.unknown]; // the last is for unknown values
  colouring.index = Uint16Array.from(c.values, (v) => (Number.isNaN(v) ? steps : step(v)));
  $("#ramp i").style.background = `linear-gradient(90deg, ${ramp.join(",")})`;
  const [first, last] = document.querySelectorAll("#ramp span");
  first.textContent = digits(low);
  last.textContent = digits(high) + (c.unit ? ` ${c.unit}` : "");
}

function redraw() {
  for (const plot of plots) plot.draw();
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
  showSimilar(i);
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

// ---- craters that look like it

function showSimilar(i) {
  $("#similar").hidden = i < 0 || !similar.each;
  if ($("#similar").hidden) return;
  const rows = [...similar.rows.subarray(i * similar.each, (i + 1) * similar.each)];
  const canvas = $("#similar canvas");
  Object.assign(canvas, { width: 6 * 76, height: Math.ceil(rows.length / 6) * 76 });
  const context = canvas.getContext("2d");
  rows.forEach((row, k) => {
    const shown = () => i === (hovered >= 0 ? hovered : kept);
    drawCrop(context, row, (k % 6) * 76 + 1, Math.floor(k / 6) * 76 + 1, 74, shown);
  });
  $("#more-like").onclick = () => { keep(i); select([i, ...rows]); };
  canvas.onclick = (event) => {
    const side = canvas.clientWidth / 6;
    const k = Math.floor(event.offsetX / side) + 6 * Math.floor(event.offsetY / side);
    if (k < rows.length) keep(rows[k]);
  };
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
  $("#csv").onclick = () => download("selected_craters.csv", asCsv(rows));
}

const csvCell = (v) => (/[",\n\r]/.test(v) ? `"${v.replaceAll('"', '""')}"` : v);

// A float32 as its shortest decimals.
function csvNumber(v) {
  if (Number.isNaN(v)) return "";
  for (let n = 6; n < 9; n++) if (Math.fround(+v.toPrecision(n)) === v) return String(+v.toPrecision(n));
  return String(v);
}

function asCsv(rows) {
  const all = [...columns.values()];
  const line = (i) => [csvCell(raw.ids[i]), ...all.map((c) => (c.base64 ? csvNumber(c.values[i]) : csvCell(c.values[i])))];
  return [["crater_id", ...all.map((c) => csvCell(c.name))], ...rows.map(line)].map((cells) => cells.join(",") + "\n").join("");
}

// A frame that may not download, such as MLflow's, shows the text to copy.
function download(name, text) {
  $("#selection textarea").value = text;
  $("#selection details").open = true;
  const link = Object.assign(document.createElement("a"), { download: name });
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.click();
  URL.revokeObjectURL(link.href);
}

function showShares(rows) {
  $("#shares").replaceChildren();
  if (!rows.length) return;
  const grouping = colouring.grouping ?? groupings[0];
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
