"""What workers are made of, imported once by the process that they are forked from."""

from autograder.loading import without_collection

with without_collection():
    import torch  # noqa: F401

    from autograder import worker  # noqa: F401
