import {
  TINTS,
  added,
  after,
  clamp,
  explainer,
  grid,
  h,
  inside,
  largest,
  padded,
  patchAt,
  range,
  refuse,
  row,
  short,
  sum,
  times,
  total,
  turned,
  windowCount,
} from "./common.js";

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
  return {
    problem: "",
    output,
    at: [f, i, j],
    corner: [i * stride, j * stride],
    patch,
    kernel: kernels[f],
    products,
    sums: products.map(total),
    value: output[f][i][j],
  };
}

function findProblem(x, w, b, stride, pad) {
  if (x.length > MOST_CHANNELS || w.length > MOST_CHANNELS)
    return `Up to ${MOST_CHANNELS} channels and filters can be shown.`;
  if (w.some((one) => one.length !== x.length))
    return `A filter has ${w[0].length} channels and the input ${x.length}: they must be as many.`;
  if (b.length !== w.length) return `${w.length} filters need ${w.length} biases, not ${b.length}.`;
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
    ui.choice("mode", "Operation", [
      ["correlation", "correlation (filter as it is)"],
      ["convolution", "convolution (filter turned)"],
    ]);
    ui.whole("stride", "Stride S", { min: 1 });
    ui.whole("pad", "Padding P", { min: 0 });
    const look = (at) => {
      pointed = null;
      ui.set({ at });
    };
    ui.stepper(
      () => [[result.output.length, result.output[0]?.length ?? 0, result.output[0]?.[0].length ?? 0], result.at],
      look,
    );
    const turn = (c, i, j, by) => {
      const w = structuredClone(ui.get("w"));
      const kernel = w[result.at[0]][c];
      // The filter is drawn turned for a convolution; what is changed is the filter as it is.
      const [line, column] =
        ui.get("mode") === "convolution" ? [kernel.length - 1 - i, kernel[0].length - 1 - j] : [i, j];
      kernel[line][column] += by;
      ui.set({ w });
    };
    return () => {
      const layer = ui.state(INPUTS);
      result = compute(layer);
      if (ui.refuses(result)) return;
      const [f, i, j] = result.at;
      const terms = [...result.sums, layer.b[f]].map((value) => short(value));
      ui.say(`Output (${i}, ${j}) of filter ${f} = ${added(terms)} = ${short(result.value)}`);
      const [kh, kw] = [result.kernel[0].length, result.kernel[0][0].length];
      const inWindow = inside(result.corner, kh, kw);
      const limits = [largest(layer.x), largest(layer.w), largest(result.products)];
      const channel = (x, c) =>
        row(
          grid({
            key: `x${c}`,
            label: `Input, channel ${c}`,
            values: padded(x, layer.pad),
            ring: layer.pad,
            cell: 23,
            limit: limits[0],
            frame: (r, s) =>
              pointed && pointed[0] === r && pointed[1] === s ? "cold" : inWindow(r, s) ? "warm" : null,
            at: pointed ?? result.corner,
            pick: (...place) => {
              pointed = place;
              ui.changed();
            },
          }),
          grid({
            key: `w${c}`,
            label: `Filter ${f}, channel ${c}`,
            values: result.kernel[c],
            limit: limits[1],
            at: weight[0] === c ? weight.slice(1) : [0, 0],
            pick: (...place) => {
              weight = [c, ...place];
              ui.changed();
            },
            turn: (...change) => turn(c, ...change),
          }),
          after(
            "→",
            grid({ key: `p${c}`, label: "Products", values: result.products[c], limit: limits[2] }),
            h("div", { class: "strong" }, `sum ${short(result.sums[c])}`),
          ),
        );
      const reads = (r, s) => pointed && inside([r * layer.stride, s * layer.stride], kh, kw)(...pointed);
      const outputs = result.output.map((map, n) =>
        grid({
          key: `y${n}`,
          label: `Output of filter ${n}, bias ${short(layer.b[n])}`,
          values: map,
          cell: 34,
          at: n === f ? [i, j] : [0, 0],
          frame: (r, s) => (n === f && r === i && s === j ? "warm" : reads(r, s) ? "cold" : null),
          pick: (r, s) => look([n, r, s]),
        }),
      );
      const who = pointed
        ? `Dashed: input (${pointed.join(", ")}), and the outputs that read it.`
        : "Point at an output to see its window, at an input to see which outputs read it. In a filter, choose a weight; + and − change it.";
      ui.stage.replaceChildren(
        h(
          "div",
          { class: "flow top stepper" },
          h("div", {}, layer.x.map(channel)),
          h("div", { class: "pile" }, outputs),
        ),
        h("p", { class: "quiet" }, `${who} ${TINTS}`),
      );
    };
  },
});
