"""The composition root and the loop of a run: read, transform, deliver and settle blocks."""
