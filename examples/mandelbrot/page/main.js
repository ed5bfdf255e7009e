// The window: views that follow one another, and what hands and keys do.

import { about, news, post } from "./server.js";
import { Picture } from "./picture.js";
import { Panel } from "./panel.js";

const byId = (id) => document.getElementById(id);
const stage = byId("stage"), overlay = byId("overlay"), frame = byId("frame");
const facts = await about();
const picture = new Picture(byId("picture"), facts);
const history = [];
let view = null, iterations = facts.start.iterations, job = 0, version = 0, tileCount = 0;
let busy = false, showsAgents = false, done = [], running = [], isFinished = true;

const panel = new Panel(facts, picture.look, {
  look: (change) => { Object.assign(picture.look, change); picture.repaint(); panel.showLook(); },
  place: (place) => { iterations = null; byId("auto").checked = true; go(place, null, place.iterations); },
  typed: (place) => go(place, null),
  again: () => go(view, null, undefined, false),
  iterations: (count) => { iterations = count || null; byId("auto").checked = !count; go(view, null, undefined, false); },
  scale: (factor) => scaleIterations(factor),
  automatic: (on) => { iterations = on ? null : view.iterations; if (on) go(view, null, undefined, false); },
});

// ---------------------------------------------------------------- views

// Draw a view, moved: {kind, x, y, factor} in pixels. `limit` is for this one alone.
async function go(from, move, limit, keeps = true) {
  const words = {
    ...{ re: from.re, im: from.im, zoom: from.zoom }, move, width: picture.width, height: picture.height,
    iterations: limit || iterations, method: byId("method").value, cut: byId("cut").value,
  };
  const number = ++going;
  try {
    const began = await post("draw", words);
    if (number !== going) return;
    if (view && keeps) history.push(view);
    begin(began, move && from === view ? move : null);
  } catch (error) {
    panel.say(error.message);
    if (view) panel.showView(view);
  }
}
let going = 0;

function begin(began, move) {
  view = { re: began.re, im: began.im, zoom: began.zoom, iterations: began.iterations };
  job = began.job;
  tileCount = 0;
  done = running = [];
  isFinished = false;
  busy = true;
  panel.forgetTiles();
  panel.showView(view);
  panel.say("");
  byId("back").disabled = !history.length;
  if (!shownMove && move) picture.begin(centred(move), true);
  else if (!shownMove) picture.begin({ x: picture.width / 2, y: picture.height / 2, factor: 1 }, false);
  shownMove = false;
  drawOverlay();
}
let shownMove = false;

// The move as one that brings (x, y) to the middle.
function centred({ kind, x, y, factor }) {
  if (kind === "to") return { x, y, factor };
  const w = picture.width / 2, h = picture.height / 2, kept = 1 - 1 / factor;
  return { x: w + (x - w) * kept, y: h + (y - h) * kept, factor };
}

function back() {
  const last = history.pop();
  if (last) go(last, null, last.iterations, false);
}

function zoomBy(factor, x = picture.width / 2, y = picture.height / 2) {
  if (view) go(view, { kind: "about", x, y, factor });
}

function moveBy(x, y) {
  if (view) go(view, { kind: "to", x: picture.width / 2 + x, y: picture.height / 2 + y, factor: 1 });
}

function scaleIterations(factor) {
  iterations = Math.min(1e9, Math.max(1, Math.round(view.iterations * factor)));
  byId("auto").checked = false;
  go(view, null, undefined, false);
}

async function cancel() {
  if (!busy) return;
  const { seconds } = await post("cancel", {});
  panel.say(`Stopped; nothing runs any more after ${Math.round(1000 * seconds)} ms.`);
}

// ---------------------------------------------------------------- what comes from the program

async function listen() {
  for (;;) {
    try {
      const found = await news({ job, first: tileCount, version, busy });
      version = found.hasMore ? 0 : found.version;
      take(found);
    } catch {
      panel.showConnection({ isConnected: false, agents: 0, slots: 0, trouble: "the program has ended" });
      await new Promise((wake) => setTimeout(wake, 1000));
    }
  }
}

function take(found) {
  panel.showConnection(found);
  if (found.job !== job || found.first !== tileCount) return;
  for (const tile of found.tiles) picture.add(tile);
  tileCount += found.tiles.length;
  busy = found.isBusy || found.hasMore;
  const fine = found.tiles.filter((tile) => tile.stride === 1);
  const now = performance.now();
  done.push(...fine.map((tile) => ({ ...tile, at: now, counts: null, norms: null })));
  panel.count(fine);
  running = found.running;
  panel.showAgents(running);
  panel.showWork({ ...found, isBusy: busy }, { points: picture.width * picture.height, view });
  if (found.error) panel.say(found.error);
  if (!busy && !isFinished) {
    isFinished = true;
    picture.finish();
  }
  document.body.dataset.busy = String(busy);
  document.body.dataset.job = String(job);
  drawOverlay();
}

// Who draws what: tiles under way are outlined, tiles that have come glow in their agent's colour
// for a moment, or stay so as long as wanted.
function drawOverlay() {
  const context = overlay.getContext("2d"), now = performance.now();
  context.clearRect(0, 0, overlay.width, overlay.height);
  let fades = false;
  for (const { x0, y0, x1, y1, agent, at } of done) {
    const glow = Math.max(0, 1 - (now - at) / 500);
    if (!glow && !showsAgents) continue;
    fades ||= glow > 0;
    context.fillStyle = panel.colourOf(agent);
    context.globalAlpha = showsAgents ? 0.3 + 0.3 * glow : 0.25 * glow;
    context.fillRect(x0, y0, x1 - x0, y1 - y0);
    if (showsAgents) context.clearRect(x0, y0, x1 - x0, 1), context.clearRect(x0, y0, 1, y1 - y0);
  }
  context.lineWidth = 1.5;
  for (const [x0, y0, x1, y1, agent] of running) {
    context.globalAlpha = 0.9;
    context.strokeStyle = panel.colourOf(agent);
    context.strokeRect(x0 + 1, y0 + 1, x1 - x0 - 2, y1 - y0 - 2);
  }
  context.globalAlpha = 1;
  if (fades && !waitsForFrame) {
    waitsForFrame = true;
    requestAnimationFrame(() => { waitsForFrame = false; drawOverlay(); });
  }
}
let waitsForFrame = false;

// ---------------------------------------------------------------- hands

// Where in the picture: pixels of the canvas, not of the page.
function at(event) {
  const box = stage.getBoundingClientRect();
  return { x: (event.clientX - box.left) * picture.width / box.width, y: (event.clientY - box.top) * picture.height / box.height };
}

let grip = null;

stage.addEventListener("pointerdown", (event) => {
  if (!view || event.button > 1) return;
  stage.setPointerCapture(event.pointerId);
  grip = { from: at(event), page: [event.clientX, event.clientY], moves: event.shiftKey || event.button === 1, far: false };
  stage.classList.toggle("moving", grip.moves);
});

stage.addEventListener("pointermove", (event) => {
  if (!grip) return;
  const [x, y] = grip.page, across = event.clientX - x, down = event.clientY - y;
  grip.far ||= Math.hypot(across, down) > 5;
  if (!grip.far) return;
  if (grip.moves) {
    byId("picture").style.transform = `translate(${across}px, ${down}px)`;
    return;
  }
  Object.assign(frame.style, {
    left: `${Math.min(x, x + across)}px`, top: `${Math.min(y, y + down)}px`,
    width: `${Math.abs(across)}px`, height: `${Math.abs(down)}px`,
  });
  frame.hidden = false;
});

stage.addEventListener("pointerup", (event) => {
  if (!grip) return;
  const { from, moves, far } = grip, to = at(event);
  letGo();
  if (!far) return event.button === 0 && go(view, { kind: "to", ...from, factor: 2 });
  if (moves) return moved(from, to);
  const factor = Math.min(picture.width / Math.abs(to.x - from.x), picture.height / Math.abs(to.y - from.y));
  return go(view, { kind: "to", x: (from.x + to.x) / 2, y: (from.y + to.y) / 2, factor: Math.min(factor, 1e4) });
});
stage.addEventListener("pointercancel", letGo);
stage.addEventListener("contextmenu", (event) => { event.preventDefault(); if (view) zoomBy(0.5, at(event).x, at(event).y); });

function letGo() {
  grip = null;
  frame.hidden = true;
  stage.classList.remove("moving");
  byId("picture").style.transform = "";
}

function moved(from, to) {
  const move = { kind: "to", x: picture.width / 2 + from.x - to.x, y: picture.height / 2 + from.y - to.y, factor: 1 };
  picture.begin(move, false);
  shownMove = true;
  go(view, move);
}

// Turns of the wheel that follow one another are one zoom; the picture follows at once.
let wheel = null;

stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  if (!view) return;
  const { x, y } = at(event), pixels = event.deltaY * [1, 20, 400][event.deltaMode];
  wheel ??= { x, y, factor: 1 };
  wheel.factor = Math.min(64, Math.max(1 / 64, wheel.factor * Math.exp(-pixels / 300)));
  const { style } = byId("picture"), box = stage.getBoundingClientRect();
  style.transformOrigin = `${wheel.x * box.width / picture.width}px ${wheel.y * box.height / picture.height}px`;
  style.transform = `scale(${wheel.factor})`;
  clearTimeout(wheel.timer);
  wheel.timer = setTimeout(() => {
    const move = { kind: "about", x: wheel.x, y: wheel.y, factor: wheel.factor };
    wheel = null;
    style.transform = style.transformOrigin = "";
    picture.begin(centred(move), false);
    shownMove = true;
    go(view, move);
  }, 160);
}, { passive: false });

// ---------------------------------------------------------------- keys and buttons

const actions = {
  "+": () => zoomBy(2), "=": () => zoomBy(2), "-": () => zoomBy(0.5), _: () => zoomBy(0.5),
  ArrowLeft: () => moveBy(-picture.width / 5, 0), ArrowRight: () => moveBy(picture.width / 5, 0),
  ArrowUp: () => moveBy(0, -picture.height / 5), ArrowDown: () => moveBy(0, picture.height / 5),
  Backspace: back, Escape: cancel, Home: home, p: nextPalette, m: toggleAgents, s: save, h: togglePanel,
  "[": () => scaleIterations(0.5), "]": () => scaleIterations(2), r: toggleRelief,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !view) return;
  const typing = event.target.matches("input, select");
  if (typing) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const action = actions[event.key] || actions[event.key.toLowerCase()];
  if (action) {
    event.preventDefault();
    action();
  }
});

function home() {
  iterations = null;
  byId("auto").checked = true;
  go(facts.places[0], null);
}

function nextPalette() {
  const names = Object.keys(facts.palettes);
  panel.on.look({ palette: names[(names.indexOf(picture.look.palette) + 1) % names.length] });
}

function toggleAgents() {
  showsAgents = !showsAgents;
  byId("agents").setAttribute("aria-pressed", String(showsAgents));
  drawOverlay();
}

function toggleRelief() {
  byId("relief").checked = !byId("relief").checked;
  panel.on.look({ relief: byId("relief").checked });
}

function togglePanel() {
  const away = byId("panel").classList.toggle("away");
  byId("more").setAttribute("aria-pressed", String(!away));
}

function save() {
  byId("picture").toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `mandelbrot-${String(view.zoom).replace("+", "")}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });
}

const buttons = {
  back, cancel, home, export: save, agents: toggleAgents, more: togglePanel, in: () => zoomBy(2), out: () => zoomBy(0.5),
};
for (const [id, action] of Object.entries(buttons)) {
  byId(id).onclick = () => {
    action();
    stage.focus();
  };
}

// ---------------------------------------------------------------- beginning

function fit() {
  const scale = Math.min(window.devicePixelRatio || 1, 2);
  const width = Math.max(16, Math.round(stage.clientWidth * scale)), height = Math.max(16, Math.round(stage.clientHeight * scale));
  if (width === picture.width && height === picture.height) return;
  overlay.width = width;
  overlay.height = height;
  picture.resize(width, height);
  go(view || facts.start, null, undefined, false);
}

if (iterations) byId("auto").checked = false;
if (stage.clientWidth <= 720) togglePanel();
fit();
stage.focus();
let resizing = 0;
window.addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(fit, 200); });
listen();
