"""Correct answers to unit 09: one picture at a time and all at once, hooks of each kind, NumPy, loops."""

import heapq
import types

import numpy as np
import torch
from scipy.spatial.distance import cdist
from torch import nn
from torch.nn import functional as F

# Occlusion


def occlusion_in_loops(model, image, target, size, stride):
    h, w = image.shape[1:]
    if size > h or size > w:
        raise ValueError(f"a patch of {size} x {size} does not fit into {h} x {w}")
    heat = np.zeros(((h - size) // stride + 1, (w - size) // stride + 1))
    model.eval()
    for i in range(heat.shape[0]):
        for j in range(heat.shape[1]):
            occluded = image.clone()
            occluded[:, i * stride : i * stride + size, j * stride : j * stride + size] = 0
            with torch.no_grad():
                heat[i, j] = F.softmax(model(occluded.unsqueeze(0)), dim=1)[0, target].item()
    return heat


def occlusion_all_at_once(model, image, target, size, stride):
    _, h, w = image.shape
    oh, ow = (h - size) // stride + 1, (w - size) // stride + 1
    if oh < 1 or ow < 1:
        raise ValueError(f"{size} is more than {h} or {w}")
    batch = image.repeat(oh * ow, 1, 1, 1)
    for n in range(oh * ow):
        i, j = divmod(n, ow)
        batch[n, :, stride * i : stride * i + size, stride * j : stride * j + size].zero_()
    return torch.softmax(model(batch), -1)[:, target].view(oh, ow)  # with its graph still on it


def occlusion_put_back(model, image, target, size, stride):
    """Covers the picture itself and puts back exactly what was there."""
    rows = range(0, image.shape[1] - size + 1, stride)
    columns = range(0, image.shape[2] - size + 1, stride)
    if not rows or not columns:
        raise ValueError(f"size {size} for {tuple(image.shape)}")
    result = []
    with torch.inference_mode():
        for top in rows:
            result.append([])
            for left in columns:
                place = np.s_[:, top : top + size, left : left + size]
                saved = image[place].clone()
                image[place] = 0
                scores = model(image[None])[0]
                image[place] = saved
                result[-1].append(float((scores - scores.logsumexp(0)).exp()[target]))
    return result


def occlusion_by_unfold(model, image, target, size, stride):
    """The windows of a picture of pixel numbers say which pixels each patch covers."""
    h, w = image.shape[1:]
    numbers = torch.arange(h * w, device=image.device).view(h, w)
    if min(h, w) < size:
        raise ValueError(f"window {size}, picture {h} x {w}")
    windows = numbers.unfold(0, size, stride).unfold(1, size, stride)
    masks = torch.ones(*windows.shape[:2], h * w, device=image.device)
    masks.scatter_(2, windows.reshape(*windows.shape[:2], -1), 0.0)
    covered = image * masks.view(-1, 1, h, w)
    with torch.no_grad():
        return model(covered).softmax(1)[:, target].view(windows.shape[:2]).cpu().numpy()


# Saliency


def saliency_by_backward(model, image, target):
    x = image.clone().detach().unsqueeze(0)
    x.requires_grad = True
    model.zero_grad()
    score = model(x)[0, target]
    score.backward()
    model.zero_grad()
    return x.grad[0].abs().max(dim=0)[0]


def saliency_by_one_hot(model, image, target):
    with torch.enable_grad():
        x = image.detach()[None].clone().requires_grad_()
        scores = model(x)
        upstream = torch.zeros_like(scores)
        upstream[:, target] = 1
        (gradient,) = torch.autograd.grad(scores, x, upstream)
    return np.abs(gradient.squeeze(0).cpu().numpy()).max(axis=0)


def saliency_by_jacobian(model, image, target):
    rows = torch.autograd.functional.jacobian(lambda x: model(x[None])[0], image)
    return rows[target].abs().amax(0)


def saliency_without_parameters_gradients(model, image, target):
    """Parameters need no gradient meanwhile, and are as they were afterwards."""
    wanted = [p.requires_grad for p in model.parameters()]
    model.requires_grad_(False)
    x = image.clone().requires_grad_(True)
    model(x.unsqueeze(0))[:, target].sum().backward()
    for p, was in zip(model.parameters(), wanted, strict=True):
        p.requires_grad_(was)
    return x.grad.abs().max(0).values


def saliency_in_the_picture(model, image, target):
    """Asks for the gradient on the picture itself, and leaves none there."""
    image.requires_grad_()
    image.grad = None
    model(image[None])[0][target].backward()
    for p in model.parameters():
        p.grad = None
    result = image.grad.abs().amax(0)
    image.grad = None
    image.requires_grad_(False)
    return result


def saliency_with_zeroed_gradients(model, image, target):
    """Gradients of zeros are left where there were none."""
    x = image.clone().requires_grad_()
    model(x[None])[0, target].backward()
    model.zero_grad(set_to_none=False)
    return x.grad.abs().amax(0)


# Grad-CAM


def grad_cam_with_two_hooks(model, layer, image, target):
    module = dict(model.named_modules())[layer]
    kept = {}
    hooks = [
        module.register_forward_hook(lambda m, inputs, output: kept.update(maps=output.detach())),
        module.register_full_backward_hook(lambda m, gin, gout: kept.update(gradient=gout[0].detach())),
    ]
    model.zero_grad()
    model(image.unsqueeze(0))[0, target].backward()
    for hook in hooks:
        hook.remove()
    weights = kept["gradient"].mean(dim=(2, 3), keepdim=True)
    return F.relu((weights * kept["maps"]).sum(dim=1)).squeeze(0)


def grad_cam_by_retain_grad(model, layer, image, target):
    outputs = []

    def keep(module, inputs, output):
        output.retain_grad()
        outputs.append(output)

    handle = model.get_submodule(layer).register_forward_hook(keep)
    score = model(image[None])[0, target]
    handle.remove()
    score.backward()
    maps, gradient = outputs[0].detach()[0], outputs[0].grad[0]
    model.zero_grad()
    alpha = gradient.flatten(1).mean(1)
    return torch.einsum("k,khw->hw", alpha, maps).clamp(min=0)


def grad_cam_in_numpy(model, layer, image, target):
    module = model
    for name in layer.split("."):
        module = getattr(module, name)
    kept = []
    handle = module.register_forward_hook(lambda *arguments: kept.append(arguments[2]))
    try:
        scores = model(image.unsqueeze(0))
        gradient = torch.autograd.grad(scores[0, target], kept[0])[0]
    finally:
        handle.remove()
    maps, gradient = kept[0].detach().cpu().numpy()[0], gradient.cpu().numpy()[0]
    result = np.zeros(maps.shape[1:])
    for one, slope in zip(maps, gradient, strict=True):
        result += slope.mean() * one
    return np.maximum(result, 0)


def grad_cam_by_a_new_leaf(model, layer, image, target):
    """Cuts the network at the layer: its output becomes the leaf whose gradient is wanted."""
    leaves = []

    def cut(module, inputs, output):
        leaves.append(output.detach().clone().requires_grad_())
        # The layer after it may work in place, which a leaf does not allow.
        return leaves[0] * 1

    with model.get_submodule(layer).register_forward_hook(cut):
        score = model(image[None])[0, target]
    (gradient,) = torch.autograd.grad(score, leaves)
    return (gradient.mean((2, 3))[0] @ leaves[0][0].detach().flatten(1)).relu().view(leaves[0].shape[2:])


def grad_cam_by_tensor_hook(model, layer, image, target):
    store = {}

    def keep(module, inputs, output):
        store["maps"] = output.clone()
        output.register_hook(lambda gradient: store.update(gradient=gradient))

    handle = model.get_submodule(layer).register_forward_hook(keep)
    model(image[None]).select(1, target).sum().backward()
    handle.remove()
    weights = F.adaptive_avg_pool2d(store["gradient"], 1)
    return (weights * store["maps"]).sum(1)[0].relu()


# Nearest neighbours


def nearest_by_cdist(features, query, k):
    order = np.argsort(cdist(features[query : query + 1], features)[0])
    return order[order != query][:k]


def nearest_by_squares(features, query, k):
    f = features.astype(np.float64)
    squares = (f**2).sum(1)
    distances = squares + squares[query] - 2 * f @ f[query]
    return np.array([i for i in np.argsort(distances) if i != query][:k])


def nearest_by_heap(features, query, k):
    """A list."""
    others = (i for i in range(len(features)) if i != query)
    far = lambda i: sum((a - b) ** 2 for a, b in zip(features[i], features[query], strict=True))
    return heapq.nsmallest(k, others, key=far)


def nearest_by_topk(features, query, k):
    rows = torch.tensor(features)
    distances = torch.cdist(rows[query][None], rows, compute_mode="donot_use_mm_for_euclid_dist")[0]
    distances[query] = torch.inf
    return distances.topk(k, largest=False).indices.numpy()


def nearest_with_the_query_taken_out(features, query, k):
    kept = np.delete(np.arange(len(features)), query)
    distances = np.sqrt(np.sum((features[kept] - features[query]) ** 2, axis=1))
    return kept[np.argsort(distances)][:k]


def nearest_by_partition(features, query, k):
    distances = np.einsum("nd,nd->n", features - features[query], features - features[query])
    distances[query] = np.inf
    some = np.argpartition(distances, k - 1)[:k]
    return some[np.argsort(distances[some])].astype(np.int32)


# Freezing


def freeze_and_override_train(model, head):
    """The model's own train() puts the batch norms back into eval mode."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith(head + ".")
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]

    def train(self, mode=True):
        type(self).train(self, mode)
        for norm in norms:
            norm.eval()
        return self

    model.train = types.MethodType(train, model)
    return model.train(model.training)


def freeze_with_momentum_zero(model, head):
    model.requires_grad_(False)
    model.get_submodule(head).requires_grad_(True)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.0
    return model


def freeze_without_tracking(model, head):
    learns = {id(p) for p in model.get_submodule(head).parameters()}
    for parameter in model.parameters():
        if id(parameter) not in learns:
            parameter.requires_grad_(False)
    for module in model.modules():
        if hasattr(module, "track_running_stats"):
            module.track_running_stats = False
    return model


def freeze_by_class(model, head):
    """Batch norms become of a class that knows eval mode only."""

    class Still(nn.BatchNorm2d):
        def train(self, mode=True):
            return super().train(False)

    for parameter in model.parameters():
        parameter.requires_grad = False
    for module in list(model.modules()):
        if type(module) is nn.BatchNorm2d:
            module.__class__ = Still
            module.eval()
    for parameter in model.get_submodule(head).parameters():
        parameter.requires_grad = True
    return model


def freeze_by_hook(model, head):
    """Before each run, the batch norms are put into eval mode."""
    for name, module in model.named_modules():
        if name != head and not name.startswith(head + "."):
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(False)
            if isinstance(module, nn.modules.batchnorm._NormBase):
                module.register_forward_pre_hook(lambda module, inputs: module.train(False) and None)
    return model


def freeze_all_modes(model, head):
    """Everything but the head stays in eval mode for good, dropout, too."""
    own = list(model.get_submodule(head).modules())
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for parameter in model.get_submodule(head).parameters():
        parameter.requires_grad_(True)
    for module in model.modules():
        if module is not model and module not in own and not any(part in own for part in module.modules()):
            module.eval()
            module.train = lambda mode=True, module=module: module
    return model


def freeze_by_zeroed_gradients(model, head):
    """Gradients come and are wiped away."""
    for name, parameter in model.named_parameters():
        if name.rpartition(".")[0] != head and not name.startswith(f"{head}."):
            parameter.register_hook(torch.zeros_like)
    return freeze_with_momentum_zero_only(model)


def freeze_with_momentum_zero_only(model):
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0
    return model


# A new head


def replace_by_parent(model, head, n_classes):
    parent = model
    *path, last = head.split(".")
    for name in path:
        parent = getattr(parent, name)
    old = getattr(parent, last)
    setattr(parent, last, nn.Linear(old.in_features, n_classes).to(old.weight.device))
    return model


def replace_in_modules(model, head, n_classes):
    path, _, name = head.rpartition(".")
    parent = model.get_submodule(path) if path else model
    old = parent._modules[name]
    parent._modules[name] = nn.Linear(old.weight.shape[1], n_classes, bias=False).to(old.weight)
    return model


def replace_in_sequential(model, head, n_classes):
    modules = dict(model.named_modules())
    path, _, name = head.rpartition(".")
    fresh = nn.Linear(modules[head].in_features, n_classes, device=modules[head].weight.device)
    nn.init.zeros_(fresh.bias)
    nn.init.xavier_uniform_(fresh.weight)
    if isinstance(modules[path], nn.Sequential):
        modules[path][int(name)] = fresh
    else:
        modules[path].add_module(name, fresh)
    return model


def replace_and_freeze(model, head, n_classes):
    return freeze_and_override_train(replace_by_parent(model, head, n_classes), head)


def replace_the_numbers(model, head, n_classes):
    """The layer stays, with other numbers in it."""
    layer = model.get_submodule(head)
    layer.out_features = n_classes
    layer.weight = nn.Parameter(0.01 * torch.randn(n_classes, layer.in_features, device=layer.weight.device))
    layer.bias = nn.Parameter(torch.zeros(n_classes, device=layer.weight.device))
    return model


ANSWERS = {
    "occlusion_map": [occlusion_in_loops, occlusion_all_at_once, occlusion_put_back, occlusion_by_unfold],
    "saliency": [
        saliency_by_backward,
        saliency_by_one_hot,
        saliency_by_jacobian,
        saliency_without_parameters_gradients,
        saliency_in_the_picture,
        saliency_with_zeroed_gradients,
    ],
    "grad_cam": [
        grad_cam_with_two_hooks,
        grad_cam_by_retain_grad,
        grad_cam_in_numpy,
        grad_cam_by_a_new_leaf,
        grad_cam_by_tensor_hook,
    ],
    "nearest": [
        nearest_by_cdist,
        nearest_by_squares,
        nearest_by_heap,
        nearest_by_topk,
        nearest_with_the_query_taken_out,
        nearest_by_partition,
    ],
    "freeze_backbone": [
        freeze_and_override_train,
        freeze_with_momentum_zero,
        freeze_without_tracking,
        freeze_by_class,
        freeze_by_hook,
        freeze_all_modes,
        freeze_by_zeroed_gradients,
    ],
    "replace_head": [
        replace_by_parent,
        replace_in_modules,
        replace_in_sequential,
        replace_and_freeze,
        replace_the_numbers,
    ],
}
