// Remembers which craters were marked, on this device until they are saved as a tag.

const KEPT = "lunar-search:marks";
const MOST = 2000;  // of a kind in one search

export class Marks {
  // `changed` is called with the id of the crater, or null when many have changed.
  constructor(changed) {
    this.changed = changed;
    this.sides = new Map();  // id -> true: of the kind, false: not; the newest last
    this.history = [];
    this.unsaved = new Set();
    this.name = "";  // of the tag that the others are saved in
    try {
      const kept = JSON.parse(localStorage.getItem(KEPT) ?? "{}");
      this.sides = new Map(kept.sides);
      this.unsaved = new Set(kept.unsaved);
      this.name = kept.name ?? "";
    } catch {
      localStorage.removeItem(KEPT);
    }
  }

  of(id) { return this.sides.get(id); }
  side(wanted) { return [...this.sides].filter(([, side]) => side === wanted).map(([id]) => id).reverse(); }
  examples() { return { positives: this.side(true).slice(0, MOST), negatives: this.side(false).slice(0, MOST) }; }

  isSaved(id) { return this.sides.has(id) && !this.unsaved.has(id); }

  // What a tag lacks of the marks: all of them if it is another than before, in parts.
  toSave(name) {
    const lacking = [...this.sides].filter(([id]) => name !== this.name || this.unsaved.has(id));
    const parts = [];
    for (let start = 0; start < lacking.length; start += MOST) {
      const ids = (wanted) => lacking.slice(start, start + MOST).filter(([, side]) => side === wanted).map(([id]) => id);
      parts.push({ positives: ids(true), negatives: ids(false) });
    }
    return parts;
  }

  // `side` undefined takes the mark away.
  set(id, side) {
    const before = this.sides.get(id);
    if (before === side) return;
    this.history.push([id, before]);
    this.put(id, side);
  }

  put(id, side) {
    this.sides.delete(id);
    if (side === undefined) this.unsaved.delete(id);
    else { this.sides.set(id, side); this.unsaved.add(id); }
    this.keep();
    this.changed(id);
  }

  undo() {
    const last = this.history.pop();
    if (last) this.put(...last);
    return last?.[0] ?? null;
  }

  // What the server has under a name; every mark was saved before.
  replace({ name, positives, negatives }) {
    this.name = name;
    this.sides = new Map([...negatives.map((id) => [id, false]), ...positives.map((id) => [id, true])]);
    this.all();
  }

  saved(name) { this.name = name; this.unsaved.clear(); this.keep(); this.changed(null); }
  clear() { this.name = ""; this.sides.clear(); this.all(); }

  all() {
    this.history = [];
    this.unsaved.clear();
    this.keep();
    this.changed(null);
  }

  keep() {
    localStorage.setItem(KEPT, JSON.stringify({ sides: [...this.sides], unsaved: [...this.unsaved], name: this.name }));
  }
}
