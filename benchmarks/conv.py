"""The course's convolution layer in NumPy beside torch's, forward and backward, on the CPU in float32.

    python benchmarks/conv.py [--threads N] [--seconds S] [--save]

Timed are the solutions themselves: ``conv_forward`` and ``im2col`` of unit 03, ``conv_backward`` and ``col2im`` of unit
05, with unit 03's ``im2col`` where the lesson takes the package's. torch runs its convolution and the gradients of
input, filters and biases. Both get N threads, 1 unless told otherwise: NumPy uses more in its matrix products only.
The runners take turns for S seconds a shape, and the fastest lap of each counts, since other programs only ever slow a
lap down; with one thread it is processor time that is read, which they disturb less. "products alone" is the time of
the layer's three matrix products in NumPy, again as a ratio to torch: what lies between is copying.

A second table adds loops over windows and over single elements, on a shape small enough for them.

Which of its kernels OpenBLAS takes depends on the processor; OPENBLAS_VERBOSE=2 in the environment prints it, and on a
processor that it does not know OPENBLAS_CORETYPE can set a newer one. The table is about what a student gets unasked.
"""

import argparse
import os
import statistics
import time

import results

SHAPES = {  # images, filters, stride, pad
    "LeNet-5, first layer": ((64, 1, 28, 28), (6, 1, 5, 5), 1, 2),
    "ConvNetJS on CIFAR-10, first": ((32, 3, 32, 32), (16, 3, 5, 5), 1, 2),
    "ConvNetJS on CIFAR-10, second": ((32, 16, 16, 16), (20, 16, 5, 5), 1, 2),
    "large case of the checks": ((32, 32, 40, 48), (32, 32, 3, 3), 1, 0),
    "AlexNet, first layer": ((4, 3, 227, 227), (96, 3, 11, 11), 4, 0),
    "VGG, second stage": ((4, 64, 56, 56), (64, 64, 3, 3), 1, 1),
    "ResNet, between stages": ((8, 64, 56, 56), (128, 64, 3, 3), 2, 1),
    "ResNet, deep": ((8, 256, 14, 14), (256, 256, 3, 3), 1, 1),
    "bottleneck, 1 x 1": ((16, 128, 28, 28), (64, 128, 1, 1), 1, 0),
}
SMALL = ((1, 16, 16, 18), (8, 16, 3, 3), 1, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="for NumPy and for torch alike (default: 1)")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each shape (default: 3)")
    parser.add_argument("--save", action="store_true", help="keep the tables and a picture for the site")
    arguments = parser.parse_args()
    # Read once, when NumPy and torch are loaded.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(arguments.threads)

    import numpy as np
    import torch

    torch.set_num_threads(arguments.threads)
    layer = solutions()
    rng = np.random.default_rng(0)
    threads = f"{arguments.threads} thread{'s' * (arguments.threads > 1)} each"
    setting = f"NumPy {np.__version__} with {blas(np)}, torch {torch.__version__}, {threads}"

    rows = []
    for name, shape in SHAPES.items():
        case = draw(rng, layer, *shape)
        fastest = race({"torch": with_torch(*case), **with_numpy(layer, *case)}, arguments.seconds)
        ratio, products = (fastest[runner] / fastest["torch"] for runner in ("NumPy", "products"))
        sizes = (" x ".join(map(str, sizes)) for sizes in shape[:2])
        times = (f"{1000 * fastest[runner]:.2f}" for runner in ("torch", "NumPy"))
        rows.append((name, *sizes, *shape[2:], *times, f"{ratio:.2f}", f"{products:.2f}"))
    ratios = [float(row[-2]) for row in rows]
    summary = f"Ratio: median {statistics.median(ratios):.2f}, worst {max(ratios):.2f}."
    show("conv", "A convolution layer in NumPy beside torch", COLUMNS, rows, f"{setting}. {summary}", arguments.save)

    case = draw(rng, layer, *SMALL)
    runners = {"torch": with_torch(*case), "NumPy": with_numpy(layer, *case)["NumPy"]}
    runners |= {"loops over windows": with_windows(layer, *case), "loops over single elements": with_elements(*case)}
    fastest = race(runners, arguments.seconds)
    rows = [(name, f"{1000 * took:.2f}", f"{took / fastest['torch']:.1f}") for name, took in fastest.items()]
    shape = "Images {}, filters {}, stride {}, pad {}".format(*SMALL)
    show("conv-loops", "Loops beside matrix products", ("layer", "ms", "times torch"), rows, shape, arguments.save)


COLUMNS = ("layer", "images", "filters", "stride", "pad", "torch ms", "NumPy ms", "ratio", "products alone")


def show(name, title, columns, rows, note, save):
    """Print a table; with ``save`` keep it for the site, too, with a bar for each row's time as a ratio to torch's."""
    results.show(title, columns, rows, note)
    if save:
        ratios = {row[0]: float(row[columns.index("ratio" if "ratio" in columns else "times torch")]) for row in rows}
        told = "; ".join(f"{layer}: {ratio:g}" for layer, ratio in ratios.items())
        results.save(name, title, columns, rows, note, bars(ratios), f"Times torch's, as bars. {told}.")


def bars(ratios):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 0.6 + 0.36 * len(ratios)), layout="constrained")
    axes = figure.subplots()
    drawn = axes.barh(list(ratios), list(ratios.values()), color="#0072b2")
    axes.bar_label(drawn, fmt="%g", padding=3)
    axes.axvline(1, color="0.4", linewidth=1)
    axes.set_xscale("log" if max(ratios.values()) > 20 else "linear")
    axes.set_xlabel("time, as a multiple of torch's")
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def solutions():
    """The namespace of unit 05's solutions, with what it takes from unit 03 in it."""
    from autograder import build, selftest

    forward, backward = (
        selftest.definitions(build.source_notebook(build.ROOT / "solutions" / unit / f"{unit}.py"))
        for unit in ("03-conv-forward", "05-conv-backward")
    )
    backward |= {name: forward[name] for name in ("im2col", "conv_forward", "conv_forward_naive")}
    return backward


def draw(rng, layer, images, filters, stride, pad):
    """``(x, w, b, dout, stride, pad)`` of a layer."""
    x, w, b = (rng.standard_normal(shape, "float32") for shape in (images, filters, filters[:1]))
    dout = rng.standard_normal(layer["conv_forward"](x, w, b, stride, pad).shape, "float32")
    return x, w, b, dout, stride, pad


def with_torch(x, w, b, dout, stride, pad):
    import torch

    leaves, upstream = [torch.tensor(a, requires_grad=True) for a in (x, w, b)], torch.tensor(dout)

    def run():
        y = torch.nn.functional.conv2d(*leaves, stride, pad)
        gradients = torch.autograd.grad(y, leaves, upstream)
        return [t.detach().numpy() for t in (y, *gradients)]

    return run


def with_numpy(layer, x, w, b, dout, stride, pad):
    """Two runners: the solutions, and their matrix products alone, on as many images at a time as they take."""
    import numpy as np

    def run():
        y = layer["conv_forward"](x, w, b, stride, pad)
        return y, *layer["conv_backward"](dout, x, w, stride, pad)

    few = min(len(x), max(1, 2**19 // (w[0].size * dout[0, 0].size)))
    rows = w.reshape(len(w), -1)
    cols = layer["im2col"](x[:few], *w.shape[2:], stride, pad)
    delta = np.ascontiguousarray(dout[:few].swapaxes(0, 1)).reshape(len(w), -1)

    def products():
        for _ in range(0, len(x), few):
            rows @ cols, delta @ cols.T, rows.T @ delta

    return {"NumPy": run, "products": products}


def with_windows(layer, x, w, b, dout, stride, pad):
    """Loops over the windows of each image and filter."""
    import numpy as np

    kh, kw = w.shape[2:]

    def run():
        y = layer["conv_forward_naive"](x, w, b, stride, pad)
        padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        dx, dw = np.zeros_like(padded), np.zeros_like(w)
        for n, f, i, j in np.ndindex(dout.shape):
            window = np.s_[n, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
            dw[f] += dout[n, f, i, j] * padded[window]
            dx[window] += dout[n, f, i, j] * w[f]
        return y, dx[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]], dw, dout.sum((0, 2, 3))

    return run


def with_elements(x, w, b, dout, stride, pad):
    """Every multiplication by itself, on lists of numbers: what the formulas say, and nothing else."""
    import numpy as np

    images, filters, biases, upstream = x.tolist(), w.tolist(), b.tolist(), dout.tolist()
    (channels, height, width), (kh, kw) = x.shape[1:], w.shape[2:]

    def run():
        y = np.zeros(dout.shape).tolist()
        dx, dw, db = (np.zeros(shape).tolist() for shape in (x.shape, w.shape, b.shape))
        for n, f, i, j in np.ndindex(dout.shape):
            total, delta = biases[f], upstream[n][f][i][j]
            db[f] += delta
            for c in range(channels):
                for u in range(kh):
                    row = i * stride + u - pad
                    for v in range(kw):
                        column = j * stride + v - pad
                        if 0 <= row < height and 0 <= column < width:
                            total += filters[f][c][u][v] * images[n][c][row][column]
                            dw[f][c][u][v] += delta * images[n][c][row][column]
                            dx[n][c][row][column] += delta * filters[f][c][u][v]
            y[n][f][i][j] = total
        return tuple(map(np.array, (y, dx, dw, db)))

    return run


def race(runners, seconds):
    """Seconds of the fastest lap of each runner; refuses those that do not agree with torch."""
    import numpy as np

    expected = runners["torch"]()
    for name, run in runners.items():
        for got, right in zip(run() or (), expected, strict=False):
            slack = 1e-3 * np.abs(right).max()
            if got.shape != right.shape or not np.allclose(got, right, rtol=1e-3, atol=slack):
                raise SystemExit(f"{name} and torch disagree")
    clock = time.process_time if os.environ["OMP_NUM_THREADS"] == "1" else time.perf_counter
    fastest, started = dict.fromkeys(runners, float("inf")), time.perf_counter()
    while time.perf_counter() < started + seconds:
        for name, run in runners.items():
            begun = clock()
            run()
            fastest[name] = min(fastest[name], clock() - begun)
    return fastest


def blas(np):
    """Name and version of NumPy's linear algebra."""
    library = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{library['name']} {library['version']}"


if __name__ == "__main__":
    main()
