// One run's view of a document: speech, words, similarities with both paths, a word's row, the curve over layers.

const KEPT_HINT = "The run kept no similarities of this document (--model_args alas_dump=N keeps those of the first N). "
  + "The paths are those of its record.";

// Paths come as the positions at which they go on by one.
function pathOf(steps, length) {
  const path = new Int32Array(length);
  steps.forEach((step) => { path[step] = 1; });
  for (let k = 1; k < length; k += 1) path[k] += path[k - 1];
  return path;
}

function describe(list, entries) {
  list.replaceChildren();
  entries.forEach(([name, text, className]) => {
    const pair = document.createElement("div");
    const [term, value] = [document.createElement("dt"), document.createElement("dd")];
    [term.textContent, value.textContent] = [name, text];
    if (className) pair.className = className;
    pair.append(term, value);
    list.append(pair);
  });
}

const seconds = (value) => `${shown(value)} s`;

class Panel {
  constructor(run, colours, viewer) {
    this.run = run;
    this.colours = colours;
    this.viewer = viewer;
    this.root = document.getElementById("panel").content.firstElementChild.cloneNode(true);
    this.find = (selector) => this.root.querySelector(selector);
    this.root.setAttribute("aria-label", run.name);
    this.find("h3").textContent = run.name;
    const ramp = [0, 85, 170, 255].map((at) => `rgb(${colours.ramp[at].join(" ")})`).join(", ");
    this.find(".ramp").style.background = `linear-gradient(to right, ${ramp})`;
    this.find(".line.found").style.background = colours.found;
    this.find(".line.reference").style.background = colours.reference;
    this.details = null;
    this.lens = new LensTable(this.find(".lens"), viewer, this);
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.find(".stage"));
  }

  listen() {
    const stage = this.find(".stage");
    stage.addEventListener("pointermove", (event) => this.viewer.hover(this.wordAt(event)));
    stage.addEventListener("pointerleave", () => this.viewer.hover(null));
    stage.addEventListener("click", (event) => {
      const field = event.target.closest(".field");
      if (this.details === null || field === null) return;
      const word = event.target.closest(".spoken button");
      if (word !== null) this.viewer.pin(Number(word.dataset.word), this.times[Number(word.dataset.word)][0]);
      else if (field.closest(".matrix")) this.viewer.pin(this.wordAt(event), this.timeAt(event));
      else this.viewer.seek(this.timeAt(event));
    });
  }

  get duration() { return this.details.positions * this.details.position_seconds; }

  get times() { return this.details.references[this.reference].times; }

  timeAt(event) {
    const box = this.find(".matrix .field").getBoundingClientRect();
    return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * this.duration;
  }

  // The word that is pointed at: its box, its row, or the one that is spoken there.
  wordAt(event) {
    if (this.details === null) return null;
    const box = event.target.closest(".spoken button");
    if (box !== null) return Number(box.dataset.word);
    if (event.target.closest(".matrix") !== null) {
      const { top, height } = this.find(".matrix .field").getBoundingClientRect();
      return Math.min(Math.max(Math.floor(((event.clientY - top) / height) * this.times.length), 0), this.times.length - 1);
    }
    return this.spokenAt(this.timeAt(event));
  }

  spokenAt(time) {
    const found = this.times.findIndex(([start, end]) => start <= time && time < end);
    return found < 0 ? null : found;
  }

  // What the page holds of a document, by its entry in the index; nothing where the run lacks it.
  async open(number, column, held) {
    if (held === null) return { details: null, similarities: null };
    const details = await readDetails(number, column);
    return { details, similarities: held.similarity ? await Similarities.read(number, column, details) : null };
  }

  show({ details, similarities }, reference) {
    this.details = details;
    this.similarities = similarities;
    this.root.classList.toggle("absent", details === null);
    if (details === null) {
      describe(this.find(".facts"), [["", "This run has no such document, or left it out."]]);
      return;
    }
    const { answers } = details;
    describe(this.find(".answers"), [
      ["answer to the audio", answers.audio], ["answer to the text", answers.text], ["right answer", answers.gold],
    ].filter(([, text]) => text !== null));
    const missing = this.find(".missing");
    missing.hidden = similarities !== null;
    missing.textContent = KEPT_HINT;
    this.find(".ramp").hidden = this.find(".range").hidden = similarities === null;
    const rows = details.words.length;
    const height = Math.min(26, Math.max(9, 360 / rows));
    this.find(".matrix").style.height = `${rows * height}px`;
    this.find(".matrix").style.setProperty("--row", `${height}px`);
    this.find(".labels").replaceChildren(...details.words.map((word) => {
      const label = document.createElement("span");
      label.textContent = word;
      return label;
    }));
    this.lens.show(details);
    this.setReference(reference);
  }

  setReference(name) {
    this.reference = name in this.details.references ? name : this.details.reference;
    const buttons = this.details.words.map((word, index) => {
      const [start, end] = this.times[index];
      const button = document.createElement("button");
      button.type = "button";
      button.tabIndex = index === 0 ? 0 : -1;
      button.textContent = word;
      button.dataset.word = index;
      button.setAttribute("aria-label", `${word}, ${shown(start)} to ${shown(end)} seconds`);
      button.style.left = `${(100 * start) / this.duration}%`;
      button.style.width = `${(100 * (end - start)) / this.duration}%`;
      return button;
    });
    this.find(".spoken .field").replaceChildren(...buttons);
    this.markFound();
  }

  // Words that the search found.
  markFound() {
    const term = this.viewer.term;
    this.find(".spoken .field").querySelectorAll("button").forEach((button) => {
      button.classList.toggle("searched", term !== "" && button.textContent.toLowerCase().includes(term));
    });
  }

  set(layer, form) {
    this.layer = layer;
    if (this.details === null) return;
    this.form = form in this.details.paths ? form : "raw";
    this.path = pathOf(this.details.paths[this.form][layer], Math.max(this.details.words.length, this.details.positions));
    this.values = this.similarities === null ? null : this.similarities.of(layer, this.form);
    this.draw();
  }

  draw() {
    if (!this.details || !this.path || !this.root.isConnected) return;
    const { details, colours } = this;
    const { curves, path } = details.references[this.reference];
    const range = this.values === null ? [0, 1] : rangeOf(this.values);
    drawWave(this.find(".wave canvas"), details, this.times, this.duration);
    const scale = this.find(".spoken .field").getBoundingClientRect().width / this.duration;
    this.find(".spoken .field").childNodes.forEach((button, index) => {
      const [start, end] = this.times[index];
      button.classList.toggle("narrow", (end - start) * scale < 20);
    });
    const canvas = this.find(".matrix canvas");
    const drawn = drawMatrix(canvas, this.values, details, range, colours.ramp);
    drawPath(drawn, path, details, colours.reference, 2.6);
    drawPath(drawn, this.path, details, colours.found, 1.8);
    const own = (key, digits) => shown((curves[key][this.form] || [])[this.layer], digits);
    const skill = own("alas_skill");
    canvas.setAttribute("aria-label", `Similarity of ${details.words.length} words and ${details.positions} positions, `
      + `layer ${this.layer}, ${this.form}, with both paths; skill ${skill}`);
    this.find(".range").textContent = `${this.form === "standardised" ? "standard deviations" : "cosine"} `
      + `${shown(range[0])} to ${shown(range[1])}`;
    describe(this.find(".facts"), [
      ["layer", `${this.layer} of ${details.layers - 1}`], ["skill", skill], ["ALAS", details.swapped ? "N/A" : `${own("alas")} words`],
      ["off by", `${own("alas_seconds", 3)} s`], ["frames right", percent((curves.frame_accuracy[this.form] || [])[this.layer])],
    ]);
    const figure = this.find(".curve");
    figure.querySelector("figcaption").textContent = `Skill over layers, ${this.form}`;
    const svg = figure.querySelector("svg");
    const skills = curves.alas_skill[this.form] || [];
    svg.setAttribute("aria-label", `Skill over layers 0 to ${details.layers - 1}; ${skill} at layer ${this.layer}`);
    svg.dataset.layer = this.layer;
    drawCurve(svg, skills, this.run.skill[this.form] || [], this.layer, (layer) => this.viewer.choose(layer, this));
    this.drawAxis();
    this.setWord(this.word ?? null);
  }

  drawAxis() {
    const field = this.find(".axis .field");
    const most = Math.max(1, field.getBoundingClientRect().width / 60);
    const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300].find((each) => this.duration / each <= most) || 600;
    const ticks = [];
    for (let count = 0; count * step <= this.duration; count += 1) {
      const tick = document.createElement("span");
      tick.textContent = `${(count * step).toFixed(step < 1 ? 1 : 0)} s`;
      tick.style.left = `${(100 * count * step) / this.duration}%`;
      tick.classList.toggle("end", count * step > 0.96 * this.duration);
      ticks.push(tick);
    }
    field.replaceChildren(...ticks);
  }

  setWord(word) {
    this.word = word;
    if (this.details === null) return;
    this.lens.mark(this.layer, word);
    const known = word !== null && word < this.details.words.length;
    const band = this.find(".band");
    band.hidden = !known;
    this.find(".labels").childNodes.forEach((label, index) => label.classList.toggle("chosen", index === word));
    this.find(".spoken .field").childNodes.forEach((button, index) => {
      button.classList.toggle("chosen", index === word);
      button.tabIndex = index === (known ? word : 0) ? 0 : -1;
    });
    this.find(".row").classList.toggle("empty", !known);
    if (!known) {
      this.find(".row .gutter").textContent = "";
      sheet(this.find(".row canvas"));
      describe(this.find(".word"), [["", "Point at a word for its row, its times and its error.", "hint"]]);
      return;
    }
    const rows = this.details.words.length;
    band.style.top = `${(100 * word) / rows}%`;
    band.style.height = `${100 / rows}%`;
    this.find(".row .gutter").textContent = this.details.words[word];
    this.drawWord(word);
  }

  drawWord(word) {
    const { details } = this;
    const names = [this.reference, ...Object.keys(details.references).filter((name) => name !== this.reference)];
    const spans = names.map((name, index) => {
      const [start, end] = details.references[name].times[word];
      return { start, end, colour: colour(`--m${index % 6}`) };
    });
    spans.joined = (k) => (details.swapped ? this.path[word] === k : this.path[k] === word);
    const row = this.values === null ? null : this.values.subarray(word * details.positions, (word + 1) * details.positions);
    drawRow(this.find(".row canvas"), row, spans, this.duration, this.colours.found);
    this.find(".row canvas").setAttribute("aria-label", `Similarity of ${details.words[word]} with each position`);
    const of = details.references[this.reference];
    const error = of.errors[this.form][this.layer][word];
    const joined = Array.from({ length: details.positions }, (_, k) => k).filter(spans.joined);
    const [first, last] = [joined[0], joined[joined.length - 1] + 1].map((k) => k * details.position_seconds);
    describe(this.find(".word"), [
      ["word", details.words[word], "name"],
      ["error here", error === null ? "owns no position" : `${shown(error / 1000)} s`, "error"],
      ["found at", `${shown(first)} to ${seconds(last)}`, "found"],
      ...names.map((name, index) => {
        const [start, end] = details.references[name].times[word];
        return [name, `${shown(start)} to ${seconds(end)}`, `times m${index % 6}`];
      }),
      ...Object.entries(of.values).map(([name, values]) => [name.replaceAll("_", " "), shown(values[word])]),
    ]);
  }

  setTime(time, playing) {
    if (this.details === null) return;
    const lanes = this.find(".matrix .field");
    const share = Math.min(time / this.duration, 1);
    const cursor = this.find(".cursor");
    cursor.style.left = `${lanes.offsetLeft + share * lanes.offsetWidth}px`;
    cursor.dataset.time = time.toFixed(3);
    const now = this.spokenAt(time);
    this.find(".spoken .field").childNodes.forEach((button, index) => button.classList.toggle("now", index === now));
    const scroll = this.find(".scroll");
    const x = lanes.offsetLeft + share * lanes.offsetWidth - scroll.scrollLeft;
    if (playing && (x > scroll.clientWidth * 0.9 || x < lanes.offsetLeft)) scroll.scrollLeft += x - scroll.clientWidth * 0.3;
  }
}

const percent = (value) => (value === null || value === undefined ? "N/A" : `${Math.round(100 * value)} %`);
