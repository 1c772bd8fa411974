// What all explainers share: elements, labelled controls, grids that a keyboard can walk, and the frame around them.
//
// A view is `export default explainer({ name, build })`. `build(ui)` sets up controls once and returns `draw()`, which
// draws the state of the model; it runs after each change, whoever made it. The model is anywidget's, or the stand-in
// of a page without a kernel: both have get, set, save_changes, on and off.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) node.setAttribute(name, value);
  }
  // Without the attribute a key pressed here is a command of JupyterLab too: d d would delete the cell.
  if (node.matches("input, select, button, textarea, summary, [tabindex]")) node.dataset.lmSuppressShortcuts = "true";
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

export const range = (n) => Array.from({ length: n }, (_, i) => i);
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
export const pair = (value) => (Array.isArray(value) ? [...value] : [value, value]);
export const sum = (values) => values.reduce((total, value) => total + value, 0);
export const signed = (value) => `${value}`.replace("-", "−");

// A number for a sentence: whole, or with two digits behind the point, half of a last digit rounded up.
export function number(value) {
  return signed(Number.isInteger(value) ? value : (Math.floor(value * 100 + 0.5) / 100).toFixed(2));
}

// A number for a cell of a grid: as many digits as are needed, at most `digits` behind the point.
export const short = (value, digits = 2) => signed(String(Number(value.toFixed(digits)) + 0));

// A number with a thin gap between thousands.
export const thousands = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f");

// Ids are one of a kind on a page to which several copies of this text may have come.
const family = Math.random().toString(36).slice(2, 10);
let counter = 0;
export const unique = (prefix) => `cnnkit-${prefix}-${family}-${(counter += 1)}`;

export const largest = (rows) => Math.max(0, ...rows.flat(Infinity).map(Math.abs));

export function explainer({ name, build }) {
  return {
    render({ model, el }) {
      const ui = new Ui(model, name);
      const draw = build(ui);
      let waiting = false;
      let gone = false;
      const redraw = () => {
        waiting = false;
        if (gone) return;
        ui.keepingFocus(() => {
          ui.controls.forEach((control) => control.refresh());
          draw();
        });
        ui.root.dispatchEvent(new CustomEvent("cnnkit-drawn", { bubbles: true }));
      };
      // What changes in one go is drawn once.
      const changed = () => {
        if (!waiting) queueMicrotask(redraw);
        waiting = true;
      };
      ui.changed = changed;
      model.on("change", changed);
      el.append(ui.root);
      redraw();
      return () => {
        gone = true;
        model.off("change", changed);
        ui.stop();
        ui.root.remove();
      };
    },
  };
}

class Ui {
  constructor(model, name) {
    this.model = model;
    this.controls = [];
    this.faults = new Map();
    this.said = "";
    this.timer = null;
    this.bar = h("div", { class: "bar" });
    this.stage = h("div", { class: "stage" });
    this.result = h("output", { class: "result", "aria-live": "polite", "aria-atomic": "true" });
    this.root = h(
      "section",
      { class: "cnnkit-explainer", "aria-label": name },
      h("div", { class: "name", "aria-hidden": "true" }, name),
      this.bar,
      this.result,
      this.stage,
    );
  }

  get(name) {
    return this.model.get(name);
  }

  state(names) {
    return Object.fromEntries(names.map((name) => [name, this.model.get(name)]));
  }

  set(changes) {
    Object.entries(changes).forEach(([name, value]) => this.model.set(name, value));
    this.model.save_changes();
  }

  // The sentence that sums up the drawing; read aloud by screen readers when it changes.
  say(text, isProblem = false) {
    const fault = [...this.faults.values()][0];
    const words = fault ?? text;
    this.result.classList.toggle("problem", Boolean(fault) || isProblem);
    if (words !== this.said) this.result.textContent = this.said = words;
  }

  keepingFocus(work) {
    const active = this.root.contains(document.activeElement) ? document.activeElement : null;
    const key = active?.closest("[data-key]")?.dataset.key;
    work();
    if (key !== undefined && !this.root.contains(document.activeElement)) {
      [...this.root.querySelectorAll("[data-key]")].find((node) => node.dataset.key === key)?.focus();
    }
  }

  add(control, where = this.bar) {
    this.controls.push(control);
    where.append(control.node);
    return control.node;
  }

  labelled(label, input) {
    input.id = unique("field");
    return h("div", { class: "field" }, h("label", { for: input.id }, label), input);
  }

  // A field for a whole number; `axis` picks one of a pair. `also(value)` gives other changes that go with it.
  whole(name, label, { axis = null, min = null, max = 1e9, where, shown } = {}) {
    const key = axis === null ? name : `${name}-${axis}`;
    const input = h("input", { type: "number", step: 1, min, "data-trait": key, inputmode: "numeric" });
    const read = () => (axis === null ? pair(this.get(name))[0] : pair(this.get(name))[axis]);
    const fault = (words) => {
      if (words) {
        this.faults.set(key, words);
        input.setAttribute("aria-invalid", "true");
      } else {
        this.faults.delete(key);
        input.removeAttribute("aria-invalid");
      }
    };
    input.addEventListener("input", () => {
      const value = Number(input.value);
      if (input.value === "" || !Number.isInteger(value)) fault(`${label}: a whole number goes here.`);
      else if (Math.abs(value) > max) fault(`${label}: at most ${max}.`);
      else {
        fault("");
        const whole = pair(this.get(name));
        if (axis !== null) whole[axis] = value;
        this.set({ [name]: axis === null ? value : whole });
      }
      this.changed();
    });
    input.addEventListener("blur", () => {
      fault("");
      this.changed();
    });
    const node = this.labelled(label, input);
    const refresh = () => {
      node.hidden = shown ? !shown() : false;
      if (!this.faults.has(key) && Number(input.value) !== read()) input.value = read();
      if (input.value === "" && !this.faults.has(key)) input.value = read();
    };
    return this.add({ node, refresh }, where);
  }

  slider(name, label, { min, max, step = 1, words = String, where, disabled } = {}) {
    const bound = (value) => (typeof value === "function" ? value() : value);
    const input = h("input", { type: "range", step, "data-trait": name });
    const told = h("span", { class: "told", "aria-hidden": "true" });
    input.addEventListener("input", () => this.set({ [name]: Number(input.value) }));
    const refresh = () => {
      input.min = bound(min);
      input.max = bound(max);
      input.disabled = disabled ? disabled() : false;
      input.value = this.get(name);
      const text = words(this.get(name));
      told.textContent = text;
      input.setAttribute("aria-valuetext", text);
    };
    const node = this.labelled(label, input);
    node.firstChild.after(told);
    return this.add({ node, refresh }, where);
  }

  // `options`: values, or [value, label] pairs.
  choice(name, label, options, { where, onchange, shown } = {}) {
    const entries = options.map((option) => (Array.isArray(option) ? option : [option, option]));
    const input = h("select", { "data-trait": name }, entries.map(([value, text]) => h("option", { value }, text)));
    input.addEventListener("change", () => (onchange ? onchange(input.value) : this.set({ [name]: input.value })));
    const node = this.labelled(label, input);
    const refresh = () => {
      node.hidden = shown ? !shown() : false;
      input.value = String(this.get(name));
    };
    return this.add({ node, refresh }, where);
  }

  check(label, read, write, { where, key, shown } = {}) {
    const input = h("input", { type: "checkbox", "data-trait": key });
    input.addEventListener("change", () => {
      write(input.checked);
      this.changed();
    });
    const id = (input.id = unique("field"));
    const node = h("div", { class: "field check" }, input, h("label", { for: id }, label));
    const refresh = () => {
      node.hidden = shown ? !shown() : false;
      input.checked = read();
    };
    return this.add({ node, refresh }, where);
  }

  button(label, act, { where = this.bar, key = label } = {}) {
    const node = h("button", { type: "button", "data-key": key, onclick: act }, label);
    where?.append(node);
    return node;
  }

  // A button that steps on by itself until it is pressed again, more slowly for those who asked for less motion.
  player(step, { where = this.bar, period = 700 } = {}) {
    const node = this.button("Play", () => (this.timer ? this.stop() : start()), { where, key: "play" });
    this.playing = () => {
      node.textContent = this.timer ? "Pause" : "Play";
      node.setAttribute("aria-pressed", String(Boolean(this.timer)));
    };
    const start = () => {
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      this.timer = setInterval(() => step() === false && this.stop(), calm ? 3 * period : period);
      this.playing();
      step();
    };
    this.playing();
    return node;
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.playing?.();
  }

  copy(text, label = "Copy") {
    const said = h("span", { role: "status", class: "quiet" });
    const act = async () => {
      const words = text();
      try {
        await navigator.clipboard.writeText(words);
      } catch {
        // Pages without a secure address have no clipboard; a selection has.
        const area = h("textarea", { class: "hidden", "aria-hidden": "true" });
        area.value = words;
        this.root.append(area);
        area.select();
        document.execCommand("copy");
        area.remove();
      }
      said.textContent = "Copied";
      setTimeout(() => (said.textContent = ""), 2000);
    };
    return h("span", {}, h("button", { type: "button", "data-key": label, onclick: act }, label), " ", said);
  }
}

const STEP = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

// Windows of plain arrays, as in windows.py

export const padded = (rows, pad) => {
  const width = rows[0].length + 2 * pad;
  const blank = () => range(pad).map(() => Array(width).fill(0));
  return [...blank(), ...rows.map((row) => [...Array(pad).fill(0), ...row, ...Array(pad).fill(0)]), ...blank()];
};
export const patchAt = (rows, i, j, kh, kw) => rows.slice(i, i + kh).map((row) => row.slice(j, j + kw));
export const turned = (kernel) => [...kernel].reverse().map((row) => [...row].reverse());
export const times = (a, b) => a.map((row, i) => row.map((value, j) => value * b[i][j]));
export const total = (rows) => sum(rows.map(sum));
export const windowCount = (n, k, stride) => Math.floor((n - k) / stride) + 1;

// Why a picture of these sizes cannot be drawn number by number, or "".
export function refuse({ sides, kernel, stride, pad, largestSide = 16 }) {
  if (stride < 1) return `The stride must be at least 1, not ${signed(stride)}.`;
  if (pad < 0) return `The padding must be at least 0, not ${signed(pad)}.`;
  for (const axis of [0, 1]) {
    const [side, k] = [sides[axis] + 2 * pad, kernel[axis]];
    if (k < 1) return `The window must be at least 1, not ${signed(k)}.`;
    if (side > largestSide) return `${side} numbers side by side are too many to show; up to ${largestSide} can be.`;
    if (side < k) return `A window of ${k} does not fit into ${sides[axis]} + 2·${pad} = ${side}.`;
  }
  return "";
}

// A grid of numbers as SVG. Options:
//   key: tells grids of one explainer apart; label: what it is, shown above
//   values: rows of numbers or words; cell: side in pixels; limit: the value with the full tint, 0 for none
//   ring: how many outer rows and columns are padding; hatched(i, j): nothing reads this cell
//   frame(i, j): colour name of a frame, or nothing; soft(i, j): a light ground; at: [i, j] of the cell that Tab reaches
//   pick(i, j): makes the grid one to walk with arrow keys and to point at; faded(i, j)
//   turn(i, j, step): what + and - do to the cell with the focus
export function grid(options) {
  const { key, label, values, cell = 32, limit = largest(values.flat().filter(Number.isFinite)), ring = 0 } = options;
  const { hatched, frame, soft, at = [0, 0], pick, turn, faded, digits = 2 } = options;
  const [rows, columns] = [values.length, values[0]?.length ?? 0];
  const [width, height] = [columns * cell + 4, rows * cell + 4];
  const hatch = unique("hatch");
  const spoken = values.map((line) => line.map((value) => (typeof value === "number" ? short(value, digits) : value)));
  const padding = (i, j) => i < ring || j < ring || i >= rows - ring || j >= columns - ring;
  // Written as text and read in one go: cell by cell a grid of some hundred takes several times as long.
  const draw = (i, j) => {
    const [value, words, isPadding, isHatched] = [values[i][j], spoken[i][j], padding(i, j), hatched?.(i, j)];
    const [x, y] = [2 + j * cell, 2 + i * cell];
    const box = `x="${x}" y="${y}" width="${cell}" height="${cell}"`;
    const size = Math.min(0.42 * cell, (1.5 * cell) / Math.max(2, words.length)).toFixed(1);
    const chosen = i === at[0] && j === at[1];
    const about = [`row ${i}, column ${j}: ${words}`, isPadding && "padding", isHatched && "not used"].filter(Boolean).join(", ");
    const role = pick ? ` role="gridcell" data-key="${key}:${i},${j}" data-cell="${i},${j}" aria-label="${safe(about)}" aria-selected="${chosen}" tabindex="${chosen ? 0 : -1}" data-lm-suppress-shortcuts="true"` : "";
    return `<g${role}${faded?.(i, j) ? ' class="faded"' : ""}><rect ${box} class="cell ${soft?.(i, j) ? 'soft"/>' : ground(value, limit)}`
      + (isPadding ? `<rect ${box} class="padding"/>` : "") + (isHatched ? `<rect ${box} fill="url(#${hatch})"/>` : "")
      + `<text x="${x + cell / 2}" y="${y + cell / 2}" font-size="${size}"${isPadding ? ' class="dim"' : ""}>${safe(words)}</text></g>`;
  };
  const framed = (i, j) => {
    const name = frame?.(i, j);
    return name ? `<rect x="${3 + j * cell}" y="${3 + i * cell}" width="${cell - 2}" height="${cell - 2}" class="frame ${name}"/>` : "";
  };
  const each = (write) => range(rows).map((i) => range(columns).map((j) => write(i, j)).join(""));
  const told = pick ? label : `${label}: ${spoken.map((line) => line.join(" ")).join("; ")}`;
  const svg = s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: pick ? "grid" : "img", "aria-label": told });
  svg.innerHTML = `<g aria-hidden="true">${hatched ? hatchPattern(hatch).outerHTML : ""}</g>${each(draw).map((line) => `<g${pick ? ' role="row"' : ""}>${line}</g>`).join("")}<g aria-hidden="true">${each(framed).join("")}</g>`;
  if (pick) walk(svg, rows, columns, pick, turn);
  return h("figure", { class: "grid" }, h("figcaption", {}, label), svg);
}

const safe = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/"/g, "&quot;");

// The rest of a cell's element: blue below zero and vermilion above, as in the course's figures, the more the farther.
function ground(value, limit) {
  if (typeof value !== "number" || !limit || !value) return 'zero"/>';
  const share = clamp(Math.abs(value) / limit, 0, 1) * 0.55;
  return `${value > 0 ? "above" : "below"}" fill-opacity="${share.toFixed(2)}"/>`;
}

export const hatchPattern = (id) =>
  s("pattern", { id, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, s("line", { x1: 0, y1: 0, x2: 0, y2: 6, class: "hatch" }));

// Arrow keys, Home and End, and the pointer choose among the cells of a grid.
function walk(svg, rows, columns, pick, turn) {
  const place = (target) => target.closest?.("[data-cell]")?.dataset.cell.split(",").map(Number);
  const focus = (i, j) => svg.querySelector(`[data-cell="${i},${j}"]`)?.focus({ preventScroll: true });
  svg.addEventListener("keydown", (event) => {
    const here = place(event.target);
    if (!here) return;
    const step = { "+": 1, "=": 1, "-": -1, "−": -1 }[event.key];
    if (step && turn) {
      event.preventDefault();
      turn(...here, step);
      return;
    }
    const [di, dj] = STEP[event.key] ?? (event.key === "Home" ? [0, -columns] : event.key === "End" ? [0, columns] : [null, null]);
    if (di === null) return;
    event.preventDefault();
    const [i, j] = [clamp(here[0] + di, 0, rows - 1), clamp(here[1] + dj, 0, columns - 1)];
    focus(i, j);
    pick(i, j);
  });
  svg.addEventListener("click", (event) => {
    const here = place(event.target);
    if (here) {
      focus(...here);
      pick(...here);
    }
  });
  // Moves alone count: a drawing that changes or scrolls under a resting pointer is not pointed at anew.
  svg.addEventListener("pointermove", (event) => {
    const cell = event.target.closest?.("[data-cell]");
    if (event.pointerType !== "mouse" || !cell || cell.dataset.key === pointedAt) return;
    pointedAt = cell.dataset.key;
    pick(...place(cell));
  });
  svg.addEventListener("pointerleave", () => (pointedAt = ""));
}

let pointedAt = "";

// Things side by side, wrapping where the page is narrow.
export const row = (...children) => h("div", { class: "flow" }, ...children);
export const sign = (text) => h("div", { class: "sign" }, text);

// A model for pages without a kernel.
export class PageModel {
  constructor(state) {
    this.stored = { ...state };
    this.listeners = new Map();
  }

  get(name) {
    return this.stored[name];
  }

  set(name, value) {
    if (JSON.stringify(this.stored[name]) === JSON.stringify(value)) return;
    this.stored[name] = value;
    for (const event of ["change", `change:${name}`]) [...(this.listeners.get(event) ?? [])].forEach((act) => act());
  }

  save_changes() {}

  on(event, act) {
    this.listeners.set(event, [...(this.listeners.get(event) ?? []), act]);
  }

  off(event, act) {
    this.listeners.set(event, (this.listeners.get(event) ?? []).filter((other) => other !== act));
  }
}
