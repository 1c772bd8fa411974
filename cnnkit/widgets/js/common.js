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

// Numbers as words, with the signs between them.
export const added = (terms) =>
  terms.map((term, n) => (n === 0 ? term : term.startsWith("−") ? `− ${term.slice(1)}` : `+ ${term}`)).join(" ");

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
      const picture = model.get("_picture"); // the class of the still picture, in a notebook
      const hidden = "{ display: none; }";
      if (picture)
        ui.root.append(h("style", {}, `.${picture} ${hidden} .jp-OutputArea-child:has(.${picture}) ${hidden}`));
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
    this.held = {};
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
    const words = (fault ?? text).replace(/(\(\d+,) (?=\d+\))/g, "$1\u00a0"); // a place stays in one line
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

  // A field for a number, which `read()` takes from the model and `write(value)` puts there. What is no such number is
  // refused in a sentence, and the model keeps what it has.
  number(label, { read, write, key, min = null, max = 1e9, whole = true, bare = false, where, shown }) {
    const input = h("input", {
      type: "number",
      step: whole ? 1 : "any",
      min,
      "data-trait": key,
      "aria-label": bare && label,
    });
    const fault = (words) => {
      if (words) this.faults.set(key, words);
      else this.faults.delete(key);
      if (words) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    };
    input.addEventListener("input", () => {
      const value = Number(input.value);
      if (input.value === "" || !(whole ? Number.isInteger(value) : Number.isFinite(value)))
        fault(`${label}: a ${whole ? "whole " : ""}number goes here.`);
      else if (Math.abs(value) > max) fault(`${label}: at most ${max}.`);
      else {
        fault("");
        write(value);
      }
      this.changed();
    });
    input.addEventListener("blur", () => {
      fault("");
      this.changed();
    });
    const node = bare ? input : this.labelled(label, input);
    const refresh = () => {
      node.hidden = shown ? !shown() : false;
      if (!node.hidden && !this.faults.has(key) && (input.value === "" || Number(input.value) !== read()))
        input.value = read();
    };
    return this.add({ node, refresh }, where);
  }

  // A field for a trait that is a whole number; `axis` picks one of a pair or more.
  whole(name, label, { axis = null, ...options } = {}) {
    const write = (value) => {
      const all = pair(this.get(name));
      if (axis !== null) all[axis] = value;
      this.set({ [name]: axis === null ? value : all });
    };
    return this.number(label, {
      read: () => pair(this.get(name))[axis ?? 0],
      write,
      key: axis === null ? name : `${name}-${axis}`,
      ...options,
    });
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
    const input = h(
      "select",
      { "data-trait": name },
      entries.map(([value, text]) => h("option", { value }, text)),
    );
    input.addEventListener("change", () => (onchange ? onchange(input.value) : this.set({ [name]: input.value })));
    const node = this.labelled(label, input);
    const refresh = () => {
      node.hidden = shown ? !shown() : false;
      input.value = String(this.get(name));
    };
    return this.add({ node, refresh }, where);
  }

  // A choice among named presets; `current()` names the one that there is, or "" for one of the user's own.
  presets(label, names, current, choose) {
    const input = h(
      "select",
      { "data-key": "preset" },
      h("option", { value: "" }, "your own"),
      names.map((name) => h("option", { value: name }, name)),
    );
    input.addEventListener("change", () => input.value && choose(input.value));
    return this.add({ node: this.labelled(label, input), refresh: () => (input.value = current()) });
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
      // Sentences that change by themselves are not read aloud.
      this.result.setAttribute("aria-live", this.timer ? "off" : "polite");
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

  // Back, Step and Play through the places of an array. `where()` gives its sides and the place now.
  stepper(where, go) {
    const step = (by) => {
      const [sides, at] = where();
      const count = sides.reduce((product, side) => product * side, 1);
      if (!count) return false;
      let rest = (at.reduce((index, place, axis) => index * sides[axis] + place, 0) + by + count) % count;
      const next = sides.reduceRight((places, side) => {
        const place = rest % side;
        rest = (rest - place) / side;
        return [place, ...places];
      }, []);
      go(next);
      return true;
    };
    const buttons = h("div", { class: "bar" });
    this.bar.append(buttons);
    this.button("Back", () => step(-1), { where: buttons });
    this.button("Step", () => step(1), { where: buttons });
    this.player(() => step(1), { where: buttons });
  }

  // A grid whose numbers can be changed: those of the trait `name`.
  changeable(name, values, options) {
    const pick = (...place) => {
      this.held[name] = place;
      this.changed();
    };
    const turn = (i, j, by) => {
      const rows = structuredClone(values);
      rows[i][j] += by;
      this.set({ [name]: rows });
    };
    return grid({ key: name, values, at: this.held[name], pick, turn, ...options });
  }

  // Says the problem in the place of a drawing, if there is one.
  refuses({ problem }) {
    if (!problem) return false;
    this.say(problem, true);
    this.stage.replaceChildren();
    return true;
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.playing?.();
  }

  copy(text, label) {
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
export const inside =
  ([i, j], kh, kw) =>
  (r, c) =>
    r >= i && r < i + kh && c >= j && c < j + kw;
export const orOnes = (given, rows, columns) => range(rows).map((i) => range(columns).map((j) => given[i]?.[j] ?? 1));
export const windowCount = (n, k, stride) => Math.floor((n - k) / stride) + 1;

// Why a picture of these sizes cannot be drawn number by number, or "".
export function refuse({ sides, kernel, stride, pad, largestSide = 16 }) {
  const none = kernel.find((k) => k < 1);
  if (none !== undefined) return `The window must be at least 1, not ${signed(none)}.`;
  if (stride < 1) return `The stride must be at least 1, not ${signed(stride)}.`;
  if (pad < 0) return `The padding must be at least 0, not ${signed(pad)}.`;
  for (const axis of [0, 1]) {
    const [side, k] = [sides[axis] + 2 * pad, kernel[axis]];
    if (side > largestSide) return `${side} numbers side by side are too many to show; up to ${largestSide} can be.`;
    if (side < k) return `A window of ${k} does not fit into ${sides[axis]} + 2·${pad} = ${side}.`;
  }
  return "";
}

// A grid of numbers as SVG. Options:
//   key: tells grids of one explainer apart; label: what it is, shown above
//   values: rows of numbers or words; cell: side in pixels; limit: the value with the full tint, 0 for none
//   ring: how many outer rows and columns are padding; hatched(i, j): nothing reads this cell
//   frame(i, j): colour name of a frame, or nothing; soft(i, j): a light ground; faded(i, j)
//   pick(i, j): makes the grid one to walk with arrow keys and to point at; at: [i, j] of the cell that Tab reaches
//   turn(i, j, step): what + and - do to that cell; it is then chosen by a click, since pointing would move on
export function grid(options) {
  const { key, label, values, cell = 32, limit = largest(values.flat().filter(Number.isFinite)), ring = 0 } = options;
  const { hatched, frame, soft, pick, turn, faded, digits = 2 } = options;
  const [rows, columns] = [values.length, values[0]?.length ?? 0];
  // One cell can always be reached, even if the array has become smaller.
  const at = [rows, columns].map((side, axis) => clamp(options.at?.[axis] ?? 0, 0, side - 1));
  const [width, height] = [columns * cell + 4, rows * cell + 4];
  const hatch = unique("hatch");
  const spoken = values.map((line) => line.map((value) => (typeof value === "number" ? short(value, digits) : value)));
  const padding = (i, j) => i < ring || j < ring || i >= rows - ring || j >= columns - ring;
  // Written as text and read in one go: cell by cell a grid of some hundred takes several times as long.
  const draw = (i, j) => {
    const [value, words, isPadding, isHatched] = [values[i][j], spoken[i][j], padding(i, j), hatched?.(i, j)];
    const [x, y] = [2 + j * cell, 2 + i * cell];
    const box = `x="${x}" y="${y}" width="${cell}" height="${cell}"`;
    const size = Math.min(0.42 * cell, (1.2 * cell) / Math.max(2, words.length)).toFixed(1);
    const chosen = i === at[0] && j === at[1];
    const about = [`row ${i}, column ${j}: ${words}`, isPadding && "padding", isHatched && "not used"]
      .filter(Boolean)
      .join(", ");
    const role =
      ` role="gridcell" aria-label="${safe(about)}" aria-selected="${chosen}" tabindex="${chosen ? 0 : -1}"` +
      ` data-key="${key}:${i},${j}" data-cell="${i},${j}" data-lm-suppress-shortcuts="true"`;
    const middle = `x="${x + cell / 2}" y="${y + cell / 2}" font-size="${size}"`;
    return (
      `<g${pick ? role : ""}${faded?.(i, j) ? ' class="faded"' : ""}>` +
      `<rect ${box} class="cell ${soft?.(i, j) ? 'soft"/>' : ground(value, limit)}` +
      (isPadding ? `<rect ${box} class="padding"/>` : "") +
      (isHatched ? `<rect ${box} fill="url(#${hatch})"/>` : "") +
      `<text ${middle}${isPadding ? ' class="dim"' : ""}>${safe(words)}</text></g>`
    );
  };
  const told = pick ? label : `${label}: ${spoken.map((line) => line.join(" ")).join("; ")}`;
  const svg = s("svg", {
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    role: pick ? "grid" : "img",
    "aria-label": told,
  });
  const lines = range(rows).map((i) => {
    const cells = range(columns).map((j) => draw(i, j));
    return `<g${pick ? ' role="row"' : ""}>${cells.join("")}</g>`;
  });
  const [x, y, side] = [5 + at[1] * cell, 5 + at[0] * cell, cell - 6];
  const held = turn ? `<rect x="${x}" y="${y}" width="${side}" height="${side}" class="held"/>` : "";
  const frames = frame ? outlines(rows, columns, cell, frame) : "";
  const pattern = hatched ? hatchPattern(hatch).outerHTML : "";
  svg.innerHTML = `<g aria-hidden="true">${pattern}</g>${lines.join("")}<g aria-hidden="true">${frames}${held}</g>`;
  if (pick) walk(svg, rows, columns, pick, turn);
  return h("figure", { class: "grid" }, h("figcaption", {}, label), svg, turn && turns(key, label, at, turn));
}

// Around all neighbours of one name a single line, along the inside of their outer edges.
function outlines(rows, columns, cell, frame) {
  const names = range(rows).map((i) => range(columns).map((j) => frame(i, j)));
  const paths = {};
  for (const i of range(rows)) {
    for (const j of range(columns)) {
      const name = names[i][j];
      if (!name) continue;
      const [left, top] = [2 + j * cell, 2 + i * cell];
      const edge = (di, dj, line) => (names[i + di]?.[j + dj] === name ? "" : line);
      paths[name] =
        (paths[name] ?? "") +
        edge(-1, 0, `M${left} ${top + 1.5}h${cell}`) +
        edge(1, 0, `M${left} ${top + cell - 1.5}h${cell}`) +
        edge(0, -1, `M${left + 1.5} ${top}v${cell}`) +
        edge(0, 1, `M${left + cell - 1.5} ${top}v${cell}`);
    }
  }
  return Object.entries(paths)
    .map(([name, path]) => `<path d="${path}" class="frame ${name}"/>`)
    .join("");
}

// What the keys + and - do, for a mouse or a finger.
function turns(key, label, [i, j], turn) {
  const button = (sign_, words, step) =>
    h(
      "button",
      {
        type: "button",
        "data-key": `${key}:${sign_}`,
        "aria-label": `${label}: ${words} at row ${i}, column ${j}`,
        onclick: () => turn(i, j, step),
      },
      sign_,
    );
  return h("div", { class: "turns" }, button("−", "one less", -1), button("+", "one more", 1));
}

const safe = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/"/g, "&quot;");

// The rest of a cell's element: blue below zero and vermilion above, as in the course's figures, the more the farther.
function ground(value, limit) {
  if (typeof value !== "number" || !limit || !value) return 'zero"/>';
  const share = clamp(Math.abs(value) / limit, 0, 1) * 0.55;
  return `${value > 0 ? "above" : "below"}" fill-opacity="${share.toFixed(2)}"/>`;
}

export const hatchPattern = (id) =>
  s(
    "pattern",
    { id, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    s("line", { x1: 0, y1: 0, x2: 0, y2: 6, class: "hatch" }),
  );

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
    const [di, dj] =
      STEP[event.key] ?? (event.key === "Home" ? [0, -columns] : event.key === "End" ? [0, columns] : [null, null]);
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
    if (turn || event.pointerType !== "mouse" || !cell || cell.dataset.key === pointedAt) return;
    pointedAt = cell.dataset.key;
    pick(...place(cell));
  });
  svg.addEventListener("pointerleave", () => (pointedAt = ""));
}

let pointedAt = "";

// Things side by side, wrapping where the page is narrow; a sign stays with what comes after it.
export const row = (...children) => h("div", { class: "flow" }, ...children);
export const after = (text, ...things) =>
  h("div", { class: "after" }, h("div", { class: "sign", "aria-hidden": "true" }, text), ...things);
export const TINTS = "Orange numbers are above 0, blue ones below.";

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
    this.listeners.set(
      event,
      (this.listeners.get(event) ?? []).filter((other) => other !== act),
    );
  }
}
