import {
  TINTS,
  added,
  after,
  clamp,
  explainer,
  grid,
  h,
  inside,
  orOnes,
  padded,
  patchAt,
  range,
  refuse,
  row,
  short,
  times,
  total,
  turned,
  windowCount,
} from "./common.js";

// The arithmetic, as in backward.py

export function compute({ x, w, dout: given, stride, pad, look, at }) {
  const [sides, [kh, kw]] = [
    [x.length, x[0].length],
    [w.length, w[0].length],
  ];
  const problem = refuse({ sides, kernel: [kh, kw], stride, pad });
  if (problem) return { problem, dout: [], dw: [], dx: [], db: 0, at: [0, 0] };
  const framed = padded(x, pad);
  const [rows, columns] = [windowCount(framed.length, kh, stride), windowCount(framed[0].length, kw, stride)];
  const dout = orOnes(given, rows, columns);
  const met = (i, j) => range(rows).map((r) => range(columns).map((c) => framed[i + stride * r][j + stride * c]));
  const mirrored = turned(w);
  const spread = range(framed.length + kh - 1).map(() => Array(framed[0].length + kw - 1).fill(0));
  dout.forEach((line, i) => line.forEach((value, j) => (spread[kh - 1 + stride * i][kw - 1 + stride * j] = value)));
  const under = (i, j) => patchAt(spread, i + pad, j + pad, kh, kw);
  const dw = range(kh).map((i) => range(kw).map((j) => total(times(met(i, j), dout))));
  const dx = range(sides[0]).map((i) => range(sides[1]).map((j) => total(times(under(i, j), mirrored))));
  const of = look === "dw" ? dw : dx;
  const [i, j] = [clamp(at[0], 0, of.length - 1), clamp(at[1], 0, of[0].length - 1)];
  const patch = look === "dw" ? met(i, j) : under(i, j);
  const corner = look === "dw" ? [i, j] : [i + pad, j + pad];
  const products = times(patch, look === "dw" ? dout : mirrored);
  return {
    problem: "",
    dout,
    dw,
    dx,
    db: total(dout),
    mirrored,
    spread,
    at: [i, j],
    corner,
    patch,
    products,
    value: of[i][j],
  };
}

// The view

const INPUTS = ["x", "w", "dout", "stride", "pad", "look", "at"];

export default explainer({
  name: "The way back through a convolution",
  build(ui) {
    let result;
    ui.choice("look", "Gradient in", [
      ["dw", "the weights, dL/dw"],
      ["dx", "the input, dL/dx"],
    ]);
    ui.whole("stride", "Stride S", { min: 1 });
    ui.whole("pad", "Padding P", { min: 0 });
    const look = (...at) => ui.set({ at });
    ui.stepper(
      () => {
        const of = result[ui.get("look")];
        return [[of.length, of[0]?.length ?? 0], result.at];
      },
      (at) => look(...at),
    );
    return () => {
      const layer = ui.state(INPUTS);
      result = compute(layer);
      if (ui.refuses(result)) return;
      const { stride, pad } = layer;
      const [i, j] = result.at;
      const [kh, kw] = [layer.w.length, layer.w[0].length];
      const weights = layer.look === "dw";
      const name = `dL/d${weights ? "w" : "x"}`;
      const met = result.patch.flat();
      const terms = result.products
        .flat()
        .filter((_, n) => met[n] !== 0)
        .map((value) => short(value));
      const listed = terms.length > 9 ? `${added(terms.slice(0, 9))} + …` : added(terms) || "0";
      ui.say(`${name} at (${i}, ${j}) = ${listed}${terms.length > 1 ? ` = ${short(result.value)}` : ""}`);
      const isChosen = (r, c) => r === i && c === j;
      // The inputs that the weight met: one in each window, a stride apart.
      const isMet = (r, c) =>
        (r - i) % stride === 0 &&
        (c - j) % stride === 0 &&
        inside([i, j], stride * result.dout.length, stride * result.dout[0].length)(r, c);
      const inWindow = inside(result.corner, kh, kw);
      const input = grid({
        key: "x",
        label: pad ? "Input x, padded" : "Input x",
        values: padded(layer.x, pad),
        ring: pad,
        cell: 28,
        frame: weights ? (r, c) => isMet(r, c) && "warm" : (r, c) => isChosen(r - pad, c - pad) && "cold",
      });
      const kernel = ui.changeable("w", layer.w, {
        label: "Filter w",
        frame: (r, c) => weights && isChosen(r, c) && "cold",
      });
      const dout = ui.changeable("dout", result.dout, {
        label: "dL/dy, as it comes back",
        frame: () => weights && "third",
      });
      const products = after(
        "=",
        grid({ key: "products", label: `Products: their sum is ${name}`, values: result.products }),
      );
      const out = grid({
        key: layer.look,
        label: `${name}: choose one`,
        values: result[layer.look],
        cell: 34,
        at: [i, j],
        frame: (r, c) => isChosen(r, c) && "cold",
        pick: look,
      });
      const parts = weights
        ? [
            grid({ key: "met", label: `What weight (${i}, ${j}) met`, values: result.patch, frame: () => "warm" }),
            after("×", grid({ key: "by", label: "dL/dy", values: result.dout, frame: () => "third" })),
          ]
        : [
            grid({
              key: "spread",
              label:
                stride > 1
                  ? `dL/dy, a step of ${stride} from number to number, zeros around`
                  : "dL/dy with zeros around",
              values: result.spread,
              cell: result.spread.length > 9 ? 22 : 26,
              frame: (r, c) => inWindow(r, c) && "warm",
              faded: (r, c) => !isPlaced(r, c, kh, kw, stride, result.dout) && !inWindow(r, c),
            }),
            after("×", grid({ key: "mirrored", label: "Filter, turned by 180°", values: result.mirrored })),
          ];
      const why = weights
        ? "Weight (i, j) touches one input in every window; each output hands back what it met times its own gradient."
        : "An input feeds every output whose window covers it: the mirrored filter, sliding over dL/dy one step at a time, collects them.";
      ui.stage.replaceChildren(
        h("div", { class: "flow top" }, input, kernel, dout),
        row(parts, products, after("→", out)),
        h(
          "p",
          { class: "quiet" },
          `${why} db = ${short(result.db)}, the sum of dL/dy. In w and dL/dy, choose a number; + and − change it. ${TINTS}`,
        ),
      );
    };
  },
});

const isPlaced = (r, c, kh, kw, stride, dout) => {
  const [i, j] = [(r - kh + 1) / stride, (c - kw + 1) / stride];
  return Number.isInteger(i) && Number.isInteger(j) && i >= 0 && j >= 0 && i < dout.length && j < dout[0].length;
};
