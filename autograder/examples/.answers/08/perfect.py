"""Everything right, as someone who has used torch for a while would write it."""

# %% top_k_accuracy
def top_k_accuracy(scores, y, k):
    best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    return float(np.mean([label in row for label, row in zip(y, best)]))


# %% layer_table
def layer_table(layers, input_shape):
    rows, shape, seen = [], tuple(input_shape), []
    for kind, *numbers in layers:
        seen.append(kind)
        name = f"{kind}{seen.count(kind)}"
        if kind == "fc":
            parameters, shape = numbers[0] * (math.prod(shape) + 1), (numbers[0],)
        else:
            filters = numbers.pop(0) if kind == "conv" else shape[0]
            k, stride, pad, groups = (*numbers, *(1, 0, 1)[len(numbers) - 1 :])
            if min(shape[1:]) + 2 * pad < k:
                raise ValueError(f"{name}: a window of {k} on {shape[1:]} padded by {pad}")
            parameters = filters * (shape[0] * k * k // groups + 1) if kind == "conv" else 0
            shape = (filters, *((n + 2 * pad - k) // stride + 1 for n in shape[1:]))
        rows.append((name, shape, parameters))
    return rows


# %% lenet5
class lenet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc3(F.relu(self.fc2(x)))


# %% alexnet
def stack(layers, n_in):
    """Convolutions (filters, k, stride, pad, groups) with ReLU, and "max" poolings; then AlexNet's head."""
    modules, c = [], 3
    for layer in layers:
        if layer == "max":
            modules.append(nn.MaxPool2d(3, 2))
            continue
        filters, k, stride, pad, groups = layer
        modules += [nn.Conv2d(c, filters, k, stride, pad, groups=groups), nn.ReLU(inplace=True)]
        c = filters
    head = [nn.Flatten(), nn.Linear(n_in, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000)]
    return nn.Sequential(*modules, *head)


def alexnet(groups=2):
    layers = [(96, 11, 4, 0, 1), "max", (256, 5, 1, 2, groups), "max"]
    layers += [(384, 3, 1, 1, 1), (384, 3, 1, 1, groups), (256, 3, 1, 1, groups), "max"]
    return stack(layers, 9216)


# %% linear_to_conv
def linear_to_conv(linear, in_shape):
    conv = nn.Conv2d(in_shape[0], linear.out_features, in_shape[1:], bias=linear.bias is not None)
    conv.weight = nn.Parameter(linear.weight.detach().reshape(-1, *in_shape).clone())
    if linear.bias is not None:
        conv.bias = nn.Parameter(linear.bias.detach().clone())
    return conv


# %% ten_crop
def ten_crop(images, size):
    def five(x):
        i, j = (x.shape[2] - size) // 2, (x.shape[3] - size) // 2
        centre = x[:, :, i : i + size, j : j + size]
        return [x[..., :size, :size], x[..., :size, -size:], x[..., -size:, :size], x[..., -size:, -size:], centre]

    return torch.stack(five(images) + five(images.flip(-1)), dim=1)


# %% average_predictions
def average_predictions(model, crops):
    with torch.no_grad():
        return torch.stack([model(ten).softmax(-1).mean(0) for ten in crops])


# %% zfnet
class zfnet(nn.Module):
    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(3, 96, 7, 2, 1), nn.Conv2d(96, 256, 5, 2)])
        self.convs.extend(nn.Conv2d(a, b, 3, padding=1) for a, b in ((256, 384), (384, 384), (384, 256)))
        self.fcs = nn.ModuleList([nn.Linear(9216, 4096), nn.Linear(4096, 4096), nn.Linear(4096, 1000)])

    def forward(self, x):
        for i, conv in enumerate(self.convs):
            x = F.relu(conv(x))
            if i in (0, 1, 4):
                x = F.max_pool2d(x, 3, 2, padding=0 if i == 4 else 1)
        x = x.flatten(1)
        x = F.dropout(F.relu(self.fcs[0](x)), training=self.training)
        x = F.dropout(F.relu(self.fcs[1](x)), training=self.training)
        return self.fcs[2](x)


# %% vgg
def vgg(configuration):
    counts = {"A": (1, 1, 2, 2, 2), "B": (2, 2, 2, 2, 2), "E": (2, 2, 4, 4, 4)}.get(configuration, (2, 2, 3, 3, 3))
    net, c = nn.Sequential(), 3
    for stage, count in enumerate(counts):
        for i in range(count):
            k = 1 if configuration == "C" and i == 2 else 3
            width = (64, 128, 256, 512, 512)[stage]
            net.append(nn.Conv2d(c, width, k, padding="same")).append(nn.ReLU(inplace=True))
            c = width
        net.append(nn.MaxPool2d(2))
    for layer in (nn.Flatten(), nn.Linear(25088, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000)):
        net.append(layer)
    return net


# %% inception_block
class inception_block(nn.Module):
    def __init__(self, c_in, c1, c3r, c3, c5r, c5, cp):
        super().__init__()
        unit = lambda a, b, k: nn.Sequential(nn.Conv2d(a, b, k, padding=k // 2, bias=False), nn.BatchNorm2d(b), nn.ReLU())
        self.b1 = unit(c_in, c1, 1)
        self.b3 = nn.Sequential(unit(c_in, c3r, 1), unit(c3r, c3, 3))
        self.b5 = nn.Sequential(unit(c_in, c5r, 1), unit(c5r, c5, 5))
        self.bp = nn.Sequential(nn.MaxPool2d(3, 1, 1), unit(c_in, cp, 1))

    def forward(self, x):
        return torch.cat((self.b1(x), self.b3(x), self.b5(x), self.bp(x)), 1)


# %% residual_block
class residual_block(nn.Module):
    def __init__(self, c_in, c_out, stride=1):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(c_out),
        )
        self.skip = None
        if stride > 1 or c_in != c_out:
            self.skip = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x):
        return torch.relu(self.body(x) + (x if self.skip is None else self.skip(x)))


# %% resnext_block
class resnext_block(nn.Module):
    def __init__(self, c_in, c_out, stride=1, groups=32, width=4):
        super().__init__()
        d = groups * width
        self.body = nn.Sequential(
            *(nn.Conv2d(c_in, d, 1, bias=False), nn.BatchNorm2d(d), nn.ReLU()),
            *(nn.Conv2d(d, d, 3, stride, 1, groups=groups, bias=False), nn.BatchNorm2d(d), nn.ReLU()),
            *(nn.Conv2d(d, c_out, 1, bias=False), nn.BatchNorm2d(c_out)),
        )
        self.skip = nn.Sequential()
        if stride > 1 or c_in != c_out:
            self.skip = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x):
        return torch.relu(self.body(x) + self.skip(x))


# %% dense_block
class dense_block(nn.Module):
    def __init__(self, c_in, growth, n):
        super().__init__()
        widths = [c_in + i * growth for i in range(n)]
        self.norms = nn.ModuleList(nn.BatchNorm2d(c) for c in widths)
        self.convs = nn.ModuleList(nn.Conv2d(c, growth, 3, padding=1, bias=False) for c in widths)

    def forward(self, x):
        maps = [x]
        for norm, conv in zip(self.norms, self.convs):
            maps.append(conv(F.relu(norm(torch.cat(maps, 1)))))
        return torch.cat(maps, 1)


# %% se_block
class se_block(nn.Module):
    def __init__(self, c, r=16):
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(c, c // r, 1), nn.ReLU(), nn.Conv2d(c // r, c, 1), nn.Sigmoid()
        )

    def forward(self, x):
        return x * self.gate(x)
