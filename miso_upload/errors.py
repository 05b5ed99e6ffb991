"""The tree of errors; each error defines the exit code of a run that it ends.

    MisoUploadError
    ├── ConfigurationError (2)      the options contradict each other or cannot be used
    │   ├── TargetError             a key that does not belong to the target
    │   │   └── NewKeyError         a new key, and no target is named
    │   ├── MappingError            an attribute or a column that does not exist
    │   │   └── NoColumnError       a column that the header does not have
    │   └── SchemaError             a schema file that cannot be used
    ├── SourceError (2)             an input that cannot be opened or read
    │   ├── DamagedSourceError (3)  damaged; the rows before the damage were delivered
    │   ├── UnreadableSourceError   the operating system refuses to read it (3: among others)
    │   │   └── GoneSourceError (3) gone since it was listed; perhaps its log was rotated
    │   ├── UnreachableSourceError (3)  a remote input whose server does not answer
    │   ├── ChangedSourceError      rewritten or truncated while it was read
    │   └── RejectRateError         too many rows were rejected
    ├── LedgerError (3)             the ledger cannot be read or written
    │   ├── ChangedJobError (2)     the mapping has changed since rows were sent
    │   ├── UnprovenSourceError (2) a ledger of version 0.1 knows its rows by position only
    │   ├── IncompleteLedgerError (2)  a ledger without its -wal file
    │   └── LockedError (5)         another run holds the lock
    ├── DeliveryError (3)           Miso could not be reached or did not answer in time
    │   └── KeyRefusedError (4)     401 or 403
    ├── WorkerError (3)             a worker process ended unexpectedly
    ├── OutputError (3)             standard output cannot be written
    ├── SandboxError (2)            the mock server cannot start
    ├── AccountingError (1)         the numbers do not add up
    └── InterruptedRunError (130, 143, 129)   a signal

Messages say what happened, where, and what to do next. No message may contain the API key, a URL
with a query, or a visitor's address.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in `typing`, which is slow to import
if TYPE_CHECKING:
    from collections.abc import Sequence


class MisoUploadError(Exception):
    """An error that the user can act on; the message says how."""

    exit_code = 2


class ConfigurationError(MisoUploadError):
    """The options contradict each other or cannot be used."""


class TargetError(ConfigurationError):
    """The key does not belong to the target; nothing was sent."""


class NewKeyError(TargetError):
    """A key is new to a known server, and no target is named.

    Attributes:
        names: The targets of that server whose key may have been rotated.
    """

    def __init__(self, message: str, *, names: Sequence[str]) -> None:
        super().__init__(message)
        self.names = tuple(names)


class MappingError(ConfigurationError):
    """A mapping names an attribute or a column that does not exist."""


class NoColumnError(MappingError):
    """A mapping names a column that the header does not have."""


class SchemaError(ConfigurationError):
    """A schema file is not JSON, not a schema, or not in the shape that miso-upload reads."""


class SourceError(MisoUploadError):
    """An input cannot be opened or read."""


class DamagedSourceError(SourceError):
    """An input is damaged; the rows before the damage were delivered."""

    exit_code = 3


class UnreadableSourceError(SourceError):
    """The operating system refuses to read an input."""

    def beside_others(self) -> UnreadableSourceError:
        """Return the error of an input that the user did not name: it does not stop the others."""
        self.exit_code = 3
        return self


class GoneSourceError(UnreadableSourceError):
    """An input no longer exists; it may have been renamed."""

    exit_code = 3


class UnreachableSourceError(SourceError):
    """A remote input could not be reached or its download broke off; retry later."""

    exit_code = 3


class ChangedSourceError(SourceError):
    """An input was rewritten or truncated while it was read."""


class RejectRateError(SourceError):
    """Too many rows were rejected, so the run stopped."""


class LedgerError(MisoUploadError):
    """The ledger cannot be read or written."""

    exit_code = 3


class ChangedJobError(LedgerError):
    """The mapping or schema has changed since rows of a source were sent."""

    exit_code = 2


class UnprovenSourceError(LedgerError):
    """A ledger without content keys cannot tell which rows of a source Miso has."""

    exit_code = 2


class IncompleteLedgerError(LedgerError):
    """A ledger has lost its -wal file, or was copied during a run."""

    exit_code = 2


class LockedError(LedgerError):
    """Another run uses the same ledger."""

    exit_code = 5


class DeliveryError(MisoUploadError):
    """Miso could not be reached, or did not answer in a way that lets the run continue."""

    exit_code = 3


class KeyRefusedError(DeliveryError):
    """Miso refused the API key (401 or 403)."""

    exit_code = 4


class WorkerError(MisoUploadError):
    """A worker process could not be started, or ended unexpectedly."""

    exit_code = 3


class OutputError(MisoUploadError):
    """A result cannot be written to standard output; its reader gets only part of it."""

    exit_code = 3


class SandboxError(MisoUploadError):
    """The mock server cannot start."""


class AccountingError(MisoUploadError):
    """Rows read and rows accounted for differ: an internal error of miso-upload."""

    exit_code = 1


class InterruptedRunError(MisoUploadError):
    """A signal stopped the run; progress is saved."""

    def __init__(self, message: str, *, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
