"""Loading large libraries."""

import contextlib
import gc


@contextlib.contextmanager
def without_collection():
    """Load libraries in the block faster: nearly nothing that they make can be collected, then or later.

    Nor will a fork copy it, as it does with what a collection looks at.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
