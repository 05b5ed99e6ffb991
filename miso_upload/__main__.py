"""Starts the program, for `miso-upload` and `python -m miso_upload`.

All imports are inside `main`, so that Ctrl-C during the start ends the program quietly instead of
with a traceback.
"""

_OBJECTS_AT_START = 100_000
"""More objects than the program creates before it reads its first row."""


def main() -> None:
    """Run the program."""
    import gc  # noqa: PLC0415 -- see above
    import os  # noqa: PLC0415
    import signal  # noqa: PLC0415

    collect_late()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Before a run installs its own handlers, there is nothing to clean up.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # The caller closed it (`2>&-`): the next opened file, such as the ledger, would get its
            # number, and messages to "stderr" would be written into it. `os.open` uses the lowest
            # free number, which is this one.
            os.open(os.devnull, os.O_RDWR)

    from miso_upload.cli import main as run  # noqa: PLC0415

    try:
        run()
    finally:
        # Skip the search for reference cycles at exit.
        gc.freeze()


def collect_late() -> None:
    """Start garbage collection only after the imports, whose objects are never garbage."""
    import gc  # noqa: PLC0415

    usual = gc.get_threshold()

    def collect_as_usual(_phase: str, _info: dict[str, int]) -> None:
        gc.callbacks.remove(collect_as_usual)
        gc.set_threshold(*usual)

    gc.callbacks.append(collect_as_usual)
    gc.set_threshold(_OBJECTS_AT_START, *usual[1:])


if __name__ == "__main__":
    main()
