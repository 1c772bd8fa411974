import { clamp, explainer, h, range, s } from "./common.js";

// The arithmetic, as in recording.py and cnnkit.retina

const [SIZE, WAVELENGTH, GAMMA, STEP, BEST_RATE, BAR_WIDTH] = [33, 8, 0.5, 5, 60, 4];
const radians = (degrees) => (degrees * Math.PI) / 180;

// f(u, v) at every pixel: u along the angle, v across it, from the middle.
function field(angle, f) {
  const [cos, sin, middle] = [Math.cos(radians(angle)), Math.sin(radians(angle)), (SIZE - 1) / 2];
  const values = new Float64Array(SIZE * SIZE);
  for (let y = 0, at = 0; y < SIZE; y += 1) {
    for (let x = 0; x < SIZE; x += 1, at += 1)
      values[at] = f((x - middle) * cos + (y - middle) * sin, (y - middle) * cos - (x - middle) * sin);
  }
  return values;
}

function gabor(angle, phase) {
  const sigma = 0.56 * WAVELENGTH;
  const values = field(
    angle,
    (u, v) =>
      Math.exp(-(u * u + (GAMMA * v) ** 2) / (2 * sigma * sigma)) * Math.cos((2 * Math.PI * u) / WAVELENGTH + phase),
  );
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return values.map((value) => value - mean);
}

export function picture({ stimulus, position, phase }, angle) {
  return stimulus === "bar"
    ? field(angle, (u) => clamp(BAR_WIDTH / 2 - Math.abs(u - position) + 0.5, 0, 1))
    : field(angle, (u) => 0.5 + 0.5 * Math.cos((2 * Math.PI * u) / WAVELENGTH + radians(phase)));
}

const fieldsOf = new Map();
function fields(prefers) {
  if (!fieldsOf.has(prefers)) fieldsOf.set(prefers, [gabor(prefers, 0), gabor(prefers, Math.PI / 2)]);
  return fieldsOf.get(prefers);
}

const dot = (a, b) => {
  let total = 0;
  for (let i = 0; i < a.length; i += 1) total += a[i] * b[i];
  return total;
};

function drive({ cell, prefers }, seen) {
  const [even, odd] = fields(prefers);
  return cell === "simple" ? Math.max(0, dot(even, seen)) : dot(even, seen) ** 2 + dot(odd, seen) ** 2;
}

export function compute(lab) {
  const best = { ...lab, position: 0, phase: 0 };
  const scale = BEST_RATE / drive(best, picture(best, lab.prefers));
  const rate = (angle) => scale * drive(lab, picture(lab, angle));
  const curve = range(180 / STEP).map((i) => rate(i * STEP));
  const most = Math.max(...curve);
  return { rate: rate(lab.angle), curve, peak: most > 0.5 ? STEP * curve.indexOf(most) : null };
}

// The view

const INPUTS = ["cell", "prefers", "stimulus", "angle", "position", "phase"];
const CURVE = { height: 170, left: 52, right: 22, bottom: 36, top: 10 };

export default explainer({
  name: "Recording from a cell",
  build(ui) {
    let recorded = new Map();
    let setting = "";
    let whole = false;
    let fieldShown = true;
    ui.choice("cell", "Cell", ["simple", "complex"]);
    ui.choice("stimulus", "Stimulus", [
      ["bar", "a bar of light"],
      ["grating", "stripes"],
    ]);
    const degrees = (value) => `${value}°`;
    ui.slider("angle", "Angle", { min: 0, max: 175, step: STEP, words: degrees });
    ui.slider("position", "Position of the bar", {
      min: -12,
      max: 12,
      words: (value) => `${value} px`,
      disabled: () => ui.get("stimulus") !== "bar",
    });
    ui.slider("phase", "Phase of the stripes", {
      min: 0,
      max: 345,
      step: 15,
      words: degrees,
      disabled: () => ui.get("stimulus") !== "grating",
    });
    ui.slider("prefers", "The cell's own angle", { min: 0, max: 175, step: STEP, words: degrees });
    ui.player(() => ui.set({ angle: (ui.get("angle") + STEP) % 180 }), { period: 300 });
    ui.button("Forget", () => {
      recorded = new Map();
      ui.changed();
    });
    ui.check(
      "show the whole curve",
      () => whole,
      (on) => (whole = on),
      { key: "whole" },
    );
    ui.check(
      "show the field",
      () => fieldShown,
      (on) => (fieldShown = on),
      { key: "field" },
    );
    const [seen, own] = [h("canvas", { role: "img" }), h("canvas", { role: "img" })];
    const [spikes, curve] = [h("div", {}), h("div", {})];
    const figure = (label, node) => h("figure", {}, h("figcaption", {}, label), node);
    const ownFigure = figure("The cell's field", own);
    ui.stage.append(
      h(
        "div",
        { class: "flow top" },
        h("div", { class: "flow top pair" }, figure("The retina", seen), ownFigure),
        h("div", { class: "pile" }, spikes, curve),
      ),
    );
    // The chart is drawn as wide as there is room, which a notebook gives after the first drawing.
    let room = 0;
    new ResizeObserver(([{ contentRect }]) => {
      if (room !== contentRect.width) ui.changed();
      room = contentRect.width;
    }).observe(ui.stage);
    return () => {
      const lab = ui.state(INPUTS);
      const result = compute(lab);
      // What was recorded holds for one cell and one way of stimulating it.
      const now = JSON.stringify({ ...lab, angle: null });
      if (now !== setting) recorded = new Map();
      setting = now;
      recorded.set(lab.angle, result.rate);
      const rate = Math.round(result.rate);
      ui.say(`${rate} spikes per second at ${lab.angle}°${lab.angle === result.peak ? ": the best angle" : ""}`);
      const words =
        lab.stimulus === "bar"
          ? `a bar at ${lab.angle} degrees, ${lab.position} pixels from the middle`
          : `stripes at ${lab.angle} degrees, phase ${lab.phase} degrees`;
      paint(seen, picture(lab, lab.angle), (value) => [value, value, value].map((part) => 255 * part));
      seen.setAttribute("aria-label", `The retina sees ${words}`);
      const [even] = fields(lab.prefers);
      const most = Math.max(...even.map(Math.abs));
      ownFigure.hidden = !fieldShown;
      paint(own, even, (value) => mix(value / most));
      own.setAttribute("aria-label", `The field prefers ${lab.prefers} degrees`);
      const width = clamp(room - 8, 260, 420);
      spikes.replaceChildren(figure("One second of spikes", train(result.rate, lab, width)));
      curve.replaceChildren(
        figure(
          `Tuning curve: ${recorded.size} of ${result.curve.length} angles recorded`,
          plot(recorded, whole ? result.curve : null, lab.angle, width),
        ),
      );
    };
  },
});

// Vermilion excites, blue inhibits, and the middle is gray in either theme.
function mix(value) {
  const end = value > 0 ? [213, 94, 0] : [0, 114, 178];
  return end.map((part) => 128 + (part - 128) * Math.abs(value));
}

function paint(canvas, values, colour) {
  canvas.width = canvas.height = SIZE;
  canvas.className = "pixels";
  const context = canvas.getContext("2d");
  const data = context.createImageData(SIZE, SIZE);
  values.forEach((value, i) => data.data.set([...colour(value), 255], 4 * i));
  context.putImageData(data, 0, 0);
}

// Spikes at random times, the same ones for the same picture.
function train(rate, lab, width) {
  let state = [...JSON.stringify(lab)].reduce((hash, letter) => (Math.imul(hash, 31) + letter.charCodeAt(0)) | 0, 7);
  const random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const times = range(1000).filter(() => random() < rate / 1000);
  const { left, right } = CURVE;
  const x = (ms) => left + (ms / 1000) * (width - left - right);
  return s(
    "svg",
    {
      class: "chart",
      width,
      height: 34,
      viewBox: `0 0 ${width} 34`,
      role: "img",
      "aria-label": `${times.length} spikes in one second`,
    },
    s("line", { x1: left, x2: width - right, y1: 30, y2: 30, class: "line" }),
    times.map((ms) => s("line", { x1: x(ms), x2: x(ms), y1: 4, y2: 28, class: "line" })),
  );
}

function plot(recorded, whole, angle, width) {
  const { height, left, right, bottom, top } = CURVE;
  const x = (degrees) => left + (degrees / 175) * (width - left - right);
  const y = (rate) => height - bottom - (Math.min(rate, 70) / 70) * (height - bottom - top);
  const points = [...recorded].sort(([a], [b]) => a - b);
  const best = points.reduce((most, point) => (point[1] > most[1] ? point : most));
  const words = `Tuning curve. Recorded ${points.length} angles; the largest rate is ${Math.round(best[1])} spikes per second at ${best[0]} degrees.`;
  return s(
    "svg",
    { class: "chart", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": words },
    s("line", { x1: left, x2: width - right, y1: y(0), y2: y(0), class: "line" }),
    s("line", { x1: left, x2: left, y1: top, y2: y(0), class: "line" }),
    [0, 45, 90, 135, 175].map((tick) => s("text", { x: x(tick), y: y(0) + 14, "font-size": 12 }, `${tick}°`)),
    [0, 30, 60].map((tick) => s("text", { x: left - 10, y: y(tick), "font-size": 12, class: "right" }, String(tick))),
    s("text", { x: (left + width - right) / 2, y: height - 5, "font-size": 12 }, "angle"),
    s(
      "text",
      { x: 12, y: height / 2 - 12, "font-size": 12, transform: `rotate(-90 12 ${height / 2 - 12})` },
      "spikes / s",
    ),
    whole && s("polyline", { points: whole.map((rate, i) => `${x(i * STEP)},${y(rate)}`).join(" "), class: "line" }),
    points.map(([at, rate]) =>
      s("circle", { cx: x(at), cy: y(rate), r: at === angle ? 6 : 3.5, class: at === angle ? "dot now" : "dot" }),
    ),
  );
}
