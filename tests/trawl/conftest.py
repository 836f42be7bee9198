"""What the tests of this folder share."""

from tests.servers.fixtures import authority, ceph

__all__ = ["authority", "ceph"]
