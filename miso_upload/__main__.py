"""`python -m miso_upload` is `miso-upload`, and both begin here, before anything large is imported.

Nothing is imported above `main`: a Ctrl-C while the program is still being loaded is to end it as
quietly as any other program, and not with a traceback of Python's own.
"""

_OBJECTS_OF_A_START = 100_000
"""More than the program makes until it reads its first row."""


def main() -> None:
    """Run the program."""
    import gc  # noqa: PLC0415 -- see above
    import os  # noqa: PLC0415
    import signal  # noqa: PLC0415

    collect_late()
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

    try:
        run()
    finally:
        # The process ends here: do not search everything that it has for cycles before it does.
        gc.freeze()


def collect_late() -> None:
    """Start collecting garbage once the program is loaded: what is imported is never garbage."""
    import gc  # noqa: PLC0415

    usual = gc.get_threshold()

    def collect_as_usual(_phase: str, _info: dict[str, int]) -> None:
        gc.callbacks.remove(collect_as_usual)
        gc.set_threshold(*usual)

    gc.callbacks.append(collect_as_usual)
    gc.set_threshold(_OBJECTS_OF_A_START, *usual[1:])


if __name__ == "__main__":
    main()
