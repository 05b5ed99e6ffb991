"""The command line: parses options, delegates and prints; the only package that imports click."""

from miso_upload.cli.commands import main

__all__ = ["main"]
