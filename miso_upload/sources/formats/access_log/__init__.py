"""Access logs of web servers: what each line says of one request, as a row of text.

A *layout* says how a line is put together. It is a value, made of text in the notation that nginx
or Apache use in their own configuration (`notation`), be it the user's or one of those that are
known (`known`). Logs of the W3C extended format say their layout themselves, in lines that begin
with `#Fields:` (`w3c`). All of them name what they tell in the same words (`fields`).
"""

from miso_upload.sources.formats.access_log.lines import AccessLog
from miso_upload.sources.formats.access_log.recognition import Beginning, recognise

__all__ = ["AccessLog", "Beginning", "recognise"]
