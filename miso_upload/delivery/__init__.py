"""Sends a batch's records to Miso, and reports the outcome of each."""

from __future__ import annotations

TYPE_CHECKING = False  # as in `typing`
if TYPE_CHECKING:
    from typing import Any

    from miso_upload.delivery.client import Client, Target
    from miso_upload.delivery.deliverer import Deliverer
    from miso_upload.delivery.dry_run import DryRunDeliverer
    from miso_upload.delivery.options import DeliveryOptions
    from miso_upload.delivery.pool import DeliveryPool
    from miso_upload.delivery.remember import RememberDeliverer
    from miso_upload.delivery.retry import Backoff, Pace
    from miso_upload.delivery.throttle import Throttle

__all__ = [
    "Backoff",
    "Client",
    "Deliverer",
    "DeliveryOptions",
    "DeliveryPool",
    "DryRunDeliverer",
    "Pace",
    "RememberDeliverer",
    "Target",
    "Throttle",
]

_MODULES = {
    "Backoff": "retry",
    "Client": "client",
    "Deliverer": "deliverer",
    "DeliveryOptions": "options",
    "DeliveryPool": "pool",
    "Pace": "retry",
    "DryRunDeliverer": "dry_run",
    "RememberDeliverer": "remember",
    "Target": "client",
    "Throttle": "throttle",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 -- any of the names below
    """Import a name on first use, because the help needs only the options."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
