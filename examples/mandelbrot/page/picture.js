// The picture: values of all points, colours for them, and what is shown until they are there.
//
// A value is the count with a fraction, as palettes.py has it; -1 is inside the set, NaN unknown.

const ESCAPED = 65536;
const INSIDE = -1;

export class Picture {
  constructor(canvas, facts) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.facts = facts;
    this.look = { palette: facts.palette, density: 0, turn: 0, relief: false };
    this.busyUntil = 0;
    this.late = [];
    this.resize(canvas.width || 2, canvas.height || 2);
  }

  resize(width, height) {
    const kept = this.values ? this.copy() : null;
    this.canvas.width = this.width = width;
    this.canvas.height = this.height = height;
    if (kept) this.context.drawImage(kept, 0, 0, width, height);
    this.forget();
  }

  // A new picture begins. What the old one showed moves to where it now belongs: (x, y) of the old
  // one comes to the middle, nearer by `factor`.
  begin(move, animate) {
    const ghost = this.copy();
    this.forget();
    const to = { x: this.width / 2 - move.x * move.factor, y: this.height / 2 - move.y * move.factor, s: move.factor };
    const began = performance.now(), lasts = animate ? 260 : 0;
    this.busyUntil = began + lasts;
    const number = ++this.number;
    const frame = (now) => {
      if (number !== this.number) return;
      const t = lasts ? Math.min(1, Math.max(0, (now - began) / lasts)) : 1;
      const ease = t * t * (3 - 2 * t);
      // The scale grows evenly to the eye when its logarithm does.
      const s = Math.pow(to.s, ease);
      const share = Math.abs(to.s - 1) < 1e-9 ? ease : (s - 1) / (to.s - 1);
      this.context.fillStyle = "#05060c";
      this.context.fillRect(0, 0, this.width, this.height);
      this.context.imageSmoothingEnabled = true;
      this.context.drawImage(ghost, to.x * share, to.y * share, this.width * s, this.height * s);
      if (t < 1) return requestAnimationFrame(frame);
      this.busyUntil = 0;
      for (const tile of this.late.splice(0)) this.show(tile);
    };
    if (lasts) requestAnimationFrame(frame); else frame(began);
  }

  // Take the points of a tile.
  add(tile) {
    const values = new Float32Array(tile.counts.length), log = Math.log(ESCAPED);
    for (let i = 0; i < values.length; i++) {
      const norm = tile.norms[i];
      values[i] = norm === 0 ? INSIDE : tile.counts[i] + 1 - Math.log2(Math.log(norm) / log);
      if (norm !== 0 && values[i] < this.lowest && tile.stride > 1) this.lowest = values[i];
    }
    const { columns, rows } = tile;
    const goal = tile.stride > 1 ? this.coarse : this.values;
    const wide = tile.stride > 1 ? this.coarseWidth : this.width;
    const x0 = tile.x0 / tile.stride, y0 = tile.y0 / tile.stride;
    for (let y = 0; y < rows; y++) goal.set(values.subarray(y * columns, (y + 1) * columns), (y0 + y) * wide + x0);
    if (this.busyUntil) this.late.push(tile); else this.show(tile);
  }

  // All points are there: now the lowest count is known for good.
  finish() {
    let lowest = Infinity;
    for (const value of this.values) if (value >= 0 && value < lowest) lowest = value;
    if (lowest !== this.lowest || this.look.relief) {
      this.lowest = lowest;
      this.repaint();
    }
  }

  repaint() {
    if (this.busyUntil) return;
    this.table = null;
    if (this.hasCoarse) this.showCoarse();
    this.paint(0, 0, this.width, this.height);
  }

  copy() {
    const copy = document.createElement("canvas");
    copy.width = this.width;
    copy.height = this.height;
    copy.getContext("2d").drawImage(this.canvas, 0, 0);
    return copy;
  }

  forget() {
    this.values = new Float32Array(this.width * this.height).fill(NaN);
    this.coarseWidth = Math.ceil(this.width / 8);
    this.coarse = new Float32Array(this.coarseWidth * Math.ceil(this.height / 8)).fill(NaN);
    this.hasCoarse = false;
    this.lowest = Infinity;
    this.late = [];
    this.number = (this.number || 0) + 1;
    this.busyUntil = 0;
  }

  show(tile) {
    if (tile.stride > 1) {
      this.hasCoarse = true;
      this.showCoarse();
    } else {
      this.paint(tile.x0, tile.y0, tile.x1, tile.y1);
    }
  }

  // The coarse picture, blurred to full size: it sharpens as tiles come. All of it, because a lower
  // count than any before changes the colours everywhere.
  showCoarse() {
    const rows = Math.ceil(this.height / 8);
    const small = document.createElement("canvas");
    small.width = this.coarseWidth;
    small.height = rows;
    small.getContext("2d").putImageData(this.colour(this.coarse, this.coarseWidth, 0, 0, this.coarseWidth, rows), 0, 0);
    this.context.imageSmoothingEnabled = true;
    this.context.imageSmoothingQuality = "high";
    this.context.drawImage(small, 0, 0, this.coarseWidth * 8, rows * 8);
  }

  paint(x0, y0, x1, y1) {
    const image = this.colour(this.values, this.width, x0, y0, x1, y1);
    // putImageData would make holes of what is not known yet.
    let isWhole = true;
    for (let i = 3; i < image.data.length && isWhole; i += 4) isWhole = image.data[i] === 255;
    if (isWhole) return this.context.putImageData(image, x0, y0);
    const part = document.createElement("canvas");
    part.width = x1 - x0;
    part.height = y1 - y0;
    part.getContext("2d").putImageData(image, 0, 0);
    this.context.drawImage(part, x0, y0);
  }

  // Pixels of a rectangle; unknown ones are clear.
  colour(values, wide, x0, y0, x1, y1) {
    const image = new ImageData(x1 - x0, y1 - y0);
    const pixels = new Uint32Array(image.data.buffer);
    const { table, inside } = this.colours(), last = table.length - 1;
    const { period } = this.facts.palettes[this.look.palette];
    const rounds = this.facts.rounds * Math.pow(2, this.look.density), lowest = Math.min(this.lowest, 1e30);
    let at = 0;
    for (let y = y0; y < y1; y++) {
      for (let x = x0; x < x1; x++, at++) {
        const value = values[y * wide + x];
        if (value === INSIDE) pixels[at] = inside;
        else if (value === value) {
          const phase = rounds * Math.log1p(Math.max(value - lowest, 0) / period) + this.look.turn;
          pixels[at] = table[((phase - Math.floor(phase)) * table.length) & last];
        }
      }
    }
    if (this.look.relief) this.light(values, wide, x0, y0, x1, y1, image.data);
    return image;
  }

  // As if the values were heights, with light from the upper left.
  light(values, wide, x0, y0, x1, y1, data) {
    const high = values.length / wide, height = (v) => Math.log1p(Math.max(v - this.lowest, 0)) * 24;
    let at = 0;
    for (let y = y0; y < y1; y++) {
      for (let x = x0; x < x1; x++, at += 4) {
        const i = y * wide + x, value = values[i];
        if (!(value >= 0)) continue;
        const right = values[x + 1 < wide ? i + 1 : i - 1], down = values[y + 1 < high ? i + wide : i - wide];
        if (!(right >= 0 && down >= 0)) continue;
        const h = height(value), dx = h - height(right), dy = h - height(down);
        const shade = (0.62 - 0.5 * (dx + dy)) / Math.sqrt(1 + dx * dx + dy * dy) + 0.42;
        const s = Math.min(1.55, Math.max(0.35, shade));
        data[at] *= s; data[at + 1] *= s; data[at + 2] *= s;
      }
    }
  }

  colours() {
    if (!this.table) {
      const { table, inside } = this.facts.palettes[this.look.palette];
      this.table = new Uint32Array(table.length / 3);
      for (let i = 0; i < this.table.length; i++) this.table[i] = packed(table[3 * i], table[3 * i + 1], table[3 * i + 2]);
      const rgb = parseInt(inside.slice(1), 16);
      this.inside = packed(rgb >> 16, (rgb >> 8) & 255, rgb & 255);
    }
    return { table: this.table, inside: this.inside };
  }
}

function packed(red, green, blue) {
  return (255 << 24 | blue << 16 | green << 8 | red) >>> 0;
}
