import { clamp, explainer, h, range, short, sum, turned } from "./common.js";

// The arithmetic, as in kernels.py

const LARGEST = 512;

export function compute({ image, kernel, flip }) {
  const problem = findProblem(image, kernel);
  if (problem) return { problem, output: [], low: 0, high: 0, total: 0, signed: false };
  const w = flip ? turned(kernel) : kernel;
  const [height, width] = [image.length - 2, image[0].length - 2];
  let [low, high] = [Infinity, -Infinity];
  const output = [];
  for (let i = 0; i < height; i += 1) {
    const line = new Array(width);
    for (let j = 0; j < width; j += 1) {
      let value = 0;
      for (let r = 0; r < 3; r += 1) for (let c = 0; c < 3; c += 1) value += w[r][c] * image[i + r][j + c];
      line[j] = value;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    output.push(line);
  }
  const total = sum(w.flat());
  return { problem: "", output, low, high, total, signed: Math.abs(total) < 1e-9 };
}

function findProblem(image, kernel) {
  const [height, width] = [image.length, image.length ? image[0].length : 0];
  if (kernel.length !== 3 || kernel.some((line) => line.length !== 3)) return "The kernel must be 3 × 3.";
  if (Math.min(height, width) < 3) return `A window of 3 does not fit into ${height} × ${width}.`;
  if (Math.max(height, width) > LARGEST)
    return `${height} × ${width} pixels are too many; up to ${LARGEST} × ${LARGEST} can be shown.`;
  return "";
}

// The view

export default explainer({
  name: "Kernel lab",
  build(ui) {
    const near = (a, b) => a.every((line, i) => line.every((value, j) => Math.abs(value - b[i][j]) < 1e-9));
    const preset = () =>
      Object.entries(ui.get("presets")).find(([, kernel]) => near(kernel, ui.get("kernel")))?.[0] ?? "";
    ui.presets("Kernel", Object.keys(ui.get("presets")), preset, (name) => ui.set({ kernel: ui.get("presets")[name] }));
    ui.check(
      "turn the kernel by 180° (a true convolution)",
      () => ui.get("flip"),
      (flip) => ui.set({ flip }),
      { key: "flip" },
    );

    const weights = h("fieldset", { class: "kernel" }, h("legend", {}, "Weights"));
    for (const i of range(3)) {
      for (const j of range(3)) {
        const write = (value) =>
          ui.set({
            kernel: ui.get("kernel").map((line, r) => line.map((old, c) => (r === i && c === j ? value : old))),
          });
        ui.number(`Weight, row ${i}, column ${j}`, {
          read: () => Number((ui.get("kernel")[i]?.[j] ?? 0).toFixed(4)),
          write,
          key: `kernel-${i}-${j}`,
          max: 1e6,
          whole: false,
          bare: true,
          where: weights,
        });
      }
    }
    const [before, after] = [h("canvas", { role: "img" }), h("canvas", { role: "img" })];
    const told = h("p", { class: "quiet" });
    const picture = (label, canvas) => h("figure", {}, h("figcaption", {}, label), canvas);
    ui.stage.append(h("div", { class: "flow top" }, weights, picture("Before", before), picture("After", after)), told);
    let shown = null;
    return () => {
      const lab = { image: ui.get("image"), kernel: ui.get("kernel"), flip: ui.get("flip") };
      const result = compute(lab);
      ui.stage.hidden = Boolean(result.problem);
      if (result.problem) {
        ui.say(result.problem, true);
        return;
      }
      const name = preset() || "your own kernel";
      ui.say(
        `${name[0].toUpperCase()}${name.slice(1)}${lab.flip ? ", turned" : ""}: the weights sum to ${short(result.total)}, the output runs from ${short(result.low)} to ${short(result.high)}`,
      );
      if (shown !== lab.image) paint(before, lab.image, (value) => value);
      shown = lab.image;
      before.setAttribute("aria-label", `The picture before, ${lab.image.length} by ${lab.image[0].length} pixels`);
      const most = Math.max(Math.abs(result.low), Math.abs(result.high)) || 1;
      paint(after, result.output, result.signed ? (value) => 0.5 + (0.5 * value) / most : (value) => value);
      after.setAttribute(
        "aria-label",
        `The picture after ${name}: values from ${short(result.low)} to ${short(result.high)}`,
      );
      told.textContent = result.signed
        ? "Weights that sum to 0 give 0 where the picture is even: gray is 0, brighter is positive, darker is negative."
        : "Drawn from black, 0, to white, 1; what lies outside is cut off.";
    };
  },
});

function paint(canvas, rows, shade) {
  const [height, width] = [rows.length, rows[0].length];
  canvas.width = width;
  canvas.height = height;
  const scale = Math.max(1, Math.round(280 / Math.max(height, width)));
  canvas.style.width = `${width * scale}px`;
  const context = canvas.getContext("2d");
  const data = context.createImageData(width, height);
  let at = 0;
  for (const row of rows) {
    for (const value of row) {
      const level = clamp(Math.round(255 * shade(value)), 0, 255);
      data.data[at] = data.data[at + 1] = data.data[at + 2] = level;
      data.data[at + 3] = 255;
      at += 4;
    }
  }
  context.putImageData(data, 0, 0);
}
