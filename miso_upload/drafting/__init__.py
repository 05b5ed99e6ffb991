"""Drafts a mapping file from a sample of rows, for a person to review.

An upload never guesses. A draft is guessed once, and marks its guesses as unsure.
"""

from miso_upload.drafting.draft import Draft, Guess, LeftOut
from miso_upload.drafting.review import review_lines
from miso_upload.drafting.roles import infer
from miso_upload.drafting.sampling import draft_of
from miso_upload.drafting.writing import mapping_text

__all__ = ["Draft", "Guess", "LeftOut", "draft_of", "infer", "mapping_text", "review_lines"]
