import { clamp, explainer, h, range, sum, thousands } from "./common.js";

// The arithmetic, as in cnnkit.shapes and stacks.py

const FLOAT32 = 4;
const LEAST = { filters: 1, k: 1, stride: 1, pad: 0, groups: 1, dilation: 1, units: 1 };
const [MOST_LAYERS, LARGEST] = [200, 1e6];
const KIND = {
  Conv: "conv",
  Pool: "pool",
  AvgPool: "pool",
  GlobalPool: "pool",
  BatchNorm: "norm",
  Linear: "fc",
  Branches: "join",
};
const USUAL = {
  Conv: { stride: 1, pad: 0, groups: 1, dilation: 1, bias: true },
  Pool: { pad: 0, ceil: false, dilation: 1 },
  AvgPool: { pad: 0, ceil: false, dilation: 1 },
  Linear: { bias: true },
};
const product = (values) => values.reduce((total, value) => total * value, 1);

export function compute({ layers, shape }) {
  const state = { rows: [], numbers: {} };
  let [at, problem] = [{ shape, field: 1, jump: 1 }, ""];
  if (Math.min(...shape) < 1) problem = "The input needs at least one channel, one row and one column.";
  else if (Math.max(...shape) > LARGEST) problem = `The input may have up to ${LARGEST} channels, rows and columns.`;
  else if (layers.length > MOST_LAYERS)
    problem = `${layers.length} layers are too many to show; up to ${MOST_LAYERS} can be.`;
  for (const [index, layer] of problem ? [] : layers.entries()) {
    const [kept, numbers] = [state.rows.length, { ...state.numbers }];
    try {
      if (at.shape.length === 1 && ["conv", "pool", "join"].includes(KIND[layer.layer])) {
        throw new Refused("behind a fully connected layer there is no picture to slide over");
      }
      for (const [name, least] of Object.entries(LEAST)) {
        if (layer[name] < least || layer[name] > LARGEST)
          throw new Refused(`${name} must be from ${least} to ${LARGEST}, not ${layer[name]}`);
      }
      at = extend(state, layer, at, 0, index);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      problem = `Layer ${index + 1}: ${error.message}.`;
      state.rows.length = kept;
      state.numbers = numbers;
      break;
    }
  }
  const total = (name) => sum(state.rows.map((row) => row[name]));
  return {
    parameters: total("parameters"),
    multiply_adds: total("multiply_adds"),
    memory: total("memory"),
    rows: state.rows,
    field: at.field,
    output: at.shape,
    problem,
  };
}

class Refused extends Error {}

function extend(state, layer, at, depth, index) {
  let { shape, field, jump } = at;
  let [parameters, multiplyAdds] = [0, 0];
  if (layer.layer === "Branches") {
    const ends = layer.paths.map((path) =>
      path.reduce((here, inner) => extend(state, inner, here, depth + 1, index), at),
    );
    const channels = layer.join === "concatenate" ? sum(ends.map((end) => end.shape[0])) : ends[0].shape[0];
    shape = [channels, ...ends[0].shape.slice(1)];
    field = Math.max(...ends.map((end) => end.field));
    jump = ends[0].jump;
  } else {
    const full = { ...USUAL[layer.layer], ...layer };
    [parameters, multiplyAdds] = work(full, shape);
    const next = output(full, shape);
    [field, jump] = sees(full, shape, field, jump);
    shape = next;
  }
  const kind = KIND[layer.layer];
  state.numbers[kind] = (state.numbers[kind] ?? 0) + 1;
  state.rows.push({
    name: `${kind}${state.numbers[kind]}`,
    kind,
    shape,
    parameters,
    multiply_adds: multiplyAdds,
    memory: product(shape) * FLOAT32,
    field,
    jump,
    depth,
    index,
  });
  return { shape, field, jump };
}

function windows(n, { k, stride, pad, dilation, ceil = false }) {
  const reach = dilation * (k - 1) + 1;
  const rest = n + 2 * pad - reach;
  const missing = ceil ? (stride - (((rest % stride) + stride) % stride)) % stride : 0;
  if (rest + missing < 0)
    throw new Refused(
      `a kernel that reaches over ${reach} does not fit into ${n + missing} + 2 * ${pad} = ${n + missing + 2 * pad}`,
    );
  const size = Math.floor((rest + missing) / stride) + 1;
  return size - (missing > 0 && (size - 1) * stride >= n + pad ? 1 : 0);
}

function output(layer, [channels, ...sides]) {
  switch (layer.layer) {
    case "Conv":
      return [layer.filters, ...sides.map((n) => windows(n, layer))];
    case "Pool":
    case "AvgPool":
      return [channels, ...sides.map((n) => windows(n, layer))];
    case "GlobalPool":
      return [channels, 1, 1];
    case "Linear":
      return [layer.units];
    default:
      return [channels, ...sides];
  }
}

// [parameters, multiply-adds]
function work(layer, shape) {
  const [channels] = shape;
  if (layer.layer === "Linear")
    return [layer.units * (product(shape) + (layer.bias ? 1 : 0)), layer.units * product(shape)];
  if (layer.layer === "BatchNorm") return [2 * channels, 0];
  if (layer.layer !== "Conv") return [0, 0];
  const { filters, groups, k, bias } = layer;
  if (channels % groups || filters % groups)
    throw new Refused(`groups=${groups} must divide both c_in=${channels} and c_out=${filters}`);
  const weights = (channels / groups) * k * k;
  return [filters * (weights + (bias ? 1 : 0)), product(output(layer, shape)) * weights];
}

function sees(layer, shape, field, jump) {
  if (["Conv", "Pool", "AvgPool"].includes(layer.layer))
    return [field + (layer.k - 1) * layer.dilation * jump, jump * layer.stride];
  if (["Linear", "GlobalPool"].includes(layer.layer))
    return [field + (Math.max(1, ...shape.slice(1)) - 1) * jump, jump];
  return [field, jump];
}

// The view

const WINDOWS = ["Pool", "AvgPool"];
const FIELDS = [
  // name, label, for which layers, least value
  ["filters", "Filters", ["Conv"], 1],
  ["k", "Kernel F", ["Conv"], 1],
  ["k", "Window F", WINDOWS, 1],
  ["stride", "Stride S", ["Conv", ...WINDOWS], 1],
  ["pad", "Padding P", ["Conv", ...WINDOWS], 0],
  ["dilation", "Dilation", ["Conv"], 1],
  ["groups", "Groups", ["Conv"], 1],
  ["units", "Units", ["Linear"], 1],
];
const NEW = {
  convolution: { layer: "Conv", filters: 64, k: 3, pad: 1 },
  "max pooling": { layer: "Pool", k: 2, stride: 2 },
  "fully connected": { layer: "Linear", units: 10 },
};

// 105415200 as "105 M": three digits are enough to compare.
export function compact(value) {
  const [unit, size] = [
    [" G", 1e9],
    [" M", 1e6],
    [" k", 1e3],
  ].find(([, least]) => value >= 10 * least || (least > 1e3 && value >= least)) ?? ["", 1];
  return unit ? `${Number((value / size).toPrecision(3))}${unit}` : thousands(value);
}

const bytes = (value) => `${compact(value)}${value < 1e4 ? " " : ""}B`;

export default explainer({
  name: "Stack of layers",
  build(ui) {
    let chosen = 0;
    let inside = false;
    const preset = () =>
      Object.entries(ui.get("presets")).find(
        ([, [layers, shape]]) =>
          JSON.stringify([layers, shape]) === JSON.stringify([ui.get("layers"), ui.get("shape")]),
      )?.[0] ?? "";
    ui.presets("Network", Object.keys(ui.get("presets")), preset, (name) => {
      const [layers, shape] = ui.get("presets")[name];
      chosen = 0;
      ui.set({ layers, shape });
    });
    ["Input channels", "Input height", "Input width"].forEach((label, axis) =>
      ui.whole("shape", label, { axis, min: 1 }),
    );
    ui.check(
      "inside of blocks, normalisation",
      () => inside,
      (on) => (inside = on),
      { key: "inside" },
    );

    const table = h("div", { class: "scroller" });
    const heading = h("strong", {});
    const fields = h("fieldset", { "aria-label": "The chosen layer" });
    const buttons = h("div", { class: "bar" });
    ui.stage.append(table, h("div", { class: "pile" }, heading, fields, buttons));
    const layer = () => {
      const layers = ui.get("layers");
      chosen = clamp(chosen, 0, Math.max(0, layers.length - 1));
      return layers[chosen];
    };
    for (const [name, label, kinds, min] of FIELDS) {
      ui.number(label, {
        read: () => layer()[name] ?? USUAL[layer().layer]?.[name],
        key: `layer-${label}`,
        min,
        where: fields,
        write: (value) =>
          ui.set({ layers: ui.get("layers").map((one, i) => (i === chosen ? { ...one, [name]: value } : one)) }),
        shown: () => kinds.includes(layer()?.layer),
      });
    }
    table.addEventListener("keydown", (event) => {
      const move = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!move || !event.target.matches("[data-layer]")) return;
      event.preventDefault();
      const names = [...table.querySelectorAll("[data-layer]")];
      names[clamp(names.indexOf(event.target) + move, 0, names.length - 1)].focus();
      choose(Number(document.activeElement.dataset.layer));
    });
    const choose = (index) => {
      chosen = index;
      ui.changed();
    };
    const place = (offset) => {
      const layers = [...ui.get("layers")];
      if (offset === null) layers.splice(chosen, 1);
      else layers.splice(chosen + 1, 0, offset);
      if (offset !== null) chosen = Math.min(chosen + 1, layers.length - 1);
      ui.set({ layers });
    };
    for (const [label, added] of Object.entries(NEW))
      ui.button(`Add ${label}`, () => place({ ...added }), { where: buttons });
    ui.button("Remove", () => place(null), { where: buttons });

    return () => {
      const layers = ui.get("layers");
      const result = compute({ layers, shape: ui.get("shape") });
      const total = `${thousands(result.parameters)} parameters, ${compact(result.multiply_adds)} multiply-adds, receptive field ${result.field}`;
      ui.say(result.problem || total, Boolean(result.problem));
      table.replaceChildren(draw(result, layers, ui.get("shape"), inside, chosen, choose));
      heading.textContent = layer() ? `Layer ${chosen + 1}: ${words(layer())}` : "No layer yet";
    };
  },
});

function words(layer) {
  const full = { ...USUAL[layer.layer], ...layer };
  const more = [
    full.stride > 1 && `stride ${full.stride}`,
    full.pad > 0 && `pad ${full.pad}`,
    full.dilation > 1 && `dilation ${full.dilation}`,
    full.groups > 1 && `${full.groups} groups`,
  ].filter(Boolean);
  const what = {
    Conv: `${full.filters} of ${full.k}×${full.k}`,
    Pool: `max ${full.k}×${full.k}`,
    AvgPool: `mean ${full.k}×${full.k}`,
    GlobalPool: "mean of each map",
    BatchNorm: "batch norm",
    Linear: `${full.units} units`,
    Branches: full.join === "add" ? "block, added" : "block, concatenated",
  }[full.layer];
  return [what, ...more].join(", ");
}

function draw(result, layers, shape, inside, chosen, choose) {
  const { rows } = result;
  const shown = inside ? rows : folded(rows);
  const most = Math.max(1, ...shown.map((row) => row.parameters));
  const bar = (value) =>
    h("span", { class: "meter", style: `width:${Math.round((60 * value) / most)}px`, "aria-hidden": "true" });
  const reached = rows.length ? rows.at(-1).index + 1 : 0;
  const button = (index, name) =>
    h(
      "button",
      {
        type: "button",
        "data-key": `layer-${index}`,
        "data-layer": index,
        tabindex: index === chosen ? 0 : -1,
        "aria-pressed": String(index === chosen),
        onclick: () => choose(index),
      },
      name,
    );
  const head = ["Layer", "What", "Output", "Parameters", "Multiply-adds", "Memory", "Field", "Jump"];
  return h(
    "table",
    { class: "stack" },
    h("caption", { class: "hidden" }, "Layers of the network"),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        head.map((text) => h("th", { scope: "col", class: text === "What" && "what" }, text)),
      ),
    ),
    h(
      "tbody",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "row" }, "input"),
        h("td", { class: "what" }),
        h("td", {}, across(shape)),
        range(3).map(() => h("td", {})),
        h("td", {}, "1"),
        h("td", {}, "1"),
      ),
      shown.map((row) => {
        const top = row.depth === 0;
        const layer = top ? layers[row.index] : null;
        const name = top ? button(row.index, row.name) : `${"\u2003".repeat(row.depth)}${row.name}`;
        return h(
          "tr",
          { class: row.index === chosen ? "chosen" : null },
          h("th", { scope: "row" }, name),
          h("td", { class: "what" }, layer ? words(layer) : ""),
          h("td", {}, across(row.shape)),
          h("td", {}, bar(row.parameters), thousands(row.parameters)),
          h("td", {}, compact(row.multiply_adds)),
          h("td", {}, bytes(row.memory)),
          h("td", {}, String(row.field)),
          h("td", {}, String(row.jump)),
        );
      }),
      layers.slice(reached, MOST_LAYERS).map((layer, n) =>
        h(
          "tr",
          { class: reached + n === chosen ? "chosen" : null },
          h("th", { scope: "row" }, button(reached + n, KIND[layer.layer])),
          h("td", { class: "what" }, words(layer)),
          range(6).map(() => h("td", {}, "—")),
        ),
      ),
    ),
    h(
      "tfoot",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "row" }, "total"),
        h("td", { class: "what" }),
        h("td", {}, across(result.output)),
        h("td", {}, thousands(result.parameters)),
        h("td", {}, compact(result.multiply_adds)),
        h("td", {}, bytes(result.memory)),
        h("td", {}, String(result.field)),
        h("td", {}),
      ),
    ),
  );
}

// A block and what normalises belong to one row each: their sums, and the last shape.
function folded(rows) {
  const kept = [];
  for (const row of rows) {
    const last = kept.at(-1);
    const open = last && (last.index === row.index || (row.kind === "norm" && row.depth === 0));
    if (!open) {
      kept.push({ ...row, depth: 0 });
      continue;
    }
    for (const name of ["parameters", "multiply_adds", "memory"]) last[name] += row[name];
    if (row.depth === 0 && row.kind !== "norm")
      Object.assign(last, { name: row.name, kind: row.kind, shape: row.shape, field: row.field, jump: row.jump });
  }
  return kept;
}

const across = (shape) => (shape.length === 1 ? String(shape[0]) : `${shape[1]} × ${shape[2]} × ${shape[0]}`);
