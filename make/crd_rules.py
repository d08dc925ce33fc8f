"""CEL rules over several fields of a message: what depends on what, and what may not change."""

from __future__ import annotations

from crd_constraints import Rule

_CAP = "(has(self.capUsd) ? self.capUsd : has(self.ceilingUsd) ? self.ceilingUsd : '0')"
_ONLY_EMBEDS = "self.protocols.all(p, p == 'embeddings')"
_WINDOW = "self.contextWindowTokens"


def _or_zero(path: str) -> str:
    """A number that may be absent, as the number it then means."""
    return f"(has({path}) ? {path} : 0)"


_MIN_OUTPUT = f"({_or_zero('self.holds.minOutputTokens')} == 0 ? 16 : self.holds.minOutputTokens)"
_TOKEN_BURST, _TOKEN_RATE, _BURST, _RATE = (
    _or_zero(f"self.rateLimits.{name}")
    for name in ("tokenBurst", "tokensPerMinute", "requestBurst", "requestsPerSecond")
)
_EFFECTIVE_TOKEN_BURST = f"({_TOKEN_BURST} > 0 ? {_TOKEN_BURST} : {_TOKEN_RATE})"
_MAX_OUTPUT = _or_zero("self.maxOutputTokens")

#: By message. A rule stands in every place where the message is used.
MESSAGE_RULES: dict[str, tuple[Rule, ...]] = {
    "PlanSpec": (
        Rule(
            "has(self.capUsd) != has(self.ceilingUsd)",
            "set exactly one of capUsd (an allowance) and ceilingUsd (a safety limit for plans that"
            " bill what is used)",
        ),
        Rule(
            f"self.overage != 'none' || !isQuantity({_CAP}) || !isQuantity(self.includedCreditUsd)"
            f" || quantity({_CAP}).compareTo(quantity(self.includedCreditUsd)) <= 0",
            "overage none bills nothing beyond includedCreditUsd, so the cap must not exceed it:"
            " lower the cap, raise includedCreditUsd, or set overage to metered",
        ),
        Rule(
            f"!has(self.rateLimits) || {_BURST} == 0 || {_RATE} > 0",
            "a burst alone limits nothing: set requestsPerSecond too",
            path=".rateLimits.requestBurst",
        ),
        Rule(
            f"!has(self.rateLimits) || {_TOKEN_BURST} == 0 || {_TOKEN_RATE} > 0",
            "a burst alone limits nothing: set tokensPerMinute too",
            path=".rateLimits.tokenBurst",
        ),
        Rule(
            f"!has(self.rateLimits) || {_EFFECTIVE_TOKEN_BURST} == 0"
            f" || {_EFFECTIVE_TOKEN_BURST} >= {_MIN_OUTPUT}",
            "a token burst below holds.minOutputTokens lets no shrunken grant pass: raise it",
            path=".rateLimits.tokenBurst",
        ),
        Rule(
            "!has(self.alertPercents) || self.alertPercents.isSorted()",
            "list the percentages in ascending order",
            path=".alertPercents",
        ),
    ),
    "LabelSelectorRequirement": (
        Rule(
            "self.operator in ['In', 'NotIn'] == (has(self.values) && size(self.values) > 0)",
            "In and NotIn need at least one of values; Exists and DoesNotExist take none",
            path=".values",
        ),
    ),
    "AccountSpec": (
        Rule(
            "!has(self.apiKeys) || self.apiKeys.all(a, !has(a.secret) || self.apiKeys.exists_one(b,"
            " has(b.secret) && b.secret.name == a.secret.name))",
            "two keys cannot go into the same Secret: give each its own secret.name",
            path=".apiKeys",
        ),
    ),
    "ApiKeySpec": (
        Rule(
            "!has(oldSelf.secret) || has(self.secret)",
            "a key stays in its Secret: to have it removed, remove the key; to keep both, add a key"
            " of another name",
        ),
    ),
    "KeySecret": (
        Rule(
            "self.name == oldSelf.name",
            "the name of a key's Secret cannot be changed: add a key of another name, then remove"
            " this one",
            path=".name",
        ),
        Rule(
            "self.rotation >= oldSelf.rotation",
            "rotation can only be raised: each step rotates the key once",
            path=".rotation",
        ),
    ),
    "CatalogSpec": (
        Rule(
            "!has(self.models) || self.models.all(m, self.lanes.exists(l, l.id == m.lane))",
            "a model names a lane that is not in spec.lanes: add the lane or correct the name",
            path=".models",
        ),
        Rule(
            "self.tiers.all(t, t.models.all(id, has(self.models) && self.models.exists(m,"
            " m.id == id)))",
            "a tier names a model that is not in spec.models: add the model or correct the id",
            path=".tiers",
        ),
    ),
    "Lane": (
        Rule(
            "!has(self.rateCards) || self.rateCards.all(c, has(c.outputUsdPerMillion))",
            "a lane's rate card needs outputUsdPerMillion",
            path=".rateCards",
        ),
    ),
    "Model": (
        Rule(
            "!(self.id in ['auto', 'fast', 'standard', 'reasoning'])"
            " && !self.id.startsWith('flux-pinned-')",
            "this id has a meaning of its own in requests: choose another one",
            path=".id",
        ),
        Rule(
            f"{_ONLY_EMBEDS} || {_MAX_OUTPUT} >= 1",
            "set maxOutputTokens: only a model for embeddings alone has none",
            path=".maxOutputTokens",
        ),
        Rule(
            f"{_MAX_OUTPUT} <= {_WINDOW}",
            "maxOutputTokens must not exceed contextWindowTokens",
            path=".maxOutputTokens",
        ),
        Rule(
            f"{_or_zero('self.defaultOutputTokens')} <= {_MAX_OUTPUT}",
            "defaultOutputTokens must not exceed maxOutputTokens",
            path=".defaultOutputTokens",
        ),
        Rule(
            "!has(self.capabilities) || !('vision' in self.capabilities)"
            f" || {_or_zero('self.imageTokens')} >= 1",
            "vision needs imageTokens: the tokens of one image",
            path=".imageTokens",
        ),
        Rule(
            f"{_ONLY_EMBEDS} || !has(self.rateCards)"
            " || self.rateCards.all(c, has(c.outputUsdPerMillion))",
            "a rate card needs outputUsdPerMillion, except of a model for embeddings alone",
            path=".rateCards",
        ),
    ),
    "Alias": (
        Rule(
            "!self.id.startsWith('flux-pinned-')",
            "flux-pinned-… always asks for a model: choose another name",
            path=".id",
        ),
    ),
}
