"""The composition root and the loop: read blocks, transform them, deliver them, settle them."""
