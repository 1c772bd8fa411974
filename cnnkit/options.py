"""Options that the commands ``cnnkit`` and ``autograder`` share."""

import click

from cnnkit import devices


def _usable(context, parameter, name):
    if name == "cpu":  # there always, and torch takes seconds to load
        return name
    try:
        devices.device(name)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return name


device = click.option(
    "--device", default="cpu", show_default=True, callback=_usable, help="Where torch computes: cpu, cuda, mps."
)
