"""Defines the errors, each with the exit code of a run that it ends.

    MisoUploadError
    ├── ConfigurationError (2)      the options contradict each other or cannot be used
    │   ├── TargetError             the key does not belong to the target
    │   │   └── NewKeyError         the key is new, and no target is named
    │   ├── MappingError            an attribute or column does not exist
    │   │   └── NoColumnError       the header does not have a column
    │   │       └── OtherExportError  a preset is for another export (3 beside other inputs)
    │   └── SchemaError             a schema file cannot be used
    ├── SourceError (2)             an input cannot be opened or read
    │   ├── DamagedSourceError (3)  an input is damaged; the rows before the damage were delivered
    │   ├── UnreadableSourceError   the operating system refuses to read it (3 beside other inputs)
    │   │   └── GoneSourceError (3) it no longer exists; its log may have been rotated
    │   ├── UnreachableSourceError (3)  a remote input does not answer
    │   ├── ChangedSourceError      it was rewritten or truncated while it was read
    │   └── RejectRateError         too many of its rows were rejected
    ├── LedgerError (3)             the ledger cannot be read or written
    │   ├── ChangedJobError (2)     rows were sent under another mapping, and differ now
    │   ├── UnprovenSourceError (2) a ledger of version 0.1 has only positions of a source
    │   ├── IncompleteLedgerError (2)  the -wal file of the ledger is missing
    │   └── LockedError (5)         another run holds the lock
    ├── DeliveryError (3)           Miso cannot be reached, or did not give a usable answer
    │   └── KeyRefusedError (4)     Miso answered 401 or 403
    ├── WorkerError (3)             a worker process ended too early
    ├── OutputError (3)             a result cannot be written
    ├── SandboxError (2)            the mock server cannot start
    ├── AccountingError (1)         the numbers do not add up
    └── InterruptedRunError (130, 143, 129)   a signal stopped the run

Messages say what happened, where, and what to do next. They must not contain the API key, a URL
with a query, or a visitor's address.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in `typing`, which takes longer to import than all of this
if TYPE_CHECKING:
    from collections.abc import Sequence


class MisoUploadError(Exception):
    """An error that the user can fix; the message says how."""

    exit_code = 2


class ConfigurationError(MisoUploadError):
    """The options contradict each other or cannot be used."""


class TargetError(ConfigurationError):
    """The key does not belong to the target. Nothing was sent."""


class NewKeyError(TargetError):
    """A key is new, the server has targets, and the options name none of them.

    Attributes:
        names: The targets of that server, whose key may have been rotated.
    """

    def __init__(self, message: str, *, names: Sequence[str]) -> None:
        super().__init__(message)
        self.names = tuple(names)


class MappingError(ConfigurationError):
    """A mapping names an attribute or a column that does not exist."""


class NoColumnError(MappingError):
    """A mapping names a column that the header does not have."""


class OtherExportError(NoColumnError):
    """An input does not have the columns by which a preset knows its export."""

    def beside_others(self) -> OtherExportError:
        """Return this error with exit code 3, because other inputs of the run are read."""
        self.exit_code = 3
        return self


class SchemaError(ConfigurationError):
    """A schema file is not JSON, not a schema, or not in the form that miso-upload supports."""


class SourceError(MisoUploadError):
    """An input cannot be opened or read."""


class DamagedSourceError(SourceError):
    """An input is damaged; the rows before the damage were delivered."""

    exit_code = 3


class UnreadableSourceError(SourceError):
    """The operating system refuses to read an input."""

    def beside_others(self) -> UnreadableSourceError:
        """Return this error with exit code 3, because other inputs of the run can be read."""
        self.exit_code = 3
        return self


class GoneSourceError(UnreadableSourceError):
    """An input no longer exists; it may have been renamed."""

    exit_code = 3


class UnreachableSourceError(SourceError):
    """A remote input cannot be reached, or its connection was lost; a later run may succeed."""

    exit_code = 3


class ChangedSourceError(SourceError):
    """An input was rewritten or truncated while it was read."""


class RejectRateError(SourceError):
    """Too many rows were rejected, so the run stopped."""


class LedgerError(MisoUploadError):
    """The ledger cannot be read or written."""

    exit_code = 3


class ChangedJobError(LedgerError):
    """Rows were sent under another mapping or schema, and would make different records now."""

    exit_code = 2


class UnprovenSourceError(LedgerError):
    """A ledger without content keys has a source, but nothing proves which rows Miso has."""

    exit_code = 2


class IncompleteLedgerError(LedgerError):
    """A ledger was copied during a run, or its -wal file is lost."""

    exit_code = 2


class LockedError(LedgerError):
    """Another run is using the same ledger."""

    exit_code = 5


class DeliveryError(MisoUploadError):
    """Miso cannot be reached, or did not give an answer with which the run can continue."""

    exit_code = 3


class KeyRefusedError(DeliveryError):
    """Miso refused the API key (401 or 403)."""

    exit_code = 4


class WorkerError(MisoUploadError):
    """A worker process could not be started, or ended before it finished its work."""

    exit_code = 3


class OutputError(MisoUploadError):
    """A result cannot be written completely to standard output."""

    exit_code = 3


class SandboxError(MisoUploadError):
    """The mock server cannot start."""


class AccountingError(MisoUploadError):
    """Rows read and rows accounted for differ, which is an internal error."""

    exit_code = 1


class InterruptedRunError(MisoUploadError):
    """A signal stopped the run; progress is saved."""

    def __init__(self, message: str, *, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
