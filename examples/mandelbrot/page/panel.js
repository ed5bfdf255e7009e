// Everything around the picture: what is said, who draws, and the settings.

const COLOURS = ["#5ab4e5", "#f2b04c", "#7ed491", "#e5738a", "#b69cf0", "#54d1c8", "#e3e06a", "#ee8f5b"];
const byId = (id) => document.getElementById(id);

export class Panel {
  constructor(facts, look, on) {
    this.look = look;
    this.on = on;
    this.agents = new Map();
    this.isLocal = facts.isLocal;
    this.fill(facts);
  }

  fill(facts) {
    for (const [name, { table }] of Object.entries(facts.palettes)) byId("palettes").append(this.swatch(name, table));
    byId("places").append(new Option("a place …", ""), ...facts.places.map((place, i) => new Option(place.name, i)));
    byId("places").onchange = ({ target }) => {
      if (target.value !== "") this.on.place(facts.places[target.value]);
      target.value = "";
      target.blur();
    };
    for (const id of ["density", "turn"]) byId(id).oninput = ({ target }) => this.on.look({ [id]: Number(target.value) });
    byId("relief").onchange = ({ target }) => this.on.look({ relief: target.checked });
    for (const id of ["re", "im", "zoom"]) byId(id).onchange = () => this.on.typed(this.place());
    for (const id of ["method", "cut"]) byId(id).onchange = () => this.on.again();
    byId("iterations").onchange = ({ target }) => this.on.iterations(Number(target.value.replace(/\D/g, "")));
    byId("fewer").onclick = () => this.on.scale(0.5);
    byId("double").onclick = () => this.on.scale(2);
    byId("auto").onchange = ({ target }) => this.on.automatic(target.checked);
  }

  swatch(name, table) {
    const button = document.createElement("button"), canvas = document.createElement("canvas");
    const count = table.length / 3;
    canvas.width = 64;
    canvas.height = 1;
    const image = new ImageData(64, 1);
    for (let x = 0; x < 64; x++) {
      const at = 3 * Math.floor(x * count / 64);
      image.data.set([table[at], table[at + 1], table[at + 2], 255], 4 * x);
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    button.append(canvas);
    button.title = name;
    button.dataset.palette = name;
    button.setAttribute("role", "radio");
    button.setAttribute("aria-label", name);
    button.setAttribute("aria-checked", String(name === this.look.palette));
    button.onclick = () => this.on.look({ palette: name });
    return button;
  }

  showLook() {
    for (const button of byId("palettes").children) {
      button.setAttribute("aria-checked", String(button.dataset.palette === this.look.palette));
    }
  }

  place() {
    return { re: byId("re").value.trim(), im: byId("im").value.trim(), zoom: byId("zoom").value.trim() };
  }

  showView(view) {
    for (const id of ["re", "im", "zoom"]) if (document.activeElement !== byId(id)) byId(id).value = view[id];
    byId("iterations").value = view.iterations.toLocaleString("en");
  }

  showConnection({ isConnected, agents, slots, trouble }) {
    const many = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
    // A grid inside the program has no coordinator that could be asked.
    const isThere = isConnected || (this.isLocal && agents > 0);
    const place = this.isLocal ? "a grid inside this program" : "connected to coordinator";
    const found = isThere ? place : this.isLocal ? "starting a grid inside this program" : "searching for coordinator";
    const who = agents || isConnected ? ` · ${many(agents, "agent")}, ${many(slots, "slot")}` : "";
    byId("connection").textContent = trouble || found + who;
    byId("dot").classList.toggle("on", isThere && agents > 0);
  }

  showWork(facts, { points, view }) {
    const stage = {
      waiting: "starting", reference: "one point with long numbers", coarse: "a first look", drawing: "drawing",
    }[facts.stage];
    const percent = Math.round(100 * facts.share), seconds = `${facts.seconds.toFixed(1)} s`;
    byId("bar").classList.toggle("busy", facts.isBusy);
    byId("bar").setAttribute("aria-valuenow", String(percent));
    byId("bar").firstElementChild.style.width = `${facts.isBusy ? Math.max(2, percent) : 100}%`;
    byId("cancel").hidden = !facts.isBusy;
    const zoom = view ? `zoom ${pretty(view.zoom)}` : "";
    if (facts.isBusy) {
      const share = facts.stage === "drawing" ? ` · ${percent} % of ${facts.tileCount} tiles` : "";
      byId("says").textContent = facts.stage ? `${zoom} · ${stage}${share} · ${seconds}` : `${zoom} · waiting for a grid`;
    } else if (facts.job) {
      byId("says").textContent = `${zoom} · ${points.toLocaleString("en")} points in ${seconds}`;
    }
  }

  colourOf(agent) {
    if (!this.agents.has(agent)) {
      this.agents.set(agent, { colour: COLOURS[this.agents.size % COLOURS.length], tiles: 0, running: 0 });
    }
    return this.agents.get(agent).colour;
  }

  count(tiles) {
    for (const { agent } of tiles) {
      this.colourOf(agent);
      this.agents.get(agent).tiles++;
    }
  }

  forgetTiles() {
    for (const one of this.agents.values()) one.tiles = one.running = 0;
  }

  showAgents(running) {
    for (const one of this.agents.values()) one.running = 0;
    for (const [, , , , agent] of running) {
      this.colourOf(agent);
      this.agents.get(agent).running++;
    }
    byId("legend").replaceChildren(...[...this.agents].map(([name, { colour, tiles, running: now }]) => {
      const row = document.createElement("li"), mark = document.createElement("i"), count = document.createElement("small");
      mark.style.background = colour;
      count.textContent = now ? `${now} now · ${tiles}` : `${tiles}`;
      row.append(mark, name, count);
      return row;
    }));
  }

  say(text) {
    const toast = byId("toast");
    toast.textContent = text;
    toast.hidden = !text;
    clearTimeout(this.timer);
    if (text) this.timer = setTimeout(() => { toast.hidden = true; }, 6000);
  }
}

export function pretty(zoom) {
  const [digits, power] = String(zoom).toLowerCase().split("e");
  const number = Number(digits), short = number >= 1000 ? Math.round(number).toLocaleString("en") : String(Number(number.toPrecision(3)));
  return power ? `${short} · 10^${Number(power)}` : short;
}
