"""Makes whatever the program uses say as much as it can, and breaks one part of it on request.

Python imports it first of all where its directory is on `PYTHONPATH`.
"""

import http.client
import logging
import os
import sys
import warnings

warnings.simplefilter("always")
logging.basicConfig(
    level=logging.NOTSET,
    format="%(asctime)s %(name)s %(pathname)s %(funcName)s %(message)s",
    handlers=[logging.StreamHandler(sys.stderr), logging.FileHandler(os.environ["LEAKS_LOG"])],
)
http.client.HTTPConnection.debuglevel = 2
http.client.HTTPSConnection.debuglevel = 2


def _break(owner, name, error):
    def broken(*args, **kwargs):
        held = (args, kwargs, [vars(each) for each in args if hasattr(each, "__dict__")])
        raise error(f"{os.environ['LEAKS_HELD']} {held!r}")

    setattr(owner, name, broken)


match os.environ.get("LEAKS_DEFECT"):
    case "delivering":
        from miso_upload.delivery.client import Client

        _break(Client, "post", RuntimeError)
    case "settling":
        from miso_upload.ledger import Ledger

        _break(Ledger, "settle", ValueError)
    case "transforming":
        from miso_upload.transform.block import Transform

        _break(Transform, "__call__", KeyError)
    case "reading":
        from miso_upload.sources import Source

        _break(Source, "blocks", FileNotFoundError)
