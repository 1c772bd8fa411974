"""Everything right."""

# %% occlusion_map
def occlusion_map(model, image, target, size, stride):
    h, w = image.shape[1:]
    if size > h or size > w:
        raise ValueError(f"a patch of {size} is larger than the picture, {h} x {w}")
    tops, lefts = range(0, h - size + 1, stride), range(0, w - size + 1, stride)
    batch = image.repeat(len(tops) * len(lefts), 1, 1, 1)
    for n, (top, left) in enumerate((top, left) for top in tops for left in lefts):
        batch[n, :, top : top + size, left : left + size] = 0
    with torch.no_grad():
        return model(batch).softmax(dim=1)[:, target].reshape(len(tops), len(lefts))


# %% saliency
def saliency(model, image, target):
    x = image.detach().clone().unsqueeze(0).requires_grad_(True)
    gradient = torch.autograd.grad(model(x)[0, target], x)[0]
    return gradient[0].abs().max(dim=0).values


# %% grad_cam
def grad_cam(model, layer, image, target):
    module = dict(model.named_modules())[layer]
    outputs = []
    hook = module.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    try:
        score = model(image.unsqueeze(0))[0, target]
    finally:
        hook.remove()
    gradient = torch.autograd.grad(score, outputs[0])[0]
    alpha = gradient.mean(dim=(2, 3), keepdim=True)
    return (alpha * outputs[0]).sum(dim=1)[0].relu().detach()


# %% nearest
def nearest(features, query, k):
    distances = ((features - features[query]) ** 2).sum(axis=1)
    order = np.argsort(distances)
    return order[order != query][:k]


# %% replace_head
def replace_head(model, head, n_classes):
    old = model.get_submodule(head)
    new = nn.Linear(old.in_features, n_classes, device=old.weight.device, dtype=old.weight.dtype)
    *path, last = head.split(".")
    parent = model.get_submodule(".".join(path))
    setattr(parent, last, new)
    return model


# %% freeze_backbone
def freeze_backbone(model, head):
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith(head + ".")
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.0
    return model
