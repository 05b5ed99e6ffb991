"""The command line: parse, delegate, print. The only room that knows click."""

from miso_upload.cli.commands import main

__all__ = ["main"]
