"""The instructors' side of the course: build it, grade a class, report."""

import sys

# jsonschema, which nbformat loads, would compile a grammar of addresses in all the world's scripts: over a second in
# every process, for a format that no notebook's schema has. It does without where the package is not there.
sys.modules.setdefault("rfc3987_syntax", None)
