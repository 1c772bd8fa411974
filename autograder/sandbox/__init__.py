"""Where student code runs.

    with ProcessSandbox(imports, names) as sandbox:       a warm process that has the lesson's libraries loaded
        with sandbox.session() as session:                 one student's notebook: a fork of it
            outputs = session.run(source)                  one cell
            reply = session.check("im2col", cases)         one exercise: a fork of the session

A sandbox is anything with these methods. ``ProcessSandbox`` (isolation "none") uses ordinary processes of the
user's own account: it keeps a crash, a hang or a changed global where it happened, and protects nothing else.
"""

from autograder.sandbox.process import Limits, Lost, ProcessSandbox, Reply

__all__ = ["ISOLATION", "Limits", "Lost", "ProcessSandbox", "Reply"]

ISOLATION = {"none": ProcessSandbox}
"""The sandboxes by the name of their isolation."""
