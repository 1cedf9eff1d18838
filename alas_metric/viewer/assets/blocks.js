// What the page holds of a document: base64 in elements that nobody runs, unpacked when it is opened.

// The page can be used before all of it was read: a block is whole when something follows it.
async function blockOf(id) {
  for (;;) {
    const element = document.getElementById(id);
    if (document.readyState !== "loading" || element?.nextElementSibling) return element;
    await new Promise((resume) => { setTimeout(resume, 20); });
  }
}

async function bytesOf(id) {
  const element = await blockOf(id);
  const text = atob(element.textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = text.charCodeAt(i);
  return bytes;
}

async function unpacked(id) {
  const stream = new Blob([await bytesOf(id)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

async function readDetails(number, column) {
  return JSON.parse(new TextDecoder().decode(await unpacked(`details-${number}-${column}`)));
}

// Similarities as they were written: each row's lowest value and step, then differences of steps along the row.
class Similarities {
  constructor(buffer, details) {
    this.rows = details.words.length;
    this.columns = details.positions;
    const rows = details.layers * 2 * this.rows;
    this.scales = new Float32Array(buffer, 0, 2 * rows);
    this.steps = new Uint8Array(buffer, 8 * rows);
  }

  static async read(number, column, details) {
    return new Similarities(await unpacked(`similarity-${number}-${column}`), details);
  }

  // Float32Array of rows x columns; standardised ones are the centred ones, each row at mean 0 and deviation 1.
  of(layer, form) {
    const values = new Float32Array(this.rows * this.columns);
    const first = (layer * 2 + (form === "raw" ? 0 : 1)) * this.rows;
    for (let row = 0; row < this.rows; row += 1) {
      const [low, step] = this.scales.subarray(2 * (first + row), 2 * (first + row) + 2);
      let count = 0;
      for (let k = 0; k < this.columns; k += 1) {
        count = (count + this.steps[(first + row) * this.columns + k]) & 255;
        values[row * this.columns + k] = low + step * count;
      }
    }
    if (form === "standardised") {
      for (let row = 0; row < this.rows; row += 1) standardise(values.subarray(row * this.columns, (row + 1) * this.columns));
    }
    return values;
  }
}

function standardise(row) {
  const mean = row.reduce((sum, value) => sum + value, 0) / row.length;
  const spread = Math.sqrt(row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length);
  row.forEach((value, k) => { row[k] = spread <= 2e-6 ? 0 : (value - mean) / spread; });
}

// The 1st and the 99.5th percentile: a few extreme values must not take the contrast from all others.
function rangeOf(values) {
  const ordered = Float32Array.from(values).sort();
  const at = (share) => {
    const place = share * (ordered.length - 1);
    const below = Math.floor(place);
    return ordered[below] + (place - below) * ((ordered[below + 1] ?? ordered[below]) - ordered[below]);
  };
  return [at(0.01), at(0.995)];
}
