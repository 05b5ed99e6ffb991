"""Sends a batch's records to Miso, and reports the outcome of each."""

from miso_upload.delivery.answers import UNPROVEN
from miso_upload.delivery.client import Client, Target
from miso_upload.delivery.deliverer import Deliverer, DeliveryOptions
from miso_upload.delivery.dry_run import DryRunDeliverer
from miso_upload.delivery.pool import DeliveryPool
from miso_upload.delivery.remember import RememberDeliverer
from miso_upload.delivery.retry import Backoff, Pace
from miso_upload.delivery.throttle import Throttle

__all__ = [
    "UNPROVEN",
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
