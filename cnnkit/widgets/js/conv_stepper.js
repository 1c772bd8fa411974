import { clamp, explainer, grid, h, largest, padded, patchAt, range, refuse, row, short, sign, sum, times, total, turned, windowCount } from "./common.js";

// The arithmetic, as in stepping.py

const MOST_CHANNELS = 4;

export function compute({ x, w, b, stride, pad, mode, at }) {
  const problem = findProblem(x, w, b, stride, pad);
  if (problem) return { problem, output: [], at: [0, 0, 0] };
  const [kh, kw] = [w[0][0].length, w[0][0][0].length];
  const framed = x.map((channel) => padded(channel, pad));
  const kernels = mode === "convolution" ? w.map((one) => one.map(turned)) : w;
  const [rows, columns] = [windowCount(framed[0].length, kh, stride), windowCount(framed[0][0].length, kw, stride)];
  const parts = (f, i, j) => {
    const patch = framed.map((channel) => patchAt(channel, i * stride, j * stride, kh, kw));
    return [patch, patch.map((one, c) => times(one, kernels[f][c]))];
  };
  const value = (f, i, j) => sum(parts(f, i, j)[1].map(total)) + b[f];
  const output = range(w.length).map((f) => range(rows).map((i) => range(columns).map((j) => value(f, i, j))));
  const [f, i, j] = [w.length, rows, columns].map((n, axis) => clamp(at[axis], 0, n - 1));
  const [patch, products] = parts(f, i, j);
  return { problem: "", output, at: [f, i, j], corner: [i * stride, j * stride], patch, kernel: kernels[f], products, sums: products.map(total), value: output[f][i][j] };
}

function findProblem(x, w, b, stride, pad) {
  if (x.length > MOST_CHANNELS || w.length > MOST_CHANNELS) return `Up to ${MOST_CHANNELS} channels and filters can be shown.`;
  if (w.some((one) => one.length !== x.length)) return `A filter has ${w[0].length} channels and the input ${x.length}: they must be as many.`;
  if (b.length !== w.length) return `There are ${b.length} biases for ${w.length} filters.`;
  return refuse({ sides: [x[0].length, x[0][0].length], kernel: [w[0][0].length, w[0][0][0].length], stride, pad });
}

// The view

const INPUTS = ["x", "w", "b", "stride", "pad", "mode", "at"];

export default explainer({
  name: "Convolution, step by step",
  build(ui) {
    let pointed = null;
    let weight = [0, 0, 0];
    let result;
    ui.choice("mode", "Operation", [["correlation", "correlation (filter as it is)"], ["convolution", "convolution (filter turned)"]]);
    ui.whole("stride", "Stride S", { min: 1, max: 16 });
    ui.whole("pad", "Padding P", { min: 0, max: 16 });
    const step = (by) => {
      const [filters, rows, columns] = [result.output.length, result.output[0]?.length ?? 0, result.output[0]?.[0].length ?? 0];
      const count = filters * rows * columns;
      if (!count) return false;
      const [f, i, j] = result.at;
      const next = ((f * rows + i) * columns + j + by + count) % count;
      pointed = null;
      ui.set({ at: [Math.floor(next / (rows * columns)), Math.floor(next / columns) % rows, next % columns] });
      return true;
    };
    const buttons = h("div", { class: "bar" });
    ui.bar.append(buttons);
    ui.button("Back", () => step(-1), { where: buttons });
    ui.button("Step", () => step(1), { where: buttons });
    ui.player(() => step(1), { where: buttons });
    const turn = (c, i, j, by) => {
      const w = structuredClone(ui.get("w"));
      const kernel = w[result.at[0]][c];
      // The filter is drawn turned for a convolution; what is changed is the filter as it is.
      const [row_, column] = ui.get("mode") === "convolution" ? [kernel.length - 1 - i, kernel[0].length - 1 - j] : [i, j];
      kernel[row_][column] += by;
      ui.set({ w });
    };
    return () => {
      const layer = ui.state(INPUTS);
      result = compute(layer);
      if (result.problem) {
        ui.say(result.problem, true);
        ui.stage.replaceChildren();
        return;
      }
      const [f, i, j] = result.at;
      const [ci, cj] = result.corner;
      const terms = [...result.sums, layer.b[f]].map((value) => short(value));
      ui.say(`Output (${i}, ${j}) of filter ${f} = ${terms.map((term, n) => (n && term.startsWith("−") ? `− ${term.slice(1)}` : n ? `+ ${term}` : term)).join(" ")} = ${short(result.value)}`);
      const [kh, kw] = [result.kernel[0].length, result.kernel[0][0].length];
      const inWindow = (r, c) => r >= ci && r < ci + kh && c >= cj && c < cj + kw;
      const limits = [largest(layer.x), largest(layer.w), largest(result.products)];
      const channels = layer.x.map((channel, c) => row(
        grid({
          key: `x${c}`, label: `Input, channel ${c}`, values: padded(channel, layer.pad), ring: layer.pad, cell: 23, limit: limits[0],
          frame: (r, s_) => (pointed && pointed[0] === r && pointed[1] === s_ ? "cold" : inWindow(r, s_) ? "warm" : null),
          at: pointed ?? result.corner, pick: (r, s_) => {
            pointed = [r, s_];
            ui.changed();
          },
        }),
        grid({
          key: `w${c}`, label: `Filter ${f}, channel ${c}`, values: result.kernel[c], limit: limits[1],
          at: weight[0] === c ? weight.slice(1) : [0, 0],
          pick: (r, s_) => {
            weight = [c, r, s_];
            ui.changed();
          },
          turn: (r, s_, by) => turn(c, r, s_, by),
        }),
        sign("→"),
        grid({ key: `p${c}`, label: "Products", values: result.products[c], limit: limits[2] }),
        h("div", { class: "strong" }, `sum ${short(result.sums[c])}`),
      ));
      const reads = (r, s_) => pointed && pointed[0] >= r * layer.stride && pointed[0] < r * layer.stride + kh && pointed[1] >= s_ * layer.stride && pointed[1] < s_ * layer.stride + kw;
      const outputs = result.output.map((map, n) => grid({
        key: `y${n}`, label: `Output of filter ${n}, bias ${short(layer.b[n])}`, values: map, cell: 34, at: n === f ? [i, j] : [0, 0],
        frame: (r, s_) => (n === f && r === i && s_ === j ? "warm" : reads(r, s_) ? "cold" : null),
        pick: (r, s_) => {
          pointed = null;
          ui.set({ at: [n, r, s_] });
        },
      }));
      const who = pointed ? `Dashed: what reads input (${pointed.join(", ")}).` : "Point at an output to see its window, at an input to see who reads it. In a filter, + and − change a weight.";
      ui.stage.replaceChildren(h("div", { class: "flow top" }, h("div", {}, channels), h("div", { class: "pile" }, outputs)), h("p", { class: "quiet" }, who));
    };
  },
});
