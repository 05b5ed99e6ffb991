"""Lists the words that programs write where they have no value, such as `NULL`."""

NULL_WORDS = frozenset({
    "null", "(null)", "<null>", "[null]", "\\n", "none", "(none)", "nil", "nan", "nat", "na",
    "<na>", "n/a", "#n/a", "undefined", "(undefined)", "not set", "(not set)", "(not provided)",
    "(empty)", "(blank)", "[object object]", "-", "--", "00000000-0000-0000-0000-000000000000",
})  # fmt: skip
"""The words, in lower case."""
