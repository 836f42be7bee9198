"""What the tests of sources share."""

from tests.servers.fixtures import authority, data, x

__all__ = ["authority", "data", "x"]
