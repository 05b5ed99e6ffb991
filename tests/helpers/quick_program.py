"""`miso-upload` for shells: a run that is a fork of the loaded program.

    python -IS quick_program.py ADDRESS ARGUMENT...

It loads next to nothing, gives its streams to the run, and ends as the run does.
"""

import json
import os
import signal
import socket
import sys


def main():
    """Run the program through the fork server at the address that is the first argument."""
    mask = os.umask(0)
    os.umask(mask)
    request = {
        "args": sys.argv[2:],
        "cwd": os.getcwd(),  # noqa: PTH109 -- pathlib would be the largest import
        "environ": dict(os.environ),
        "umask": mask,
    }
    data = json.dumps(request).encode()
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(sys.argv[1])
    sent = socket.send_fds(connection, [data[:1]], [0, 1, 2])
    connection.sendall(data[sent:])
    connection.shutdown(socket.SHUT_WR)
    answers = connection.makefile("r")
    child = int(answers.readline())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: os.kill(child, received))
    code = int(answers.readline())
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


if __name__ == "__main__":
    main()
