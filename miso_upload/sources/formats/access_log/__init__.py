"""Reads access logs of web servers, with one request in each line, as rows of text.

A *layout* describes a line. It is compiled from the notation of nginx or Apache (`notation`), given
by the user or built in (`known`). Logs in the W3C extended format describe their own layout in
lines that begin with `#Fields:` (`w3c`). All rows name the same fields the same (`fields`).
"""

from miso_upload.sources.formats.access_log.lines import AccessLog
from miso_upload.sources.formats.access_log.recognition import Beginning, is_plain, recognise

__all__ = ["AccessLog", "Beginning", "is_plain", "recognise"]
