import { clamp, explainer, grid, h, padded, patchAt, range, refuse, row, short, sign, times, total, turned, windowCount } from "./common.js";

// The arithmetic, as in backward.py

export function compute({ x, w, dout: given, stride, pad, look, at }) {
  const [sides, [kh, kw]] = [[x.length, x[0].length], [w.length, w[0].length]];
  const problem = refuse({ sides, kernel: [kh, kw], stride, pad });
  if (problem) return { problem, dout: [], dw: [], dx: [], db: 0, at: [0, 0] };
  const framed = padded(x, pad);
  const [rows, columns] = [windowCount(framed.length, kh, stride), windowCount(framed[0].length, kw, stride)];
  const dout = range(rows).map((i) => range(columns).map((j) => given[i]?.[j] ?? 1));
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
  return { problem: "", dout, dw, dx, db: total(dout), mirrored, spread, at: [i, j], corner, patch, products, value: of[i][j] };
}

// The view

const INPUTS = ["x", "w", "dout", "stride", "pad", "look", "at"];

export default explainer({
  name: "The way back through a convolution",
  build(ui) {
    let result;
    ui.choice("look", "Gradient in", [["dw", "the weights, dL/dw"], ["dx", "the input, dL/dx"]]);
    ui.whole("stride", "Stride S", { min: 1, max: 16 });
    ui.whole("pad", "Padding P", { min: 0, max: 16 });
    const buttons = h("div", { class: "bar" });
    ui.bar.append(buttons);
    const step = (by) => {
      const of = result[ui.get("look")];
      if (!of.length) return false;
      const count = of.length * of[0].length;
      const next = (result.at[0] * of[0].length + result.at[1] + by + count) % count;
      ui.set({ at: [Math.floor(next / of[0].length), next % of[0].length] });
      return true;
    };
    ui.button("Back", () => step(-1), { where: buttons });
    ui.button("Step", () => step(1), { where: buttons });
    ui.player(() => step(1), { where: buttons });
    const turn = (name) => (i, j, by) => {
      const rows = name === "dout" ? structuredClone(result.dout) : structuredClone(ui.get(name));
      rows[i][j] += by;
      ui.set({ [name]: rows });
    };
    let held = { x: [0, 0], w: [0, 0], dout: [0, 0] };
    const hold = (name) => (i, j) => {
      held = { ...held, [name]: [i, j] };
      ui.changed();
    };
    return () => {
      const layer = ui.state(INPUTS);
      result = compute(layer);
      if (result.problem) {
        ui.say(result.problem, true);
        ui.stage.replaceChildren();
        return;
      }
      const { look, stride, pad } = layer;
      const [i, j] = result.at;
      const [kh, kw] = [layer.w.length, layer.w[0].length];
      const terms = result.products.flat().map((value, n) => [value, result.patch.flat()[n]]).filter(([value]) => value !== 0).map(([value]) => short(value));
      const listed = terms.length ? terms.slice(0, 9).map((term, n) => (n === 0 ? term : term.startsWith("−") ? ` − ${term.slice(1)}` : ` + ${term}`)).join("") + (terms.length > 9 ? " + …" : "") : "0";
      ui.say(`dL/d${look[1]} at (${i}, ${j}) = ${listed}${terms.length > 1 ? ` = ${short(result.value)}` : ""}`);
      const weights = look === "dw";
      // The inputs that the weight met: one in each window, a stride apart.
      const isMet = (r, c) => weights && (r - i) % stride === 0 && (c - j) % stride === 0 && r >= i && c >= j && (r - i) / stride < result.dout.length && (c - j) / stride < result.dout[0].length;
      const input = grid({ key: "x", label: pad ? "Input x, padded" : "Input x", values: padded(layer.x, pad), ring: pad, cell: 28, frame: (r, c) => (isMet(r, c) ? "warm" : !weights && r === i + pad && c === j + pad ? "cold" : null) });
      const kernel = grid({ key: "w", label: "Filter w", values: layer.w, at: held.w, pick: hold("w"), turn: turn("w"), frame: (r, c) => (weights && r === i && c === j ? "cold" : null) });
      const dout = grid({ key: "dout", label: "dL/dy, as it comes back", values: result.dout, at: held.dout, pick: hold("dout"), turn: turn("dout"), frame: () => (weights ? "third" : null) });
      const inWindow = (r, c) => r >= result.corner[0] && r < result.corner[0] + kh && c >= result.corner[1] && c < result.corner[1] + kw;
      const parts = weights
        ? [grid({ key: "met", label: `What weight (${i}, ${j}) met`, values: result.patch }), sign("×"), grid({ key: "by", label: "dL/dy", values: result.dout }), sign("="), grid({ key: "products", label: "Products: their sum is dL/dw", values: result.products })]
        : [grid({ key: "spread", label: stride > 1 ? `dL/dy, a step of ${stride} from number to number, zeros around` : "dL/dy with zeros around", values: result.spread, cell: result.spread.length > 9 ? 22 : 26, frame: (r, c) => (inWindow(r, c) ? "warm" : null), faded: (r, c) => !isPlaced(r, c, kh, kw, stride, result.dout) && !inWindow(r, c) }), sign("×"), grid({ key: "mirrored", label: "Filter, turned by 180°", values: result.mirrored }), sign("="), grid({ key: "products", label: "Products: their sum is dL/dx", values: result.products })];
      const out = grid({ key: look, label: `dL/d${look[1]}: choose one`, values: result[look], cell: 34, at: [i, j], frame: (r, c) => (r === i && c === j ? "cold" : null), pick: (r, c) => ui.set({ at: [r, c] }) });
      const why = weights
        ? "Weight (i, j) touches one input in every window; each output hands back what it met times its own gradient."
        : "An input feeds every output whose window covers it: the mirrored filter, sliding over dL/dy one step at a time, collects them.";
      ui.stage.replaceChildren(h("div", { class: "flow top" }, input, kernel, dout), row(parts, sign("→"), out), h("p", { class: "quiet" }, `${why} db = ${short(result.db)}, the sum of dL/dy. In w and dL/dy, + and − change a number.`));
    };
  },
});

const isPlaced = (r, c, kh, kw, stride, dout) => {
  const [i, j] = [(r - kh + 1) / stride, (c - kw + 1) / stride];
  return Number.isInteger(i) && Number.isInteger(j) && i >= 0 && j >= 0 && i < dout.length && j < dout[0].length;
};
