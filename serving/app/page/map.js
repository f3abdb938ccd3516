// The map: mosaic (if there is one) and craters on a plain longitude-latitude grid.

import { clusterColour } from "/static/colours.js";

const KM_PER_DEGREE = 30.32;
const REACH_PX = 14;
const MOST_SHOWN = 450;

export class CraterMap {
  constructor(canvas, note, onPick) {
    Object.assign(this, { canvas, note, onPick, craters: [], shown: [], picture: null, current: null, tiles: null });
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => this.release(event, end === "pointerup"));
    }
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? 1.25 : 0.8, event.offsetX, event.offsetY);
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.pointers = new Map();
  }

  show(table, picture) {
    const { crater_id, longitude_deg, latitude_deg, diameter_km, cluster_id } = table;
    this.craters = crater_id.map((id, i) => ({
      id, lon: longitude_deg[i], lat: latitude_deg[i], km: diameter_km[i], cluster: cluster_id?.[i] ?? 0,
    }));
    this.picture = picture;
    this.pictureBounds = table.mosaic_bounds_deg;
    const edge = (pick, at) => pick(...this.craters.map((c) => c[at]));
    this.bounds = picture ? this.pictureBounds : [
      edge(Math.min, "lon") - 2, edge(Math.min, "lat") - 2, edge(Math.max, "lon") + 2, edge(Math.max, "lat") + 2,
    ];
    this.fit();
  }

  // A release too large to be sent at once: `tiles` has the craters of a view.
  showTiles(tiles, bounds, picture) {
    Object.assign(this, { tiles, picture, pictureBounds: bounds });
    this.bounds = picture ? bounds : [-180, -90, 180, 90];
    this.fit();
  }

  fit() {
    const [west, south, east, north] = this.bounds;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.scale = Math.min(width / (east - west), height / (north - south));
    this.least = this.scale * 0.8;
    this.lon = (west + east) / 2;
    this.lat = (south + north) / 2;
    this.resize();
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = this.canvas.clientWidth * ratio;
    this.canvas.height = this.canvas.clientHeight * ratio;
    this.draw();
  }

  toScreen(lon, lat) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    return [width / 2 + (lon - this.lon) * this.scale, height / 2 - (lat - this.lat) * this.scale];
  }

  draw() {
    if (!this.bounds) return;
    const pen = this.canvas.getContext("2d");
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    if (this.picture) {
      const [west, south, east, north] = this.pictureBounds;
      const [x0, y0] = this.toScreen(west, north);
      const [x1, y1] = this.toScreen(east, south);
      pen.drawImage(this.picture, x0, y0, x1 - x0, y1 - y0);
    }
    this.drawGrid(pen, width, height);
    if (this.tiles) this.craters = this.tiles.craters(this.view(width, height), this.scale);
    // The largest come first in the table; more of them appear as one zooms in.
    this.shown = this.craters.filter((c) => this.inView(c, width, height)).slice(0, MOST_SHOWN);
    for (const crater of this.shown) this.drawCrater(pen, crater);
    if (this.current) this.drawCurrent(pen);
  }

  view(width, height) {
    const [east, north] = [width / 2 / this.scale, height / 2 / this.scale];
    return [this.lon - east, this.lat - north, this.lon + east, this.lat + north];
  }

  drawGrid(pen, width, height) {
    const step = [30, 15, 10, 5, 2, 1, 0.5].find((d) => d * this.scale < 140) ?? 0.5;
    pen.strokeStyle = "#ffffff1c";
    pen.fillStyle = "#d5d8e0";
    pen.font = "11px system-ui, sans-serif";
    pen.lineWidth = 1;
    const west = this.lon - width / 2 / this.scale, south = this.lat - height / 2 / this.scale;
    for (let lon = Math.ceil(west / step) * step; lon < west + width / this.scale; lon += step) {
      const [x] = this.toScreen(lon, 0);
      pen.strokeRect(x, -1, 0, height + 2);
      pen.fillText(`${+lon.toFixed(1)}°`, x + 3, 12);
    }
    const north = Math.min(90, south + height / this.scale);
    for (let lat = Math.ceil(Math.max(-90, south) / step) * step; lat <= north; lat += step) {
      const [, y] = this.toScreen(0, lat);
      pen.strokeRect(-1, y, width + 2, 0);
      pen.fillText(`${+lat.toFixed(1)}°`, 3, y - 3);
    }
  }

  radius(crater) {
    return Math.max(2.2, (crater.km / 2 / KM_PER_DEGREE) * this.scale);
  }

  inView(crater, width, height) {
    const [x, y] = this.toScreen(crater.lon, crater.lat);
    const radius = this.radius(crater);
    return x > -radius && y > -radius && x < width + radius && y < height + radius;
  }

  drawCrater(pen, crater) {
    const [x, y] = this.toScreen(crater.lon, crater.lat);
    const radius = this.radius(crater);
    pen.strokeStyle = clusterColour(crater.cluster);
    pen.globalAlpha = 0.75;
    pen.lineWidth = 1.3;
    pen.beginPath();
    pen.ellipse(x, y, radius / Math.max(0.2, Math.cos((crater.lat * Math.PI) / 180)), radius, 0, 0, 7);
    pen.stroke();
    pen.globalAlpha = 1;
  }

  drawCurrent(pen) {
    const [x, y] = this.toScreen(this.current.lon, this.current.lat);
    const radius = Math.max(8, this.radius(this.current) + 4);
    for (const [colour, width] of [["#000", 5], ["#fff", 2.5]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      pen.beginPath();
      pen.arc(x, y, radius, 0, 7);
      pen.stroke();
    }
  }

  zoom(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    if (!this.bounds) return;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const scale = Math.min(Math.max(this.scale * factor, this.least), this.least * 400);
    this.lon += (x - width / 2) * (1 / this.scale - 1 / scale);
    this.lat -= (y - height / 2) * (1 / this.scale - 1 / scale);
    this.scale = scale;
    this.draw();
  }

  press(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    this.moved = this.pointers.size > 1 ? 99 : 0;
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const [dx, dy] = [event.offsetX - before.x, event.offsetY - before.y];
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const apart = (a) => Math.hypot(a.x - other.x, a.y - other.y) || 1;
      const factor = apart({ x: event.offsetX, y: event.offsetY }) / apart(before);
      this.zoom(factor, other.x, other.y);
    } else {
      this.moved += Math.abs(dx) + Math.abs(dy);
      if (this.moved > 5) {
        this.lon -= dx / this.scale;
        this.lat += dy / this.scale;
        this.draw();
      }
    }
    this.pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
  }

  release(event, pick) {
    this.pointers.delete(event.pointerId);
    if (!pick || this.moved > 5) return;
    const crater = this.nearest(event.offsetX, event.offsetY);
    if (crater) this.choose(crater, true);
  }

  nearest(x, y) {
    let best = null, least = Infinity;
    for (const crater of this.shown) {
      const [cx, cy] = this.toScreen(crater.lon, crater.lat);
      const away = Math.hypot(cx - x, cy - y);
      if (away < Math.max(REACH_PX, this.radius(crater)) && away < least) [best, least] = [crater, away];
    }
    return best;
  }

  choose(crater, pick) {
    this.current = crater;
    const [x, y] = this.toScreen(crater.lon, crater.lat);
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (x < 20 || y < 20 || x > width - 20 || y > height - 20) {
      [this.lon, this.lat] = [crater.lon, crater.lat];
    }
    this.draw();
    this.note.value = `${crater.id} · ${crater.km.toFixed(1)} km`;
    if (pick) this.onPick(crater.id);
  }

  chooseById(id) {
    const crater = this.craters.find((c) => c.id === id);
    if (crater) this.choose(crater, false);
  }

  key(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (step) this.walk(...step);
    else if (event.key === "+" || event.key === "=") this.zoom(1.4);
    else if (event.key === "-") this.zoom(1 / 1.4);
    else if ((event.key === "Enter" || event.key === " ") && this.current) this.onPick(this.current.id);
    else return;
    event.preventDefault();
  }

  // The crater that lies best in a direction: near, and not far to the side.
  walk(east, north) {
    const from = this.current ?? { lon: this.lon, lat: this.lat };
    let best = null, least = Infinity;
    for (const crater of this.shown) {
      const [dx, dy] = [crater.lon - from.lon, crater.lat - from.lat];
      const ahead = dx * east + dy * north, aside = Math.abs(dx * north) + Math.abs(dy * east);
      const cost = ahead + 2 * aside;
      if (crater !== this.current && ahead > 1e-6 && aside <= ahead && cost < least) [best, least] = [crater, cost];
    }
    if (best) this.choose(best, false);
  }
}
