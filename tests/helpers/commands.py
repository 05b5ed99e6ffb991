"""The program in this process."""

from click.testing import CliRunner

from miso_upload.cli.commands import program


def invoke(*args, **options):
    """Run the program with click's runner, and return its result."""
    return CliRunner().invoke(program, [*map(str, args)], **options)
