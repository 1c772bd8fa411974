"""Where student code runs.

    with ProcessSandbox(imports, names) as sandbox:       a warm process that has the lesson's libraries loaded
        with sandbox.session() as session:                 one student's notebook: a fork of it
            outputs = session.run(source)                  one cell
            reply = session.check("im2col", questions)     one exercise: a fork of the session

A sandbox is anything with these methods. ``BubblewrapSandbox`` (isolation "sandbox") protects the grader, its machine
and the other students: see docs/security.md. ``ProcessSandbox`` (isolation "none") uses ordinary processes of the
user's own account: it keeps a crash, a hang or a changed global where it happened, and protects nothing else.
"""

from autograder.sandbox.bubblewrap import BubblewrapSandbox
from autograder.sandbox.process import Gone, Limits, Lost, ProcessSandbox, Questions, Reply

__all__ = ["ISOLATION", "BubblewrapSandbox", "Gone", "Limits", "Lost", "ProcessSandbox", "Questions", "Reply"]

ISOLATION = {"sandbox": BubblewrapSandbox, "none": ProcessSandbox}
"""The sandboxes by the name of their isolation."""
