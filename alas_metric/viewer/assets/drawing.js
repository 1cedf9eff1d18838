// Drawing on canvases: what stands on the axis of time, in units of the element's own size.

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// A canvas as large as its element on this screen, empty, in CSS pixels.
function sheet(canvas) {
  const { width, height } = canvas.parentElement.getBoundingClientRect();
  const dense = Math.min(window.devicePixelRatio || 1, 16000 / Math.max(width, 1));
  canvas.width = Math.max(1, Math.round(width * dense));
  canvas.height = Math.max(1, Math.round(height * dense));
  const context = canvas.getContext("2d");
  context.scale(canvas.width / Math.max(width, 1), canvas.height / Math.max(height, 1));
  return { context, width, height };
}

function drawWave(canvas, details, times, duration) {
  const { context, width, height } = sheet(canvas);
  const x = (time) => (time / duration) * width;
  context.fillStyle = colour("--stripe");
  times.forEach(([start, end], index) => {
    if (index % 2 === 0) context.fillRect(x(start), 0, x(end) - x(start), height);
  });
  if (details.envelope === null) return;
  const loudest = details.envelope.reduce((most, [low, high]) => Math.max(most, -low, high), 1);
  context.fillStyle = colour("--wave");
  const step = Math.max(0.6, x(details.envelope_seconds));
  details.envelope.forEach(([low, high], index) => {
    const top = ((1 - high / loudest) / 2) * height;
    const bottom = ((1 - low / loudest) / 2) * height;
    context.fillRect(x(index * details.envelope_seconds), top, step, Math.max(1, bottom - top));
  });
}

function drawMatrix(canvas, values, details, range, ramp) {
  const { context, width, height } = sheet(canvas);
  context.fillStyle = `rgb(${ramp[0].join(" ")})`;
  context.fillRect(0, 0, width, height);
  if (values !== null) {
    const [rows, columns] = [details.words.length, details.positions];
    const image = new ImageData(columns, rows);
    const scale = (ramp.length - 1) / Math.max(range[1] - range[0], 1e-9);
    values.forEach((value, cell) => {
      const shade = ramp[Math.min(Math.max(Math.round((value - range[0]) * scale), 0), ramp.length - 1)];
      image.data.set(shade, 4 * cell);
      image.data[4 * cell + 3] = 255;
    });
    const small = new OffscreenCanvas(columns, rows);
    small.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, width, height);
  }
  return { context, width, height };
}

// The path as stairs: where there are as many positions as words it names a word for each position, else the other way.
function drawPath({ context, width, height }, path, details, stroke, thickness) {
  const across = width / details.positions;
  const down = height / details.words.length;
  context.beginPath();
  path.forEach((value, k) => {
    const corners = details.swapped
      ? [[(value + 0.5) * across, k * down], [(value + 0.5) * across, (k + 1) * down]]
      : [[k * across, (value + 0.5) * down], [(k + 1) * across, (value + 0.5) * down]];
    corners.forEach(([x, y], end) => (k === 0 && end === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
  });
  context.lineJoin = "round";
  for (const [style, wide] of [["rgb(5 10 28 / 0.75)", thickness + 2.2], [stroke, thickness]]) {
    context.strokeStyle = style;
    context.lineWidth = wide;
    context.stroke();
  }
}

// One word's similarity over time, above the stretches where each source of word times puts it.
function drawRow(canvas, row, spans, duration, found) {
  const { context, width, height } = sheet(canvas);
  const floor = height - 4 - 7 * spans.length;
  const x = (time) => (time / duration) * width;
  spans.forEach(({ start, end, colour: fill }, index) => {
    context.fillStyle = fill;
    context.globalAlpha = index === 0 ? 0.16 : 0;
    context.fillRect(x(start), 0, Math.max(1, x(end) - x(start)), floor);
    context.globalAlpha = 1;
    context.fillRect(x(start), floor + 4 + 7 * index, Math.max(2, x(end) - x(start)), 4);
  });
  if (row === null) return;
  const [low, high] = [Math.min(...row), Math.max(...row)];
  const y = (value) => 4 + (1 - (value - low) / Math.max(high - low, 1e-9)) * (floor - 8);
  const across = width / row.length;
  context.beginPath();
  row.forEach((value, k) => context.lineTo((k + 0.5) * across, y(value)));
  context.strokeStyle = colour("--link");
  context.lineWidth = 1.8;
  context.lineJoin = "round";
  context.stroke();
  context.fillStyle = found;
  row.forEach((value, k) => {
    if (spans.joined(k)) {
      context.beginPath();
      context.arc((k + 0.5) * across, y(value), 2.6, 0, 7);
      context.fill();
    }
  });
}
