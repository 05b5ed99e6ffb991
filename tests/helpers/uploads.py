"""A directory with inputs, its own ledgers and a mock server, for uploads in this process."""

from collections import Counter

from miso_upload import Settings, upload


class Uploads:
    """Uploads inputs of a directory with the Python API.

    Attributes:
        place: The directory of the inputs.
        sandbox: The mock server.
    """

    def __init__(self, place, sandbox):
        self.place, self.sandbox = place, sandbox

    def settings(self, *names, **options):
        """Return the settings of an upload from these files."""
        return Settings.of(
            inputs=tuple(str(self.place / name) for name in names),
            server=self.sandbox.url,
            api_key=self.sandbox.key,
            state_dir=self.place / "state",
            max_reject_rate=1,
            **options,
        )

    def upload(self, *names, **options):
        """Upload these files, and return the summary."""
        return upload(self.settings(*names, **options))

    def held(self):
        """Return the user of each record at the server, sorted."""
        return sorted(each["user_id"] for each in self.sandbox.records())

    def copies(self):
        """Return how many users have how many records."""
        return Counter(Counter(self.held()).values())
