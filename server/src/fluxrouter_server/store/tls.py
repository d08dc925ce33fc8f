"""How the store is verified over TLS, and what it is shown."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from fluxrouter_server.store.errors import StoreUnsuitable

__all__ = ["StoreTls"]


@dataclass(frozen=True, slots=True)
class StoreTls:
    """Files in PEM; they travel to other processes as paths.

    Attributes:
        ca: Authorities that vouch for the store; None: the system's.
        certificate: Chain that is shown to the store where it asks for one; None: nothing.
        key: The certificate's private key.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext | None:
        """Reads the files; None where there is nothing to read.

        Raises:
            StoreUnsuitable: A file cannot be used; names it.
        """
        if self == StoreTls():
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except OSError as error:  # ssl.SSLError is one
            raise StoreUnsuitable(
                f"the store's TLS files {self.ca or ''} {self.certificate or ''} cannot be used "
                f"({error}); give PEM files that this user may read"
            ) from error
        return context
