"use strict";
const $ = (id) => document.getElementById(id);
const view = { turn: 0.6, tilt: 0.35, distance: 2.6, look: "lit", wire: false, follow: false,
               pointer: [0.35, 0.55] };
const gl = $("scene").getContext("webgl2", { antialias: true, preserveDrawingBuffer: true });
const map2d = $("map").getContext("2d");
let mesh = null, texture = null, facts = null, next = 0, isDrawn = false;

function trouble(text) { $("trouble").textContent = text; $("trouble").style.display = text ? "block" : "none"; }

// ---------------------------------------------------------------- shaders

const VERTEX = `#version 300 es
layout(location=0) in vec3 position; layout(location=1) in vec3 tangent;
layout(location=2) in vec3 binormal; layout(location=3) in vec3 normal; layout(location=4) in vec2 uv;
uniform mat4 camera; uniform vec2 size;
out vec3 at, t, b, n; out vec2 place;
void main() {
  at = position; t = tangent; b = binormal; n = normal;
  place = (uv * (size - 1.0) + 0.5) / size;           // u = 0 and 1 are the middles of texels
  gl_Position = camera * vec4(position, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
in vec3 at, t, b, n; in vec2 place;
uniform sampler2D map; uniform vec3 eye, light; uniform int look; uniform bool isWorld, isLine;
out vec4 colour;
vec4 near(ivec2 corner) { return texelFetch(map, clamp(corner, ivec2(0), textureSize(map, 0) - 1), 0); }
void main() {
  if (isLine) { colour = vec4(0.88, 0.64, 0.35, 1.0); return; }
  // Beside what is not there yet, the nearest texel alone: a mean with nothing would be a dark seam.
  ivec2 corner = ivec2(floor(place * vec2(textureSize(map, 0)) - 0.5));
  vec4 texel = near(ivec2(place * vec2(textureSize(map, 0))));
  bool isThere = texel.r + texel.g + texel.b > 0.0 && look != 1, isWhole = true;
  for (int i = 0; i < 4; i++) isWhole = isWhole && dot(near(corner + ivec2(i & 1, i >> 1)).rgb, vec3(1.0)) > 0.0;
  if (isWhole) texel = texture(map, place);
  vec3 m = texel.rgb * 2.0 - 1.0, smooth_ = normalize(n);
  vec3 bent = isWorld ? m : t * m.x + b * m.y + n * m.z;
  vec3 N = isThere && dot(bent, bent) > 0.0001 ? normalize(bent) : smooth_;
  float open = isThere ? texel.a : 1.0;
  if (look == 2) { colour = vec4(isThere ? texel.rgb : vec3(0.5, 0.5, 1.0), 1.0); return; }
  if (look == 3) { colour = vec4(vec3(open), 1.0); return; }
  vec3 V = normalize(eye - at), L = normalize(light), H = normalize(L + V);
  if (dot(N, V) < -0.2 && !isThere) N = -N;
  float key = max(dot(N, L), 0.0), rim = pow(1.0 - max(dot(N, V), 0.0), 3.0);
  vec3 sky = mix(vec3(0.10, 0.09, 0.09), vec3(0.30, 0.33, 0.38), 0.5 + 0.5 * N.y) * open;
  vec3 stone = vec3(0.38, 0.37, 0.36);
  vec3 sum = stone * (sky + key * vec3(1.05, 0.98, 0.88)) + 0.12 * pow(max(dot(N, H), 0.0), 48.0) + rim * 0.10 * open;
  colour = vec4(pow(sum, vec3(1.0 / 2.2)), 1.0);
}`;

function compiled(kind, source) {
  const shader = gl.createShader(kind);
  gl.shaderSource(shader, source); gl.compileShader(shader);
  if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
  return shader;
}

let program = null;
const at = {};
function prepare() {
  program = gl.createProgram();
  gl.attachShader(program, compiled(gl.VERTEX_SHADER, VERTEX));
  gl.attachShader(program, compiled(gl.FRAGMENT_SHADER, FRAGMENT));
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  for (const name of ["camera", "size", "map", "eye", "light", "look", "isWorld", "isLine"])
    at[name] = gl.getUniformLocation(program, name);
}

// ---------------------------------------------------------------- the mesh

async function fetchMesh() {
  const answer = await fetch("mesh");
  if (!answer.ok) throw new Error("the mesh was not sent");
  const floats = new Float32Array(await answer.arrayBuffer());
  const count = floats.length / 14, low = [1e30, 1e30, 1e30], high = [-1e30, -1e30, -1e30];
  for (let i = 0; i < count; i++) for (let k = 0; k < 3; k++) {
    low[k] = Math.min(low[k], floats[14 * i + k]); high[k] = Math.max(high[k], floats[14 * i + k]);
  }
  mesh = { count, middle: low.map((v, k) => (v + high[k]) / 2),
           radius: Math.max(1e-6, Math.hypot(...low.map((v, k) => (high[k] - v) / 2))) };
  if (!gl) return;
  gl.bindVertexArray(gl.createVertexArray());
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, floats, gl.STATIC_DRAW);
  [3, 3, 3, 3, 2].forEach((size, index) => {
    gl.enableVertexAttribArray(index);
    gl.vertexAttribPointer(index, size, gl.FLOAT, false, 56, 12 * index);
  });
  const lines = new Uint32Array(2 * count);
  for (let i = 0; i < count; i += 3) lines.set([i, i + 1, i + 1, i + 2, i + 2, i], 2 * i);
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, lines, gl.STATIC_DRAW);
}

// ---------------------------------------------------------------- the map

function begin(told) {
  $("name").textContent = told.name; document.title = told.name + " \u2013 NormalMapper";
  $("map").width = told.width; $("map").height = told.height;
  document.querySelector("[data-look=openness]").hidden = !told.hasOpenness;
  if (!gl) return;
  texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA8, told.width, told.height);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
  for (const way of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, way, gl.CLAMP_TO_EDGE);
}

function put(rectangle, pixels) {
  const [x0, y0, x1, y1] = rectangle, width = x1 - x0, height = y1 - y0;
  if (gl) gl.texSubImage2D(gl.TEXTURE_2D, 0, x0, y0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  // Row 0 is v = 0, which is the bottom; a canvas begins at the top.
  const image = map2d.createImageData(width, height);
  for (let row = 0; row < height; row++)
    image.data.set(pixels.subarray(4 * row * width, 4 * (row + 1) * width), 4 * (height - 1 - row) * width);
  for (let i = 3; i < image.data.length; i += 4) image.data[i] = 255;
  map2d.putImageData(image, x0, facts.height - y1);
}

function tell() {
  $("bar").value = facts.share;
  const agents = facts.agents === 1 ? "1 agent" : facts.agents + " agents";
  $("status").textContent = facts.isDone ? "done: " + facts.width + " \u00d7 " + facts.height + " texels"
    : next ? Math.floor(100 * facts.share) + " %, " + agents : "waiting for the first tile, " + agents;
  document.body.dataset.state = facts.isDone ? "done" : "working";
}

async function follow() {
  for (let failures = 0; ; ) {
    let answer;
    try {
      answer = await fetch("map?" + next);
      if (!answer.ok) throw new Error(String(answer.status));
      const raw = await answer.arrayBuffer();
      const size = new DataView(raw).getUint32(0, true);
      const told = JSON.parse(new TextDecoder().decode(new Uint8Array(raw, 4, size)));
      if (!facts) begin(told);
      facts = told;
      let offset = 4 + size;
      for (const rectangle of told.rectangles) {
        const bytes = 4 * (rectangle[2] - rectangle[0]) * (rectangle[3] - rectangle[1]);
        put(rectangle, new Uint8Array(raw, offset, bytes));
        offset += bytes;
      }
      next = told.next; failures = 0; trouble(""); tell(); redraw();
      if (told.isDone) return;
      await new Promise((go) => setTimeout(go, told.rectangles.length ? 100 : 250));
    } catch (error) {
      if (++failures > 3) { trouble("The program that makes this map has ended; what you see is the last it sent."); return; }
      await new Promise((go) => setTimeout(go, 400 * failures));
    }
  }
}

// ---------------------------------------------------------------- drawing

function times(a, b) {                                  // columns first, as WebGL wants them
  const c = new Float32Array(16);
  for (let i = 0; i < 4; i++) for (let j = 0; j < 4; j++)
    for (let k = 0; k < 4; k++) c[4 * j + i] += a[4 * k + i] * b[4 * j + k];
  return c;
}

function eyeAt() {
  const d = view.distance * mesh.radius, across = Math.cos(view.tilt);
  return [mesh.middle[0] + d * across * Math.sin(view.turn), mesh.middle[1] + d * Math.sin(view.tilt),
          mesh.middle[2] + d * across * Math.cos(view.turn)];
}

function basis(eye) {
  const z = unit(eye.map((v, k) => v - mesh.middle[k])), x = unit(cross([0, 1, 0], z));
  return [x, cross(z, x), z];
}
const unit = (v) => { const l = Math.hypot(...v) || 1; return v.map((c) => c / l); };
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

function draw() {
  isDrawn = true;
  if (!gl || !mesh || !texture) return;
  const canvas = $("scene"), scale = window.devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * scale), height = Math.round(canvas.clientHeight * scale);
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  const eye = eyeAt(), [x, y, z] = basis(eye), r = mesh.radius;
  const near = 0.02 * r, far = (view.distance + 2) * r, focus = 1 / Math.tan(0.36) * Math.min(1, width / height);
  const look = new Float32Array([x[0], y[0], z[0], 0, x[1], y[1], z[1], 0, x[2], y[2], z[2], 0,
                                 -dot(x, eye), -dot(y, eye), -dot(z, eye), 1]);
  const lens = new Float32Array([focus * height / width, 0, 0, 0, 0, focus, 0, 0, 0, 0, (far + near) / (near - far), -1,
                                 0, 0, 2 * far * near / (near - far), 0]);
  const [px, py] = view.pointer;
  const light = x.map((_, k) => px * 1.6 * x[k] + py * 1.6 * y[k] + 0.8 * z[k]);
  gl.viewport(0, 0, width, height);
  gl.clearColor(0.098, 0.094, 0.086, 1); gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
  gl.enable(gl.DEPTH_TEST); gl.enable(gl.POLYGON_OFFSET_FILL); gl.polygonOffset(1, 1);
  gl.useProgram(program);
  gl.uniformMatrix4fv(at.camera, false, times(lens, look));
  gl.uniform2f(at.size, facts.width, facts.height);
  gl.uniform3fv(at.eye, eye); gl.uniform3fv(at.light, light);
  gl.uniform1i(at.look, ["lit", "plain", "normals", "openness"].indexOf(view.look));
  gl.uniform1i(at.isWorld, facts.isWorld ? 1 : 0);
  gl.uniform1i(at.isLine, 0);
  gl.drawArrays(gl.TRIANGLES, 0, mesh.count);
  if (view.wire) { gl.uniform1i(at.isLine, 1); gl.drawElements(gl.LINES, 2 * mesh.count, gl.UNSIGNED_INT, 0); }
}

let isAsked = false;
function redraw() {
  if (isAsked) return;
  isAsked = true;
  requestAnimationFrame(() => { isAsked = false; draw(); });
}

// ---------------------------------------------------------------- the person

function show() {
  for (const button of document.querySelectorAll("[data-look]"))
    button.setAttribute("aria-pressed", button.dataset.look === view.look);
  $("wire").setAttribute("aria-pressed", view.wire);
  $("light").setAttribute("aria-pressed", view.follow);
  redraw();
}
const start = { turn: view.turn, tilt: view.tilt, distance: view.distance };
function turnBy(turn, tilt) {
  view.turn += turn; view.tilt = Math.max(-1.5, Math.min(1.5, view.tilt + tilt)); redraw();
}
function closer(factor) { view.distance = Math.max(0.3, Math.min(12, view.distance * factor)); redraw(); }

const scene = $("scene");
scene.addEventListener("pointerdown", (e) => { scene.setPointerCapture(e.pointerId); });
scene.addEventListener("pointermove", (e) => {
  if (view.follow) {
    const box = scene.getBoundingClientRect();
    view.pointer = [2 * (e.clientX - box.left) / box.width - 1, 1 - 2 * (e.clientY - box.top) / box.height];
    redraw();
  }
  if (e.buttons & 1) turnBy(-0.008 * e.movementX, 0.008 * e.movementY);
});
scene.addEventListener("wheel", (e) => { e.preventDefault(); closer(Math.exp(0.0012 * e.deltaY)); }, { passive: false });
scene.addEventListener("dblclick", () => { Object.assign(view, start); redraw(); });
for (const button of document.querySelectorAll("[data-look]"))
  button.addEventListener("click", () => { view.look = button.dataset.look; show(); });
$("wire").addEventListener("click", () => { view.wire = !view.wire; show(); });
$("light").addEventListener("click", () => { view.follow = !view.follow; show(); });
window.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  const act = { ArrowLeft: () => turnBy(-0.1, 0), ArrowRight: () => turnBy(0.1, 0), ArrowUp: () => turnBy(0, 0.1),
    ArrowDown: () => turnBy(0, -0.1), "+": () => closer(0.9), "=": () => closer(0.9), "-": () => closer(1.1),
    w: () => $("wire").click(), l: () => $("light").click(),
    " ": () => { view.look = view.look === "plain" ? "lit" : "plain"; show(); } }[e.key];
  if (!act || (e.key === " " && e.target.tagName === "BUTTON")) return;
  e.preventDefault(); act();
});
window.addEventListener("resize", redraw);

(async () => {
  if (gl) prepare(); else trouble("This browser has no WebGL 2: the map is shown, but not the mesh.");
  show();
  try { await fetchMesh(); } catch (error) { trouble(String(error.message)); return; }
  await follow();
})();
