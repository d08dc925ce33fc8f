"""Names and identities, so that the type checker tells an account's name from its uid."""

from typing import NewType

#: `namespace/name` of an account.
AccountName = NewType("AccountName", str)
#: Identity of an account's data: 16 characters of `a-z2-7`; outlives deletion of the name.
AccountUid = NewType("AccountUid", str)
#: Name of a plan.
PlanName = NewType("PlanName", str)
#: Id of a model in the catalog.
ModelId = NewType("ModelId", str)
#: Id of a lane in the catalog.
LaneId = NewType("LaneId", str)
#: Name of an API key inside its account.
KeyName = NewType("KeyName", str)
#: SHA-256 of an API key's text, 64 hexadecimal digits.
KeyHash = NewType("KeyHash", str)
#: A caller's id of a request: 1 to 128 printable ASCII characters.
RequestId = NewType("RequestId", str)
#: A hold's id as callers see it; `domain.hold_ids` reads and writes it.
HoldId = NewType("HoldId", str)
#: Who may end a hold: `key/<account uid>/<key name>`, `service/<name>`, `edge` or `local`.
Principal = NewType("Principal", str)
