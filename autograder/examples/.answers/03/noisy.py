"""Everything right, with warnings, prints and things on stderr: none of it costs marks."""

# %% zero_pad
import sys
import warnings


def zero_pad(x, p):
    warnings.warn("the border is made of zeros", UserWarning)
    return np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))


print("zero_pad is done", file=sys.stderr)


# %% receptive_field
def receptive_field(layers):
    size, jump = 1, 1
    for k, stride, *rest in layers:
        size += (k - 1) * (rest[0] if rest else 1) * jump
        jump *= stride
        print("after this layer one value sees", size, "pixels")
    np.log(np.zeros(1))
    np.array([200, 100], np.uint8) * np.uint8(2)
    return size


# %% after receptive_field
warnings.warn("three 3x3 layers see as much as one 7x7", UserWarning)
receptive_field([(3, 1), (3, 1), (3, 1)])
