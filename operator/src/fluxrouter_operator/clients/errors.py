"""What may go wrong with the two servers.

ClientError
├── ServerUnreachable     the FluxRouter server did not answer; nothing is known of the outcome
├── ServerRefused         it answered no, and why
├── ClusterUnreachable    the Kubernetes API server did not answer
├── ClusterConflict       the object has changed, or exists already
├── ClusterMissing        the object does not exist
└── ClusterRefused        the API server answered no, and why
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


class ClientError(RuntimeError):
    """A call did not do what it was to do."""


class ServerUnreachable(ClientError):
    """The server did not answer in time, or said that it cannot serve at present."""


@dataclass
class ServerRefused(ClientError):
    """The server refused a call.

    Attributes:
        reason: machine-readable, such as `RESOURCE_IN_USE`.
        message: for people.
        fields: what is wrong with which field, by path.
    """

    reason: str
    message: str
    fields: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


class ClusterUnreachable(ClientError):
    """The API server did not answer, or is overloaded."""


class ClusterConflict(ClientError):
    """Somebody else was first."""


class ClusterMissing(ClientError):
    """There is no such object."""


class ClusterRefused(ClientError):
    """The API server refused: permissions, a quota, a policy."""
