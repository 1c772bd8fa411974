"""What all explainers are: an anywidget whose results follow its inputs, with a still picture beside its view."""

import re
from uuid import uuid4

import anywidget
import traitlets
from IPython.display import display

from cnnkit.widgets import scripts, still

TRAIT = re.compile(r"^The '(\w+)' trait of an? \w+ instance expected")
VIEW = "application/vnd.jupyter.widget-view+json"


def put_in():
    """Metadata of a trait that a user sets."""
    return {"sync": True, "input": True}


def put_out():
    """Metadata of a trait that follows from the others."""
    return {"sync": True, "output": True}


class BadInput(traitlets.TraitError, TypeError, ValueError):
    """Arguments that an explainer cannot be made of; a notebook shows the sentence alone."""

    def _render_traceback_(self):
        return [f"{self}"]


class Explainer(anywidget.AnyWidget):
    """An explainer: traits to set, traits that follow, ``still()`` for pages without scripts.

    A subclass names its script, tags its traits with ``put_in()`` or ``put_out()`` and has ``results()``; where its
    arguments are more than traits, it has ``prepared()``, too.
    """

    _picture = traitlets.Unicode(help="a class of the still picture, which the live view hides").tag(sync=True)

    def __init_subclass__(cls, script=None, **kwargs):
        if script:  # traitlets makes subclasses of its own
            cls._esm, cls._css = scripts.module(script), scripts.styles()
        super().__init_subclass__(**kwargs)

    def __init__(self, *arguments, **inputs):
        """
        Raises:
            BadInput: an argument that there is none of, or of another kind.
        """
        known = self.trait_names(input=True)
        try:
            inputs = self.prepared(*arguments, **inputs)
            for name in inputs:
                if name not in known:
                    raise TypeError(f"{type(self).__name__} takes {', '.join(known)}; not {name}")
            super().__init__(**inputs)
        except (traitlets.TraitError, TypeError, ValueError) as error:
            raise BadInput(TRAIT.sub(r"\1 has to be", str(error))) from None
        self._follow()
        self.observe(self._follow, names=known)

    @traitlets.default("_picture")
    def _picture_of_its_own(self):
        return f"cnnkit-{uuid4().hex}"

    def prepared(self, **inputs):
        """The values of traits that the arguments stand for.

        Raises:
            TypeError, ValueError: for what they cannot be.
        """
        return inputs

    @property
    def inputs(self):
        """What was put in: a dict of plain values."""
        return {name: _plain(getattr(self, name)) for name in self.trait_names(input=True)}

    def results(self):
        """A dict from the names of the traits that follow to their values."""
        raise NotImplementedError

    def summary(self):
        """The sentence that the drawing shows on top."""
        raise NotImplementedError

    def still(self):
        """A picture in HTML of what there is to see now."""
        raise NotImplementedError

    def _follow(self, change=None):
        with self.hold_sync():
            for name, value in self.results().items():
                self.set_trait(name, value)

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
        data |= {"text/plain": f"{type(self).__name__}: {self.summary()}", "text/html": self.still()}
        return data, metadata

    def _ipython_display_(self):
        """The live view, and the still picture as an output of its own.

        Of one output JupyterLab would show the view alone, and "model not found" where the kernel is gone.
        """
        data, _ = self._repr_mimebundle_()
        display({VIEW: data[VIEW], "text/html": ""}, raw=True)
        picture = f'{still.IN_NOTEBOOKS}<div class="{self._picture}">{data["text/html"]}</div>'
        display({"text/plain": data["text/plain"], "text/html": picture}, raw=True)


def _plain(value):
    """Tuples as lists, all the way down."""
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return {key: _plain(part) for key, part in value.items()} if isinstance(value, dict) else value
