"""What can go wrong, as a tree; each error knows the exit code it ends a run with.

    MisoUploadError
    ├── ConfigurationError (2)      the command cannot mean what it says
    │   ├── TargetError             a key that is not one of the target's
    │   │   └── NewKeyError         the same, and no target is named
    │   ├── MappingError            an attribute or a column that does not exist
    │   │   └── NoColumnError       a column that the header does not have
    │   └── SchemaError             a schema file that cannot be used
    ├── SourceError (2)             an input that cannot be opened or read
    │   ├── DamagedSourceError (3)  broken in the middle; the rows before were delivered
    │   ├── UnreadableSourceError   the operating system does not let it be read (3: with others)
    │   │   └── GoneSourceError (3) was there a moment ago; perhaps its log was rotated
    │   ├── UnreachableSourceError (3)  in a remote place that does not answer
    │   ├── ChangedSourceError      rewritten or truncated while it was read
    │   └── JunkError               rows that are mostly not interactions
    ├── LedgerError (3)             the ledger cannot be read or written
    │   ├── ChangedJobError (2)     rows were sent under another mapping, and differ now
    │   ├── UnprovenSourceError (2) a ledger of version 0.1 knows it by position only
    │   ├── IncompleteLedgerError (2)  a ledger without the -wal that belongs to it
    │   └── LockedError (5)         another run holds the lock
    ├── DeliveryError (3)           Miso could not be reached or would not answer in time
    │   └── KeyRefusedError (4)     401 or 403
    ├── WorkerError (3)             a worker process ended before its work did
    ├── OutputError (3)             a result that there is no room for
    ├── SandboxError (2)            the mock server cannot start
    ├── AccountingError (1)         the numbers do not add up
    └── InterruptedRunError (130, 143, 129)   a signal

Messages say what happened, where, and what to do next. None of them may carry the API key, a URL
with a query, or a visitor's address.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in `typing`, which takes longer to import than all of this
if TYPE_CHECKING:
    from collections.abc import Sequence


class MisoUploadError(Exception):
    """Something the user can act on; the message says how."""

    exit_code = 2


class ConfigurationError(MisoUploadError):
    """The options contradict each other or cannot be used."""


class TargetError(ConfigurationError):
    """The key is not one of the target's, or belongs to another target; nothing was sent."""


class NewKeyError(TargetError):
    """A key is new on a server that is known, and no target is named.

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
    """An input is broken in the middle; what came before was delivered."""

    exit_code = 3


class UnreadableSourceError(SourceError):
    """The operating system does not let an input be read."""

    def beside_others(self) -> UnreadableSourceError:
        """Return the error of an input that was not named itself, so that it holds up no other."""
        self.exit_code = 3
        return self


class GoneSourceError(UnreadableSourceError):
    """An input is not there any more; it may have another name now."""

    exit_code = 3


class UnreachableSourceError(SourceError):
    """A remote input could not be reached, or broke off; it may be there later."""

    exit_code = 3


class ChangedSourceError(SourceError):
    """An input was rewritten or truncated while it was read."""


class JunkError(SourceError):
    """Too many of the rows are not interactions; the run stopped before it loaded them."""


class LedgerError(MisoUploadError):
    """The ledger cannot be read or written."""

    exit_code = 3


class ChangedJobError(LedgerError):
    """Rows of a source were sent under another mapping or schema, and come out differently now."""

    exit_code = 2


class UnprovenSourceError(LedgerError):
    """A ledger without content keys knows a source, and nothing proves which rows Miso has."""

    exit_code = 2


class IncompleteLedgerError(LedgerError):
    """A ledger was copied while a run was at work, or has lost the -wal that belongs to it."""

    exit_code = 2


class LockedError(LedgerError):
    """Another run works on the same ledger."""

    exit_code = 5


class DeliveryError(MisoUploadError):
    """Miso could not be reached, or did not answer in a way that lets the run go on."""

    exit_code = 3


class KeyRefusedError(DeliveryError):
    """Miso refused the API key (401 or 403)."""

    exit_code = 4


class WorkerError(MisoUploadError):
    """A worker process could not be started, or ended before its work did."""

    exit_code = 3


class OutputError(MisoUploadError):
    """A result cannot be written to standard output; its reader gets only a part."""

    exit_code = 3


class SandboxError(MisoUploadError):
    """The mock server cannot start."""


class AccountingError(MisoUploadError):
    """Rows read and rows accounted for differ: a defect of miso-upload itself."""

    exit_code = 1


class InterruptedRunError(MisoUploadError):
    """A signal asked the run to stop; the position is kept."""

    def __init__(self, message: str, *, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
