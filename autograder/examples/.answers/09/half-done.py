"""Scores where probabilities are asked for, one exercise not begun, batch norms forgotten; a cell of its own goes wrong."""

# %% occlusion_map
def occlusion_map(model, image, target, size, stride):
    h, w = image.shape[1:]
    heat = torch.zeros((h - size) // stride + 1, (w - size) // stride + 1)
    for i in range(heat.shape[0]):
        for j in range(heat.shape[1]):
            x = image.clone()
            x[:, i * stride : i * stride + size, j * stride : j * stride + size] = 0
            heat[i, j] = model(x[None])[0, target]
    return heat


# %% after occlusion_map
# What does it do to a picture?
occlusion_map(nn.Flatten(), torch.ones(1, 4, 4), 3, 2)

# %% grad_cam
def grad_cam(model, layer, image, target):
    raise NotImplementedError("not written yet")


# %% nearest
def nearest(features, query, k):
    distances = np.linalg.norm(features - features[query], axis=1)
    return np.argsort(distances)[1 : k + 1]


# %% without replace_head

# %% freeze_backbone
def freeze_backbone(model, head):
    for parameter in model.parameters():
        parameter.requires_grad = False
    for parameter in model.get_submodule(head).parameters():
        parameter.requires_grad = True
    return model
