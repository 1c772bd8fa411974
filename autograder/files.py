"""Writing files whole or not at all."""

import os


def write_atomically(path, content):
    """Write text, as UTF-8, or bytes into a file; makes its folder. Whoever reads finds the old file or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.replace(beside, path)
