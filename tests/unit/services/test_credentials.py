from dataclasses import dataclass, field
from hashlib import sha256

from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.ids import Principal
from fluxrouter_server.services.callers import LOCAL, Caller, Scope
from fluxrouter_server.services.credentials import Credentials
from fluxrouter_server.services.ports.documents import CredentialRecord
from fluxrouter_server.services.service_credentials import NewCredential, ServiceCredentials
from fluxrouter_testing.port_doubles import FixedClock, MemoryDocuments
from fluxrouter_testing.use_cases import UseCases, counting_random

CONFIGURED = CredentialRecord(
    "edge", sha256(b"any text").hexdigest(), frozenset({"route", "of-a-later-version"}), 0
)


@dataclass
class Seconds:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Door:
    world: UseCases
    local_allowed: bool = False
    seconds: Seconds = field(default_factory=Seconds)

    def __post_init__(self) -> None:
        documents = self.world.documents
        self.credentials = Credentials(
            cache=self.world.cache,
            store=documents,
            configured=[CONFIGURED],
            local_allowed=self.local_allowed,
            monotonic=self.seconds,
        )
        self.services = ServiceCredentials(
            store=documents, clock=FixedClock(), random=counting_random()
        )

    async def make(self, name: str = "billing") -> str:
        made = await self.services.create(name, ["meter", "read"])
        assert isinstance(made, NewCredential)
        return made.secret

    async def knock(self, secret: str | None) -> Caller | Reason:
        answer = await self.credentials.authenticate(secret)
        return answer.reason if isinstance(answer, Denial) else answer


async def test_a_call_without_a_secret_is_refused(world: UseCases) -> None:
    assert await Door(world).knock(None) is Reason.CREDENTIAL_INVALID


async def test_a_call_without_a_secret_is_local_where_that_is_allowed(world: UseCases) -> None:
    assert await Door(world, local_allowed=True).knock(None) == LOCAL


async def test_a_wrong_secret_is_refused_even_where_none_is_needed(world: UseCases) -> None:
    assert await Door(world, local_allowed=True).knock("no") is Reason.CREDENTIAL_INVALID


async def test_a_configured_secret_has_the_scopes_that_are_known(world: UseCases) -> None:
    expected = Caller(Principal("service/edge"), frozenset({Scope.ROUTE}))
    assert await Door(world).knock("any text") == expected


async def test_a_credential_works_as_soon_as_it_is_made(world: UseCases) -> None:
    door = Door(world)
    await door.make("first")
    await door.knock("fs-unknown")
    secret = await door.make()
    expected = Caller(Principal("service/billing"), frozenset({Scope.METER, Scope.READ}))
    assert await door.knock(secret) == expected


async def test_a_revoked_credential_is_refused_after_a_second(world: UseCases) -> None:
    door = Door(world)
    secret = await door.make()
    await door.knock(secret)
    assert await door.services.revoke("billing") is None
    door.seconds.now = 1.0
    assert await door.knock(secret) is Reason.CREDENTIAL_INVALID


async def test_a_credential_is_not_read_again_within_the_second(world: UseCases) -> None:
    door = Door(world)
    secret = await door.make()
    await door.knock(secret)
    world.documents.credentials.clear()
    door.seconds.now = 0.9
    assert isinstance(await door.knock(secret), Caller)


async def test_a_name_is_not_taken_twice(world: UseCases) -> None:
    door = Door(world)
    await door.make()
    again = await door.services.create("billing", ["meter"])
    assert isinstance(again, Denial)
    assert again.reason is Reason.KEY_EXISTS


async def test_a_credential_needs_a_name_and_known_scopes() -> None:
    services = ServiceCredentials(
        store=MemoryDocuments(), clock=FixedClock(), random=counting_random()
    )
    refused = await services.create("Not A Name", ["root"])
    assert isinstance(refused, Denial)
    assert [violation.field for violation in refused.violations] == ["name", "scopes[0]"]


async def test_a_credential_needs_a_scope() -> None:
    services = ServiceCredentials(
        store=MemoryDocuments(), clock=FixedClock(), random=counting_random()
    )
    refused = await services.create("billing", [])
    assert isinstance(refused, Denial)
    assert [violation.field for violation in refused.violations] == ["scopes"]


async def test_revoking_what_is_not_there_says_so(world: UseCases) -> None:
    missing = await Door(world).services.revoke("nobody")
    assert missing is not None
    assert missing.reason is Reason.RESOURCE_NOT_FOUND
