"""A certificate authority that lives as long as a test, so that TLS clients run unchanged on loopback."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme


class Authority:
    """Signs certificates for any host names; `file` is what a client has to trust."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.file = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(str(self.file))

    def serve(self, *hosts: str) -> ssl.SSLContext:
        """What a server needs to be believed to be `hosts`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(*hosts).configure_cert(context)
        return context

    def write(self, host: str, file: Path) -> None:
        """Write key and certificate into one file, for a server that is a program of its own."""
        self._authority.issue_cert(host).private_key_and_cert_chain_pem.write_to_path(str(file))
