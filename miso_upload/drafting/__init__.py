"""Inference: from a sample of rows to a draft of a mapping file, for a person to read.

Nothing is guessed while an upload runs; this room guesses once, and says where it does not know.
"""

from miso_upload.drafting.draft import Draft, Guess, LeftOut
from miso_upload.drafting.roles import infer
from miso_upload.drafting.sampling import draft_of
from miso_upload.drafting.writing import mapping_text

__all__ = ["Draft", "Guess", "LeftOut", "draft_of", "infer", "mapping_text"]
