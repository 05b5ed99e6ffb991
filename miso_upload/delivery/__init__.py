"""Delivery: a batch's records to Miso, and what became of each of them."""

from miso_upload.delivery.answers import UNPROVEN
from miso_upload.delivery.client import Client, Target
from miso_upload.delivery.deliverer import Deliverer, DeliveryOptions
from miso_upload.delivery.pool import DeliveryPool
from miso_upload.delivery.rehearsal import Rehearsal
from miso_upload.delivery.remembering import Remembering
from miso_upload.delivery.retry import Backoff, Pace
from miso_upload.delivery.throttle import Throttle

__all__ = [
    "UNPROVEN",
    "Backoff",
    "Client",
    "Deliverer",
    "DeliveryOptions",
    "DeliveryPool",
    "Pace",
    "Rehearsal",
    "Remembering",
    "Target",
    "Throttle",
]
