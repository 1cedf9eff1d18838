// What all parts share: document, layer, form, word and time; the controls, the keyboard and the address.

class Viewer {
  constructor(index) {
    this.index = index;
    this.element = (id) => document.getElementById(id);
    this.term = "";
    this.number = null;
    this.layer = 0;
    this.pinned = null;
    this.pointed = null;
    this.clock = new Clock((time) => this.setTime(time), (playing) => this.setPlaying(playing));
    this.panels = index.runs.map((run) => new Panel(run, index.colours, this));
    this.element("panels").append(...this.panels.map((panel) => panel.root));
    this.element("panels").classList.toggle("two", this.panels.length > 1);
    this.makeForms();
    this.list = new List(index, (number) => this.open(number));
    this.showNotes();
    this.listen();
  }

  makeForms() {
    this.forms = this.index.forms;
    this.form = this.forms[this.forms.length - 1];
    this.element("forms").append(...this.forms.map((form) => {
      const label = document.createElement("label");
      const radio = document.createElement("input");
      radio.type = "radio";
      radio.name = "form";
      radio.value = form;
      radio.checked = form === this.form;
      label.append(radio, form);
      return label;
    }));
  }

  showNotes() {
    const notes = this.element("notes");
    notes.hidden = this.index.notes.length === 0;
    notes.querySelector("ul").replaceChildren(...this.index.notes.map((text) => {
      const item = document.createElement("li");
      item.textContent = text;
      return item;
    }));
  }

  listen() {
    const on = (id, name, act) => this.element(id).addEventListener(name, act);
    on("finder", "submit", (event) => event.preventDefault());
    on("search", "input", (event) => {
      this.term = event.target.value.trim().toLowerCase();
      this.list.arrange("");
      this.shown().forEach((panel) => panel.markFound());
    });
    on("play", "click", () => this.clock.toggle());
    on("layer", "input", (event) => this.setLayer(Number(event.target.value)));
    on("forms", "change", (event) => this.setForm(event.target.value));
    on("step", "change", () => this.setLayer(this.layer));
    on("reference", "change", (event) => {
      this.shown().forEach((panel) => panel.setReference(event.target.value));
      this.setLayer(this.layer);
    });
    on("zoom", "input", (event) => {
      this.panels.forEach((panel) => { panel.find(".stage").style.width = `${100 * event.target.value}%`; });
      this.setTime(this.clock.time);
    });
    document.addEventListener("keydown", (event) => this.press(event));
    window.addEventListener("hashchange", () => this.follow());
    window.addEventListener("resize", () => this.setTime(this.clock.time));
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.panels.forEach((panel) => panel.draw()));
  }

  // The address names a document and a layer: #uid=...&layer=...&form=...
  follow() {
    const wanted = new URLSearchParams(window.location.hash.slice(1));
    const number = this.index.documents.findIndex(({ uid }) => uid === wanted.get("uid"));
    if (this.forms.includes(wanted.get("form"))) this.setForm(wanted.get("form"));
    const layer = wanted.get("layer");
    if (layer !== null && /^\d+$/.test(layer)) this.layer = Number(layer);
    else if (this.number === null) this.layer = this.bestLayer();
    return this.open(number >= 0 ? number : this.number ?? this.list.shown[0]);
  }

  bestLayer() {
    const skill = (this.index.runs[0].skill[this.form] || []).map((value, layer) => (layer === 0 || value === null ? -Infinity : value));
    return Math.max(skill.indexOf(Math.max(...skill)), 0);
  }

  shown() { return this.panels.filter((panel) => panel.details !== null); }

  async open(number) {
    if (number === undefined) return;
    this.number = number;
    this.list.setChosen(number);
    const each = this.index.documents[number];
    const found = await Promise.all(this.panels.map((panel, column) => panel.open(number, column, each.runs[column])));
    const speaking = each.runs.findIndex((held) => held?.audio);
    const heard = speaking < 0 ? null : await bytesOf(`audio-${number}-${speaking}`);
    if (number !== this.number) return; // another one was chosen meanwhile
    this.pinned = this.pointed = null;
    this.element("title").textContent = each.uid;
    this.element("transcript").textContent = each.text;
    const details = found.find((one) => one.details !== null).details;
    this.element("instruction").textContent = details.instruction;
    this.fillReferences(found);
    this.panels.forEach((panel, column) => panel.show(found[column], this.element("reference").value));
    const silent = heard === null ? "; the run kept no speech (alas_dump_audio=true keeps it)" : "";
    this.element("play").title = `Play, space bar${silent}`;
    this.element("play").classList.toggle("silent", heard === null);
    const slider = this.element("layer");
    slider.max = this.shown()[0].details.layers - 1;
    this.element("step-by").hidden = new Set(this.shown().map((panel) => panel.details.layers)).size < 2;
    this.setLayer(this.layer);
    this.clock.load(heard, this.shown()[0].duration);
    this.setWords();
    document.body.dataset.number = number;
  }

  fillReferences(found) {
    const select = this.element("reference");
    const before = select.value;
    const names = [...new Set(found.flatMap(({ details }) => (details === null ? [] : [details.reference, ...Object.keys(details.references)])))];
    select.replaceChildren(...names.map((name) => new Option(name, name)));
    if (names.includes(before)) select.value = before;
  }

  // Layers of the second run in step: as deep, or of the same number.
  setLayer(layer) {
    const [first, ...others] = this.shown();
    const last = first.details.layers - 1;
    this.layer = Math.min(Math.max(layer, 0), last);
    first.set(this.layer, this.form);
    others.forEach((panel) => {
      const most = panel.details.layers - 1;
      const deep = this.element("step").value === "depth" ? Math.round((this.layer / Math.max(last, 1)) * most) : this.layer;
      panel.set(Math.min(deep, most), this.form);
    });
    const slider = this.element("layer");
    slider.value = this.layer;
    slider.style.setProperty("--share", this.layer / Math.max(last, 1));
    slider.setAttribute("aria-valuetext", `layer ${this.layer} of ${last}`);
    this.element("layer-text").textContent = this.shown().map((panel) => `${panel.layer}/${panel.details.layers - 1}`).join(" · ");
    this.remember();
  }

  // A layer that was chosen in a panel's own curve.
  choose(layer, panel) {
    const first = this.shown()[0];
    const share = layer / Math.max(panel.details.layers - 1, 1);
    const deep = this.element("step").value === "depth" ? Math.round(share * (first.details.layers - 1)) : layer;
    this.setLayer(panel === first ? layer : deep);
  }

  setForm(form) {
    this.form = form;
    this.element("forms").querySelectorAll("input").forEach((radio) => { radio.checked = radio.value === form; });
    if (this.number !== null && this.shown().length) this.setLayer(this.layer);
  }

  remember() {
    const { uid } = this.index.documents[this.number];
    const address = new URLSearchParams({ uid, layer: this.layer, form: this.form });
    window.history.replaceState(null, "", `#${address}`);
  }

  setTime(time) {
    this.panels.forEach((panel) => panel.setTime(time, this.clock.playing));
    this.element("time").textContent = `${shown(time)} / ${shown(this.clock.duration)} s`;
    if (this.pinned === null && this.pointed === null) this.setWords();
  }

  seek(time) { this.clock.seek(time); }

  setPlaying(playing) {
    const play = this.element("play");
    play.setAttribute("aria-pressed", String(playing));
    play.setAttribute("aria-label", playing ? "Pause" : "Play");
  }

  hover(word) {
    this.pointed = word;
    this.setWords();
  }

  pin(word, time) {
    this.pinned = word === this.pinned ? null : word;
    this.setWords();
    this.seek(time);
  }

  // The word pointed at, else the one that was clicked, else the one that is being spoken.
  setWords() {
    this.shown().forEach((panel) => {
      const spoken = this.clock.time > 0 ? panel.spokenAt(this.clock.time) : null;
      const word = this.pointed ?? this.pinned ?? spoken;
      if (word !== panel.word) panel.setWord(word);
    });
  }

  moveWord(by) {
    const [first] = this.shown();
    const at = this.pinned ?? first.word ?? (by > 0 ? -1 : first.times.length);
    const word = Math.min(Math.max(at + by, 0), first.times.length - 1);
    this.pointed = null;
    this.pinned = word;
    this.seek(first.times[word][0]);
    this.setWords();
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || this.number === null) return;
    const { id, type, tagName } = event.target;
    const up = event.key === "ArrowUp" || event.key === "ArrowDown";
    if (event.target.closest(".scroll[tabindex]") && event.key.startsWith("Arrow")) return; // they scroll it
    if (tagName === "SELECT" || type === "radio" || id === "zoom") return;
    if (id === "search" && !up) return;
    if (event.key === " " && (tagName === "BUTTON" || tagName === "SUMMARY")) return;
    const acts = {
      ArrowLeft: () => this.setLayer(this.layer - 1),
      ArrowRight: () => this.setLayer(this.layer + 1),
      ArrowUp: () => this.list.move(-1),
      ArrowDown: () => this.list.move(1),
      " ": () => this.clock.toggle(),
      n: () => this.moveWord(1),
      p: () => this.moveWord(-1),
      Escape: () => { this.pinned = this.pointed = null; this.setWords(); },
    };
    if (!(event.key in acts)) return;
    event.preventDefault();
    acts[event.key]();
  }
}

new Viewer(JSON.parse(document.getElementById("index").textContent)).follow();
