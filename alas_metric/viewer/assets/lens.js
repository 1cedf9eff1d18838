// What each word's stretch of audio reads as in each layer: a table, the last layer on top.

const HOW_READ = ["other", "found", "own"];

class LensTable {
  constructor(root, viewer, panel) {
    this.root = root;
    this.table = root.querySelector("table");
    this.lens = null;
    const at = (event, name) => event.target.closest(`[data-${name}]`)?.dataset[name];
    this.table.addEventListener("pointermove", (event) => viewer.hover(at(event, "word") === undefined ? null : Number(at(event, "word"))));
    this.table.addEventListener("pointerleave", () => viewer.hover(null));
    this.table.addEventListener("click", (event) => {
      const [word, layer] = [at(event, "word"), at(event, "layer")];
      if (layer !== undefined) viewer.choose(Number(layer), panel);
      if (word !== undefined) viewer.pin(Number(word), panel.times[Number(word)][0]);
    });
  }

  show({ lens, words, reference }) {
    this.lens = lens;
    this.root.hidden = lens === null;
    if (lens === null) return;
    this.root.querySelector(".legend").replaceChildren(...lens.meanings.map((meaning, level) => {
      const sign = document.createElement("span");
      sign.className = HOW_READ[level];
      sign.textContent = meaning;
      return sign;
    }), `Times by ${reference}.`);
    const row = (layer) => {
      const line = document.createElement("tr");
      line.append(cell("th", layer, { layer }), ...lens.read[layer].map((token, word) => {
        const each = cell("td", token.trim() || "\u2423", { word, layer }, HOW_READ[lens.levels[layer][word]]);
        each.title = `layer ${layer}, \u201c${words[word]}\u201d: reads ${JSON.stringify(token)}, its first token is ${JSON.stringify(lens.first[word])}`;
        return each;
      }));
      return line;
    };
    const [head, body] = [document.createElement("thead"), document.createElement("tbody")];
    const names = document.createElement("tr");
    names.append(cell("th", "layer"), ...words.map((word, index) => cell("th", word, { word: index })));
    head.append(names);
    body.append(...lens.read.map((_, layer) => row(lens.read.length - 1 - layer)));
    this.table.replaceChildren(head, body);
  }

  mark(layer, word) {
    if (this.lens === null) return;
    const is = (value, chosen) => value !== undefined && Number(value) === chosen;
    this.table.querySelectorAll("tbody tr").forEach((row) => row.classList.toggle("now", is(row.cells[0].dataset.layer, layer)));
    this.table.querySelectorAll("[data-word]").forEach((each) => each.classList.toggle("chosen", is(each.dataset.word, word)));
  }
}

function cell(kind, text, data = {}, className = "") {
  const made = document.createElement(kind);
  made.textContent = text;
  Object.assign(made.dataset, data);
  made.className = className;
  if (kind === "th") made.scope = "layer" in data ? "row" : "col";
  return made;
}
