// What the program is asked, and what it answers.

export async function about() {
  return (await fetch("about")).json();
}

// Throws an Error with the program's sentence.
export async function post(name, words) {
  const answer = await fetch(name, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(words),
  });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error || `the program answered ${answer.status}`);
  return found;
}

// Facts, and the points of the tiles that have come since.
export async function news({ job, first, version, busy }) {
  const answer = await fetch(`news?job=${job}&first=${first}&version=${version}&busy=${busy ? 1 : 0}`);
  if (!answer.ok) throw new Error(`the program answered ${answer.status}`);
  const bytes = await answer.arrayBuffer();
  const length = new DataView(bytes).getUint32(0, true);
  const facts = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  let at = 4 + length;
  facts.tiles = facts.tiles.map(([x0, y0, x1, y1, stride, agent, slot]) => {
    const columns = Math.ceil((x1 - x0) / stride), rows = Math.ceil((y1 - y0) / stride);
    const count = columns * rows;
    const counts = new Uint32Array(bytes, at, count);
    const norms = new Float32Array(bytes, at + 4 * count, count);
    at += 8 * count;
    return { x0, y0, x1, y1, stride, agent, slot, columns, rows, counts, norms };
  });
  return facts;
}
