"""What all resources have in common: api version, kind, identity and status."""

from collections.abc import Mapping
from typing import Protocol

from fluxrouter.v1 import metadata_pb2
from fluxrouter_server.api.field_reader import FieldReader
from fluxrouter_server.api.wire_time import timestamp
from fluxrouter_server.domain.ids import AccountName
from fluxrouter_server.domain.limits import Generation
from fluxrouter_server.domain.names import DEFAULT_NAMESPACE

__all__ = [
    "API_VERSION",
    "check_header",
    "cluster_wide_name",
    "namespaced_name",
    "object_meta",
    "resource_status",
]

#: The only version of the resources so far.
API_VERSION = "fluxrouter.ai/v1alpha1"


class Resource(Protocol):
    """A message with the head that Kubernetes gives every resource."""

    api_version: str
    kind: str

    @property
    def metadata(self) -> metadata_pb2.ObjectMeta:
        """Its identity."""
        ...


def check_header(resource: Resource, kind: str, reader: FieldReader) -> None:
    """Notes another api version or kind than ours; both may be left out on the wire."""
    if resource.api_version not in {"", API_VERSION}:
        reader.wrong("apiVersion", f"must be {API_VERSION}, or left out")
    if resource.kind not in {"", kind}:
        reader.wrong("kind", f"must be {kind}, or left out")


def cluster_wide_name(meta: metadata_pb2.ObjectMeta, kind: str, reader: FieldReader) -> str:
    """Returns the name of a resource that no namespace holds."""
    if meta.namespace:
        reader.wrong("metadata.namespace", f"must be left out: a {kind} has no namespace")
    return reader.required_text("metadata.name", meta.name)


def namespaced_name(meta: metadata_pb2.ObjectMeta, reader: FieldReader) -> AccountName:
    """Returns `namespace/name`, the namespace being `default` where none is given."""
    for field in ("name", "namespace"):
        if "/" in getattr(meta, field):
            reader.wrong(f"metadata.{field}", "must not hold a slash")
    name = reader.required_text("metadata.name", meta.name)
    return AccountName(f"{meta.namespace or DEFAULT_NAMESPACE}/{name}")


def object_meta(
    name: str, labels: Mapping[str, str], annotations: Mapping[str, str], *, namespace: str = ""
) -> metadata_pb2.ObjectMeta:
    """Builds the identity of a resource that is read back."""
    return metadata_pb2.ObjectMeta(
        name=name, namespace=namespace, labels=labels, annotations=annotations
    )


def resource_status(
    generation: Generation, update_us: int, *, uid: str = ""
) -> metadata_pb2.ResourceStatus:
    """Builds what the server says of a stored resource."""
    return metadata_pb2.ResourceStatus(
        generation=generation.counter, uid=uid, update_time=timestamp(update_us)
    )
