"""One function never comes back; everything else is right."""

# %% receptive_field
def receptive_field(layers):
    size = 1
    while layers:
        k, stride, *rest = layers[-1]
        size = (size - 1) * stride + (rest[0] if rest else 1) * (k - 1) + 1
    return size
