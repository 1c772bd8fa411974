"""Some of it is right, some not begun; a name is misspelt, a cell is gone, a cell of its own goes wrong."""

# %% zero_pad
def zero_pad(x, p):
    return np.pad(x, [(0, 0), (0, 0), (p, p), (p, p)], mode="constant")


# %% conv_output_size
def conv_output_size(n, k, stride=1, pad=0, dilation=1):
    if k > n + 2 * pad:
        raise ValueError("too large")
    return (n + 2 * pad - k) // stride + 1


# %% conv_fits
def conv_fit(n, k, stride=1, pad=0, dilation=1):
    return (n + 2 * pad - dilation * (k - 1) - 1) % stride == 0


# %% conv_params
def conv_params(c_in, c_out, k, bias=True, groups=1):
    return c_out * (c_in // groups) * k * k + (1 if bias else 0)


# %% conv_forward_naive
def conv_forward_naive(x, w, b, stride=1, pad=0, dilation=1):
    n, c, height, width = x.shape
    f, _, kh, kw = w.shape
    out = np.zeros((n, f, conv_output_size(height, kh, stride, pad), conv_output_size(width, kw, stride, pad)), x.dtype)
    padded = zero_pad(x, pad)
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            window = padded[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
            out[:, :, i, j] = np.einsum("nchw,fchw->nf", window, w) + b
    return out


# %% after conv_forward_naive
import matplotlib.pyplot as plt

picture = np.outer(np.hanning(24), np.hanning(32))[None, None]
edges = conv_forward_naive(picture, np.array([[[[1.0, 0.0, -1.0]]]]), np.zeros(1))
plt.imshow(edges[0, 0], cmap="gray")
plt.title("falling from left to right")

# %% after conv_forward_naive
# Does it work for two pictures of different sizes?
conv_forward_naive([picture, picture[..., 1:]], np.ones((1, 1, 3, 3)), np.zeros(1))

# %% without conv_1x1

# %% conv_forward
def conv_forward(x, w, b, stride=1, pad=0):
    return conv_forward_naive(x, w, b, stride, pad)
