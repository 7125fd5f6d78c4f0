// Makes a viewer (viewer.html) interactive: draws its placements on canvases that zoom and move together, and connects
// them to the search, the layers, the panel of the selected node and the table of macros.  Lengths are in µm, y upward.
"use strict";

const MOST_ZOOM = 400; // times the zoom at which the whole canvas is visible
const ROWS = 300; // rows of the table before "more" is pressed
const NEAR = { mouse: 5, touch: 14 }; // pixels around a port that count as the port
const LEAST = 3; // pixels around the center of a macro that count as the macro, however small it is
const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif";
const FONT_SIZES = [13, 11, 9.5, 8];
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

const number = (value, digits = 4) =>
  Number(value).toLocaleString("en-US", { maximumFractionDigits: Math.abs(value) >= 1000 ? 1 : digits });
const length = (um) => String(Math.round(um * 1000) / 1000); // without commas, which separate coordinates
const plural = (count, what) => `${number(count)} ${what}${count === 1 ? "" : "s"}`;

/** An element with text or children, and attributes. */
function make(tag, content = "", attributes = {}) {
  const element = document.createElement(tag);
  element.append(...(Array.isArray(content) ? content : [String(content)]));
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** A long name that may be broken after its separators. */
function breakable(name) {
  const pieces = name.split(/(?<=[/_.\]])/);
  return make("b", pieces.flatMap((piece) => [piece, document.createElement("wbr")]));
}

/** A search as a test of names: a glob if it has `*` or `?`, otherwise a part of the name; ignores case. */
function matcher(text) {
  const wanted = text.trim().toLowerCase();
  if (!/[*?]/.test(wanted)) return (name) => name.toLowerCase().includes(wanted);
  const parts = wanted.split(/([*?])/).map((part) => {
    if (part === "*") return ".*";
    return part === "?" ? "." : part.replace(/[\\^$.|+()[\]{}]/g, "\\$&");
  });
  const pattern = new RegExp(`^${parts.join("")}$`, "s");
  return (name) => pattern.test(name.toLowerCase());
}

/** The netlist. */
class Chip {
  constructor(data) {
    Object.assign(this, data);
    this.count = this.names.length;
    this.macros = this.hard + this.soft;
    this.isFixed = new Set(this.fixed);
  }

  kind(i) {
    if (i < this.hard) return this.isFixed.has(i) ? "fixed hard macro" : "hard macro";
    if (i < this.macros) return this.isFixed.has(i) ? "fixed soft macro" : "soft macro";
    return "port";
  }

  label(i) {
    return i < this.hard ? this.labels[i] : this.names[i];
  }

  /** [partner, strength] of the connections of a node that the page holds, strongest first. */
  linksOf(i) {
    const flat = this.links[i] || [];
    return Array.from({ length: flat.length / 2 }, (_, k) => [flat[2 * k], flat[2 * k + 1]]);
  }

  /** The end of a connection: the center of a node, or of a grid cell with standard cells. */
  target(run, partner) {
    if (partner < this.count) return [run.x[partner], run.y[partner]];
    const [rows, columns] = this.grid;
    const cell = partner - this.count;
    const [column, row] = [cell % columns, Math.floor(cell / columns)];
    return [((column + 0.5) * this.canvas[0]) / columns, ((row + 0.5) * this.canvas[1]) / rows];
  }

  targetName(partner) {
    if (partner < this.count) return this.label(partner);
    const cell = partner - this.count;
    return `cells in grid row ${Math.floor(cell / this.grid[1]) + 1}, column ${(cell % this.grid[1]) + 1}`;
  }

  /** The ends of the line that cuts the corner of a macro that is at the lower left in orientation N. */
  notch(run, i) {
    const turn = this.turns[run.o[i]];
    const side = Math.min(this.w[i], this.h[i]);
    const turned = (x, y) => [turn[0][0] * x + turn[0][1] * y, turn[1][0] * x + turn[1][1] * y];
    const corner = turned(-1, -1);
    const [cx, cy] = [run.x[i] + (corner[0] * this.w[i]) / 2, run.y[i] + (corner[1] * this.h[i]) / 2];
    const [along, up] = [turned(this.notch_x * side, 0), turned(0, this.notch_y * side)];
    return [cx + along[0], cy + along[1], cx + up[0], cy + up[1]];
  }

  /** The load of a map at a place; undefined outside the canvas. */
  load(run, map, x, y) {
    const [rows, columns] = this.grid;
    const [column, row] = [Math.floor((x / this.canvas[0]) * columns), Math.floor((y / this.canvas[1]) * rows)];
    if (!map || column < 0 || row < 0 || column >= columns || row >= rows) return undefined;
    return run.maps[map][row * columns + column] / 1000;
  }
}

/** One placement on one canvas. */
class Pane {
  constructor(viewer, run, canvas) {
    Object.assign(this, { viewer, run, canvas, chip: viewer.chip, images: new Map() });
    this.wrong = new Set(run.wrong);
    if (run.cells) {
      this.cells = new Image();
      this.cells.onload = () => viewer.redraw();
      this.cells.src = run.cells;
    }
  }

  /** Pixels per µm at which the whole canvas is visible. */
  get fit() {
    const { low, high } = this.chip;
    return Math.min(this.width / (high[0] - low[0]), this.height / (high[1] - low[1]));
  }

  get scale() {
    return this.fit * this.viewer.view.zoom;
  }

  /** From µm to pixels of the canvas, and back. */
  project(x, y) {
    const { view } = this.viewer;
    return [this.width / 2 + (x - view.x) * this.scale, this.height / 2 - (y - view.y) * this.scale];
  }

  unproject(px, py) {
    const { view } = this.viewer;
    return [view.x + (px - this.width / 2) / this.scale, view.y - (py - this.height / 2) / this.scale];
  }

  resize() {
    const { low, high } = this.chip;
    this.width = this.canvas.clientWidth;
    const wanted = (this.width * (high[1] - low[1])) / (high[0] - low[0]);
    this.height = Math.round(Math.max(240, Math.min(wanted, 0.82 * Math.max(innerHeight, 480))));
    this.canvas.style.height = `${this.height}px`;
    const density = devicePixelRatio || 1;
    this.canvas.width = Math.round(this.width * density);
    this.canvas.height = Math.round(this.height * density);
  }

  /** Pixels [left, top, width, height] of a node. */
  box(i) {
    const [x, y] = this.project(this.run.x[i] - this.chip.w[i] / 2, this.run.y[i] + this.chip.h[i] / 2);
    return [x, y, this.chip.w[i] * this.scale, this.chip.h[i] * this.scale];
  }

  /** The node at a pixel: a port nearby, otherwise the smallest macro, hard before soft ones; -1 if there is none. */
  at(px, py, near) {
    const { chip, run } = this;
    const layers = this.viewer.layers;
    let best = -1;
    let least = near * near;
    for (let i = chip.macros; layers.ports && i < chip.count; i++) {
      const [x, y] = this.project(run.x[i], run.y[i]);
      const distance = (x - px) ** 2 + (y - py) ** 2;
      if (distance < least) [best, least] = [i, distance];
    }
    const [ux, uy] = this.unproject(px, py);
    const reach = LEAST / this.scale;
    const smallest = (first, end) => {
      let [smallestNode, area] = [-1, Infinity];
      for (let i = first; i < end; i++) {
        const [dx, dy] = [Math.abs(ux - run.x[i]), Math.abs(uy - run.y[i])];
        const inside = dx <= Math.max(chip.w[i] / 2, reach) && dy <= Math.max(chip.h[i] / 2, reach);
        if (inside && chip.w[i] * chip.h[i] < area) [smallestNode, area] = [i, chip.w[i] * chip.h[i]];
      }
      return smallestNode;
    };
    if (best < 0 && layers.hard) best = smallest(0, chip.hard);
    if (best < 0 && layers.soft) best = smallest(chip.hard, chip.macros);
    return best;
  }

  draw(colors) {
    const { chip, run, viewer } = this;
    const { layers, map, chosen, hovered, hits } = viewer;
    const density = this.canvas.width / this.width;
    const c = this.canvas.getContext("2d");
    Object.assign(this, { c, colors, pixel: 1 / density });
    c.setTransform(density, 0, 0, density, 0, 0);
    c.clearRect(0, 0, this.width, this.height);
    const [left, bottom] = this.project(0, 0);
    const [right, top] = this.project(...chip.canvas);
    const frame = [left, top, right - left, bottom - top];
    c.fillStyle = colors.ground;
    c.fillRect(...frame);
    c.imageSmoothingEnabled = false;
    if (map) c.drawImage(this.mapImage(map), ...frame);
    if (layers.cells && this.cells?.complete) {
      c.globalAlpha = map ? 0.45 : 1; // let the map shine through
      c.drawImage(this.cells, ...frame);
      c.globalAlpha = 1;
    }
    if (layers.grid) this.drawGrid(frame);
    if (layers.soft) this.rectangles(this.range(chip.hard, chip.macros), colors.soft, map ? 0.07 : 0.2, colors.soft, 0.6);
    if (layers.hard) this.drawHard(map ? 0.42 : 1);
    c.strokeStyle = colors.hardline;
    c.lineWidth = 1;
    c.strokeRect(...frame.map((v, k) => (k < 2 ? this.crisp(v) : Math.round(v))));
    if (layers.ports) this.drawPorts();
    if (layers.heaviest) this.lines(chip.heaviest.map(([a, b, w]) => [a, b, w]), colors.hit);
    if (layers.links && chosen >= 0) this.lines(chip.linksOf(chosen).map(([b, w]) => [chosen, b, w]), colors.link);
    for (const i of hits.slice(0, 2000)) this.outline(i, colors.hit, 2, 0.3);
    if (chosen >= 0) this.outline(chosen, colors.pick, 3, 0.35);
    if (hovered >= 0 && hovered !== chosen) this.outline(hovered, colors.pick, 2, 0);
    if (layers.hard && layers.labels) this.drawLabels();
    this.drawScaleBar();
  }

  /** The nearest coordinate at which a line of odd width is sharp. */
  crisp(value) {
    return Math.floor(value / this.pixel) * this.pixel + this.pixel / 2;
  }

  /** The nodes first..end-1 that are visible on the canvas. */
  range(first, end) {
    const visible = [];
    for (let i = first; i < end; i++) {
      const [x, y, w, h] = this.box(i);
      if (x < this.width && y < this.height && x + w > 0 && y + h > 0) visible.push(i);
    }
    return visible;
  }

  rectangles(nodes, fill, opacity, line, lineOpacity) {
    const { c } = this;
    const path = new Path2D();
    for (const i of nodes) {
      const [x, y, w, h] = this.box(i);
      const [a, b] = [this.crisp(x), this.crisp(y)];
      path.rect(a, b, Math.max(this.crisp(x + w) - a, 1), Math.max(this.crisp(y + h) - b, 1));
    }
    c.fillStyle = fill;
    c.strokeStyle = line;
    c.lineWidth = this.viewer.view.zoom > 3 ? 1 : 0.75;
    if (opacity < 0.3) {
      // One at a time, so that the opacity of overlapping clusters adds up.
      c.globalAlpha = opacity;
      for (const i of nodes) c.fillRect(...this.box(i));
    } else {
      c.globalAlpha = opacity;
      c.fill(path);
    }
    c.globalAlpha = lineOpacity;
    c.stroke(path);
    c.globalAlpha = 1;
  }

  drawHard(opacity) {
    const { c, chip, run, colors } = this;
    const visible = this.range(0, chip.hard);
    this.rectangles(visible.filter((i) => !chip.isFixed.has(i)), colors.hard, opacity, colors.hardline, 0.9);
    this.rectangles(visible.filter((i) => chip.isFixed.has(i)), colors.fixedfill, opacity, colors.hardline, 0.9);
    c.beginPath();
    for (const i of visible) {
      if (Math.min(chip.w[i], chip.h[i]) * this.scale < 7) continue;
      const [x0, y0, x1, y1] = chip.notch(run, i);
      c.moveTo(...this.project(x0, y0));
      c.lineTo(...this.project(x1, y1));
    }
    c.lineWidth = 1;
    c.strokeStyle = colors.hardline;
    c.stroke();
    for (const i of visible) if (this.wrong.has(i)) this.outline(i, colors.wrong, 2, 0);
  }

  drawPorts() {
    const { c, chip, run, colors } = this;
    const side = Math.max(3, Math.min(9, 3 * Math.sqrt(this.viewer.view.zoom)));
    c.fillStyle = colors.port;
    for (let i = chip.macros; i < chip.count; i++) {
      const [x, y] = this.project(run.x[i], run.y[i]);
      c.fillRect(x - side / 2, y - side / 2, side, side);
    }
  }

  drawGrid([left, top, width, height]) {
    const { c, chip } = this;
    const [rows, columns] = chip.grid;
    if (Math.min(width / columns, height / rows) < 3) return;
    c.beginPath();
    for (let k = 1; k < columns; k++) {
      const x = this.crisp(left + (width * k) / columns);
      c.moveTo(x, top);
      c.lineTo(x, top + height);
    }
    for (let k = 1; k < rows; k++) {
      const y = this.crisp(top + (height * k) / rows);
      c.moveTo(left, y);
      c.lineTo(left + width, y);
    }
    c.lineWidth = this.pixel;
    c.strokeStyle = this.colors.gridline;
    c.stroke();
  }

  outline(i, color, width, opacity) {
    const { c, chip } = this;
    let [x, y, w, h] = this.box(i);
    if (i >= chip.macros) [x, y, w, h] = [x - 6, y - 6, 12, 12];
    const least = 4; // pixels, so that the smallest macro is visible
    if (w < least) [x, w] = [x - (least - w) / 2, least];
    if (h < least) [y, h] = [y - (least - h) / 2, least];
    c.globalAlpha = opacity;
    c.fillStyle = color;
    if (opacity) c.fillRect(x, y, w, h);
    c.globalAlpha = 1;
    c.lineWidth = width;
    c.strokeStyle = color;
    c.strokeRect(x, y, w, h);
  }

  /** Draws connections [node, partner, strength] as lines; stronger ones are wider. */
  lines(links, color) {
    const { c, chip, run } = this;
    const most = Math.max(...links.map(([, , strength]) => strength), 1e-12);
    c.strokeStyle = color;
    for (const [a, b, strength] of [...links].reverse()) {
      const share = Math.sqrt(strength / most);
      c.globalAlpha = 0.25 + 0.65 * share;
      c.lineWidth = 0.6 + 3 * share;
      c.beginPath();
      c.moveTo(...this.project(run.x[a], run.y[a]));
      c.lineTo(...this.project(...chip.target(run, b)));
      c.stroke();
    }
    c.globalAlpha = 1;
  }

  /** Draws the names of hard macros in which they fit: on up to four lines, rotated in tall macros. */
  drawLabels() {
    const { c, chip, colors } = this;
    c.textAlign = "center";
    c.textBaseline = "middle";
    c.fillStyle = colors.ink;
    c.strokeStyle = colors.halo;
    c.lineWidth = 2.5;
    c.lineJoin = "round";
    for (const i of this.range(0, chip.hard)) {
      const [x, y, w, h] = this.box(i);
      if (Math.max(w, h) < 18 || Math.min(w, h) < 9) continue;
      const text = this.fitText(i, w, h);
      if (!text) continue;
      const { lines, size, upright } = text;
      c.save();
      c.translate(x + w / 2, y + h / 2);
      if (upright) c.rotate(-Math.PI / 2);
      c.font = `${size}px ${FONT}`;
      const place = (k) => (k - (lines.length - 1) / 2) * size * 1.15;
      lines.forEach((line, k) => c.strokeText(line, 0, place(k)));
      lines.forEach((line, k) => c.fillText(line, 0, place(k))); // over the outlines of all lines
      c.restore();
    }
  }

  /** The label of a macro as lines of the largest type that fits; null if none does. */
  fitText(i, w, h) {
    const label = this.chip.label(i);
    const tries = h > 1.5 * w ? [[h, w, true], [w, h, false]] : [[w, h, false]];
    for (const size of FONT_SIZES) {
      for (const [along, across, upright] of tries) {
        const lines = this.wrapText(label, (along - 6) / size);
        if (lines && lines.length * size * 1.15 < across - 3) return { lines, size, upright };
      }
    }
    return null;
  }

  /** A label on at most four lines, broken after `/`, `_`, `]`; null if too long.  The width is in units of the font size. */
  wrapText(label, width) {
    const lines = [""];
    for (const piece of label.split(/(?<=[/_]|\](?!\/))(?!$)/)) {
      const longer = lines.at(-1) + piece;
      if (this.viewer.textWidth(longer) <= width) lines[lines.length - 1] = longer;
      else if (this.viewer.textWidth(piece) > width || lines.length === 4) return null;
      else lines.push(piece);
    }
    return lines[0] ? lines : lines.slice(1);
  }

  drawScaleBar() {
    const { c, colors } = this;
    const most = 110 / this.scale; // µm
    const power = 10 ** Math.floor(Math.log10(most));
    const um = [5, 2, 1].map((k) => k * power).find((value) => value <= most);
    const [x, y, w] = [12, this.height - 14, um * this.scale];
    c.font = `11px ${FONT}`;
    c.textAlign = "left";
    c.textBaseline = "bottom";
    c.fillStyle = colors.halo;
    c.fillRect(x - 6, y - 20, Math.max(w, 48) + 12, 26);
    c.fillStyle = c.strokeStyle = colors.ink;
    c.lineWidth = 1.5;
    c.beginPath();
    c.moveTo(x, y - 4);
    c.lineTo(x, y);
    c.lineTo(x + w, y);
    c.lineTo(x + w, y - 4);
    c.stroke();
    c.fillText(`${length(um)} µm`, x, y - 3);
  }

  mapImage(map) {
    const key = map + this.viewer.dark;
    if (!this.images.has(key)) {
      const [rows, columns] = this.chip.grid;
      const picture = document.createElement("canvas");
      [picture.width, picture.height] = [columns, rows];
      const c = picture.getContext("2d");
      this.run.maps[map].forEach((load, k) => {
        c.fillStyle = this.viewer.loadColor(load / 1000);
        c.fillRect(k % columns, rows - 1 - Math.floor(k / columns), 1, 1);
      });
      this.images.set(key, picture);
    }
    return this.images.get(key);
  }
}

/** The table of macros: sorted by a column, filtered by the search of the pictures. */
class Table {
  constructor(viewer, root) {
    const { chip } = viewer;
    Object.assign(this, { viewer, chip, root, sort: null, limit: ROWS, rows: new Map() });
    const many = viewer.runs.length > 1;
    this.columns = [
      ["Name", (i) => chip.names[i], (i) => chip.label(i)],
      ["Kind", (i) => chip.kind(i)],
      ["Width (µm)", (i) => chip.w[i]], ["Height (µm)", (i) => chip.h[i]],
      ["Area (µm²)", (i) => chip.w[i] * chip.h[i]],
      ...viewer.runs.flatMap((run, k) => {
        const of = many ? ` ${LETTERS[k % 26]}` : "";
        return [
          [`Left${of} (µm)`, (i) => run.x[i] - chip.w[i] / 2], [`Bottom${of} (µm)`, (i) => run.y[i] - chip.h[i] / 2],
          [`Orientation${of}`, (i) => chip.orientations[run.o[i]]],
        ];
      }),
      ["Nets", (i) => chip.nets[i]], ["Weight of nets", (i) => chip.weight[i]],
    ];
    this.body = root.querySelector("tbody");
    this.box = root.querySelector(".macros");
    this.more = root.querySelector(".more");
    const heads = this.columns.map(([name], k) => {
      const button = make("button", name, { type: "button" });
      button.onclick = () => this.sortBy(k);
      return make("th", [button], { scope: "col", "aria-sort": "none" });
    });
    root.querySelector("thead").append(make("tr", heads));
    this.body.onclick = (event) => {
      const row = event.target.closest("tr");
      if (row) viewer.choose(Number(row.dataset.node), { move: true });
    };
    this.box.onkeydown = (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step || event.target.closest("button")) return;
      event.preventDefault();
      const k = this.order.indexOf(viewer.chosen);
      viewer.choose(this.order[Math.max(0, Math.min(this.order.length - 1, k < 0 ? 0 : k + step))], { move: true });
    };
    this.more.onclick = () => {
      this.limit = Infinity;
      this.fill();
    };
    this.update();
  }

  sortBy(k) {
    const up = typeof this.columns[k][1](0) === "string"; // names are rising at first, numbers falling
    this.sort = this.sort?.k === k ? { k, down: !this.sort.down } : { k, down: !up };
    [...this.root.querySelectorAll("th")].forEach((head, j) => {
      head.setAttribute("aria-sort", j !== k ? "none" : this.sort.down ? "descending" : "ascending");
    });
    this.update();
  }

  /** Choose the rows: macros that the search finds, hard ones alone without one. */
  update() {
    const { viewer, chip } = this;
    const all = Array.from({ length: chip.hard || chip.macros }, (_, i) => i);
    this.order = viewer.search ? viewer.hits.filter((i) => i < chip.macros) : all;
    if (this.sort) {
      const value = this.columns[this.sort.k][1];
      const sign = this.sort.down ? -1 : 1;
      const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b);
      this.order = [...this.order].sort((a, b) => sign * compare(value(a), value(b)) || a - b);
    }
    this.limit = ROWS;
    this.fill();
  }

  fill() {
    const first = this.order.slice(0, this.limit);
    this.rows = new Map(first.map((i) => [i, this.row(i)]));
    this.body.replaceChildren(...this.rows.values());
    const left = this.order.length - first.length;
    this.more.hidden = !left;
    this.more.textContent = `Show ${number(left)} more`;
    this.mark(this.viewer.chosen);
  }

  row(i) {
    const cells = this.columns.map(([, value, format]) => {
      const raw = value(i);
      const text = format ? format(i) : typeof raw === "number" ? number(raw, 3) : raw;
      return make("td", text, format ? { title: raw } : {});
    });
    return make("tr", cells, { "data-node": i, "aria-selected": "false" });
  }

  /** Mark the row of a node and bring it into the box. */
  mark(node) {
    this.body.querySelector("[aria-selected=true]")?.setAttribute("aria-selected", "false");
    if (!this.rows.has(node) && this.order.includes(node)) {
      this.limit = Infinity;
      this.fill();
      return;
    }
    const row = this.rows.get(node);
    if (!row) return;
    row.setAttribute("aria-selected", "true");
    const head = this.root.querySelector("thead").offsetHeight;
    const [above, below] = [row.offsetTop - head - this.box.scrollTop, row.offsetTop + row.offsetHeight];
    if (above < 0) this.box.scrollTop += above;
    else if (below > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = below - this.box.clientHeight;
  }
}

class Viewer {
  constructor(root) {
    this.root = root;
    this.chip = new Chip(JSON.parse(root.querySelector("script[type='application/json']").textContent));
    [this.chip.notch_x, this.chip.notch_y] = this.chip.notch_legs;
    this.runs = this.chip.runs;
    this.select = root.querySelector("select");
    Object.assign(this, { chosen: -1, hovered: -1, hits: [], search: "", map: this.select?.value ?? "", widths: new Map() });
    this.pen = document.createElement("canvas").getContext("2d");
    this.pen.font = `10px ${FONT}`;
    root.querySelector(".live").hidden = false;
    this.tip = root.querySelector(".tip");
    this.status = root.querySelector(".status");
    this.info = root.querySelector(".info");
    this.panes = [...root.querySelectorAll(".pane canvas")].map((canvas, k) => new Pane(this, this.runs[k], canvas));
    this.layers = {};
    for (const box of root.querySelectorAll("[data-layer]")) {
      this.layers[box.dataset.layer] = box.checked;
      box.onchange = () => {
        this.layers[box.dataset.layer] = box.checked;
        this.redraw();
      };
    }
    if (this.select) {
      this.select.onchange = () => {
        this.map = this.select.value;
        this.drawBar();
        this.redraw();
      };
    }
    root.querySelector(".illegal").hidden = this.runs.every((run) => !run.wrong.length);
    this.fitView();
    this.table = new Table(this, root);
    this.listen();
    this.describe();
    const resized = () => {
      for (const pane of this.panes) pane.resize();
      this.drawBar();
      this.redraw();
    };
    new ResizeObserver(resized).observe(root.querySelector(".panes"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", resized);
    resized();
  }

  get dark() {
    return matchMedia("(prefers-color-scheme: dark)").matches;
  }

  get colors() {
    const style = getComputedStyle(this.root);
    const names = ["ground", "hard", "hardline", "fixedfill", "soft", "port", "wrong", "pick", "hit", "link", "gridline", "halo", "ink"];
    return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  }

  loadColor(load) {
    const { scale } = this.chip;
    const colors = this.dark ? scale.dark : scale.light;
    return colors[Math.max(0, Math.min(colors.length - 1, Math.floor((load / scale.top) * colors.length)))];
  }

  /** Width of text in units of the font size. */
  textWidth(text) {
    if (!this.widths.has(text)) this.widths.set(text, this.pen.measureText(text).width / 10);
    return this.widths.get(text);
  }

  redraw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      const colors = this.colors;
      for (const pane of this.panes) {
        pane.canvas.classList.toggle("zoomed", this.view.zoom > 1);
        pane.draw(colors);
      }
    });
  }

  // --- the view -----------------------------------------------------------------------------------------------------

  fitView() {
    const { low, high } = this.chip;
    this.view = { x: (low[0] + high[0]) / 2, y: (low[1] + high[1]) / 2, zoom: 1 };
    this.redraw();
  }

  /** Centers the view at a point, within the region that holds nodes. */
  look(x, y, zoom) {
    const { low, high } = this.chip;
    const limited = Math.max(1, Math.min(MOST_ZOOM, zoom));
    if (limited === 1) return this.fitView();
    this.view = {
      x: Math.max(low[0], Math.min(high[0], x)), y: Math.max(low[1], Math.min(high[1], y)), zoom: limited,
    };
    return this.redraw();
  }

  /** Zooms so that the point under a pixel of a pane stays there. */
  zoomAt(pane, px, py, factor) {
    const [x, y] = pane.unproject(px, py);
    const zoom = Math.max(1, Math.min(MOST_ZOOM, this.view.zoom * factor));
    const scale = pane.fit * zoom;
    this.look(x - (px - pane.width / 2) / scale, y + (py - pane.height / 2) / scale, zoom);
  }

  pan(pane, dx, dy) {
    if (this.view.zoom > 1) this.look(this.view.x - dx / pane.scale, this.view.y + dy / pane.scale, this.view.zoom);
  }

  /** Brings nodes into view, zoomed in but with some of their surroundings. */
  show(nodes) {
    const { chip } = this;
    const [pane] = this.panes;
    let [left, bottom, right, top] = [Infinity, Infinity, -Infinity, -Infinity];
    for (const run of this.runs) {
      for (const i of nodes) {
        left = Math.min(left, run.x[i] - chip.w[i] / 2);
        right = Math.max(right, run.x[i] + chip.w[i] / 2);
        bottom = Math.min(bottom, run.y[i] - chip.h[i] / 2);
        top = Math.max(top, run.y[i] + chip.h[i] / 2);
      }
    }
    const around = 0.06 * Math.max(...chip.canvas) + 0.6 * Math.max(right - left, top - bottom);
    const scale = Math.min(pane.width / (right - left + 2 * around), pane.height / (top - bottom + 2 * around));
    this.look((left + right) / 2, (bottom + top) / 2, scale / pane.fit);
  }

  // --- the selection ------------------------------------------------------------------------------------------------

  choose(node, { move = false } = {}) {
    this.chosen = node;
    if (move && node >= 0 && !this.inView(node)) this.show([node]);
    this.describe();
    this.table.mark(node);
    this.redraw();
  }

  inView(node) {
    return this.panes.every((pane) => {
      const [x, y] = pane.project(pane.run.x[node], pane.run.y[node]);
      return x > 0 && y > 0 && x < pane.width && y < pane.height;
    }) && this.chip.w[node] * this.panes[0].scale > 8;
  }

  /** Searches by name, moves the view to the matches, and selects the first. */
  find(text) {
    const { chip } = this;
    const hits = this.root.querySelector(".hits");
    this.search = text.trim();
    const test = matcher(text);
    this.hits = this.search ? chip.names.flatMap((name, i) => (test(name) || (i < chip.hard && test(chip.labels[i])) ? [i] : [])) : [];
    hits.textContent = this.search ? `${number(this.hits.length)} of ${number(chip.count)} found` : "";
    const exact = this.hits.find((i) => chip.names[i].toLowerCase() === this.search.toLowerCase());
    this.chosen = exact ?? this.hits[0] ?? -1;
    if (this.hits.length) this.show(exact === undefined ? this.hits : [exact]);
    else if (!this.search) this.fitView();
    this.table.update();
    this.describe();
    this.redraw();
  }

  /** Selects the next match or the previous one. */
  next(step) {
    if (!this.hits.length) return;
    const k = this.hits.indexOf(this.chosen);
    this.choose(this.hits[(k + step + this.hits.length) % this.hits.length]);
    this.show([this.chosen]);
  }

  facts(i, pane) {
    const { chip } = this;
    const facts = [["Kind", chip.kind(i)]];
    if (i < chip.macros) facts.push(["Size", `${length(chip.w[i])} × ${length(chip.h[i])} µm`]);
    const panes = pane ? [pane] : this.panes;
    for (const { run } of panes) {
      const of = panes.length > 1 ? ` ${LETTERS[this.runs.indexOf(run) % 26]}` : "";
      if (i < chip.macros) {
        facts.push([`Lower left${of}`, `${length(run.x[i] - chip.w[i] / 2)}, ${length(run.y[i] - chip.h[i] / 2)} µm`]);
      }
      facts.push([`${i < chip.macros ? "Center" : "Position"}${of}`, `${length(run.x[i])}, ${length(run.y[i])} µm`]);
      if (i < chip.macros) facts.push([`Orientation${of}`, chip.orientations[run.o[i]]]);
    }
    facts.push(["Nets", `${number(chip.nets[i])}, weight ${number(chip.weight[i])}`]);
    return facts;
  }

  /** Fills the panel about the selected node. */
  describe() {
    const { chip, chosen } = this;
    if (chosen < 0) {
      const text = "Point at a macro or tap it for its properties; click it to select it. Drag to move the picture; turn the wheel or pinch to zoom.";
      this.info.replaceChildren(make("p", text, { class: "dim" }));
      return;
    }
    const list = make("dl", this.facts(chosen).flatMap(([name, value]) => [make("dt", name), make("dd", value)]));
    const parts = [breakable(chip.names[chosen]), list];
    const links = chip.linksOf(chosen);
    if (links.length) {
      const items = links.slice(0, 12).map(([partner, strength]) => {
        const name = partner < chip.count ? make("button", chip.targetName(partner), { type: "button", title: chip.names[partner] }) : make("span", chip.targetName(partner));
        if (partner < chip.count) name.onclick = () => this.choose(partner, { move: true });
        return make("li", [name, make("span", number(strength, 2))]);
      });
      parts.push(make("h4", "Strongest connections"), make("ol", items));
      const rest = links.length - items.length;
      const cut = links.length === chip.kept[chosen < chip.hard ? 0 : 1] ? ` This page holds only the ${number(links.length)} strongest.` : "";
      const text = `${rest ? `${number(rest)} more in the picture. ` : ""}A net of weight w that joins k nodes adds w/(k − 1) to each pair of them.${cut}`;
      parts.push(make("p", text, { class: "dim" }));
    }
    this.info.replaceChildren(...parts);
  }

  // --- pointers and keys --------------------------------------------------------------------------------------------

  listen() {
    const field = this.root.querySelector("input[type=search]");
    field.oninput = () => this.find(field.value);
    field.onkeydown = (event) => {
      if (event.key === "Enter") this.next(event.shiftKey ? -1 : 1);
      if (event.key === "Escape") {
        field.value = "";
        this.find("");
      }
    };
    for (const button of this.root.querySelectorAll("[data-do]")) {
      button.onclick = () => {
        const [pane] = this.panes;
        if (button.dataset.do === "fit") this.fitView();
        else this.zoomAt(pane, pane.width / 2, pane.height / 2, button.dataset.do === "in" ? 1.6 : 1 / 1.6);
      };
    }
    for (const pane of this.panes) this.listenTo(pane);
  }

  listenTo(pane) {
    const { canvas } = pane;
    const down = new Map(); // pointers that are down: id -> [x, y]
    let moved = 0;
    let pointer = "";
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    canvas.addEventListener("wheel", (event) => {
      if (this.view.zoom === 1 && event.deltaY > 0) return; // the whole canvas is visible: the page scrolls
      event.preventDefault();
      const pixels = event.deltaY * (event.deltaMode === 1 ? 30 : 1);
      this.zoomAt(pane, ...place(event), Math.exp(-Math.max(-300, Math.min(300, pixels)) * (event.ctrlKey ? 0.01 : 0.002)));
      this.hover(pane, ...place(event), "mouse");
    }, { passive: false });
    canvas.onpointerdown = (event) => {
      if (event.button) return;
      pointer = event.pointerType;
      if (event.isPrimary) {
        moved = 0;
        down.clear();
      }
      down.set(event.pointerId, place(event));
      canvas.setPointerCapture(event.pointerId);
    };
    canvas.onpointermove = (event) => {
      const [x, y] = place(event);
      if (!down.has(event.pointerId)) {
        this.hover(pane, x, y, event.pointerType);
        return;
      }
      const before = [...down.values()];
      const [ox, oy] = down.get(event.pointerId);
      down.set(event.pointerId, [x, y]);
      moved += Math.hypot(x - ox, y - oy);
      if (moved > 4) this.leave();
      if (down.size === 1 && moved > 4) {
        canvas.classList.add("drag");
        this.pan(pane, x - ox, y - oy);
      } else if (down.size === 2) {
        const after = [...down.values()];
        const spread = ([a, b]) => Math.hypot(a[0] - b[0], a[1] - b[1]);
        const middle = ([a, b]) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
        const [[ax, ay], [bx, by]] = [middle(before), middle(after)];
        this.zoomAt(pane, bx, by, spread(after) / Math.max(spread(before), 1));
        this.pan(pane, bx - ax, by - ay);
      }
    };
    canvas.onpointerup = canvas.onpointercancel = (event) => {
      const [x, y] = place(event);
      if (event.type === "pointerup" && down.size === 1 && moved <= 4) {
        this.choose(pane.at(x, y, NEAR[event.pointerType] ?? NEAR.touch));
        this.hover(pane, x, y, event.pointerType);
      }
      down.delete(event.pointerId);
      canvas.classList.remove("drag");
    };
    canvas.onpointerleave = (event) => {
      if (event.pointerType === "mouse") this.leave();
    };
    canvas.ondblclick = (event) => {
      if (pointer === "mouse") this.zoomAt(pane, ...place(event), 2); // on a touch screen, quick taps select macros one after another
    };
    canvas.onkeydown = (event) => this.key(pane, event);
  }

  key(pane, event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = 60;
    const actions = {
      "+": () => this.zoomAt(pane, pane.width / 2, pane.height / 2, 1.6),
      "-": () => this.zoomAt(pane, pane.width / 2, pane.height / 2, 1 / 1.6),
      "0": () => this.fitView(),
      Escape: () => this.choose(-1),
    };
    actions["="] = actions["+"];
    if (this.view.zoom > 1) {
      Object.assign(actions, {
        ArrowLeft: () => this.pan(pane, step, 0), ArrowRight: () => this.pan(pane, -step, 0),
        ArrowUp: () => this.pan(pane, 0, step), ArrowDown: () => this.pan(pane, 0, -step),
      });
    }
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  }

  hover(pane, px, py, pointer) {
    const node = pane.at(px, py, NEAR[pointer] ?? NEAR.touch);
    const [x, y] = pane.unproject(px, py);
    const load = this.chip.load(pane.run, this.map, x, y);
    this.status.textContent = `x ${number(x, 1)}, y ${number(y, 1)} µm${load === undefined ? "" : ` · ${this.map.toLowerCase()} ${number(load, 3)}`}`;
    if (node !== this.hovered) this.redraw();
    this.hovered = node;
    this.tip.hidden = node < 0;
    if (node < 0) return;
    const facts = this.facts(node, pane).map(([name, value]) => `${name}: ${value}`);
    this.tip.replaceChildren(breakable(this.chip.names[node]), ...facts.map((fact) => make("div", fact)));
    const box = pane.canvas.getBoundingClientRect();
    const panes = this.tip.parentElement.getBoundingClientRect();
    const [left, top] = [box.left - panes.left + px, box.top - panes.top + py];
    const beside = left + 16 + this.tip.offsetWidth > panes.width ? left - 16 - this.tip.offsetWidth : left + 16;
    this.tip.style.left = `${Math.max(0, Math.min(beside, panes.width - this.tip.offsetWidth))}px`;
    const below = top + 16 + this.tip.offsetHeight > panes.height;
    this.tip.style.top = `${Math.max(0, below ? top - 16 - this.tip.offsetHeight : top + 16)}px`;
  }

  leave() {
    this.tip.hidden = true;
    this.status.textContent = "\u00a0";
    if (this.hovered >= 0) this.redraw();
    this.hovered = -1;
  }

  /** Draws the color bar of the map: loads from 0; 1 is full. */
  drawBar() {
    const bar = this.root.querySelector(".bar");
    if (!bar) return;
    bar.hidden = !this.map;
    const { top, beyond } = this.chip.scale;
    const canvas = bar.querySelector("canvas");
    canvas.width = 256;
    const c = canvas.getContext("2d");
    for (let k = 0; k < 256; k++) {
      c.fillStyle = this.loadColor(((k + 0.5) / 256) * top);
      c.fillRect(k, 0, 1, 12);
    }
    const ticks = [[0, "0"], [1, "1 = full"]];
    if (top > 1.25) ticks.push([top, number(top, 2) + (beyond ? " and more" : "")]);
    bar.querySelector(".ticks").replaceChildren(...ticks.map(([load, text]) => {
      const tick = make("span", text);
      tick.style.left = `${(100 * load) / top}%`;
      if (load === top) tick.style.transform = "translateX(-100%)";
      return tick;
    }));
  }
}

for (const root of document.querySelectorAll(".viewer")) root.viewer = new Viewer(root);
