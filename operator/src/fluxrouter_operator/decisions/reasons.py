"""Reasons of conditions and events: one CamelCase word each, for programs."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a condition has its status, or an event was written. They are part of the interface."""

    # Accepted
    ACCEPTED = "Accepted"
    PLAN_NOT_FOUND = "PlanNotFound"
    PLAN_NOT_ENFORCED = "PlanNotEnforced"
    NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed"
    REFUSED = "Refused"
    # Enforced
    ACKNOWLEDGED = "Acknowledged"
    NOT_ACCEPTED = "NotAccepted"
    PENDING = "Pending"
    SERVER_UNREACHABLE = "ServerUnreachable"
    # Ready
    READY = "Ready"
    KEYS_PENDING = "KeysPending"
    DELETION_REFUSED = "DeletionRefused"
    SECRET_NOT_OURS = "SecretNotOurs"  # noqa: S105 - a reason, not a password
    SECRET_FAILED = "SecretFailed"  # noqa: S105 - likewise
    # Events only
    KEY_CREATED = "KeyCreated"
    KEY_ROTATED = "KeyRotated"
    KEY_REVOKED = "KeyRevoked"
    CAP_THRESHOLD = "CapThreshold"
    CAP_REACHED = "CapReached"
