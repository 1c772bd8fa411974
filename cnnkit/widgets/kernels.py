"""A picture under a 3 x 3 kernel: the arithmetic of ``KernelLab``; ``kernel_lab.js`` says the same in JavaScript."""

import numpy as np

PRESETS = {
    "identity": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
    "box blur": [[1 / 9] * 3] * 3,
    "Gaussian": [[1 / 16, 2 / 16, 1 / 16], [2 / 16, 4 / 16, 2 / 16], [1 / 16, 2 / 16, 1 / 16]],
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "Sobel, to the right": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "Sobel, downwards": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
    "Laplace": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    "emboss": [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]],
}
LARGEST = 512


def describe(lab):
    """The picture after correlation with the kernel, or with the kernel turned by 180 degrees.

    Args:
        lab: a dict with ``image (H, W)`` as nested lists, ``kernel (3, 3)`` and ``flip``, whether the kernel is turned,
            as a true convolution has it.

    Returns:
        A dict: ``problem``, a sentence, or ""; ``output (H - 2, W - 2)``; ``low`` and ``high``, its extremes;
        ``total``, the sum of the kernel; ``signed``, whether the output is drawn with gray for 0, as a kernel that
        sums to nothing asks for, or from black, 0, to white, 1.
    """
    image, kernel = lab["image"], lab["kernel"]
    height, width = len(image), len(image[0]) if image else 0
    problem = ""
    if [len(kernel), *map(len, kernel)] != [3, 3, 3, 3]:
        problem = "The kernel must be 3 × 3."
    elif min(height, width) < 3:
        problem = f"A window of 3 does not fit into {height} × {width}."
    elif max(height, width) > LARGEST:
        problem = f"{height} × {width} pixels are too many; up to {LARGEST} × {LARGEST} can be shown."
    if problem:
        return {"problem": problem, "output": [], "low": 0, "high": 0, "total": 0, "signed": False}
    x, w = np.asarray(image, float), np.asarray(kernel, float)
    w = w[::-1, ::-1] if lab["flip"] else w
    output = sum(w[i, j] * x[i : height - 2 + i, j : width - 2 + j] for i in range(3) for j in range(3))
    total = float(w.sum())
    return {
        "problem": "",
        "output": output.tolist(),
        "low": float(output.min()),
        "high": float(output.max()),
        "total": total,
        "signed": abs(total) < 1e-9,
    }
