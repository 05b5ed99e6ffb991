"""Sends a batch's records to Miso, and reports the outcome of each."""

from __future__ import annotations

from miso_upload.values.lazy_exports import lazy_exports

TYPE_CHECKING = False  # as in `typing`
if TYPE_CHECKING:
    from miso_upload.delivery.client import Client, Target
    from miso_upload.delivery.deliverer import Deliverer
    from miso_upload.delivery.dry_run import DryRunDeliverer
    from miso_upload.delivery.options import DeliveryOptions
    from miso_upload.delivery.pool import DeliveryPool
    from miso_upload.delivery.record_file import RecordFileDeliverer
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
    "RecordFileDeliverer",
    "RememberDeliverer",
    "Target",
    "Throttle",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "Backoff": "retry",
        "Client": "client",
        "Deliverer": "deliverer",
        "DeliveryOptions": "options",
        "DeliveryPool": "pool",
        "Pace": "retry",
        "DryRunDeliverer": "dry_run",
        "RecordFileDeliverer": "record_file",
        "RememberDeliverer": "remember",
        "Target": "client",
        "Throttle": "throttle",
    },
)
