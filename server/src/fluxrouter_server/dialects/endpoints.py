"""The paths of the API protocols, and which one is spoken at which."""

from collections.abc import Mapping
from typing import Final

from fluxrouter_server.dialects.chat_completions import ChatCompletions
from fluxrouter_server.dialects.dialect import Dialect
from fluxrouter_server.dialects.embeddings import Embeddings
from fluxrouter_server.dialects.messages import CountTokens, Messages
from fluxrouter_server.dialects.responses import Responses

__all__ = ["ANTHROPIC", "ENDPOINTS", "shape_of"]

#: Beginning of all paths of Anthropic's clients.
ANTHROPIC: Final = "/anthropic/"

ENDPOINTS: Final[Mapping[str, Dialect]] = {
    "/v1/chat/completions": ChatCompletions(),
    "/v1/responses": Responses(),
    "/v1/embeddings": Embeddings(),
    "/anthropic/v1/messages": Messages(),
    "/anthropic/v1/messages/count_tokens": CountTokens(),
}


def shape_of(path: str) -> Dialect:
    """Return who speaks at a path; where nobody does, whose clients ask there."""
    found = ENDPOINTS.get(path)
    if found is not None:
        return found
    return ENDPOINTS[
        "/anthropic/v1/messages" if path.startswith(ANTHROPIC) else "/v1/chat/completions"
    ]
