"""ControlService's secrets: API keys of accounts and credentials of other services."""

from fluxrouter.v1 import control_pb2
from fluxrouter_server.api.call_context import CallContext
from fluxrouter_server.api.wire_control import credential_message, key_message
from fluxrouter_server.api.wire_requests import read_named_account
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.services.key_service import KeyService
from fluxrouter_server.services.service_credentials import ServiceCredentials

__all__ = ["SecretsApi"]


class SecretsApi:
    """The methods of `fluxrouter.v1.ControlService` about secrets, knowing no transport.

    Args:
        keys: Makes and ends API keys.
        credentials: Makes and ends service credentials.
    """

    def __init__(self, keys: KeyService, credentials: ServiceCredentials) -> None:
        self._keys = keys
        self._credentials = credentials

    async def create_key(
        self, message: control_pb2.CreateKeyRequest, _: CallContext
    ) -> control_pb2.CreateKeyResponse | Denial:
        """Answers CreateKey."""
        account = read_named_account(message.account)
        if isinstance(account, Denial):
            return account
        made = await self._keys.create(account, message.name, key_hash=message.key_hash)
        if isinstance(made, Denial):
            return made
        return control_pb2.CreateKeyResponse(key=key_message(made.key), secret=made.secret)

    async def list_keys(
        self, message: control_pb2.ListKeysRequest, _: CallContext
    ) -> control_pb2.ListKeysResponse | Denial:
        """Answers ListKeys."""
        account = read_named_account(message.account)
        if isinstance(account, Denial):
            return account
        keys = await self._keys.list_keys(account)
        if isinstance(keys, Denial):
            return keys
        return control_pb2.ListKeysResponse(keys=[key_message(key) for key in keys])

    async def rotate_key(
        self, message: control_pb2.RotateKeyRequest, _: CallContext
    ) -> control_pb2.RotateKeyResponse | Denial:
        """Answers RotateKey."""
        account = read_named_account(message.account)
        if isinstance(account, Denial):
            return account
        made = await self._keys.rotate(account, message.name, grace_seconds=message.grace_seconds)
        if isinstance(made, Denial):
            return made
        return control_pb2.RotateKeyResponse(key=key_message(made.key), secret=made.secret)

    async def revoke_key(
        self, message: control_pb2.RevokeKeyRequest, _: CallContext
    ) -> control_pb2.RevokeKeyResponse | Denial:
        """Answers RevokeKey."""
        account = read_named_account(message.account)
        if isinstance(account, Denial):
            return account
        key = await self._keys.revoke(account, message.name)
        return (
            key if isinstance(key, Denial) else control_pb2.RevokeKeyResponse(key=key_message(key))
        )

    async def create_credential(
        self, message: control_pb2.CreateServiceCredentialRequest, _: CallContext
    ) -> control_pb2.CreateServiceCredentialResponse | Denial:
        """Answers CreateServiceCredential."""
        made = await self._credentials.create(message.name, message.scopes)
        if isinstance(made, Denial):
            return made
        return control_pb2.CreateServiceCredentialResponse(
            credential=credential_message(made.record), secret=made.secret
        )

    async def list_credentials(
        self, _message: control_pb2.ListServiceCredentialsRequest, _: CallContext
    ) -> control_pb2.ListServiceCredentialsResponse:
        """Answers ListServiceCredentials."""
        records = await self._credentials.list_credentials()
        return control_pb2.ListServiceCredentialsResponse(
            credentials=[credential_message(record) for record in records]
        )

    async def revoke_credential(
        self, message: control_pb2.RevokeServiceCredentialRequest, _: CallContext
    ) -> control_pb2.RevokeServiceCredentialResponse | Denial:
        """Answers RevokeServiceCredential."""
        denial = await self._credentials.revoke(message.name)
        return denial or control_pb2.RevokeServiceCredentialResponse()
