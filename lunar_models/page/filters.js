// Which craters are shown: groups, diameters, any column, and the search by id.

const diameter = column("diameter_km");
const span = diameter.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
const fromSlider = (id) => span[0] * (span[1] / span[0]) ** (Number($(id).value) / 1000);

// For each column with a filter of its own: whether a crater passes; null while nothing is asked.
const columnFilters = new Map();

function applyFilters() {
  // the ends of the slider stand for the ends of the data, whatever rounding makes of them
  const low = Number($("#diameter-low").value) ? fromSlider("#diameter-low") : -Infinity;
  const high = Number($("#diameter-high").value) < 1000 ? fromSlider("#diameter-high") : Infinity;
  const further = [...columnFilters.values()].filter(Boolean);
  let shown = 0;
  for (let i = 0; i < count; i++) {
    const fits = diameter[i] >= low && diameter[i] <= high && groupings.every((g) => !g.hidden.has(g.index[i])) && further.every((test) => test(i));
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
  const only = Object.assign(document.createElement("button"), { type: "button", textContent: "only" });
  only.setAttribute("aria-label", `Show only ${item.name}, or all again`);
  only.addEventListener("click", () => showOnly(grouping, k));
  element.append(box, document.createElement("i"), item.name.replace("cluster ", ""), small, only);
  grouping.boxes[k] = box;
  return element;
}

// Only one group of a grouping; all of them where it stands alone already.
function showOnly(grouping, k) {
  const alone = !grouping.hidden.has(k) && grouping.hidden.size === grouping.items.length - 1;
  grouping.hidden = new Set(alone ? [] : grouping.items.keys());
  if (!alone) grouping.hidden.delete(k);
  grouping.boxes.forEach((box, other) => { box.checked = !grouping.hidden.has(other); });
  applyFilters();
}

// A row with the limits of a column of numbers, or the text that one of words contains.
function addColumnFilter(c) {
  if (columnFilters.has(c.name)) return;
  columnFilters.set(c.name, null);
  const row = Object.assign(document.createElement("div"), { className: "column-filter" });
  const ask = (type, label, placeholder) => {
    const input = Object.assign(document.createElement("input"), { type, placeholder });
    if (type === "number") input.step = "any";
    input.setAttribute("aria-label", `${c.label}: ${label}`);
    input.addEventListener("input", () => { columnFilters.set(c.name, test()); applyFilters(); });
    return input;
  };
  const inputs = c.base64 ? [ask("number", "at least", "from"), ask("number", "at most", "to")] : [ask("search", "contains", "contains")];
  const test = () => {
    const asked = inputs.map((input) => input.value.trim());
    if (asked.every((text) => !text)) return null;
    if (!c.base64) return (i) => c.values[i].toLowerCase().includes(asked[0].toLowerCase());
    const low = asked[0] ? Number(asked[0]) : -Infinity, high = asked[1] ? Number(asked[1]) : Infinity;
    return (i) => c.values[i] >= Math.fround(low) && c.values[i] <= Math.fround(high);
  };
  const drop = Object.assign(document.createElement("button"), { type: "button", textContent: "×" });
  drop.setAttribute("aria-label", `Remove the filter ${c.label}`);
  drop.addEventListener("click", () => { columnFilters.delete(c.name); row.remove(); applyFilters(); });
  row.append(Object.assign(document.createElement("span"), { textContent: c.label }), ...inputs, drop);
  $("#column-filters").append(row);
  inputs[0].focus();
}

function search(text) {
  const wanted = text.trim().toLowerCase(), found = [];
  for (let i = 0; wanted && i < count && found.length < 8; i++) if (raw.ids[i].toLowerCase().includes(wanted)) found.push(i);
  const exact = raw.ids.findIndex((id) => id.toLowerCase() === wanted);
  if (exact >= 0) found.unshift(exact);
  $("#found").replaceChildren(...[...new Set(found)].map((i) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: raw.ids[i] });
    button.addEventListener("click", () => show(i));
    return button;
  }));
  $("#not-found").hidden = !wanted || found.length > 0;
}

// Keep a crater and bring it into sight.
function show(i) {
  $("#found").replaceChildren();
  $("#search").value = raw.ids[i];
  keep(i);
  for (const plot of plots) plot.reveal(i);
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
  for (const c of columns.values()) {
    if (groupings.some((g) => g.key === c.name)) continue;
    $("#colour").append(new Option(c.label, c.name));
    $("#add-filter").append(new Option(c.label, c.name));
  }
  $("#add-filter").addEventListener("change", (event) => {
    addColumnFilter(columns.get(event.target.value));
    event.target.value = "";
  });
  $("#search").addEventListener("input", (event) => search(event.target.value));
  $("#search").addEventListener("keydown", (event) => {
    if (event.key === "Enter") $("#found button")?.click();
  });
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
