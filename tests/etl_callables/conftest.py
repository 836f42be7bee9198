"""What the tests of the callables share."""

from tests.servers.fixtures import authority, x

__all__ = ["authority", "x"]
