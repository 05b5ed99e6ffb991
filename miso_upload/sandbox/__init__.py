"""A local double of Miso's interaction endpoint, for rehearsals without a key and for tests.

    with Sandbox(faults=parse_faults(["429:0.1"])) as sandbox:
        ...  # upload to sandbox.url with sandbox.key
        assert sandbox.counts()["records"] == 10_000

The sandbox judges with the same schema as an upload does, keeps what it accepted in SQLite, and
misbehaves on request: see `Faults`. The only room that knows starlette and uvicorn.
"""

from miso_upload.errors import SandboxError

try:
    import starlette  # noqa: F401 -- to know whether the extra is installed
    import uvicorn  # noqa: F401
except ImportError:
    raise SandboxError(
        "the sandbox needs other packages: pip install 'miso-upload[sandbox]'"
    ) from None

from miso_upload.sandbox.app import DEFAULT_MAX_BODY_BYTES
from miso_upload.sandbox.faults import Faults, parse_faults
from miso_upload.sandbox.server import Sandbox, serve

__all__ = ["DEFAULT_MAX_BODY_BYTES", "Faults", "Sandbox", "parse_faults", "serve"]
