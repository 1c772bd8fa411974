import { explainer, grid, h, hatchPattern, number, pair, range, s, signed, sum, unique } from "./common.js";

// The arithmetic, as in sizing.py

const [CONV, TRANSPOSED, POOL] = ["convolution", "transposed convolution", "max pooling"];
const LARGEST = 1e9;
const MOST_LAYERS = 100;
const DRAWN = 64;
const NUMBERS = {
  n: [1, "The input size"],
  k: [1, "The kernel size"],
  stride: [1, "The stride"],
  pad: [0, "The padding"],
  dilation: [1, "The dilation"],
  output_pad: [0, "The output padding"],
  c_in: [1, "The number of input channels"],
  c_out: [1, "The number of filters"],
  groups: [1, "The number of groups"],
};
const VARIED = {
  [CONV]: ["stride", "pad", "k", "n", "dilation", "groups"],
  [POOL]: ["stride", "pad", "k", "n", "dilation"],
  [TRANSPOSED]: ["output_pad", "pad", "k", "stride", "n", "groups"],
};
const CALLED = { n: "input", k: "kernel", pad: "padding", output_pad: "output padding" };

export function compute(layer) {
  const problem = findProblem(layer);
  const result = { problem, sides: [], size: [], shape: "", parameters: 0, count: "" };
  if (!problem) {
    const sides = [0, 1].map((axis) => describeSide(layer, axis));
    result.size = sides.map((side) => side.size);
    result.sides = JSON.stringify(sides[0]) === JSON.stringify(sides[1]) ? sides.slice(0, 1) : sides;
    result.shape = `${result.size.join(" × ")} × ${layer.kind === POOL ? layer.c_in : layer.c_out}`;
    [result.parameters, result.count] = parameters(layer);
  }
  result.torch = problem ? "" : torchLine(layer);
  result.keras = problem ? "" : kerasLine(layer);
  const fine = !problem && result.sides.every((side) => side.fits);
  result.suggestions = fine ? [] : suggest(layer);
  return result;
}

function findProblem(layer) {
  for (const [name, [least, called]] of Object.entries(NUMBERS)) {
    for (const value of pair(layer[name])) {
      if (name === "pad" && value === "same") continue;
      if (value < least) return `${called} must be at least ${least}, not ${signed(value)}.`;
      if (value > LARGEST) return `${called} must be at most ${LARGEST}.`;
    }
  }
  if (layer.kind !== POOL) {
    for (const [name, called] of [
      ["c_in", "input channels"],
      ["c_out", "filters"],
    ]) {
      if (layer[name] % layer.groups) return `${layer.groups} groups cannot share ${layer[name]} ${called} evenly.`;
    }
  }
  return sideProblem(numbers(layer, 0)) || sideProblem(numbers(layer, 1));
}

function numbers(layer, axis) {
  const one = Object.fromEntries(
    ["n", "k", "stride", "pad", "dilation", "output_pad"].map((name) => [name, pair(layer[name])[axis]]),
  );
  return { ...one, reach: one.dilation * (one.k - 1) + 1, kind: layer.kind, rounding: layer.rounding };
}

function sideProblem(one) {
  const { n, k, stride, pad, dilation, reach } = one;
  if (one.kind === TRANSPOSED) {
    const most = Math.max(stride, dilation);
    if (pad === "same") {
      return sameCut(one)
        ? ""
        : `No padding takes ${n} to ${n * stride} with a kernel that reaches over ${reach}: one end would lose more than the other, which torch cannot do.`;
    }
    if (one.output_pad >= most)
      return `The output padding must be less than the larger of stride and dilation, ${most}.`;
    if (spread(one) < 1) return `Cutting off 2·${pad} leaves nothing of ${spread(one) + 2 * pad}.`;
    return "";
  }
  if (pad === "same") return "";
  if (one.kind === POOL && 2 * pad > k)
    return `Padding by ${pad} is more than half of the window, ${k}, which torch refuses.`;
  const missing = reach - n - 2 * pad;
  if (missing > 0 && !(one.rounding === "up" && missing < stride)) {
    return `A kernel that reaches over ${reach} does not fit into ${n} + 2·${pad} = ${n + 2 * pad}.`;
  }
  return "";
}

function describeSide(layer, axis) {
  const one = numbers(layer, axis);
  const { n, k, stride, pad, dilation, reach } = one;
  const side = { n, k, stride, dilation, reach, fits: true, uncovered: 0 };
  let size, formula, verdict;
  if (layer.kind === TRANSPOSED) {
    const [before, added] = pad === "same" ? sameCut(one) : [pad, one.output_pad];
    size = (n - 1) * stride - 2 * before + reach + added;
    const kernel = dilation === 1 ? `${k}` : `${dilation}·(${k} − 1) + 1`;
    formula = `(${n} − 1)·${stride} − 2·${before} + ${kernel} + ${added} = ${size}`;
    verdict = `cut by ${before} at both ends`;
    Object.assign(side, { before, after: before, added, length: size + 2 * before, exact: size });
  } else if (pad === "same") {
    size = Math.ceil(n / stride);
    const total = Math.max((size - 1) * stride + reach - n, 0);
    const before = Math.floor(total / 2);
    const after = total - before;
    formula = `⌈${n} / ${stride}⌉ = ${size}`;
    verdict = `same: ${before} before, ${after} after`;
    const length = n + total;
    Object.assign(side, { before, after, added: 0, length, exact: size });
    side.uncovered = Math.max(0, length - (size - 1) * stride - reach);
  } else {
    const exact = (n + 2 * pad - reach) / stride + 1;
    const fits = Number.isInteger(exact) && exact >= 1;
    const length = n + 2 * pad;
    size = layer.rounding === "up" ? Math.ceil(exact) : Math.floor(exact);
    // A last window that would start behind the image is left out.
    if (size > exact && (size - 1) * stride >= n + pad) size -= 1;
    const added = Math.max(0, (size - 1) * stride + reach - length);
    const numerator = dilation === 1 ? `${n} + 2·${pad} − ${k}` : `${n} + 2·${pad} − ${dilation}·(${k} − 1) − 1`;
    formula = `(${numerator}) / ${stride} + 1 = ${number(exact)}`;
    verdict = fits ? "fits exactly" : `${number(exact)}: does not fit`;
    Object.assign(side, { before: pad, after: pad, added, length: length + added, exact, fits });
    side.uncovered = Math.max(0, length - (size - 1) * stride - reach);
  }
  return { ...side, size, formula, verdict, unread: unread(layer.kind, side, size) };
}

const spread = (one) => (one.n - 1) * one.stride - 2 * one.pad + one.reach + one.output_pad;

function sameCut(one) {
  const excess = one.reach - one.stride;
  const pad = Math.max(0, Math.floor((excess + 1) / 2));
  const added = 2 * pad - excess;
  return added < Math.max(one.stride, one.dilation) ? [pad, added] : null;
}

function unread(kind, side, size) {
  if (kind === TRANSPOSED || side.length > DRAWN) return [];
  const read = new Set(range(size).flatMap((i) => range(side.k).map((j) => i * side.stride + j * side.dilation)));
  return range(side.length).filter((position) => !read.has(position));
}

function parameters(layer) {
  if (layer.kind === POOL) return [0, "0: pooling learns nothing"];
  const [kh, kw] = pair(layer.k);
  const { c_in, c_out, groups, bias } = layer;
  const total = c_out * (c_in / groups) * kh * kw + (bias ? c_out : 0);
  const share = `${c_in / groups}·${kh}·${kw}`;
  return [total, bias ? `${c_out}·(${share} + 1) = ${total}` : `${c_out}·${share} = ${total}`];
}

function code(value) {
  const [height, width] = pair(value);
  return height === width ? `${height}` : `(${height}, ${width})`;
}

function torchLine(layer) {
  const { kind, pad } = layer;
  const sides = [0, 1].map((axis) => describeSide(layer, axis));
  const before = sides.map((side) => side.before);
  const options = {
    stride: [code(layer.stride), kind === POOL ? code(layer.k) : "1"],
    padding: ["0", "0"],
    output_padding: ["0", "0"],
    dilation: [code(layer.dilation), "1"],
  };
  if (kind === TRANSPOSED) {
    options.padding = [code(before), "0"];
    options.output_padding = [code(sides.map((side) => side.added)), "0"];
  }
  let ahead = "";
  if (kind !== TRANSPOSED) {
    const ceil = kind === POOL && layer.rounding === "up" && pad !== "same";
    const ends = sides.map((side) => side.after + (ceil ? 0 : side.added));
    const much = kind === POOL && sides.some((side) => 2 * side.before > side.k);
    if (pad === "same" && kind === CONV && String(pair(layer.stride)) === "1,1") options.padding = ['"same"', ""];
    else if (String(before) === String(ends) && !much) options.padding = [code(before), "0"];
    else {
      const edges = `(${before[1]}, ${ends[1]}, ${before[0]}, ${ends[0]})`;
      ahead = `torch.nn.Sequential(${kind === POOL ? `torch.nn.ConstantPad2d(${edges}, float("-inf"))` : `torch.nn.ZeroPad2d(${edges})`}, `;
    }
    if (ceil) options.ceil_mode = ["True", "False"];
  }
  let given = Object.entries(options)
    .map(([name, [value, usual]]) => (value === usual ? "" : `, ${name}=${value}`))
    .join("");
  let line = `torch.nn.MaxPool2d(${code(layer.k)}${given})`;
  if (kind !== POOL) {
    if (layer.groups > 1) given += `, groups=${layer.groups}`;
    if (!layer.bias) given += ", bias=False";
    line = `torch.nn.${kind === TRANSPOSED ? "ConvTranspose2d" : "Conv2d"}(${layer.c_in}, ${layer.c_out}, kernel_size=${code(layer.k)}${given})`;
  }
  return ahead ? `${ahead}${line})` : line;
}

function kerasLine(layer) {
  const { kind } = layer;
  const sides = [0, 1].map((axis) => describeSide(layer, axis));
  const steps = pair(layer.stride);
  const wide = Math.max(...pair(layer.dilation)) > 1;
  if (kind === POOL && wide) return "# Keras has no dilated pooling";
  if (Math.max(...steps) > 1 && wide) return "# Keras takes strides or dilation_rate above 1, not both";
  if (kind === TRANSPOSED && layer.groups > 1) return "# Keras has no transposed convolution in groups";
  let given = kind === POOL || String(steps) !== "1,1" ? `, strides=${code(steps)}` : "";
  let [ahead, after] = ["", ""];
  if (kind === TRANSPOSED) {
    if (sides.some((side, axis) => side.added >= steps[axis])) return "# Keras takes output_padding below strides only";
    given += `, output_padding=${code(sides.map((side) => side.added))}`;
    const cut = sides.map((side) => side.before);
    if (Math.max(...cut)) after = `keras.layers.Cropping2D(${code(cut)})`;
  } else if (layer.pad === "same") {
    given += ', padding="same"';
  } else {
    const edges = sides.map((side) => [side.before, side.after + side.added]);
    if (sum(edges.flat())) {
      if (kind === POOL) return "# Keras pads no pooling by a number: its zeros would count as values";
      const plain = edges.every(([first, last]) => first === last);
      ahead = `keras.layers.ZeroPadding2D(${plain ? code(edges.map(([first]) => first)) : `(${edges.map(([first, last]) => `(${first}, ${last})`).join(", ")})`})`;
    }
  }
  if (wide) given += `, dilation_rate=${code(layer.dilation)}`;
  let line = `keras.layers.MaxPooling2D(${code(layer.k)}${given})`;
  if (kind !== POOL) {
    if (layer.groups > 1) given += `, groups=${layer.groups}`;
    if (!layer.bias) given += ", use_bias=False";
    line = `keras.layers.${kind === TRANSPOSED ? "Conv2DTranspose" : "Conv2D"}(${layer.c_out}, ${code(layer.k)}${given})`;
  }
  const parts = [ahead, line, after].filter(Boolean);
  return parts.length === 1 ? line : `keras.Sequential([${parts.join(", ")}])`;
}

function suggest(layer, most = 4) {
  const found = [];
  for (const name of VARIED[layer.kind]) {
    if (name === "pad" && layer.pad === "same") continue;
    const options = changes(layer, name);
    options.sort((a, b) => a.distance - b.distance || a.value - b.value);
    for (const { distance, change } of options) {
      const candidate = { ...layer, ...change };
      if (findProblem(candidate)) continue;
      const sides = [0, 1].map((axis) => describeSide(candidate, axis));
      if (!sides.every((side) => side.fits)) continue;
      const words = Array.isArray(change[name]) ? change[name].join(", ") : change[name];
      found.push({
        distance,
        text: `${CALLED[name] ?? name} ${words} gives ${sides[0].size} × ${sides[1].size}`,
        change,
      });
      break;
    }
  }
  found.sort((a, b) => a.distance - b.distance);
  return found.slice(0, most).map(({ text, change }) => ({ text, change }));
}

function changes(layer, name) {
  const values = pair(layer[name]);
  const same = values[0] === values[1];
  return (same ? [0] : [0, 1]).flatMap((axis) => {
    const old = values[axis];
    const one = numbers(layer, axis);
    let limits = [];
    if (one.pad !== "same" && layer.kind !== TRANSPOSED) {
      const all = {
        k: [one.n + 2 * one.pad],
        n: [one.reach - 2 * one.pad],
        pad: [Math.floor((one.reach - one.n + 1) / 2)],
      };
      limits = all[name] ?? [];
    }
    const tried = new Set([...range(17).map((i) => old - 8 + i), ...limits]);
    tried.delete(old);
    return [...tried]
      .filter((value) => value >= NUMBERS[name][0])
      .map((value) => ({
        distance: Math.abs(value - old),
        value,
        change: { [name]: same ? value : values.map((other, i) => (i === axis ? value : other)) },
      }));
  });
}

// Sizes through a stack; it ends at the first layer that does not work.
export function computeStack({ layers, h: height, w: width, c }) {
  const sizes = [];
  let parametersInAll = 0;
  if (layers.length > MOST_LAYERS)
    return [sizes, parametersInAll, `${layers.length} layers are too many to show; up to ${MOST_LAYERS} can be.`];
  let [h_, w_, c_] = [height, width, c];
  for (const [index, layer] of layers.entries()) {
    const result = compute({ ...layer, n: [h_, w_], c_in: c_ });
    if (result.problem) return [sizes, parametersInAll, `Layer ${index + 1}: ${result.problem}`];
    [h_, w_] = result.size;
    if (layer.kind !== POOL) c_ = layer.c_out;
    sizes.push([h_, w_, c_]);
    parametersInAll += result.parameters;
  }
  return [sizes, parametersInAll, ""];
}

// The view

const INPUTS = [
  "kind",
  "n",
  "k",
  "stride",
  "pad",
  "dilation",
  "output_pad",
  "c_in",
  "c_out",
  "groups",
  "bias",
  "rounding",
];
const SIDED = [
  ["n", "Input size N"],
  ["k", "Kernel F"],
  ["stride", "Stride S"],
  ["pad", "Padding P"],
  ["dilation", "Dilation"],
  ["output_pad", "Output padding"],
];
const AXES = ["height", "width"];

export default explainer({
  name: "Size calculator",
  build(ui) {
    const isKind =
      (...kinds) =>
      () =>
        kinds.includes(ui.get("kind"));
    const same = () => ui.get("pad") === "same";
    const differ = () => SIDED.some(([name]) => Array.isArray(ui.get(name)));
    const shown = {
      pad: () => !same(),
      output_pad: () => ui.get("kind") === TRANSPOSED && !same(),
    };
    ui.choice("kind", "Layer", [CONV, TRANSPOSED, POOL], {
      onchange: (kind) => ui.set(kind === POOL ? { kind, stride: ui.get("k") } : { kind }),
    });
    const sided = (...names) => {
      for (const [name, label] of SIDED.filter(([name]) => names.includes(name))) {
        const one = shown[name] ?? (() => true);
        ui.whole(name, label, { min: NUMBERS[name][0], shown: () => one() && !differ() });
        for (const axis of [0, 1])
          ui.whole(name, `${label}, ${AXES[axis]}`, { axis, min: NUMBERS[name][0], shown: () => one() && differ() });
      }
    };
    sided("n", "k", "stride", "pad");
    ui.check("same padding", same, (on) => ui.set({ pad: on ? "same" : 0 }), { key: "same" });
    sided("dilation", "output_pad");
    ui.choice(
      "rounding",
      "Rounding",
      [
        ["down", "down, as PyTorch does"],
        ["up", "up (ceil_mode)"],
      ],
      { shown: () => ui.get("kind") !== TRANSPOSED && !same() },
    );
    ui.whole("c_in", "Input channels", { min: 1 });
    ui.whole("c_out", "Filters", { min: 1, shown: isKind(CONV, TRANSPOSED) });
    ui.whole("groups", "Groups", { min: 1, shown: isKind(CONV, TRANSPOSED) });
    ui.check(
      "bias",
      () => ui.get("bias"),
      (bias) => ui.set({ bias }),
      { key: "bias", shown: isKind(CONV, TRANSPOSED) },
    );
    ui.check(
      "height and width differ",
      differ,
      (on) => {
        const names = SIDED.map(([name]) => name).filter((name) => !(name === "pad" && same()));
        ui.set(Object.fromEntries(names.map((name) => [name, on ? pair(ui.get(name)) : pair(ui.get(name))[0]])));
      },
      { key: "differ" },
    );
    let result;
    let at = [0, 0];
    const look = (i, j) => {
      if (String(at) !== String([i, j])) ui.changed();
      at = [i, j];
    };
    const copy = ui.copy(() => asText(ui.state(INPUTS), result), "Copy as text");
    return () => {
      const layer = ui.state(INPUTS);
      result = compute(layer);
      ui.say(headline(layer, result), Boolean(result.problem));
      ui.stage.replaceChildren(
        ...(result.problem ? [] : formulas(layer, result)),
        suggestions(ui, result),
        ...(result.problem
          ? []
          : result.sides.map((side, axis) => fit(ui, layer, side, result.sides.length > 1 ? axis : null))),
        ...(result.problem
          ? []
          : [
              plane(layer, result, at, look),
              lines(result),
              h("div", { class: "flow" }, copy, addButton(ui, layer, result)),
            ]),
        stackView(ui),
      );
    };
  },
});

export function headline(layer, result) {
  if (result.problem) return result.problem;
  const off = result.sides.filter((side) => !side.fits);
  const rounded = layer.rounding === "up" ? "Rounded up" : "PyTorch";
  const parts = off.map((side) => `${side.verdict}. ${rounded}: ${side.size}.`);
  return [...parts, `Output ${result.shape}`].join(" ");
}

function asText(layer, result) {
  const sides = result.sides.map((side) => `${side.formula} (${side.verdict})`);
  return [headline(layer, result), ...sides, result.count && `parameters: ${result.count}`, result.torch, result.keras]
    .filter(Boolean)
    .join("\n");
}

function formulas(layer, result) {
  const letters =
    layer.kind === TRANSPOSED
      ? "(N − 1)·S − 2·P + D·(F − 1) + 1 + output padding"
      : layer.pad === "same"
        ? "⌈N / S⌉"
        : Math.max(...pair(layer.dilation)) > 1
          ? "(N + 2·P − D·(F − 1) − 1) / S + 1"
          : "(N + 2·P − F) / S + 1";
  const many = result.sides.length > 1;
  return [
    ...result.sides.map((side, axis) =>
      h(
        "p",
        { class: "formula" },
        many ? `${AXES[axis]}: ` : "",
        side.formula,
        side.fits ? h("span", { class: "quiet" }, ` (${side.verdict})`) : null,
      ),
    ),
    h("p", { class: "quiet" }, `${letters}.  Parameters: ${result.count}`),
  ];
}

function suggestions(ui, result) {
  if (!result.suggestions.length) return h("span", {});
  return h(
    "div",
    { class: "flow" },
    h("span", {}, result.problem ? "What would work:" : "What would fit exactly:"),
    result.suggestions.map(({ text, change }) =>
      h("button", { type: "button", "data-key": `suggestion-${text}`, onclick: () => ui.set(change) }, text),
    ),
  );
}

function lines(result) {
  return h(
    "div",
    {},
    h("pre", { "aria-label": "PyTorch" }, result.torch),
    h("pre", { "aria-label": "Keras" }, result.keras),
    h(
      "p",
      { class: "quiet" },
      "The course's tests run the first line in PyTorch; the second they hold to the sizes that Keras documents.",
    ),
  );
}

// A strip of positions with the windows below it; of a long side only its two ends.
function fit(ui, layer, side, axis) {
  const transposed = layer.kind === TRANSPOSED;
  const windows = transposed ? side.n : side.size;
  const length = side.length;
  const step = side.stride;
  const whole = length <= 40;
  const ends = Math.min(14, Math.floor(length / 2));
  const places = whole ? range(length) : [...range(ends), null, ...range(ends).map((i) => length - ends + i)];
  const cell = whole && length <= 16 ? 36 : 24;
  const column = new Map(places.map((place, index) => [place, index]));
  const x = (place) => 2 + column.get(place) * cell;
  const inner = transposed ? length - side.after : length - side.after - side.added;
  const offs = new Set(side.unread);
  const isUnread = (place) =>
    !transposed &&
    (offs.has(place) ||
      (length > DRAWN && place >= length - side.added - side.uncovered && place < length - side.added));
  const hatch = unique("hatch");
  const cells = places.map((place, index) => {
    const left = 2 + index * cell;
    if (place === null) return s("text", { x: left + cell / 2, y: 2 + cell / 2 }, "…");
    const edge = place < side.before || place >= inner;
    return s(
      "g",
      {},
      s("rect", {
        x: left,
        y: 2,
        width: cell,
        height: cell,
        class: "cell",
        style: edge ? "fill:transparent" : "fill:color-mix(in srgb, var(--cold) 22%, transparent)",
      }),
      edge && s("rect", { x: left, y: 2, width: cell, height: cell, class: "padding" }),
      isUnread(place) && s("rect", { x: left, y: 2, width: cell, height: cell, fill: `url(#${hatch})` }),
      s(
        "text",
        { x: left + cell / 2, y: 2 + cell / 2, "font-size": cell * 0.42, class: edge ? "dim" : null },
        edge && !transposed ? "0" : signed(place - side.before),
      ),
    );
  });
  const visible = (first) =>
    column.has(first) &&
    column.has(first + side.reach - 1) &&
    (whole || column.get(first + side.reach - 1) - column.get(first) === side.reach - 1);
  const near = whole
    ? range(windows)
    : [
        ...new Set([...range(Math.min(windows, ends)), ...range(Math.min(windows, ends)).map((i) => windows - 1 - i)]),
      ].sort((a, b) => a - b);
  const drawn = near.filter((i) => visible(i * step));
  const lanes = Math.min(6, Math.max(1, Math.ceil(side.reach / step)));
  const brackets = drawn.map((i) => {
    const y = cell + 14 + (i % lanes) * 20;
    const marks = range(side.k).map((j) => x(i * step + j * side.dilation) + cell / 2);
    const [first, last] = [marks[0] - cell / 2 + 3, marks.at(-1) + cell / 2 - 3];
    return s(
      "g",
      {},
      s("line", { x1: first, x2: last, y1: y, y2: y, class: i % 2 ? "span cold" : "span warm" }),
      side.dilation > 1 ? marks.map((at) => s("circle", { cx: at, cy: y, r: 3.5, style: "fill:var(--ink)" })) : null,
      s("text", { x: (first + last) / 2, y: y + 9, "font-size": 11 }, String(i)),
    );
  });
  const width = places.length * cell + 4;
  const height = cell + 24 + lanes * 20;
  const where = axis === null ? "each side" : `the ${AXES[axis]}`;
  const what = transposed
    ? `Along ${where}: the prints of ${windows} inputs, ${step} apart, on ${length} positions${side.before ? `, of which ${side.before} at both ends are cut off` : ""}.`
    : `Along ${where}: ${windows} window${windows === 1 ? "" : "s"}, ${step} apart, over ${side.n} pixels${side.before + side.after ? ` and ${side.before} + ${side.after} zeros` : ""}.${side.added ? ` Rounding up adds ${side.added} at the end.` : ""}${side.uncovered ? ` The last ${side.uncovered} ${side.uncovered === 1 ? "is" : "are"} not seen (hatched).` : offs.size ? " What no window reads is hatched." : ""}`;
  return h(
    "figure",
    { class: "grid" },
    h("figcaption", {}, what),
    s(
      "svg",
      { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": what },
      s("defs", {}, hatchPattern(hatch)),
      cells,
      brackets,
    ),
  );
}

// Both sides at once: the window of one output, and what no window reads.
function plane(layer, result, at, look) {
  const [rows, columns] = result.sides.length > 1 ? result.sides : [result.sides[0], result.sides[0]];
  if (layer.kind === TRANSPOSED || Math.max(rows.length, columns.length) > 16) return h("span", {});
  const [i, j] = [Math.min(at[0], rows.size - 1), Math.min(at[1], columns.size - 1)];
  const inWindow = (place, side, index) => {
    const from = place - index * side.stride;
    return from >= 0 && from < side.reach && from % side.dilation === 0;
  };
  const inside = (place, side) => place >= side.before && place < side.before + side.n;
  const cell = 20;
  const words = range(rows.length).map((r) =>
    range(columns.length).map((c) => (inside(r, rows) && inside(c, columns) ? "" : "0")),
  );
  const input = grid({
    key: "input",
    label: `Input, ${rows.n} × ${columns.n}: the window of output (${i}, ${j})`,
    values: words,
    cell,
    hatched: (r, c) => rows.unread.includes(r) || columns.unread.includes(c),
    frame: (r, c) => inWindow(r, rows, i) && inWindow(c, columns, j) && "warm",
    soft: (r, c) => inside(r, rows) && inside(c, columns),
  });
  const output = grid({
    key: "output",
    label: `Output, ${rows.size} × ${columns.size}: choose one`,
    cell: 26,
    at: [i, j],
    pick: look,
    values: range(rows.size).map((r) => range(columns.size).map((c) => `${r},${c}`)),
    frame: (r, c) => r === i && c === j && "warm",
  });
  return h("div", { class: "flow top" }, input, output);
}

function addButton(ui, layer, result) {
  const { n, c_in, ...kept } = layer;
  return h(
    "button",
    {
      type: "button",
      "data-key": "stack",
      onclick: () => {
        const stack = ui.get("stack");
        const start = stack.length ? {} : { start: [...pair(n), c_in] };
        ui.set({
          ...start,
          stack: [...stack, kept],
          n: result.size[0] === result.size[1] ? result.size[0] : result.size,
          c_in: layer.kind === POOL ? c_in : layer.c_out,
        });
      },
    },
    "Add to a stack",
  );
}

function stackView(ui) {
  const layers = ui.get("stack");
  if (!layers.length) return h("span", {});
  const [height, width, channels] = ui.get("start");
  const [sizes, total, problem] = computeStack({ layers, h: height, w: width, c: channels });
  const words = (layer) =>
    `${layer.kind} ${code(layer.k)}, stride ${code(layer.stride)}, padding ${layer.pad === "same" ? "same" : code(layer.pad)}`;
  const remove = (index) => {
    const rest = layers.filter((_, i) => i !== index);
    const [left] = computeStack({ layers: rest, h: height, w: width, c: channels });
    const [oh, ow, c_in] = left.length ? left.at(-1) : [height, width, channels];
    ui.set({ stack: rest, n: oh === ow ? oh : [oh, ow], c_in });
  };
  return h(
    "div",
    {},
    h(
      "table",
      {},
      h("caption", { class: "hidden" }, "The stack"),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Stack"), h("th", { scope: "col" }, "Output"), h("td", {}))),
      h(
        "tbody",
        {},
        h("tr", {}, h("th", { scope: "row" }, "input"), h("td", {}, `${height} × ${width} × ${channels}`), h("td", {})),
        layers.slice(0, MOST_LAYERS).map((layer, index) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, words(layer)),
            h("td", {}, sizes[index]?.join(" × ") ?? "—"),
            h(
              "td",
              {},
              h(
                "button",
                {
                  type: "button",
                  "data-key": `remove-${index}`,
                  "aria-label": `Remove layer ${index + 1}`,
                  onclick: () => remove(index),
                },
                "Remove",
              ),
            ),
          ),
        ),
      ),
    ),
    h("p", {}, problem || `Parameters of the stack: ${total}.`),
  );
}
