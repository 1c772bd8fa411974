"""The data of the course.

What comes with it always works, without a network: ``digits``, ``photo``, ``page``. ``mnist`` and ``cifar10`` are read
from a folder that has them, or downloaded once, verified and kept. Sources and licences stand in ``data/README.md``.
"""

from cnnkit.data.cifar import cifar10
from cnnkit.data.handwriting import digits, mnist, mnist_or_digits
from cnnkit.data.pictures import Letter, page, page_letters, photo
from cnnkit.data.sets import Dataset, Pictures
from cnnkit.data.store import DataError, folder

PUBLIC = {"mnist": mnist, "cifar10": cifar10}
"""What can be downloaded: from its name on the command line, ``cnnkit data NAME``, to the function that loads it."""

__all__ = [
    "PUBLIC",
    "DataError",
    "Dataset",
    "Letter",
    "Pictures",
    "cifar10",
    "digits",
    "folder",
    "mnist",
    "mnist_or_digits",
    "page",
    "page_letters",
    "photo",
]
