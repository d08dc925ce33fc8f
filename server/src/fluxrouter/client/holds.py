"""A hold as the caller works with it, between its admission and its ending."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Required, TypedDict

from fluxrouter.v1 import metering_pb2, router_pb2

__all__ = ["Hold", "HoldFields"]


class HoldFields(TypedDict, total=False):
    """What a hold is asked for with; the names and meanings are those of `RouteRequest`."""

    model: Required[str]
    account: str
    api_key: str
    request_id: str
    attempt: int
    input_tokens: int
    text: str
    images: int
    max_output_tokens: int
    choices: int
    capabilities: Sequence[str]
    protocol: str
    labels: Mapping[str, str]
    tier: str


class Hold:
    """Money that is set aside for one request. Say `used` once the model has answered.

    Attributes:
        response: All that the server answered.
        receipt: What its ending came to; None until then.
    """

    def __init__(self, response: router_pb2.RouteResponse) -> None:
        self.response = response
        self.receipt: metering_pb2.Receipt | None = None
        self._usage: metering_pb2.Usage | None = None

    @property
    def id(self) -> str:
        """Names the hold."""
        return self.response.hold_id

    @property
    def model(self) -> str:
        """The name of the model to call, at its upstream."""
        return self.response.upstream_model or self.response.model

    @property
    def upstream(self) -> str:
        """Where that model is."""
        return self.response.upstream

    @property
    def max_output_tokens(self) -> int:
        """The limit to give to the model; it may be less than was asked for."""
        return self.response.granted_max_output_tokens

    @property
    def expire_time(self) -> datetime:
        """When the hold ends by itself, UTC."""
        return self.response.expire_time.ToDatetime()

    @property
    def usage(self) -> metering_pb2.Usage | None:
        """What was used; None until somebody said so."""
        return self._usage

    def used(
        self,
        *,
        input_tokens: int,
        output_tokens: int,
        cached_input_tokens: int = 0,
        cache_write_tokens: int = 0,
        reasoning_tokens: int = 0,
    ) -> None:
        """Says what the model used; the last word counts. The hold is then settled, not released.

        Args:
            input_tokens: Fresh input, without cached and cache-write tokens.
            output_tokens: Output, reasoning included.
            cached_input_tokens: Input read from the provider's cache.
            cache_write_tokens: Input written to it.
            reasoning_tokens: Those of the output that were reasoning.
        """
        self._usage = metering_pb2.Usage(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cached_input_tokens=cached_input_tokens,
            cache_write_tokens=cache_write_tokens,
            reasoning_tokens=reasoning_tokens,
        )
