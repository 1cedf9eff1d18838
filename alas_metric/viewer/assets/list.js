// The documents: sorted, searched by word, one of them chosen.

const order = (value, missing) => (value === null || value === undefined ? missing : value);

// By name: what a document is put in order by, lowest first, and whether the order is turned round.
function orders(documents, runs) {
  const found = [["order of the data set", (_, number) => number]];
  const has = (key) => documents.some((each) => each.runs.some((run) => run && run[key] !== null));
  runs.forEach((run, column) => {
    const of = runs.length > 1 ? `, ${run.name}` : "";
    const skill = (each) => each.runs[column]?.skill;
    found.push([`lowest skill first${of}`, (each) => order(skill(each), Infinity)]);
    found.push([`highest skill first${of}`, (each) => -order(skill(each), -Infinity)]);
  });
  if (runs.length > 1) {
    const change = (each) => (each.runs.every((run) => run && run.skill !== null)
      ? -Math.abs(each.runs[0].skill - each.runs[1].skill) : Infinity);
    found.push(["skill differs most first", change]);
  }
  const first = (each) => each.runs.find((run) => run !== null);
  found.push(["longest first", (each) => -first(each).seconds], ["shortest first", (each) => first(each).seconds]);
  if (has("confidence")) found.push(["least confident times first", (each) => order(first(each).confidence, Infinity)]);
  return found;
}

class List {
  constructor(index, choose) {
    this.documents = index.documents;
    this.choose = choose;
    this.root = document.getElementById("documents");
    this.count = document.getElementById("count");
    this.select = document.getElementById("sort");
    this.orders = orders(index.documents, index.runs);
    this.select.replaceChildren(...this.orders.map(([name], at) => new Option(name, at)));
    this.options = index.documents.map((each, number) => this.option(each, number, index.runs));
    this.chosen = null;
    this.select.addEventListener("change", () => this.arrange(""));
    this.root.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option !== null) choose(Number(option.dataset.number));
    });
    this.arrange("");
  }

  option(each, number, runs) {
    const made = document.createElement("li");
    made.id = `option-${number}`;
    made.setAttribute("role", "option");
    made.dataset.number = number;
    const part = (name, text) => {
      const span = document.createElement("span");
      span.className = name;
      span.textContent = text;
      made.append(span);
      return span;
    };
    part("uid", each.uid);
    const first = each.runs.find((run) => run !== null);
    const marks = [`${first.seconds.toFixed(1)} s`, each.runs.some((run) => run?.audio) ? "\u266a" : ""];
    part("marks", marks.join(" "));
    part("text", each.text);
    each.runs.forEach((run, column) => {
      const bar = part(`skill m${column}`, run === null ? "not there" : shown(run.skill));
      bar.title = `${runs[column].name}: skill ${shown(run?.skill)}${run?.kept === false ? ", answers differ" : ""}`;
      bar.classList.toggle("unkept", run?.kept === false);
      bar.style.setProperty("--share", Math.min(Math.max(run?.skill ?? 0, 0), 1));
    });
    return made;
  }

  // Put the documents that hold the word in order.
  arrange(term = this.term) {
    this.term = term === "" ? document.getElementById("search").value.trim().toLowerCase() : term;
    const value = this.orders[Number(this.select.value)][1];
    const fits = ({ uid, text }) => [uid, text].some((each) => each.toLowerCase().includes(this.term));
    this.shown = this.documents.map((each, number) => ({ number, each, key: value(each, number) }))
      .filter(({ each }) => fits(each)).sort((a, b) => a.key - b.key || a.number - b.number).map(({ number }) => number);
    this.root.replaceChildren(...this.shown.map((number) => this.options[number]));
    this.shown.forEach((number) => this.mark(number));
    const [all, some] = [this.documents.length, this.shown.length];
    this.count.textContent = this.term === "" ? `${all} documents` : `${some} of ${all} documents`;
  }

  mark(number) {
    const place = this.options[number].querySelector(".text");
    const { text } = this.documents[number];
    const at = this.term === "" ? -1 : text.toLowerCase().indexOf(this.term);
    if (at < 0) {
      place.textContent = text;
      return;
    }
    const found = document.createElement("mark");
    found.textContent = text.slice(at, at + this.term.length);
    place.replaceChildren(text.slice(0, at), found, text.slice(at + this.term.length));
  }

  setChosen(number) {
    if (this.chosen !== null) this.options[this.chosen].removeAttribute("aria-selected");
    this.chosen = number;
    this.options[number].setAttribute("aria-selected", "true");
    this.root.setAttribute("aria-activedescendant", `option-${number}`);
    this.reveal();
  }

  // Only the list scrolls, never the page.
  reveal() {
    const option = this.options[this.chosen];
    if (!option.isConnected) return;
    const [box, own] = [this.root.getBoundingClientRect(), option.getBoundingClientRect()];
    if (own.top < box.top) this.root.scrollTop += own.top - box.top;
    if (own.bottom > box.bottom) this.root.scrollTop += own.bottom - box.bottom;
  }

  // The next or the previous one as they stand.
  move(by) {
    if (!this.shown.length) return;
    const at = this.shown.indexOf(this.chosen);
    const next = at < 0 ? 0 : Math.min(Math.max(at + by, 0), this.shown.length - 1);
    this.choose(this.shown[next]);
  }
}
