// The curve over layers of one document, with that of all kept documents behind it.

const SVG = "http://www.w3.org/2000/svg";

function shape(parent, name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

const shown = (value, digits = 2) => (value === null || value === undefined || Number.isNaN(value)
  ? "N/A" : value.toFixed(digits).replace("-", "\u2212"));

// Layers 1..L are joined; layer 0, what enters the decoder, is a mark of its own.
function drawCurve(svg, own, all, layer, choose) {
  const width = Math.max(svg.parentElement.getBoundingClientRect().width, 200);
  const [height, left, right, top, bottom] = [150, 36, 12, 12, 24];
  const first = left + 14;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("height", height);
  svg.replaceChildren();
  const known = [...own, ...all, 0].filter((value) => value !== null && value !== undefined);
  const [low, high] = [Math.max(Math.min(...known), -3), Math.max(...known, 1)];
  const last = Math.max(own.length - 1, 1);
  const x = (index) => first + (index / last) * (width - first - right);
  const y = (value) => top + ((high - Math.max(value, low)) / (high - low)) * (height - top - bottom);
  const line = (values) => values.map((value, index) => (index === 0 || value === null ? null : `${x(index)} ${y(value)}`))
    .reduce((path, point, index, points) => path + (point === null ? "" : `${points[index - 1] ? "L" : "M"}${point}`), "");

  for (const value of [low, 0, high].filter((each, index, every) => every.indexOf(each) === index)) {
    shape(svg, "line", { x1: left, x2: width - right, y1: y(value), y2: y(value), class: value === 0 ? "zero" : "grid" });
    shape(svg, "text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, shown(value, 1));
  }
  const every = Math.max(1, Math.ceil(last / Math.floor((width - left) / 34)));
  for (let index = 0; index <= last; index += every) {
    shape(svg, "text", { x: x(index), y: height - 6, "text-anchor": "middle" }, String(index));
  }
  shape(svg, "line", { x1: x(layer), x2: x(layer), y1: top - 6, y2: height - bottom + 4, class: "now" });
  shape(svg, "path", { d: line(all), class: "all" });
  if (all.length && all[0] !== null) shape(svg, "circle", { cx: x(0), cy: y(all[0]), r: 3, class: "all" });
  shape(svg, "path", { d: line(own), class: "own" });
  own.forEach((value, index) => {
    if (value === null) return;
    const kind = `${index === 0 ? "hollow" : "own"}${index === layer ? " now" : ""}`;
    shape(svg, "circle", { cx: x(index), cy: y(value), r: index === layer ? 6 : 3, class: kind });
  });
  svg.onclick = (event) => {
    const at = event.clientX - svg.getBoundingClientRect().left;
    choose(Math.min(Math.max(Math.round(((at - first) / (width - first - right)) * last), 0), last));
  };
}
