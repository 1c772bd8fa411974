import {
  after,
  clamp,
  explainer,
  grid,
  h,
  inside,
  padded,
  patchAt,
  range,
  refuse,
  row,
  sum,
  windowCount,
} from "./common.js";

// The arithmetic, as in columns.py

const [MOST_CHANNELS, MOST_ROWS, MOST_COLUMNS, FILTERS] = [3, 27, 36, 2];

export function compute({ n, k, stride, pad, channels, at: wanted }) {
  const problem = findProblem(n, k, stride, pad, channels);
  if (problem) return { problem, x: [], columns: [], w: [], product: [], side: 0, at: 0 };
  const x = range(channels).map((c) => range(n).map((i) => range(n).map((j) => (c * n + i) * n + j + 1)));
  const framed = x.map((channel) => padded(channel, pad));
  const side = windowCount(n + 2 * pad, k, stride);
  const corner = (index) => [Math.floor(index / side) * stride, (index % side) * stride];
  const patch = (index) => framed.map((channel) => patchAt(channel, ...corner(index), k, k));
  const flat = range(side ** 2).map((index) => patch(index).flat(2));
  const w = range(FILTERS).map((f) => range(channels * k * k).map((line) => ((line * (2 * f + 1)) % 5) - 2));
  const product = w.map((line) => flat.map((column) => sum(column.map((value, i) => value * line[i]))));
  const at = clamp(wanted, 0, side ** 2 - 1);
  return {
    problem: "",
    x,
    columns: range(channels * k * k).map((i) => flat.map((column) => column[i])),
    w,
    product,
    side,
    at,
    corner: corner(at),
    patch: patch(at),
  };
}

function findProblem(n, k, stride, pad, channels) {
  if (n < 1) return "The input must be at least 1 wide.";
  if (channels < 1 || channels > MOST_CHANNELS) return `1 to ${MOST_CHANNELS} channels can be shown.`;
  const problem = refuse({ sides: [n, n], kernel: [k, k], stride, pad });
  if (problem) return problem;
  const count = windowCount(n + 2 * pad, k, stride) ** 2;
  if (count > MOST_COLUMNS)
    return `${count} windows are ${count} columns, too many to show; up to ${MOST_COLUMNS} can be.`;
  const rows = channels * k * k;
  if (rows > MOST_ROWS)
    return `${channels}·${k}·${k} = ${rows} numbers in a column are too many to show; up to ${MOST_ROWS} can be.`;
  return "";
}

// The view

const INPUTS = ["n", "k", "stride", "pad", "channels", "at"];

export default explainer({
  name: "im2col: patches to columns",
  build(ui) {
    let result;
    for (const [name, label, min] of [
      ["n", "Input size N", 1],
      ["k", "Kernel F", 1],
      ["stride", "Stride S", 1],
      ["pad", "Padding P", 0],
      ["channels", "Channels", 1],
    ])
      ui.whole(name, label, { min });
    ui.stepper(
      () => [[result.side ** 2], [result.at]],
      ([at]) => ui.set({ at }),
    );
    return () => {
      const layer = ui.state(INPUTS);
      result = compute(layer);
      if (ui.refuses(result)) return;
      const { k, pad, channels } = layer;
      const { at, side, corner, columns } = result;
      const [rows, count] = [columns.length, side ** 2];
      ui.say(
        `Column ${at} is the patch of output (${Math.floor(at / side)}, ${at % side}): ${channels}·${k}·${k} = ${rows} numbers`,
      );
      const inWindow = inside(corner, k, k);
      const cell = count > 16 ? 23 : 27;
      const column = (r, c) => c === at && "warm";
      const inputs = result.x.map((channel, c) =>
        grid({
          key: `x${c}`,
          label: `Input, channel ${c}`,
          values: padded(channel, pad),
          ring: pad,
          cell: 27,
          limit: 0,
          frame: (r, s) => inWindow(r, s) && "warm",
        }),
      );
      const output = grid({
        key: "y",
        label: "Output places: choose one",
        cell: 30,
        limit: 0,
        at: [Math.floor(at / side), at % side],
        values: range(side).map((i) => range(side).map((j) => i * side + j)),
        frame: (r, c) => r * side + c === at && "warm",
        pick: (r, c) => ui.set({ at: r * side + c }),
      });
      const matrix = grid({
        key: "columns",
        label: `Columns, ${rows} × ${count}: choose one`,
        values: columns,
        cell,
        limit: 0,
        at: [0, at],
        frame: column,
        pick: (r, c) => ui.set({ at: c }),
      });
      const w = grid({
        key: "w",
        label: `${FILTERS} filters as rows, ${FILTERS} × ${rows}`,
        values: result.w,
        cell: 24,
      });
      const product = grid({
        key: "product",
        label: `Filters times columns, ${FILTERS} × ${count}: the outputs`,
        values: result.product,
        cell: Math.max(cell, 30),
        limit: 0,
        frame: column,
      });
      const pixels = layer.n ** 2 * channels;
      ui.stage.replaceChildren(
        h("div", { class: "flow top" }, h("div", { class: "pile" }, inputs), output, matrix),
        row(w, after("×", h("span", {}, "columns")), after("=", product)),
        h(
          "p",
          { class: "quiet" },
          `The input has ${pixels} numbers, its columns ${rows}·${count} = ${rows * count}: im2col pays in memory for one large matrix product.`,
        ),
      );
    };
  },
});
