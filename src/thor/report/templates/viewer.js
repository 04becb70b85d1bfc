"use strict";
/* Two runs or windows of climate models side by side, their difference, and the areas of regimes through time. All maps
   have the same pixels on one equal-area projection: a place is a pixel, and shares of pixels are shares of the area. */

const PALE = "#f0f0f0", UNKNOWN = "#ffffff", NOT_KNOWN = { label: "not known", colour: UNKNOWN };
const FORCED = [
  { label: "no probability shift", colour: PALE },
  { label: "probability shift beyond internal variability", colour: "#8ab8d8" },
  { label: "forced regime change", colour: "#8c1d18" },
];
const LIKE = [{ label: "unlike the training cells: unreliable", colour: "#d55e00" }, { label: "like the training cells", colour: PALE }];
const RIGHT = [{ label: "wrong", colour: "#d55e00" }, { label: "right", colour: PALE }];
const PAIRS = [{ label: "neither", colour: PALE }, { label: "only A", colour: "#b35806" }, { label: "only B", colour: "#542788" }, { label: "both", colour: "#333333" }];
const FULL_SCALE = 0.5; /* of differences of P(change) */

/* One side: its selectors, its map, and the values of its cells. */
class Side {
  constructor(name, scenarios, likelihood, colours, predictorName) {
    Object.assign(this, { name, scenarios, likelihood, colours, predictorName });
    const of = (part) => byId(`${name}-${part}`);
    [this.model, this.experiment, this.slider, this.label, this.caption] = ["model", "experiment", "window", "window-label", "caption"].map(of);
    options(this.model, [...new Set(scenarios.runs.map((run) => run.source_id))].map((model) => [model, model]));
  }
  get run() { return this.scenarios.runs.find((run) => run.key === this.experiment.value); }
  get w() { return Number(this.slider.value); }
  get window() { return this.run.windows[this.w]; }
  runs() { return this.scenarios.runs.filter((run) => run.source_id === this.model.value); }
  fill(key, window) {
    const before = this.run;
    if (key) this.model.value = key.split("/")[0];
    const runs = this.runs();
    options(this.experiment, runs.map((run) => [run.key, named(runs, run)]));
    const chosen = runs.find((run) => run.key === key) || runs.find((run) => before && run.experiment_id === before.experiment_id) || runs[0];
    this.experiment.value = chosen.key;
    this.fillWindows(window);
  }
  fillWindows(window) {
    const { windows, baselines, grid } = this.run;
    this.map.setGrid(this.scenarios.grids[grid]);
    this.slider.max = windows.length - 1;
    const last = baselines.map(Boolean).lastIndexOf(true);
    this.slider.value = windows.includes(window) ? windows.indexOf(window) : last < 0 ? windows.length - 1 : last;
  }
  /* Values of a cell, NaN where there is none. */
  read(p, k) {
    const { run, w } = this;
    if (k < 0) return null;
    const regime = run.regime.at(p, k, w), truth = run.truth ? run.truth.at(k, w) : NaN;
    const right = Number.isNaN(regime) || Number.isNaN(truth) ? NaN : Number(regime === truth);
    return { regime, truth, right, change: run.change.at(p, k, w), forced: run.forced.at(p, k, w), applicable: run.applicable.at(k, w), before: run.before.at(p, k, w) };
  }
  words(p, k) {
    const value = this.read(p, k), { regimes } = this.run, name = (v) => (Number.isNaN(v) ? "no regime" : regimes[v]);
    if (!value) return "land";
    const words = [Number.isNaN(value.before) || value.before === value.regime ? name(value.regime) : `${name(value.before)} → ${name(value.regime)}`];
    if (!Number.isNaN(value.change)) words.push(`P(change) ${percent(value.change)}`);
    if (value.forced > 0) words.push(FORCED[value.forced].label);
    if (!Number.isNaN(value.truth)) words.push(`truly ${name(value.truth)}`);
    if (value.applicable === 0) words.push("unlike the training cells");
    return words.join("; ");
  }
  paint(p, kind, outlined) {
    const { run, w } = this, baseline = run.baselines[w];
    this.label.textContent = years(run.windows[w]) + (baseline ? ` (baseline ${years(baseline)})` : " (no baseline)");
    this.slider.setAttribute("aria-valuetext", run.windows[w]);
    const colour = this.colourOf(kind);
    const forced = outlined && baseline ? (k) => run.forced.at(p, k, w) === 2 : null;
    this.map.paint((k) => colour(this.read(p, k)), forced);
    const least = `${+(100 * run.min_probability).toPrecision(6)}\u00a0%`, { stride } = this.scenarios.grids[run.grid];
    const shown = {
      regime: "most probable regime", truth: run.truth ? "true regime" : "the true regime is not known",
      right: run.truth ? `right on ${percent(this.share((v) => v.right === 1, (v) => !Number.isNaN(v.right), p))} of the area` : "the true regime is not known",
      forced: `forced regime change (beyond internal variability, P(change) of at least ${least})`, change: "likelihood that the regime differs from the baseline", applicable: "area of applicability of the networks",
    }[kind];
    this.caption.textContent = `${this.name.toUpperCase()}: ${run.source_id}, ${run.experiment_id} ${run.variant_label}, ${years(run.windows[w])}`
      + `${baseline ? ` against ${years(baseline)} of ${run.parent}` : ""}, ${this.predictorName(run.predictors[p])}: ${shown}.`
      + ((kind === "forced" || kind === "change") && baseline ? ` ${run.detection[p][w]}` : "")
      + (stride > 1 ? ` The grid is thinned: one cell of each ${stride} by ${stride} is shown; areas and figures use every cell.` : "");
  }
  colourOf(kind) {
    const regimes = this.run.regimes.map((name) => rgb(this.colours.get(name) || "#000000")), pick = (list) => list.map((entry) => rgb(entry.colour));
    const known = (v, list) => (Number.isNaN(v) ? null : list[v]);
    const forced = pick(FORCED), like = pick(LIKE), right = pick(RIGHT), classes = this.likelihood.colours.map(rgb), { classOf } = this.likelihood;
    return {
      regime: (v) => known(v.regime, regimes), truth: (v) => known(v.truth, regimes), right: (v) => known(v.right, right), forced: (v) => known(v.forced, forced),
      applicable: (v) => known(v.applicable, like), change: (v) => (Number.isNaN(v.change) ? null : classes[classOf(v.change)]),
    }[kind];
  }
  legend(kind) {
    const { run } = this;
    if (kind === "regime" || (kind === "truth" && run.truth)) return run.regimes.map((name) => ({ label: name, colour: this.colours.get(name) }));
    if (kind === "truth" || (kind === "right" && !run.truth)) return [NOT_KNOWN];
    if (kind === "right") return [...RIGHT].reverse();
    if (kind === "applicable") return [...LIKE].reverse();
    if (!run.baselines[this.w]) return [{ label: "this window has no baseline", colour: UNKNOWN }];
    if (kind === "forced") return [FORCED[2], FORCED[1], FORCED[0], { label: "not tested", colour: UNKNOWN }];
    return this.likelihood.ranges.map((label, k) => ({ label, colour: this.likelihood.colours[k] }));
  }
  share(holds, counts, p) {
    let some = 0, all = 0;
    const pixels = this.map.grid.pixels.values, value = Array.from({ length: this.map.grid.n_cells }, (_, k) => this.read(p, k));
    for (const cell of pixels) if (cell < OUTSIDE && counts(value[cell])) { all += 1; some += holds(value[cell]) ? 1 : 0; }
    return all ? some / all : NaN;
  }
}

const named = (runs, run) => (runs.filter((other) => other.source_id === run.source_id && other.experiment_id === run.experiment_id).length > 1 ? `${run.experiment_id} ${run.variant_label}` : run.experiment_id);

function scenarioViewer(data, onPlace) {
  const { scenarios } = data, regimes = data.ocean.regimes, colourOfRegime = new Map(regimes.map((r) => [r.name, r.colour]));
  if (!scenarios.runs.length) return { showProjections() {}, areas() {}, follow() {} };
  const bounds = data.likelihood.bounds, classOf = (v) => { const [a, b, c, d, e, f] = bounds; return v < a ? 0 : v < b ? 1 : v < c ? 2 : v <= d ? 3 : v <= e ? 4 : v <= f ? 5 : 6; };
  const predictor = byId("run-predictor"), outlines = byId("run-outlines"), hover = byId("hover"), diverging = data.diverging.map(rgb);
  const [a, b] = ["a", "b"].map((name) => new Side(name, scenarios, { ...data.likelihood, classOf }, colourOfRegime, (each) => predictorWords(data, each))), sides = [a, b];
  const layer = () => document.querySelector("input[name=run-layer]:checked").value;
  const place = (side) => (side.run.predictors.includes(predictor.value) ? side.run.predictors.indexOf(predictor.value) : 0);
  let address = false;

  const maps = ["a-map", "b-map", "difference-map"].map((id) => new CellMap(byId(id), (cell, pixel) => {
    for (const map of maps) map.mark(pixel);
    describe();
    if (a.map.cell >= 0) onPlace(...a.map.place(a.map.cell));
    keep();
  }));
  [a.map, b.map] = maps;
  const difference = maps[2];
  maps.forEach((map) => {
    map.canvas.addEventListener("mousemove", (event) => {
      const box = map.canvas.getBoundingClientRect(), pixel = [(event.clientX - box.left) / box.width * map.width, (event.clientY - box.top) / box.height * map.height].map(Math.floor);
      const text = words(pixel);
      hover.hidden = !text;
      hover.textContent = text;
      hover.style.left = `${Math.min(event.clientX + 14, window.innerWidth - hover.offsetWidth - 8)}px`;
      hover.style.top = `${event.clientY + 16}px`;
    });
    map.canvas.addEventListener("mouseleave", () => { hover.hidden = true; });
  });

  function words(pixel) {
    const [ka, kb] = sides.map((side) => side.map.cellAt(...pixel)), [shown, k] = ka >= 0 ? [a, ka] : [b, kb];
    return k < 0 ? "" : `${degrees(...shown.map.place(k))}\nA: ${a.words(place(a), ka)}\nB: ${b.words(place(b), kb)}`;
  }
  function describe() { byId("run-text").textContent = (a.map.pixel && words(a.map.pixel)) || "Click on a map, or move over it with the arrow keys."; }
  function paint() {
    const kind = layer();
    for (const side of sides) side.paint(place(side), kind, outlines.checked);
    legend(byId("a-legend"), a.legend(kind));
    legend(byId("b-legend"), b.legend(kind));
    paintDifference(kind);
    for (const side of sides) {
      const link = byId(`${side.name}-file`), file = data.scenario_files;
      link.hidden = !file;
      link.href = `${file}/${side.run.key.split("/").map(encodeURIComponent).join("/")}.nc`;
      link.textContent = `NetCDF of ${side.name.toUpperCase()}`;
    }
    describe();
  }
  function paintDifference(kind) {
    const values = sides.map((side) => Array.from({ length: side.map.grid.n_cells }, (_, k) => side.read(place(side), k)));
    const field = { regime: "regime", truth: "truth", change: "change", forced: "forced", applicable: "applicable", right: "right" }[kind];
    const isTrue = { forced: (v) => v === 2, applicable: (v) => v === 0, right: (v) => v === 0 }[kind];
    const ofNames = b.run.regimes.map((name) => rgb(colourOfRegime.get(name) || "#000000")), pale = rgb(PALE), pairs = PAIRS.map((entry) => rgb(entry.colour)), top = diverging.length - 1;
    let both = 0, unlike = 0, sum = 0;
    difference.setGrid(a.map.grid);
    difference.paintPixels((pixel) => {
      const [ka, kb] = sides.map((side) => side.map.grid.pixels.values[pixel]);
      if (ka === OUTSIDE) return undefined;
      if (ka === LAND || kb >= OUTSIDE) return LAND_RGB;
      const x = values[0][ka][field], y = values[1][kb][field];
      if (Number.isNaN(x) || Number.isNaN(y)) return GAP_RGB;
      both += 1;
      if (isTrue) { const state = Number(isTrue(x)) + 2 * Number(isTrue(y)); unlike += state === 1 || state === 2; return pairs[state]; }
      if (kind === "change") { sum += x - y; return diverging[Math.max(0, Math.min(top, Math.round(((x - y) / FULL_SCALE + 1) / 2 * top)))]; }
      if (a.run.regimes[x] === b.run.regimes[y]) return pale;
      unlike += 1;
      return ofNames[y];
    });
    const found = both ? percent(unlike / both, 1) : "", what = { forced: "forced regime changes", applicable: "cells unlike the training cells", right: "wrong cells" }[kind];
    const title = `${a.run.source_id} ${a.run.experiment_id} ${years(a.window)} and ${b.run.source_id} ${b.run.experiment_id} ${years(b.window)}`;
    let text = `Difference, ${title}: `;
    if (!both) text += "no cell is known in both.";
    else if (kind === "change") text += `P(change) of A minus that of B, ${(100 * sum / both).toFixed(1).replace(/^-(?=0\.0$)/, "").replace("-", "−")} percentage points on average.`;
    else if (isTrue) text += `${what} in only one of them on ${found} of the common area.`;
    else text += `a different ${kind === "truth" ? "true " : ""}regime on ${found} of the common area, in the colour of B.`;
    byId("difference-caption").textContent = text;
    const scale = `${100 * FULL_SCALE} points`;
    if (kind === "change") legend(byId("difference-legend"), [], { colours: data.diverging, ends: [`−${scale}`, `+${scale}`] });
    else legend(byId("difference-legend"), isTrue ? PAIRS : [{ label: "the same", colour: PALE }, ...b.run.regimes.map((name) => ({ label: name, colour: colourOfRegime.get(name) }))]);
  }

  /* The address of the page holds what is shown. */
  function keep() {
    if (!address) return;
    const state = new URLSearchParams(sides.map((side) => [side.name, `${side.run.key}@${side.window}`]));
    state.set("layer", layer());
    state.set("networks", predictor.value);
    if (!outlines.checked) state.set("outlines", "0");
    if (a.map.pixel) state.set("at", a.map.pixel.join(","));
    window.history.replaceState(null, "", `#view?${state}`);
  }
  function follow() {
    if (!window.location.hash.startsWith("#view?")) return;
    const state = new URLSearchParams(window.location.hash.slice(6));
    for (const side of sides) {
      const [key, window_] = (state.get(side.name) || "").split("@");
      if (scenarios.runs.some((run) => run.key === key)) side.fill(key, window_);
    }
    const radio = [...document.querySelectorAll("input[name=run-layer]")].find((each) => each.value === state.get("layer"));
    if (radio) radio.checked = true;
    outlines.checked = state.get("outlines") !== "0";
    fillPredictors(state.get("networks"));
    const pixel = (state.get("at") || "").split(",").map(Number);
    if (pixel.length === 2 && pixel.every(Number.isInteger)) for (const map of maps) map.mark(pixel);
    paint();
    areas();
    byId("viewer").scrollIntoView();
  }
  function fillPredictors(kept = predictor.value) {
    const names = a.run.predictors;
    options(predictor, names.map((name) => [name, predictorWords(data, name)]));
    if (names.includes(kept)) predictor.value = kept;
  }

  /* The cells of A and, at the same place, of B. */
  function table() {
    const columns = ["regime", "regime_before", "change_probability", "forced", "applicable", "true_regime"], grid = a.map.grid, pixels = grid.pixels.values;
    const first = new Map();
    for (let pixel = 0; pixel < pixels.length; pixel += 1) if (pixels[pixel] < OUTSIDE && !first.has(pixels[pixel])) first.set(pixels[pixel], pixel);
    const numbers = (side, k) => {
      const v = k >= 0 && k < OUTSIDE ? side.read(place(side), k) : null, name = (code) => (Number.isNaN(code) ? "" : side.run.regimes[code]), plain = (x) => (Number.isNaN(x) ? "" : x);
      return v ? [name(v.regime), name(v.before), Number.isNaN(v.change) ? "" : v.change.toFixed(2), Number.isNaN(v.forced) ? "" : ["none", "shift", "forced"][v.forced], plain(v.applicable), name(v.truth)] : columns.map(() => "");
    };
    const lines = sides.map((side) => `# ${side.name}: ${side.run.key} ${side.window}, baseline ${side.run.baselines[side.w] || "none"}, ${side.run.predictors[place(side)]}`);
    lines.push(["lat", "lon", ...sides.flatMap((side) => columns.map((column) => `${side.name}_${column}`))].join(","));
    for (let k = 0; k < grid.n_cells; k += 1) {
      const [lat, lon] = a.map.place(k), at = first.has(k) ? b.map.grid.pixels.values[first.get(k)] : -1;
      lines.push([lat.toFixed(2), lon.toFixed(2), ...numbers(a, k), ...numbers(b, at)].join(","));
    }
    return `${lines.join("\n")}\n`;
  }
  function save() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([table()], { type: "text/csv" }));
    link.download = `thor_${a.run.key}_${a.window}_${b.run.key}_${b.window}.csv`.replaceAll("/", "_");
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  function areas() {
    const kind = byId("area-kind").value, [mid, low, high] = kind === "change" ? ["change_m2", "change_lower", "change_upper"] : ["expected_area_m2", "lower", "upper"];
    const narrow = byId("chart-areas").clientWidth < 600, columns = narrow ? 1 : 3, rows = Math.ceil(regimes.length / columns);
    const traces = [], more = { grid: { rows, columns, pattern: "independent", ygap: narrow ? 0.35 : 0.28 }, annotations: [], showlegend: true };
    const seen = new Set();
    regimes.forEach((regime, number) => {
      const tail = number ? String(number + 1) : "";
      more[`xaxis${tail}`] = axis({ nticks: 5 });
      more[`yaxis${tail}`] = axis({ nticks: 5, title: number % columns ? undefined : { text: "10<sup>6</sup> km<sup>2</sup>", font: { size: 11 } } });
      more.annotations.push({ text: `<b>${regime.name}</b> ${regime.long_name.length < 30 ? regime.long_name : ""}`, xref: `x${tail} domain`, yref: `y${tail} domain`, x: 0, y: 1, yanchor: "bottom", xanchor: "left", showarrow: false });
      for (const curve of scenarios.areas) {
        if (!curve.run.startsWith(`${a.model.value}/`) || curve.regime !== regime.name || curve.predictor !== predictor.value) continue;
        const name = curve.run.split("/")[1], { colour, symbol } = scenarios.experiments[name];
        if (name.toLowerCase().includes("control")) continue;
        const kept = curve.years.map((y, k) => k).filter((k) => curve[mid][k] !== null);
        if (!kept.length) continue;
        const x = kept.map((k) => curve.years[k]), of = (part) => kept.map((k) => curve[part][k]);
        const shared = { xaxis: `x${tail}`, yaxis: `y${tail}`, legendgroup: name };
        traces.push({ ...shared, x: [...x, ...[...x].reverse()], y: [...of(high), ...of(low).reverse()], fill: "toself", fillcolor: colour, opacity: 0.18, line: { width: 0 }, hoverinfo: "skip", showlegend: false, type: "scatter", mode: "lines" });
        traces.push({ ...shared, x, y: of(mid), name, mode: symbol === "circle" ? "lines+markers" : "markers", line: { color: colour, width: 2 }, marker: { symbol, size: symbol === "circle" ? 5 : 9 }, showlegend: !seen.has(name), hovertemplate: `${regime.name}, ${curve.run}, %{x:.0f}: %{y:.3g}<extra></extra>` });
        seen.add(name);
      }
    });
    draw("chart-areas", traces, { ...more, legend: { orientation: "h", y: -0.06, yanchor: "top" }, margin: { l: 8, r: 8, t: 26, b: 30 } });
    byId("areas-of").textContent = a.model.value;
  }

  /* One tile for each window: the regime of the baseline, then that of the window. */
  function showProjections(lat, lon, predictorName) {
    const head = byId("projections").tHead, body = byId("projections").tBodies[0], rows = [];
    const shown = scenarios.runs.filter((run) => run.baselines.some(Boolean) && !run.experiment_id.toLowerCase().includes("control"));
    const most = Math.max(0, ...shown.map((run) => run.windows.length));
    const finder = Object.create(CellMap.prototype), nearest = {};
    for (const [grid, cells] of Object.entries(scenarios.grids)) {
      finder.grid = cells;
      nearest[grid] = finder.nearest(lat, lon);
    }
    for (const run of shown) {
      const row = document.createElement("tr"), title = document.createElement("th"), k = nearest[run.grid];
      const p = Math.max(0, run.predictors.indexOf(predictorName)), name = (code) => (Number.isNaN(code) ? "–" : run.regimes[code]);
      title.scope = "row";
      title.textContent = `${run.source_id}, ${named(scenarios.runs, run)}`;
      row.append(title);
      run.windows.forEach((window_, w) => {
        const box = document.createElement("td"), state = document.createElement("div"), strip = document.createElement("span"), text = document.createElement("span"), second = document.createElement("span");
        const before = name(run.before.at(p, k, w)), after = name(run.regime.at(p, k, w)), change = run.change.at(p, k, w);
        state.className = `state${run.applicable.at(k, w) === 0 ? " unlike" : ""}`;
        strip.className = "strip";
        const [left, right] = [before === "–" ? after : before, after].map((each) => colourOfRegime.get(each) || "#eceef0");
        strip.style.background = `linear-gradient(to right, ${left} 50%, ${right} 50%)`;
        text.textContent = before === "–" || before === after ? after : `${before} → ${after}`;
        second.textContent = Number.isNaN(change) ? "" : `${percent(change)}${run.forced.at(p, k, w) === 2 ? " ●" : ""}`;
        state.append(strip, text, second);
        state.title = `${run.key}, ${years(window_)}: ${before === "–" ? after : `${before} in the baseline, ${after}`}`;
        box.append(state);
        row.append(box);
      });
      rows.push(row);
    }
    const titles = document.createElement("tr"), corner = document.createElement("th");
    corner.scope = "col";
    corner.textContent = "Run";
    titles.append(corner);
    const longest = shown.find((run) => run.windows.length === most);
    const alike = longest && shown.every((run) => run.windows.every((window_, w) => window_ === longest.windows[w]));
    for (let w = 0; w < most; w += 1) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.textContent = alike ? years(longest.windows[w]) : `window ${w + 1}`;
      titles.append(cell);
    }
    head.replaceChildren(titles);
    body.replaceChildren(...rows);
  }

  const start = scenarios.runs.find((run) => run.key === scenarios.start) || scenarios.runs[0];
  const other = scenarios.runs.find((run) => run.experiment_id === start.experiment_id && run.source_id !== start.source_id);
  a.fill(start.key);
  b.fill((other || start).key, other ? undefined : start.windows[0]);
  fillPredictors();
  const changed = (after) => () => { after(); paint(); keep(); };
  for (const side of sides) {
    side.model.addEventListener("change", changed(() => { side.fill(); if (side === a) { fillPredictors(); areas(); } }));
    side.experiment.addEventListener("change", changed(() => { side.fillWindows(); if (side === a) { fillPredictors(); areas(); } }));
    side.slider.addEventListener("input", changed(() => {}));
  }
  predictor.addEventListener("change", changed(areas));
  outlines.addEventListener("change", changed(() => {}));
  byId("area-kind").addEventListener("change", areas);
  byId("save-csv").addEventListener("click", save);
  document.querySelectorAll("input[name=run-layer]").forEach((radio) => radio.addEventListener("change", changed(() => {})));
  paint();
  areas();
  address = true;
  window.addEventListener("hashchange", follow);
  return { showProjections, areas, follow };
}
