"""Writing files whole or not at all."""

import contextlib
import os


def write_atomically(path, content):
    """Write text, as UTF-8, or bytes into a file; makes its folder. Whoever reads finds the old file or the new.

    Raises:
        OSError: with the name of the file, of which nothing is left then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_bytes(content if isinstance(content, bytes) else content.encode())
        os.replace(beside, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        error.filename = str(path)
        raise
