// What Python wrote: typed arrays, groups, the atlas of crops.

const raw = JSON.parse(document.getElementById("data").textContent);
const $ = (selector, root = document) => root.querySelector(selector);

const floats = (text) =>
  new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);

const count = raw.ids.length;
const columns = new Map(
  raw.columns.map((c) => [c.name, { ...c, values: c.base64 ? floats(c.base64) : c.texts }])
);
const column = (name) => columns.get(name).values;
const views = raw.views.map((v) => ({ ...v, x: floats(v.x), y: floats(v.y) }));
const similar = { each: raw.similar?.each ?? 0, rows: raw.similar ? new Uint32Array(floats(raw.similar.base64).buffer) : null };

const visible = new Uint8Array(count).fill(1); // passes the filters
const selected = new Uint8Array(count); // brushed
let selectedCount = 0;

// groups: {key: "cluster_id", name: "Cluster", items: [{id, name, colour}]}
const groupings = raw.groupings.map((g) => ({
  ...g,
  index: indexOf(column(g.key), g.items),
  hidden: new Set(),
  boxes: [],
}));

function indexOf(values, items) {
  const place = new Map(items.map((item, k) => [item.id, k]));
  return Uint16Array.from(values, (v) => place.get(v));
}

// crops, decoded one atlas page at a time when first wanted
const pages = raw.atlas.pages.map(() => null);

function withPage(number, use) {
  if (!pages[number]) {
    pages[number] = new Image();
    pages[number].src = "data:image/webp;base64," + raw.atlas.pages[number];
  }
  const image = pages[number];
  if (image.complete && image.naturalWidth) use(image);
  else image.addEventListener("load", () => use(image), { once: true });
}

// Draw crop `i` into a square of a 2-D context; `wanted()` false drops a crop that comes late.
function drawCrop(context, i, left, top, side, wanted = () => true) {
  const { sprite_px: px, across, per_page: perPage } = raw.atlas;
  const k = i % perPage;
  withPage(Math.floor(i / perPage), (image) => {
    if (!wanted()) return;
    context.imageSmoothingQuality = "high";
    context.drawImage(image, (k % across) * px, Math.floor(k / across) * px, px, px, left, top, side, side);
  });
}

const thousands = (n) => n.toLocaleString("en");
const digits = (v) => (Math.abs(v) >= 1000 || Number.isInteger(v) ? thousands(v) : String(+v.toPrecision(4)));
const degrees = (v, positive, negative) => `${Math.abs(v).toFixed(3)}° ${v < 0 ? negative : positive}`;

function describe(i) {
  return [...columns.values()].map((c) => {
    const v = c.values[i];
    const grouping = groupings.find((g) => g.key === c.name);
    if (grouping) return [grouping.name.toLowerCase(), grouping.items[grouping.index[i]].name.replace("cluster ", "")];
    if (c.name === "longitude_deg") return [c.label, degrees(v, "E", "W")];
    if (c.name === "latitude_deg") return [c.label, degrees(v, "N", "S")];
    if (typeof v !== "number") return [c.label, v];
    return [c.label, Number.isNaN(v) ? "unknown" : digits(v) + (c.unit ? ` ${c.unit}` : "")];
  });
}
