"""Coverage-guided fuzzing of every part that reads input.

`python -m fuzz` runs all targets; see CONTRIBUTING.md.
"""
