// Putting it together: plots, pointer, keyboard.

let mode = "select";
const plots = [];

function addPlot(element, options) {
  const plot = new Plot($(".stage", element), options);
  plots.push(plot);
  listen(plot);
  return plot;
}

function listen(plot) {
  const surface = plot.top;
  let start = null;

  const place = (event) => {
    const box = surface.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  surface.addEventListener("pointerdown", (event) => {
    start = [...place(event), mode === "move" || event.button === 1];
    surface.setPointerCapture(event.pointerId);
  });
  surface.addEventListener("pointermove", (event) => {
    const [px, py] = place(event);
    if (!start) return hover(plot.at(px, py), { pointer: { x: event.clientX, y: event.clientY } });
    if (start[2]) {
      plot.move(px - start[0], py - start[1]);
      start = [px, py, true, true];
    } else if (Math.hypot(px - start[0], py - start[1]) > 4 || plot.brush) {
      plot.brush = [start[0], start[1], px, py];
      hover(-1);
      plot.paintTop();
    }
  });
  surface.addEventListener("pointerup", (event) => {
    if (plot.brush) select(inside(plot), { add: event.shiftKey });
    else if (start && !start[3]) keep(plot.at(...place(event)));
    start = plot.brush = null;
    plot.paintTop();
  });
  surface.addEventListener("pointercancel", () => { start = plot.brush = null; });
  surface.addEventListener("pointerleave", () => { if (!start) hover(-1); });
  surface.addEventListener("dblclick", () => plot.reset());
  surface.addEventListener("wheel", (event) => {
    event.preventDefault();
    plot.zoom(Math.exp(-event.deltaY / 400), ...place(event));
  }, { passive: false });
  surface.addEventListener("keydown", (event) => onKey(plot, event));
}

// The visible craters under the brush.
function inside(plot) {
  const [x0, y0, x1, y1] = plot.brush;
  const [left, right] = [plot.fromX(Math.min(x0, x1)), plot.fromX(Math.max(x0, x1))];
  const [bottom, top] = [plot.fromY(Math.max(y0, y1)), plot.fromY(Math.min(y0, y1))];
  const rows = [];
  plot.grid.each(left, right, bottom, top, (i) => {
    const fits = plot.x[i] >= left && plot.x[i] <= right && plot.y[i] >= bottom && plot.y[i] <= top;
    if (fits && visible[i]) rows.push(i);
  });
  return rows;
}

const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function onKey(plot, event) {
  if (arrows[event.key]) hover(plot.next(hovered >= 0 ? hovered : kept, ...arrows[event.key]), { aloud: true });
  else if (event.key === "Enter") keep(hovered);
  else if (event.key === "+" || event.key === "=") plot.zoom(1.4);
  else if (event.key === "-") plot.zoom(1 / 1.4);
  else if (event.key === "0") plot.reset();
  else return;
  event.preventDefault();
}

function setMode(next) {
  mode = next;
  for (const name of ["select", "move"]) $(`#mode-${name}`).setAttribute("aria-pressed", String(name === mode));
  for (const plot of plots) plot.stage.classList.toggle("moving", mode === "move");
}

function clearAll() {
  keep(-1);
  hover(-1);
  select([]);
}

function start() {
  const background = raw.background && {
    element: Object.assign(new Image(), { src: raw.background.source, onload: redraw }),
    bounds: raw.background.bounds,
  };
  const map = addPlot($("#map"), { label: "Map of the craters; arrow keys go from crater to crater", equal: true, image: background });
  const view = addPlot($("#view"), { label: "Embedding of the craters; arrow keys go from crater to crater", equal: false });
  const showView = (v) => view.setPoints(v.x, v.y);
  for (const v of views) $("#view-kind").append(new Option(v.name, v.name));
  $("#view-kind").addEventListener("change", (event) => showView(views.find((v) => v.name === event.target.value)));

  buildFilters();
  colourBy(groupings[0].key);
  for (const plot of plots) plot.resize();
  map.setPoints(column("longitude_deg"), column("latitude_deg"), raw.background?.bounds);
  showView(views[0]);
  applyFilters();

  $("#mode-select").addEventListener("click", () => setMode("select"));
  $("#mode-move").addEventListener("click", () => setMode("move"));
  $("#reset").addEventListener("click", () => plots.forEach((plot) => plot.reset()));
  $("#clear").addEventListener("click", clearAll);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") clearAll();
    if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey) return;
    if (event.key === "s") setMode("select");
    if (event.key === "m") setMode("move");
  });
  window.lunarPage = { map, view, raw }; // for the console
}

start();
