import {
  TINTS,
  after,
  clamp,
  explainer,
  grid,
  h,
  inside,
  orOnes,
  patchAt,
  range,
  refuse,
  row,
  short,
  total,
  windowCount,
} from "./common.js";

// The arithmetic, as in routing.py

export function compute({ x, dout: given, size, stride, mode, at }) {
  const problem = refuse({ sides: [x.length, x[0].length], kernel: [size, size], stride, pad: 0 });
  if (problem) return { problem, output: [], dout: [], sources: [], dx: [], given: 0, kept: 0, at: [0, 0] };
  const [rows, columns] = [windowCount(x.length, size, stride), windowCount(x[0].length, size, stride)];
  const dx = x.map((line) => line.map(() => 0));
  const [output, sources] = [[], []];
  const dout = orOnes(given, rows, columns);
  for (const i of range(rows)) {
    output.push([]);
    sources.push([]);
    for (const j of range(columns)) {
      let places = range(size).flatMap((r) => range(size).map((c) => [i * stride + r, j * stride + c]));
      if (mode === "max") {
        const value = ([r, c]) => x[r][c];
        places = [places.reduce((best, place) => (value(place) > value(best) ? place : best))];
        output[i].push(value(places[0]));
      } else {
        output[i].push(total(patchAt(x, i * stride, j * stride, size, size)) / size ** 2);
      }
      sources[i].push(places);
      for (const [r, c] of places) dx[r][c] += dout[i][j] / places.length;
    }
  }
  return {
    problem: "",
    output,
    dout,
    sources,
    dx,
    given: total(dout),
    kept: total(dx),
    at: [clamp(at[0], 0, rows - 1), clamp(at[1], 0, columns - 1)],
  };
}

// The view

const INPUTS = ["x", "dout", "size", "stride", "mode", "at"];

export default explainer({
  name: "Pooling, there and back",
  build(ui) {
    let result;
    ui.choice("mode", "Pooling", [
      ["max", "largest"],
      ["mean", "mean"],
    ]);
    ui.whole("size", "Window F", { min: 1 });
    ui.whole("stride", "Stride S", { min: 1 });
    ui.button("New numbers", () =>
      ui.set({ x: ui.get("x").map((line) => line.map(() => Math.floor(Math.random() * 10))) }),
    );
    const look = (i, j) => ui.set({ at: [i, j] });
    return () => {
      const layer = ui.state(INPUTS);
      result = compute(layer);
      if (ui.refuses(result)) return;
      const [i, j] = result.at;
      const { size, stride, mode } = layer;
      const places = result.sources[i][j];
      const isSource = (r, c) => places.some(([pr, pc]) => pr === r && pc === c);
      const inWindow = inside([i * stride, j * stride], size, size);
      const chosen = (r, c) => r === i && c === j && "warm";
      const share = result.dout[i][j] / places.length;
      const values = patchAt(layer.x, i * stride, j * stride, size, size).flat();
      const tied = mode === "max" && values.filter((value) => value === result.output[i][j]).length > 1;
      const where =
        mode === "max"
          ? `it came from (${places[0].join(", ")})${tied ? ", the first of equals" : ""}, which gets all of dL/dy, ${short(share)}`
          : `all ${places.length} of its window get ${short(share)} each`;
      ui.say(`Output (${i}, ${j}) = ${short(result.output[i][j])}: ${where}`);
      const x = ui.changeable("x", layer.x, {
        label: "Input x",
        frame: (r, c) => (isSource(r, c) ? "warm" : inWindow(r, c) ? "cold" : null),
        hatched: (r, c) =>
          r >= (result.output.length - 1) * stride + size || c >= (result.output[0].length - 1) * stride + size,
      });
      const y = grid({
        key: "y",
        label: "Output y: choose one",
        values: result.output,
        cell: 40,
        at: [i, j],
        pick: look,
        frame: chosen,
      });
      const dout = ui.changeable("dout", result.dout, {
        label: "dL/dy",
        cell: 40,
        at: [i, j],
        pick: look,
        frame: chosen,
      });
      const dx = grid({
        key: "dx",
        label: "dL/dx",
        values: result.dx,
        frame: (r, c) => (isSource(r, c) ? "warm" : inWindow(r, c) ? "cold" : null),
      });
      ui.stage.replaceChildren(
        row(x, after("→", y)),
        row(dx, after("←", dout)),
        h(
          "p",
          { class: "quiet" },
          `dL/dy sums to ${short(result.given)}, dL/dx to ${short(result.kept)}: pooling moves gradients and loses none. Solid frame: where the output came from; dashed: the rest of its window. In x and dL/dy, choose a number; + and − change it. ${TINTS}`,
        ),
      );
    };
  },
});
