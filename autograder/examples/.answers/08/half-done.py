"""Some of it is right, some not begun; layers in a plain list, a cell gone, and k that nobody looks at."""

# %% top_k_accuracy
def top_k_accuracy(scores, y, k):
    return (scores.argmax(1) == y).mean()


# %% layer_table
def layer_table(layers, input_shape):
    c, h, w = input_shape
    numbers = {"conv": 0, "pool": 0, "fc": 0}
    rows = []
    for kind, *how in layers:
        numbers[kind] += 1
        n = 0
        if kind == "conv":
            filters, k, stride, pad, groups = how + [1, 0, 1][len(how) - 2 :]
            n = filters * (c * k * k + 1)
            c, h, w = filters, (h + 2 * pad - k) // stride + 1, (w + 2 * pad - k) // stride + 1
        elif kind == "pool":
            h, w = (h - how[0]) // how[1] + 1, (w - how[0]) // how[1] + 1
        else:
            n = how[0] * (c * h * w + 1)
            c, h, w = how[0], 1, 1
        rows.append((f"{kind}{numbers[kind]}", (c,) if kind == "fc" else (c, h, w), n))
    return rows


# %% after layer_table
# How large is LeNet-5?
sum(n for _, _, n in layer_table([("conv", 6, 5), ("pool", 2, 2), ("conv", 16, 5)], (1, 32, 32)))

# %% vgg
def vgg(configuration):
    raise NotImplementedError("not written yet")


# %% without zfnet

# %% dense_block
class dense_block(nn.Module):
    def __init__(self, c_in, growth, n):
        super().__init__()
        self.layers = [nn.Conv2d(c_in + i * growth, growth, 3, padding=1) for i in range(n)]

    def forward(self, x):
        for layer in self.layers:
            x = torch.cat([x, F.relu(layer(x))], 1)
        return x


# %% resnext_block
def resnext_block(c_in, c_out, stride=1, groups=32, width=4):
    raise NotImplementedError("not written yet")


# %% se_block
class se_block(nn.Module):
    def __init__(self, c, r=16):
        super().__init__()
        self.one, self.two = nn.Linear(c, c // r), nn.Linear(c // r, c)

    def forward(self, x):
        z = x.mean((2, 3)).squeeze()
        return x * torch.sigmoid(self.two(self.one(z)))[..., None, None]


# %% ten_crop
def ten_crop(images, size):
    h, w = images.shape[2:]
    flipped = torch.flip(images, [2])
    crops = []
    for x in (images, flipped):
        for i, j in ((0, 0), (0, w - size), (h - size, 0), (h - size, w - size), ((h - size) // 2, (w - size) // 2)):
            crops.append(x[:, :, i : i + size, j : j + size])
    return torch.stack(crops, 1)


# %% linear_to_conv
def linear_to_conv(linear, in_shape):
    conv = nn.Conv2d(in_shape[0], linear.out_features, in_shape[1:])
    conv.weight.data = linear.weight.data.reshape(conv.weight.shape)
    conv.bias.data = linear.bias.data
    return conv
