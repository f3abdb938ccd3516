// A scatter plot on two canvases: dots below; brush, ring and keyboard focus above.

class Plot {
  constructor(element, { label, equal, image }) {
    this.stage = element;
    this.base = element.appendChild(document.createElement("canvas"));
    this.top = element.appendChild(document.createElement("canvas"));
    this.top.tabIndex = 0;
    this.top.setAttribute("role", "application");
    this.top.setAttribute("aria-label", label);
    this.equal = equal;
    this.image = image;
    new ResizeObserver(() => this.resize()).observe(element);
  }

  // Show other points; x and y are Float32Array, NaN is not drawn.
  setPoints(x, y, bounds) {
    Object.assign(this, { x, y, home: bounds ?? around(x, y) });
    this.grid = new Grid(x, y, this.home);
    this.reset();
  }

  resize() {
    this.width = this.stage.clientWidth;
    this.height = this.stage.clientHeight;
    const ratio = (this.ratio = window.devicePixelRatio || 1);
    for (const canvas of [this.base, this.top]) {
      canvas.width = Math.round(this.width * ratio);
      canvas.height = Math.round(this.height * ratio);
      canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    if (this.home) this.reset();
  }

  reset() {
    const [left, right, bottom, top] = this.home;
    this.kx = this.width / (right - left);
    this.ky = this.height / (top - bottom);
    if (this.equal) this.kx = this.ky = Math.min(this.kx, this.ky);
    this.homeScale = this.kx;
    this.cx = (left + right) / 2;
    this.cy = (bottom + top) / 2;
    this.draw();
  }

  toX(x) { return this.width / 2 + (x - this.cx) * this.kx; }
  toY(y) { return this.height / 2 - (y - this.cy) * this.ky; }
  fromX(px) { return this.cx + (px - this.width / 2) / this.kx; }
  fromY(py) { return this.cy - (py - this.height / 2) / this.ky; }

  zoom(factor, px = this.width / 2, py = this.height / 2) {
    const now = this.kx / this.homeScale;
    factor = Math.min(Math.max(now * factor, 0.8), 200) / now;
    const x = this.fromX(px), y = this.fromY(py);
    this.kx *= factor;
    this.ky *= factor;
    this.cx = x - (px - this.width / 2) / this.kx;
    this.cy = y + (py - this.height / 2) / this.ky;
    this.draw();
  }

  move(dx, dy) {
    this.cx -= dx / this.kx;
    this.cy += dy / this.ky;
    this.draw();
  }

  // Bring crater `i` into sight where it lies outside.
  reveal(i) {
    const px = this.toX(this.x[i]), py = this.toY(this.y[i]);
    if (px > 0 && py > 0 && px < this.width && py < this.height) return this.paintTop();
    if (Number.isNaN(px + py)) return;
    [this.cx, this.cy] = [this.x[i], this.y[i]];
    this.draw();
  }

  draw() {
    if (this.queued || !this.x || !this.width) return;
    this.queued = true;
    requestAnimationFrame(() => {
      this.queued = false;
      this.paint();
      this.paintTop();
    });
  }

  paint() {
    const context = this.base.getContext("2d");
    context.clearRect(0, 0, this.width, this.height);
    if (this.image) this.paintImage(context);
    if (selectedCount) this.paintDots(context, 0.13, (i) => visible[i] && !selected[i]);
    this.paintDots(context, 0.85, (i) => visible[i] && (!selectedCount || selected[i]));
    context.globalAlpha = 1;
    this.paintTicks(context);
  }

  paintImage(context) {
    const [left, right, bottom, top] = this.image.bounds;
    context.globalAlpha = 0.8;
    context.drawImage(
      this.image.element, this.toX(left), this.toY(top),
      (right - left) * this.kx, (top - bottom) * this.ky
    );
  }

  paintDots(context, alpha, wanted) {
    const side = 2 * this.radius();
    context.globalAlpha = alpha;
    if (side < 5) this.paintSquares(context, Math.round(side * this.ratio) || 1, wanted);
    else this.paintCircles(context, side / 2, wanted);
  }

  paintCircles(context, radius, wanted) {
    for (const i of drawOrder) {
      const px = this.toX(this.x[i]), py = this.toY(this.y[i]);
      if (!wanted(i) || !(px > -9 && py > -9 && px < this.width + 9 && py < this.height + 9)) continue;
      context.fillStyle = colouring.palette[colouring.index[i]];
      context.beginPath();
      context.arc(px, py, radius, 0, 7);
      context.fill();
    }
  }

  // Pixel by pixel: tens of thousands of drawing calls would take too long.
  paintSquares(context, side, wanted) {
    const { width, height } = this.base;
    const layer = Object.assign(document.createElement("canvas"), { width, height });
    const pixels = layer.getContext("2d").createImageData(width, height);
    const words = new Uint32Array(pixels.data.buffer);
    for (const i of drawOrder) {
      if (!wanted(i)) continue;
      const left = Math.round(this.toX(this.x[i]) * this.ratio - side / 2);
      const top = Math.round(this.toY(this.y[i]) * this.ratio - side / 2);
      if (!(left >= 0 && top >= 0 && left + side <= width && top + side <= height)) continue;
      const word = colouring.words[colouring.index[i]];
      for (let y = top; y < top + side; y++) words.fill(word, y * width + left, y * width + left + side);
    }
    layer.getContext("2d").putImageData(pixels, 0, 0);
    context.drawImage(layer, 0, 0, this.width, this.height);
  }

  radius() {
    const crowd = Math.sqrt((0.09 * this.width * this.height) / Math.max(count, 1)) / 2;
    return Math.min(Math.max(crowd, 0.8) * Math.pow(this.kx / this.homeScale, 0.45), 7);
  }

  paintTicks(context) {
    context.font = "11px system-ui, sans-serif";
    context.fillStyle = "#97a1af";
    context.strokeStyle = "#0d1014";
    context.lineWidth = 3;
    for (const x of ticks(this.fromX(0), this.fromX(this.width), this.width / 90))
      if (this.toX(x) > 34 && this.toX(x) < this.width - 20) label(context, x, this.toX(x), this.height - 7, "center");
    for (const y of ticks(this.fromY(this.height), this.fromY(0), this.height / 70))
      if (this.toY(y) < this.height - 24 && this.toY(y) > 10) label(context, y, 7, this.toY(y) + 4, "left");
  }

  paintTop() {
    const context = this.top.getContext("2d");
    context.clearRect(0, 0, this.width, this.height);
    if (this.brush) {
      const [x0, y0, x1, y1] = this.brush;
      context.fillStyle = "#f2b86622";
      context.strokeStyle = "#f2b866";
      context.lineWidth = 1;
      context.fillRect(x0, y0, x1 - x0, y1 - y0);
      context.strokeRect(x0 + 0.5, y0 + 0.5, x1 - x0, y1 - y0);
    }
    if (kept >= 0) this.ring(context, kept, "#f2b866");
    if (hovered >= 0) this.ring(context, hovered, "#ffffff");
  }

  ring(context, i, colour) {
    context.beginPath();
    context.arc(this.toX(this.x[i]), this.toY(this.y[i]), this.radius() + 5, 0, 7);
    context.lineWidth = 4;
    context.strokeStyle = "#0d1014";
    context.stroke();
    context.lineWidth = 2;
    context.strokeStyle = colour;
    context.stroke();
  }

  // The visible crater nearest to a place on the screen, or -1.
  at(px, py, reach = 14) {
    let best = -1, least = reach * reach;
    this.grid.each(this.fromX(px - reach), this.fromX(px + reach), this.fromY(py + reach), this.fromY(py - reach), (i) => {
      const d = (this.toX(this.x[i]) - px) ** 2 + (this.toY(this.y[i]) - py) ** 2;
      if (visible[i] && d < least) [best, least] = [i, d];
    });
    return best;
  }

  // The next visible crater from `i` in a direction of the screen.
  next(i, dx, dy) {
    const px = i < 0 ? this.width / 2 : this.toX(this.x[i]);
    const py = i < 0 ? this.height / 2 : this.toY(this.y[i]);
    let best = i, least = Infinity;
    for (let j = 0; j < count; j++) {
      const ax = this.toX(this.x[j]) - px, ay = this.toY(this.y[j]) - py;
      const along = ax * dx + ay * dy, aside = Math.abs(ax * dy - ay * dx);
      if (visible[j] && j !== i && along > 0.5 && along + 2 * aside < least) [best, least] = [j, along + 2 * aside];
    }
    return best;
  }
}
