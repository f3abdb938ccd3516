// Craters of a release, fetched tile by tile as the map shows them.

const MOST_KEPT = 400;
const MOST_FETCHED = 6;
const TILE_PX = 256;

export class Tiles {
  // `fetchTile(path)` resolves to a tile's columns; `onChange(error)` is called as tiles arrive.
  constructor(levels, fetchTile, onChange) {
    Object.assign(this, { levels, fetchTile, onChange, kept: new Map(), fetching: new Set(), wanted: [], failed: 0 });
  }

  // Craters that lie in a view of [west, south, east, north], largest first; fetches what is missing.
  craters([west, south, east, north], scale) {
    const deepest = Math.min(this.levels - 1, Math.max(0, Math.floor(Math.log2((180 * scale) / TILE_PX))));
    const found = [];
    this.wanted = [];
    for (let level = 0; level <= deepest; level++) {
      const side = 180 / 2 ** level;
      const [first, last] = [Math.max(0, Math.floor((west + 180) / side)), Math.min(2 ** (level + 1) - 1, Math.floor((east + 180) / side))];
      const [top, bottom] = [Math.max(0, Math.floor((90 - north) / side)), Math.min(2 ** level - 1, Math.floor((90 - south) / side))];
      for (let column = first; column <= last; column++) {
        for (let row = top; row <= bottom; row++) this.take(level, column, row, found);
      }
    }
    this.fetchNext();
    return found.sort((a, b) => b.km - a.km);
  }

  take(level, column, row, found) {
    const above = level && this.kept.get(`${level - 1}/${column >> 1}/${row >> 1}`);
    if (level && !above?.below) return;  // not there yet, or nothing lies below it
    const key = `${level}/${column}/${row}`;
    const tile = this.kept.get(key);
    if (!tile) return void this.wanted.push(key);
    this.kept.delete(key);  // the newest stand last
    this.kept.set(key, tile);
    for (const crater of tile.craters) found.push(crater);
  }

  fetchNext() {
    if (Date.now() < this.failed) return;
    for (const key of this.wanted) {
      if (this.fetching.size >= MOST_FETCHED) return;
      if (!this.fetching.has(key)) this.fetch(key);
    }
  }

  async fetch(key) {
    this.fetching.add(key);
    let problem = null;
    try {
      this.kept.set(key, read(await this.fetchTile(`/v1/tiles/${key}`)));
      for (const old of this.kept.keys()) {
        if (this.kept.size <= MOST_KEPT) break;
        this.kept.delete(old);
      }
    } catch (error) {
      problem = error;
      this.failed = Date.now() + 2000;  // a server in trouble is not asked for every tile
    }
    this.fetching.delete(key);
    this.onChange(problem);
  }
}

function read({ crater_id, longitude_deg, latitude_deg, diameter_km, cluster_id, below }) {
  const craters = crater_id.map((id, i) => ({
    id, lon: longitude_deg[i], lat: latitude_deg[i], km: diameter_km[i], cluster: cluster_id?.[i] ?? 0,
  }));
  return { craters, below };
}
