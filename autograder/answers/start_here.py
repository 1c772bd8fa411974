"""Correct answers to unit 00."""

import numpy as np

ANSWERS = {
    "practice": [
        lambda x: x + x,
        lambda x: np.multiply(x, 2, dtype=x.dtype),
        lambda x: np.stack([x, x]).sum(axis=0),
    ]
}
