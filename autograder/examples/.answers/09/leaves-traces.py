"""Right at first sight, but what it touches is not as it was: pictures stay covered, gradients stay behind."""

# %% occlusion_map
def occlusion_map(model, image, target, size, stride):
    h, w = image.shape[1:]
    if size > min(h, w):
        raise ValueError(f"{size} is larger than {min(h, w)}")
    heat = torch.zeros((h - size) // stride + 1, (w - size) // stride + 1)
    with torch.no_grad():
        for i in range(heat.shape[0]):
            for j in range(heat.shape[1]):
                image[:, i * stride : i * stride + size, j * stride : j * stride + size] = 0
                heat[i, j] = model(image[None]).softmax(1)[0, target]
    return heat


# %% saliency
def saliency(model, image, target):
    x = image.clone().requires_grad_()
    model(x[None])[0, target].backward()
    return x.grad.abs().amax(0)


# %% grad_cam
def grad_cam(model, layer, image, target):
    kept = {}
    module = model.get_submodule(layer)
    module.register_forward_hook(lambda module, inputs, output: kept.update(maps=output))
    model(image[None])[0, target].backward(retain_graph=True)
    gradient = torch.autograd.grad(model(image[None])[0, target], kept["maps"])[0]
    return (gradient * kept["maps"])[0].sum(0).relu()


# %% freeze_backbone
def freeze_backbone(model, head):
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith(head + ".")
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    return model


# %% replace_head
def replace_head(model, head, n_classes):
    new = nn.Linear(model.get_submodule(head).in_features, n_classes)
    setattr(model, head, new)
    return model
