"use strict";
/* Maps, selectors and charts of the report. Numbers are packed (zlib, base64) in #report-data; nothing is fetched. */

const LAND = 65535, OUTSIDE = 65534;
const KINDS = {
  uint8: [Uint8Array, 255], int8: [Int8Array, -1], uint16: [Uint16Array, 65535], int16: [Int16Array, -32768],
  uint32: [Uint32Array, 4294967295], float32: [Float32Array, NaN],
};
const byId = (id) => document.getElementById(id);
const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)}\u00a0%`;

/* -- numbers ------------------------------------------------------------------------------------------------------- */
class Packed {
  constructor(entry, buffer) {
    const [Kind, gap] = KINDS[entry.kind];
    this.values = new Kind(buffer);
    this.shape = entry.shape;
    this.gap = gap;
    this.low = entry.low === undefined ? 0 : entry.low;
    this.step = entry.step === undefined ? 1 : entry.step;
  }
  at(...place) {
    let index = 0;
    place.forEach((k, axis) => { index = index * this.shape[axis] + k; });
    const value = this.values[index];
    return value === this.gap || Number.isNaN(value) ? NaN : this.low + value * this.step;
  }
}

async function inflate(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

async function unpack(tree) {
  if (Array.isArray(tree)) return Promise.all(tree.map(unpack));
  if (tree === null || typeof tree !== "object") return tree;
  if (typeof tree.bytes === "string") return new Packed(tree, await inflate(tree.bytes));
  const entries = await Promise.all(Object.entries(tree).map(async ([key, value]) => [key, await unpack(value)]));
  return Object.fromEntries(entries);
}

/* -- maps ---------------------------------------------------------------------------------------------------------- */
const rgb = (hex) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
const LAND_RGB = rgb(document.documentElement.dataset.land), GAP = "#fafafa", GAP_RGB = rgb(GAP);

class CellMap {
  constructor(canvas, onPick) {
    this.canvas = canvas;
    this.onPick = onPick;
    this.pixel = null;
    canvas.addEventListener("click", (event) => {
      const box = canvas.getBoundingClientRect();
      this.pick([(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]);
    });
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!step) return;
      event.preventDefault();
      this.move(step, event.shiftKey ? 40 : 1);
    });
  }
  setGrid(grid) {
    this.grid = grid;
    [this.height, this.width] = grid.pixels.shape;
    this.canvas.width = this.width;
    this.canvas.height = this.height;
  }
  cellAt(x, y) {
    if (x < 0 || y < 0 || x >= this.width || y >= this.height) return -1;
    const cell = this.grid.pixels.values[y * this.width + x];
    return cell >= OUTSIDE ? -1 : cell;
  }
  pick([fx, fy]) {
    const x = Math.floor(fx * this.width), y = Math.floor(fy * this.height);
    const cell = this.cellAt(x, y);
    if (cell >= 0) this.show([x, y], cell, true);
  }
  move([dx, dy], least) {
    if (!this.pixel) return this.pickCell(this.nearest(0, 200), true);
    const now = this.cellAt(...this.pixel);
    let [x, y] = this.pixel;
    for (let n = 1; n < this.width; n += 1) {
      x = (x + dx + this.width) % this.width;
      y += dy;
      if (y < 0 || y >= this.height) return undefined;
      const cell = this.cellAt(x, y);
      if (cell >= 0 && cell !== now && n >= least) return this.show([x, y], cell, true);
    }
    return undefined;
  }
  pickCell(cell, notify) {
    const first = this.grid.pixels.values.indexOf(cell);
    if (first < 0) return;
    let last = first;
    for (let k = first; k < Math.min(first + 80 * this.width, this.grid.pixels.values.length); k += this.width) {
      if (this.grid.pixels.values[k] === cell) last = k;
    }
    let [x, y] = [first % this.width, Math.floor((first + last) / 2 / this.width)];
    if (this.cellAt(x, y) !== cell) y = Math.floor(first / this.width);
    let right = x;
    while (this.cellAt(right + 1, y) === cell) right += 1;
    this.show([Math.floor((x + right) / 2), y], cell, notify);
  }
  nearest(lat, lon) {
    const radians = Math.PI / 180;
    let best = 0, closest = -2;
    const { lat: lats, lon: lons, n_cells: n } = this.grid;
    for (let k = 0; k < n; k += 1) {
      const a = lats.values[k] * 0.01 * radians, b = lat * radians, d = (lons.values[k] * 0.01 - lon) * radians;
      const cosine = Math.sin(a) * Math.sin(b) + Math.cos(a) * Math.cos(b) * Math.cos(d);
      if (cosine > closest) { closest = cosine; best = k; }
    }
    return best;
  }
  place(cell) { return [this.grid.lat.values[cell] * 0.01, this.grid.lon.values[cell] * 0.01]; }
  show(pixel, cell, notify) {
    this.mark(pixel);
    if (notify) this.onPick(cell, pixel);
  }
  mark(pixel) {
    this.pixel = pixel;
    this.cell = this.cellAt(...pixel);
    this.redraw();
  }
  /* Colour every cell; cells that are outlined have a black edge around all of them. */
  paint(colourOf, isOutlined) {
    const n = this.grid.n_cells, lut = new Uint8Array(3 * n), inside = new Uint8Array(n), pixels = this.grid.pixels.values, width = this.width;
    for (let k = 0; k < n; k += 1) {
      lut.set(colourOf(k) || GAP_RGB, 3 * k);
      if (isOutlined) inside[k] = isOutlined(k) ? 1 : 0;
    }
    const marked = (pixel) => pixels[pixel] < OUTSIDE && inside[pixels[pixel]];
    this.paintPixels((pixel) => {
      const cell = pixels[pixel];
      if (cell === OUTSIDE) return undefined;
      if (cell === LAND) return LAND_RGB;
      if (isOutlined && inside[cell] && !(marked(pixel - 1) && marked(pixel + 1) && marked(pixel - width) && marked(pixel + width))) return [0, 0, 0];
      return lut.subarray(3 * cell, 3 * cell + 3);
    });
  }
  paintPixels(colourOf) {
    const image = new ImageData(this.width, this.height);
    for (let k = 0; k < this.width * this.height; k += 1) {
      const colour = colourOf(k);
      if (colour === undefined) continue;
      image.data.set(colour, 4 * k);
      image.data[4 * k + 3] = 255;
    }
    this.image = image;
    this.redraw();
  }
  redraw() {
    if (!this.image) return;
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, this.width, this.height);
    context.putImageData(this.image, 0, 0);
    if (!this.pixel) return;
    for (const [colour, width] of [["#ffffff", 5], ["#000000", 2]]) {
      context.beginPath();
      context.arc(this.pixel[0] + 0.5, this.pixel[1] + 0.5, 9, 0, 2 * Math.PI);
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.stroke();
    }
  }
}

function legend(element, items, bar) {
  element.replaceChildren();
  if (bar) {
    const [low, high] = bar.ends;
    const strip = document.createElement("span");
    strip.className = "bar";
    strip.style.background = `linear-gradient(to right, ${bar.colours.join(", ")})`;
    element.append(low, strip, high);
  }
  for (const item of items) {
    const entry = document.createElement("span"), chip = document.createElement("span");
    chip.className = "chip";
    chip.style.background = item.colour;
    entry.append(chip, item.label);
    element.append(entry);
  }
}

function options(select, entries) {
  select.replaceChildren(...entries.map(([value, label]) => new Option(label, value)));
}

const predictorWords = (data, name) => data.predictor_names[name] || name;
const years = (label) => label.replace("-", "–");

const degrees = (lat, lon) => {
  const west = lon > 180 ? 360 - lon : lon;
  return `${Math.abs(lat).toFixed(1)}° ${lat < 0 ? "S" : "N"} ${west.toFixed(1)}° ${lon > 180 ? "W" : "E"}`;
};

/* -- charts -------------------------------------------------------------------------------------------------------- */
const CONFIG = { displayModeBar: false, responsive: true };
const layout = (more) => ({
  font: { family: "system-ui, sans-serif", size: 12, color: "#1b2733" },
  paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
  margin: { l: 8, r: 12, t: 8, b: 40 }, hoverlabel: { font: { size: 12 } },
  ...more,
});
const axis = (more) => ({ gridcolor: "#d9e0e6", zerolinecolor: "#7b8894", automargin: true, fixedrange: true, ...more });
const draw = (id, traces, more) => Plotly.react(byId(id), traces, layout(more), CONFIG);

/* -- the training ocean -------------------------------------------------------------------------------------------- */
function explorer(data, onCell) {
  const { ocean } = data, cells = ocean.cells, regimeColours = ocean.regimes.map((r) => rgb(r.colour));
  const layerSelect = byId("ocean-layer"), predictorSelect = byId("ocean-predictor");
  options(layerSelect, ocean.layers.map((layer, k) => [k, layer.label]));
  if (predictorSelect) options(predictorSelect, ocean.predictors.map((name, k) => [k, predictorWords(data, name)]));
  const chosen = () => (predictorSelect ? Number(predictorSelect.value) : 0);
  const map = new CellMap(byId("ocean-map"), (cell) => show(cell));
  map.setGrid(ocean.grid);

  function paint() {
    const layer = ocean.layers[layerSelect.value], field = cells[layer.name], p = chosen();
    const value = layer.predictor ? (k) => field.at(p, k) : (k) => field.at(k);
    const isEmpty = Array.from({ length: ocean.grid.n_cells }, (_, k) => value(k)).some(Number.isNaN);
    const without = layer.predictor || layer.name === "applicable" || layer.name === "role" ? "no prediction" : "budget not used";
    const empty = isEmpty ? [{ label: without, colour: GAP }] : [];
    if (layer.kind === "scale") {
      const colours = layer.colours.map(rgb), top = colours.length - 1;
      map.paint((k) => {
        const v = value(k);
        return Number.isNaN(v) ? null : colours[Math.max(0, Math.min(top, Math.round((v - layer.low) / (layer.high - layer.low) * top)))];
      });
      const end = (v) => (layer.unit === "share" ? percent(v) : `${v} ${layer.unit}`);
      legend(byId("ocean-legend"), empty, { colours: layer.colours, ends: [end(layer.low), end(layer.high)] });
    } else {
      const colours = layer.kind === "regime" ? regimeColours : layer.colours.map(rgb);
      map.paint((k) => { const v = value(k); return Number.isNaN(v) ? null : colours[v]; });
      const classes = layer.kind === "regime"
        ? ocean.regimes.map((r) => ({ colour: r.colour, label: `${r.name} ${r.long_name}` }))
        : layer.labels.map((label, k) => ({ label, colour: layer.colours[k] }));
      legend(byId("ocean-legend"), [...classes, ...empty]);
    }
    map.canvas.setAttribute("aria-label", `Map of the training ocean: ${layer.label}; arrow keys move from cell to cell`);
    byId("ocean-caption").textContent = layer.label + (layer.predictor ? `, ${predictorWords(data, ocean.predictors[p])}` : "") + ". The circle marks the cell below.";
  }

  function show(cell) {
    const p = chosen(), [lat, lon] = map.place(cell), name = ocean.predictors[p];
    const regime = cells.regime.at(cell), predicted = predictorSelect ? cells.predicted.at(p, cell) : NaN, words = [];
    const basin = ocean.basins[cells.basin.at(cell)], role = ocean.roles[cells.role.at(cell)];
    byId("cell-title").textContent = [degrees(lat, lon), basin].filter(Boolean).join(", ");
    map.canvas.dataset.cell = cell;
    if (!Number.isNaN(regime)) {
      words.push(`Clustering assigns it to ${ocean.regimes[regime].name}; ${percent(cells.confidence.at(cell))} of the runs agree.`);
    } else words.push("Its budget is not used, so it has no label.");
    if (!Number.isNaN(predicted)) {
      words.push(`The predictor (${predictorWords(data, name)}) gives ${ocean.regimes[predicted].name} as most probable, with a probability of ${percent(cells.probability_of_predicted.at(p, cell))}; `
        + `${percent(cells.superiority.at(p, cell))} of its members prefer it to the second regime.`);
      const set = cells.regime_set.at(p, cell), held = ocean.regimes.filter((r, k) => set & (2 ** k)).map((r) => r.name);
      words.push(held.length ? `Conformal set: ${held.join(", ")}.` : "No conformal set: too few similar known cells.");
      words.push(cells.applicable.at(cell) === 0 ? "It is unlike the training cells: the prediction is unreliable." : "It is like the training cells.");
    } else if (predictorSelect) words.push("A feature is missing in this cell, so there is no prediction.");
    for (const method of ocean.methods) {
      const short = cells[`${method}.converged`], q = ocean.explained[method].indexOf(name);
      if (short && q >= 0 && short.at(q, cell) === 0) words.push(`${data.method_names[method]} did not converge here.`);
    }
    if (role) words.push(`Use of the cell in training: ${role}.`);
    byId("cell-text").textContent = words.join(" ");
    if (predictorSelect) probabilities(cell, p);
    terms(cell);
    if (ocean.methods.length) attributions(cell, name);
    features(cell);
    onCell(lat, lon);
  }

  function probabilities(cell, p) {
    const mid = ocean.regimes.map((r, k) => cells.regime_probability.at(p, k, cell));
    const low = ocean.regimes.map((r, k) => cells.regime_probability_lower.at(p, k, cell));
    const high = ocean.regimes.map((r, k) => cells.regime_probability_upper.at(p, k, cell));
    draw("chart-probabilities", [{
      type: "bar", orientation: "h", x: mid, y: ocean.regimes.map((r) => r.name),
      marker: { color: ocean.regimes.map((r) => r.colour), line: { color: "#333", width: 0.5 } },
      error_x: { type: "data", symmetric: false, array: mid.map((v, k) => Math.max(0, high[k] - v)), arrayminus: mid.map((v, k) => Math.max(0, v - low[k])), color: "#222", thickness: 1.2, width: 3 },
      hovertemplate: mid.map((v, k) => `%{y}: ${percent(v, 1)} (${percent(low[k], 1)} to ${percent(high[k], 1)})<extra></extra>`),
    }], { xaxis: axis({ range: [0, 1.02], tickformat: ".0%" }), yaxis: axis({ autorange: "reversed" }) });
  }

  function terms(cell) {
    const values = ocean.terms.map((t, k) => cells.terms.at(k, cell));
    const known = values.some((v) => !Number.isNaN(v));
    draw("chart-terms", [{
      type: "bar", orientation: "h", x: values, y: ocean.terms.map((t) => t.label), marker: { color: "#4878a8" },
      hovertemplate: "%{y}: %{x:.2e} m s<sup>−2</sup><extra></extra>",
    }], {
      xaxis: axis({ exponentformat: "power", nticks: 4, tickangle: 0, title: { text: "m s<sup>−2</sup>", standoff: 4 } }), yaxis: axis({ autorange: "reversed" }),
      annotations: known ? [] : [{ text: "no budget in this cell", showarrow: false, xref: "paper", yref: "paper", x: 0.5, y: 0.5 }],
    });
  }

  function attributions(cell, name) {
    const shown = ocean.methods.filter((method) => ocean.explained[method].includes(name));
    const labels = ocean.features.map((f) => f.label);
    const traces = (shown.length ? shown : ocean.methods).map((method) => {
      const p = Math.max(0, ocean.explained[method].indexOf(name));
      const other = shown.length ? "" : ` (${predictorWords(data, ocean.explained[method][0])})`;
      const [mid, low, high] = ["attribution", "attribution_lower_quartile", "attribution_upper_quartile"]
        .map((part) => ocean.features.map((f, k) => cells[`${method}.${part}`].at(p, k, cell)));
      return {
        type: "bar", orientation: "h", name: data.method_names[method] + other, x: mid, y: labels,
        marker: { color: data.method_colours[method] },
        error_x: { type: "data", symmetric: false, array: mid.map((v, k) => Math.max(0, high[k] - v)), arrayminus: mid.map((v, k) => Math.max(0, v - low[k])), color: "#222", thickness: 1, width: 2 },
        hovertemplate: "%{y}: %{x:.2f}<extra>%{fullData.name}</extra>",
      };
    });
    draw("chart-attributions", traces, {
      barmode: "group", xaxis: axis({ title: { text: "contribution to the centred logit", standoff: 4 } }), yaxis: axis({ autorange: "reversed" }),
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 }, margin: { l: 8, r: 12, t: 34, b: 44 },
    });
  }

  function features(cell) {
    byId("cell-features").tBodies[0].replaceChildren(...ocean.features.map((feature, k) => {
      const row = document.createElement("tr"), head = document.createElement("th"), value = document.createElement("td");
      head.scope = "row";
      head.textContent = feature.label;
      const number = cells.features.at(k, cell);
      value.textContent = Number.isNaN(number) ? "–" : `${number.toPrecision(3)} ${feature.units}`;
      row.append(head, value);
      return row;
    }));
  }

  layerSelect.addEventListener("change", paint);
  if (predictorSelect) predictorSelect.addEventListener("change", () => { paint(); if (map.cell !== undefined) show(map.cell); });
  paint();
  return { map, predictor: () => ocean.predictors[chosen()], goTo: (lat, lon) => map.pickCell(map.nearest(lat, lon), true) };
}

/* -- skill --------------------------------------------------------------------------------------------------------- */
function skillChart(rows) {
  const narrow = byId("chart-skill").clientWidth < 600; /* then names stand above their lines, not beside them */
  const names = rows.map((row) => row.name), values = rows.map((row) => row.value);
  const end = (which, sign) => rows.map((row) => (row[which] === undefined || row[which] === null ? 0 : Math.max(0, sign * (row[which] - row.value)))), left = end("low", -1);
  draw("chart-skill", [{
    type: "scatter", mode: "markers", x: values, y: names, marker: { size: 10, color: names.map((n, k) => (k === 0 ? "#0173b2" : "#6f7f8d")) },
    error_x: { type: "data", symmetric: false, array: end("high", 1), arrayminus: left, color: "#333", thickness: 1.4, width: 4 },
    hovertemplate: "%{y}: %{x:.1%}<extra></extra>",
  }], {
    xaxis: axis({ tickformat: ".0%", range: [Math.max(0, Math.min(...values.map((v, k) => v - left[k])) - 0.03), 1.02], nticks: narrow ? 6 : undefined, tickangle: 0 }),
    yaxis: axis({ autorange: "reversed", zeroline: false, showticklabels: !narrow }),
    annotations: narrow ? names.map((text) => ({ text, x: 0, xref: "paper", xanchor: "left", y: text, yanchor: "bottom", yshift: 4, showarrow: false })) : [],
  });
}

/* -- paper, narrow windows, keyboard -------------------------------------------------------------------------------- */
const charts = () => [...document.querySelectorAll(".js-plotly-plot")];
function paper(redraw) {
  /* Charts are drawn in pixels: for printing they are redrawn in the width on paper. Closed details are opened. */
  let opened = [];
  window.addEventListener("beforeprint", () => {
    document.documentElement.classList.add("printing");
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const part of opened) part.open = true;
    redraw();
    for (const chart of charts()) Plotly.relayout(chart, { width: chart.clientWidth, height: chart.clientHeight });
  });
  window.addEventListener("afterprint", () => {
    document.documentElement.classList.remove("printing");
    for (const part of opened) part.open = false;
    for (const chart of charts()) Plotly.relayout(chart, { width: undefined, height: undefined, autosize: true });
    redraw();
  });
}
function scrollers() {
  /* Boxes that scroll can be reached by the Tab key and scrolled by keys; others cannot. */
  for (const box of document.querySelectorAll(".scroll, pre")) {
    const scrolls = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
    const head = box.closest("section").querySelector("h2");
    for (const [name, value] of [["tabindex", "0"], ["role", "region"], ["aria-label", `${head.textContent}: a table larger than the window`]]) {
      if (scrolls) box.setAttribute(name, value); else box.removeAttribute(name);
    }
  }
}

/* -- start --------------------------------------------------------------------------------------------------------- */
async function start() {
  const data = await unpack(JSON.parse(byId("report-data").textContent));
  let ocean = null;
  const viewer = scenarioViewer(data, (lat, lon) => ocean.goTo(lat, lon));
  ocean = explorer(data, (lat, lon) => viewer.showProjections(lat, lon, ocean ? ocean.predictor() : data.ocean.predictors[0]));
  ocean.map.pickCell(data.ocean.start, true);
  viewer.follow();
  const redraw = () => { skillChart(data.skill); viewer.areas(); };
  redraw();
  paper(redraw);
  scrollers();
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth !== width) { width = window.innerWidth; redraw(); scrollers(); }
  });
  document.addEventListener("toggle", scrollers, true);
  document.documentElement.dataset.ready = "yes";
}
start();
