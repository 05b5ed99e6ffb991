"""`python -m miso_upload` is `miso-upload`, and both begin here, before anything large is imported.

Nothing is imported above `main`: a Ctrl-C while the program is still being loaded is to end it as
quietly as any other program, and not with a traceback of Python's own.
"""


def main() -> None:
    """Run the program."""
    import os  # noqa: PLC0415 -- see above
    import signal  # noqa: PLC0415

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until a run has handlers of its own, there is nothing to be left in order.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # Closed by the caller (`2>&-`): the next file to be opened would get its number, and
            # whatever complains on "stderr" would write into the ledger. The lowest free one is it.
            os.open(os.devnull, os.O_RDWR)

    from miso_upload.cli import main as run  # noqa: PLC0415

    run()


if __name__ == "__main__":
    main()
