"""What the tests of sources share."""

from tests.servers.fixtures import authority, bluesky, data, x

__all__ = ["authority", "bluesky", "data", "x"]
