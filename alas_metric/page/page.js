"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);

  // The table

  const board = document.getElementById("board");
  const heads = [...board.tHead.rows[1].cells];
  const said = document.getElementById("sorted");

  function compare(first, second, index, kind, sign) {
    if (kind === "text") {
      return sign * first.cells[index].textContent.localeCompare(second.cells[index].textContent);
    }
    const [a, b] = [first, second].map((row) => row.cells[index].dataset.value);
    if (a === "" || b === "") return (a === "") - (b === ""); // what is undefined stays last
    return sign * (Number(a) - Number(b));
  }

  function sortBy(index) {
    const button = heads[index].querySelector("button");
    const now = heads[index].getAttribute("aria-sort");
    const first = button.dataset.first || "ascending";
    const order = now === "none" ? first : now === "ascending" ? "descending" : "ascending";
    heads.forEach((head, other) => head.setAttribute("aria-sort", other === index ? order : "none"));
    const sign = order === "ascending" ? 1 : -1;
    const body = board.tBodies[0];
    const rows = [...body.rows].sort((a, b) => compare(a, b, index, button.dataset.kind, sign));
    body.append(...rows);
    said.textContent = `Sorted by ${button.getAttribute("aria-label") || button.textContent}, ${order}`;
  }

  heads.forEach((head, index) => head.querySelector("button").addEventListener("click", () => sortBy(index)));

  // The curves

  const curves = document.getElementById("curves");
  const [task, metric, bands] = ["task", "metric", "bands"].map((id) => document.getElementById(id));
  const boxes = [...document.querySelectorAll("#models input")];
  // Okabe and Ito 2008, without those that vanish on white or black; marks and dashes differ too.
  const colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A8A8A"];
  const symbols = ["circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "x", "star", "pentagon"];
  const dashes = ["solid", "dash", "dot", "dashdot"];
  const strokes = { solid: "", dash: "7 4", dot: "2 3", dashdot: "7 3 2 3" };

  function look(model) {
    return {
      colour: colours[model % colours.length],
      symbol: symbols[model % symbols.length],
      dash: dashes[Math.floor(model / colours.length) % dashes.length],
    };
  }

  function translucent(colour) {
    const parts = [1, 3, 5].map((begin) => parseInt(colour.slice(begin, begin + 2), 16));
    return `rgba(${parts.join(",")},0.18)`;
  }

  function hover(entry, curve, layer) {
    const number = (value) => (value === null ? "undefined" : value.toFixed(3));
    const range = curve.low[layer] === null ? "" : ` (${number(curve.low[layer])} to ${number(curve.high[layer])})`;
    return `${entry.label}<br>layer ${layer} of ${entry.layers}<br>${number(curve.values[layer])}${range}`;
  }

  function traces(entry) {
    const curve = entry.curves[metric.value];
    if (!curve || curve.values.length < 2) return [];
    const { colour, symbol, dash } = look(entry.model);
    const layers = curve.values.map((_, layer) => layer);
    const upper = layers.slice(1);
    const depth = (layer) => layer / entry.layers;
    const shared = { type: "scatter", showlegend: false, hovertemplate: "%{text}<extra></extra>" };
    const found = [];
    const banded = upper.filter((layer) => curve.low[layer] !== null);
    if (bands.checked && banded.length) {
      found.push({
        ...shared, x: [...banded, ...banded.slice().reverse()].map(depth),
        y: [...banded.map((layer) => curve.low[layer]), ...banded.map((layer) => curve.high[layer]).reverse()],
        fill: "toself", fillcolor: translucent(colour), line: { width: 0 }, mode: "lines", hoverinfo: "skip",
        hovertemplate: null,
      });
    }
    found.push({
      ...shared, x: upper.map(depth), y: upper.map((layer) => curve.values[layer]), mode: "lines+markers",
      text: upper.map((layer) => hover(entry, curve, layer)),
      line: { color: colour, width: 2, dash }, marker: { color: colour, symbol, size: 7 },
    });
    found.push({
      ...shared, x: [0], y: [curve.values[0]], mode: "markers", text: [hover(entry, curve, 0)],
      marker: { color: colour, symbol: `${symbol}-open`, size: 10, line: { width: 2 } },
    });
    return found;
  }

  function shown() {
    const wanted = new Set(boxes.filter((box) => box.checked).map((box) => Number(box.dataset.model)));
    return data.tasks[task.value].filter((entry) => wanted.has(entry.model));
  }

  function draw() {
    const axis = { zeroline: false, automargin: true, linecolor: "#8a8a8a", ticks: "outside", tickcolor: "#8a8a8a" };
    const { label, chance } = data.metrics[metric.value];
    const layout = {
      autosize: true, hovermode: "closest", paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 64, r: 16, t: 12, b: 52 }, font: { family: "system-ui, sans-serif", size: 13 },
      xaxis: { ...axis, title: { text: "Relative depth (layer / number of layers)" }, range: [-0.03, 1.03] },
      yaxis: { ...axis, title: { text: label } },
      shapes: [], annotations: [],
    };
    if (chance !== null) {
      const line = { dash: "dash", width: 1, color: "#8a8a8a" };
      layout.shapes = [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: 0, y1: 0, line }];
      layout.annotations = [
        { xref: "paper", x: 1, xanchor: "right", y: 0, yanchor: "bottom", showarrow: false, text: chance },
      ];
    }
    const config = {
      displaylogo: false, responsive: true,
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"], showSources: false,
    };
    Plotly.react(curves, shown().flatMap(traces), layout, config);
    list();
  }

  function cell(row, tag, text, scope) {
    const made = document.createElement(tag);
    made.textContent = text;
    if (scope) made.scope = scope;
    row.append(made);
  }

  function list() {
    const table = document.querySelector("#values table");
    table.replaceChildren();
    const entries = shown().filter((entry) => entry.curves[metric.value].values.length);
    const head = table.createTHead().insertRow();
    cell(head, "th", "Layer", "col");
    entries.forEach((entry) => cell(head, "th", data.models[entry.model], "col"));
    const body = table.createTBody();
    const most = Math.max(-1, ...entries.map((entry) => entry.layers));
    for (let layer = 0; layer <= most; layer += 1) {
      const row = body.insertRow();
      cell(row, "th", String(layer), "row");
      entries.forEach((entry) => {
        const value = entry.curves[metric.value].values[layer];
        cell(row, "td", value === undefined || value === null ? "" : value.toFixed(3));
      });
    }
  }

  function drawKey(box) {
    const { colour, dash } = look(Number(box.dataset.model));
    const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
    const attributes = { x1: 1, x2: 33, y1: 6, y2: 6, stroke: colour, "stroke-width": 3 };
    if (strokes[dash]) attributes["stroke-dasharray"] = strokes[dash];
    Object.entries(attributes).forEach(([name, value]) => line.setAttribute(name, value));
    box.parentElement.querySelector("svg").append(line);
  }

  boxes.forEach(drawKey);
  [task, metric, bands, ...boxes].forEach((control) => control.addEventListener("change", draw));
  // A page's width on paper is not that on the screen.
  window.addEventListener("beforeprint", () => Plotly.relayout(curves, { width: 980, autosize: false }));
  window.addEventListener("afterprint", () => Plotly.relayout(curves, { width: null, autosize: true }));
  draw();
})();
