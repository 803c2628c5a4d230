"""Bodies, answers and errors of HTTP."""
