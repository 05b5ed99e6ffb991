"""Coverage-guided fuzzing: broken and hostile input for every part that reads any.

`python -m fuzz` runs all targets; CONTRIBUTING.md says more.
"""
