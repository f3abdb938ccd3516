// Arithmetic of the plots: the grid of points, bounds, ticks.

// Points sorted into cells, so that hovering looks at a few of them only.
class Grid {
  constructor(x, y, [left, right, bottom, top]) {
    const side = Math.min(256, Math.max(8, Math.ceil(Math.sqrt(x.length / 2))));
    Object.assign(this, { side, left, bottom, wx: (right - left) / side, wy: (top - bottom) / side });
    const cells = new Int32Array(x.length).fill(-1);
    this.start = new Int32Array(side * side + 1);
    for (let i = 0; i < x.length; i++) {
      if (Number.isNaN(x[i])) continue;
      cells[i] = this.row(y[i]) * side + this.col(x[i]);
      this.start[cells[i] + 1]++;
    }
    for (let c = 0; c < side * side; c++) this.start[c + 1] += this.start[c];
    const fill = this.start.slice();
    this.items = new Int32Array(this.start[side * side]);
    for (let i = 0; i < x.length; i++) if (cells[i] >= 0) this.items[fill[cells[i]]++] = i;
  }

  col(x) { return Math.min(Math.max(Math.floor((x - this.left) / this.wx), 0), this.side - 1); }
  row(y) { return Math.min(Math.max(Math.floor((y - this.bottom) / this.wy), 0), this.side - 1); }

  each(x0, x1, y0, y1, use) {
    for (let r = this.row(y0); r <= this.row(y1); r++)
      for (let k = this.start[r * this.side + this.col(x0)]; k < this.start[r * this.side + this.col(x1) + 1]; k++)
        use(this.items[k]);
  }
}

function around(x, y) {
  const box = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < x.length; i++) {
    if (Number.isNaN(x[i])) continue;
    box[0] = Math.min(box[0], x[i]);
    box[1] = Math.max(box[1], x[i]);
    box[2] = Math.min(box[2], y[i]);
    box[3] = Math.max(box[3], y[i]);
  }
  const [px, py] = [(box[1] - box[0]) * 0.04 || 1, (box[3] - box[2]) * 0.04 || 1];
  return [box[0] - px, box[1] + px, box[2] - py, box[3] + py];
}

function ticks(low, high, wish) {
  const rough = (high - low) / Math.max(wish, 1), power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((s) => s * power >= rough) * power;
  const list = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) list.push(k * step);
  return list;
}

function label(context, value, px, py, align) {
  const text = String(+value.toPrecision(6)).replace("-", "−");
  context.textAlign = align;
  context.strokeText(text, px, py);
  context.fillText(text, px, py);
}
