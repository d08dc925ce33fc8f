"""Resources as the messages that the server takes."""

import hashlib

from google.protobuf import json_format

from fluxrouter.v1 import control_pb2
from fluxrouter_operator.observed import API_VERSION, Observed

__all__ = ["DocumentError", "digest", "to_resource"]


class DocumentError(ValueError):
    """The cluster's schema has a field that this operator does not know; the message says which."""


def to_resource(observed: Observed) -> control_pb2.Resource:
    """Return a resource as Apply takes it, with its labels and without its status.

    Annotations are left out: they are the bookkeeping of other controllers, change without end and
    mean nothing to the server.

    Raises:
        DocumentError: the spec has a field that the contracts of this version lack.
    """
    key = observed.key
    document = {
        "apiVersion": API_VERSION,
        "kind": key.kind.value,
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "labels": dict(observed.labels),
        },
        "spec": dict(observed.spec),
    }
    try:
        return json_format.ParseDict({key.kind.lower(): document}, control_pb2.Resource())
    except json_format.ParseError as error:
        problem = str(error).partition("\n")[0]  # what follows lists all fields there are
        raise DocumentError(
            f"{problem}: the custom resource definitions are newer than this operator: "
            "upgrade the operator, or remove the field"
        ) from error


def digest(resource: control_pb2.Resource) -> bytes:
    """Return 16 bytes that tell two resources apart."""
    content = resource.SerializeToString(deterministic=True)
    return hashlib.blake2b(content, digest_size=16).digest()
