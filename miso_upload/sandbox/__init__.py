"""A mock server of Miso's interaction endpoint, for tests without an API key.

    with Sandbox(faults=parse_faults(["429:0.1"])) as sandbox:
        ...  # upload to sandbox.url with sandbox.key
        assert sandbox.counts()["records"] == 10_000

The sandbox validates records with the same schema as an upload, stores accepted records in SQLite,
and injects faults on request: see `Faults`. Only this package imports starlette and uvicorn.
"""

from miso_upload.errors import SandboxError

try:
    import starlette  # noqa: F401 -- to know whether the extra is installed
    import uvicorn  # noqa: F401
except ImportError:
    raise SandboxError(
        "the sandbox needs additional packages. Possible fix: pip install 'miso-upload[sandbox]'"
    ) from None

from miso_upload.sandbox.app import DEFAULT_MAX_BODY_BYTES
from miso_upload.sandbox.faults import Faults, parse_faults
from miso_upload.sandbox.server import Sandbox, serve

__all__ = ["DEFAULT_MAX_BODY_BYTES", "Faults", "Sandbox", "parse_faults", "serve"]
