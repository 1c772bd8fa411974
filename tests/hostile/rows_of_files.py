"""Rows 15, 16, 29 to 40 and 44 to 46: what a submission is, rather than what it runs."""

from hostile_course import Row, answer

ROWS = [
    Row(
        29,
        "script-in-output",
        after="""
        from IPython.display import HTML, display
        display(HTML("<script>alert(1)</script><img src=x onerror=alert(2)>"))
    """,
    ),
    Row(45, "warns", second=answer("import sys; print('careful', file=sys.stderr); return np.cumsum(x)"), score=8),
]
