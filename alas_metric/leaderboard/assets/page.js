"use strict";
(() => {
  const board = JSON.parse(document.getElementById("data").textContent);
  const status = document.getElementById("status");

  // Sorting: a heading's button sorts by its column, again the other way round; missing values stay last.

  function sortTable(table, heads, index) {
    const head = heads[index];
    const before = head.getAttribute("aria-sort");
    const order = before === null ? head.dataset.first : before === "ascending" ? "descending" : "ascending";
    const sign = order === "ascending" ? 1 : -1;
    const rows = [...table.tBodies[0].rows].map((row) => {
      const cell = row.cells[index];
      const text = cell.dataset.value;
      return { row, missing: text === "", key: text === undefined ? cell.textContent : Number(text) };
    });
    rows.sort((a, b) => a.missing - b.missing
      || sign * (typeof a.key === "string" ? a.key.localeCompare(b.key) : a.key - b.key));
    table.tBodies[0].append(...rows.map((entry) => entry.row));
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", order);
    status.textContent = `Sorted by ${head.querySelector("button").textContent.trim()}, ${order}`;
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, index) => {
      head.querySelector("button").addEventListener("click", () => sortTable(table, heads, index));
    });
  }

  // Looks: colours are the page's own variables, so that dark, light and print need no second drawing.

  const COLOURS = 6;
  const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4]];
  const SHAPES = ["circle", "square", "triangle-up", "diamond", "cross"];
  const look = (index) => ({
    colour: `var(--m${index % COLOURS})`,
    // With 6 colours and 5 of the others, 30 models look different.
    dash: DASHES[index % DASHES.length],
    shape: SHAPES[index % SHAPES.length],
  });
  const looks = board.models.map((_, index) => look(index));

  function swatch(index) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 42 16");
    svg.setAttribute("aria-hidden", "true");
    const line = document.createElementNS(svg.namespaceURI, "path");
    line.setAttribute("d", "M0 8H42");
    line.setAttribute("stroke", looks[index].colour);
    line.setAttribute("stroke-width", "2.5");
    line.setAttribute("stroke-dasharray", looks[index].dash.join(" "));
    const mark = document.createElementNS(svg.namespaceURI, "path");
    const shapes = {
      circle: "M16.5 8a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0", square: "M17 4h8v8h-8Z",
      "triangle-up": "M16 12h10l-5-9Z", diamond: "M21 2l5 6l-5 6l-5-6Z", cross: "M19 3h4v3h3v4h-3v3h-4v-3h-3v-4h3Z",
    };
    mark.setAttribute("d", shapes[looks[index].shape]);
    mark.setAttribute("fill", looks[index].colour);
    svg.append(line, mark);
    return svg;
  }

  // Curves

  const chart = document.getElementById("chart");
  const task = document.getElementById("task");
  const metric = document.getElementById("metric");
  const form = document.getElementById("form");
  const boxes = board.models.map((model, index) => {
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = true;
    const text = document.createElement("span");
    text.textContent = model;
    const remark = document.createElement("span");
    remark.className = "remark";
    label.append(box, swatch(index), text, remark);
    document.getElementById("models").append(label);
    return box;
  });
  const number = (value) => (value === null || value === undefined ? "N/A" : value.toFixed(3));

  function points() {
    const found = [];
    board.models.forEach((model, index) => {
      const curve = (board.curves[task.value][model] || {})[form.value];
      if (!boxes[index].checked || !curve) return;
      const last = curve.values.length - 1;
      curve.values.forEach((value, layer) => {
        if (value === null) return;
        const interval = curve.low[layer] === null ? "N/A" : `${number(curve.low[layer])} to ${number(curve.high[layer])}`;
        found.push({
          model, index, layer, value, depth: last ? layer / last : 0, low: curve.low[layer], high: curve.high[layer],
          where: `${layer} of ${last}`, shown: number(value), interval,
          label: `${model}, layer ${layer} of ${last}: ${number(value)}, 95 % interval ${interval}`,
        });
      });
    });
    return found;
  }

  function specification(values) {
    const indices = board.models.map((_, index) => index);
    const scale = (range) => ({ domain: indices, range });
    const colour = { field: "index", type: "nominal", legend: null, scale: scale(looks.map((entry) => entry.colour)) };
    const x = {
      field: "depth", type: "quantitative", scale: { domain: [-0.02, 1.01], nice: false },
      axis: {
        title: "Relative depth, layer / number of layers", grid: false,
        values: [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1],
      },
    };
    const y = {
      field: "value", type: "quantitative", scale: { zero: false },
      axis: { title: board.labels[form.value], tickCount: 6 },
    };
    const layers = [
      {
        transform: [{ filter: "datum.layer > 0 && datum.low !== null" }],
        mark: { type: "area", opacity: 0.14, aria: false },
        encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color: colour },
      },
      {
        transform: [{ filter: "datum.layer === 0 && datum.low !== null" }],
        mark: { type: "rule", opacity: 0.6, strokeWidth: 3, aria: false },
        encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color: colour },
      },
      {
        transform: [{ filter: "datum.layer > 0" }],
        mark: { type: "line", strokeWidth: 2, aria: false },
        encoding: {
          x, y, color: colour,
          strokeDash: { field: "index", type: "nominal", legend: null, scale: scale(looks.map((entry) => entry.dash)) },
        },
      },
      {
        params: [{
          name: "near",
          select: { type: "point", on: "pointerover", clear: "pointerout", nearest: true, fields: ["index", "layer"] },
        }],
        mark: { type: "point", strokeWidth: 1.8, opacity: 1, tooltip: { content: "data" } },
        encoding: {
          x, y, stroke: colour,
          fill: { ...colour, condition: { test: "datum.layer === 0", value: "var(--ground)" } },
          shape: { field: "index", type: "nominal", legend: null, scale: scale(looks.map((entry) => entry.shape)) },
          size: { condition: { param: "near", empty: false, value: 190 }, value: 45 },
          description: { field: "label" },
        },
      },
    ];
    if (board.zero[form.value]) {
      layers.unshift({
        data: { values: [{ zero: 0 }] },
        mark: { type: "rule", strokeDash: [4, 4], color: "var(--soft)", aria: false },
        encoding: { y: { field: "zero", type: "quantitative" } },
      });
    }
    return {
      $schema: "https://vega.github.io/schema/vega-lite/v6.json",
      description: `${board.labels[form.value]}, over relative depth, ${task.value}. The values stand in the table below.`,
      width: "container", height: 340, background: "transparent", data: { values }, layer: layers,
      config: {
        font: "system-ui, sans-serif",
        view: { stroke: "var(--line)" },
        axis: {
          labelColor: "var(--text)", titleColor: "var(--text)", domainColor: "var(--soft)", tickColor: "var(--soft)",
          gridColor: "var(--line)", gridOpacity: 0.5, labelFontSize: 12, titleFontSize: 13, titleFontWeight: "normal",
        },
      },
    };
  }

  function fillTable(values) {
    const table = document.querySelector("#chart-values table");
    const row = (name, texts) => {
      const made = document.createElement("tr");
      texts.forEach((text) => {
        const cell = made.appendChild(document.createElement(name));
        cell.textContent = text;
        if (name === "th") cell.scope = "col";
      });
      return made;
    };
    table.tHead.replaceChildren(row("th", ["Model", "Layer", board.labels[form.value], "95 % interval"]));
    table.tBodies[0].replaceChildren(...values.map((p) => row("td", [p.model, p.where, p.shown, p.interval])));
  }

  function tooltip(point, escape) {
    const rows = [["model", point.model], ["layer", point.where], ["value", point.shown], ["95 %", point.interval]];
    return `<table>${rows.map(([key, value]) => `<tr><td class="key">${key}</td><td>${escape(value)}</td></tr>`).join("")}</table>`;
  }

  let drawing = Promise.resolve();
  function draw() {
    const values = points();
    fillTable(values);
    boxes.forEach((box, index) => {
      const curve = (board.curves[task.value][board.models[index]] || {})[form.value];
      const defined = curve !== undefined && curve.values.some((value) => value !== null);
      box.parentElement.querySelector(".remark").textContent = defined ? "" : "(no values here)";
    });
    drawing = drawing.then(async () => {
      const options = { actions: false, renderer: "svg", tooltip: { formatTooltip: tooltip } };
      await window.vegaEmbed(chart, specification(values), options);
      chart.dataset.curves = new Set(values.map((point) => point.model)).size;
    });
  }

  // Each metric is read in one form of similarity, its first; the others are there to be looked at.
  function chooseMetric() {
    const keys = Object.entries(board.metrics[metric.value].keys);
    form.replaceChildren(...keys.map(([name, key]) => new Option(name, key)));
    form.parentElement.hidden = keys.length < 2;
    draw();
  }

  boxes.forEach((box) => box.addEventListener("change", draw));
  task.addEventListener("change", draw);
  metric.addEventListener("change", chooseMetric);
  form.addEventListener("change", draw);
  document.getElementById("controls").addEventListener("submit", (event) => event.preventDefault());
  chooseMetric();

  // Paper cannot be opened: everything is, while the page is printed.

  const closed = [];
  window.addEventListener("beforeprint", () => {
    closed.push(...document.querySelectorAll("details:not([open])"));
    closed.forEach((details) => { details.open = true; });
  });
  window.addEventListener("afterprint", () => {
    closed.splice(0).forEach((details) => { details.open = false; });
  });
})();
