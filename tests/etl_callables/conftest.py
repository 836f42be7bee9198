"""What the tests of the callables share."""

from tests.servers.fixtures import authority, ceph, x

__all__ = ["authority", "ceph", "x"]
