"""What the API server itself refuses, one by one, with a message that says what to do."""

from dataclasses import dataclass

import pytest

from fluxrouter_testing.kubernetes_api import KubernetesApi, Refused
from fluxrouter_testing.kubernetes_samples import (
    ABSENT,
    Document,
    account_document,
    catalog_document,
    path_of,
    plan_document,
    varied,
)


@dataclass(frozen=True)
class Refusal:
    """A document with one wrong field, and what the API server says of it."""

    document: Document
    path: str
    value: object
    field: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.document['kind']}.{self.path}={str(self.value)[:20]}"


PLAN = plan_document()
METERED = plan_document(capUsd=ABSENT, ceilingUsd="100.00", overage="metered")
KEYS = [{"name": "ci", "secret": {"name": "ci-key"}}, {"name": "other"}]
ACCOUNT = account_document(
    budgets=[{"name": "search", "matchLabels": {"team": "search"}, "capUsd": "5.00"}],
    apiKeys=KEYS,
)
CATALOG = catalog_document()
SELECTOR = {"matchExpressions": [{"key": "team", "operator": "In", "values": ["a"]}]}
SELECTIVE = plan_document(namespaceSelector=SELECTOR)

PLANS = [
    ("metadata.name", "a" * 64, "metadata", "longer than 63"),
    ("capUsd", ABSENT, "spec", "exactly one of capUsd"),
    ("ceilingUsd", "1.00", "spec", "exactly one of capUsd"),
    ("capUsd", "1.01", "spec", "the cap must not exceed it"),
    ("capUsd", "", "spec.capUsd", "at least 1 chars"),
    ("capUsd", 1.0, "spec.capUsd", "must be of type string"),
    ("capUsd", "-1", "spec.capUsd", "quoted string of digits"),
    ("capUsd", "1e3", "spec.capUsd", "quoted string of digits"),
    ("capUsd", "1,00", "spec.capUsd", "quoted string of digits"),
    ("capUsd", "0.0000000001", "spec.capUsd", "quoted string of digits"),
    ("feeUsd", "9007199.254740993", "spec.feeUsd", "from 0 to 9007199.254740992"),
    ("feeUsd", "99999999999999999999", "spec.feeUsd", "17"),
    ("includedCreditUsd", "a lot", "spec.includedCreditUsd", "quoted string of digits"),
    ("hourlyCapUsd", "1 USD", "spec.hourlyCapUsd", "quoted string of digits"),
    ("overage", "free", "spec.overage", '"none", "metered"'),
    ("enforcement", "audit", "spec.enforcement", '"enforce", "observe"'),
    ("displayName", "x" * 129, "spec.displayName", "128"),
    ("description", "x" * 1025, "spec.description", "1024"),
    ("rateLimits.requestsPerSecond", -1, "spec.rateLimits.requestsPerSecond", "0"),
    ("rateLimits.requestsPerSecond", 1_000_001, "spec.rateLimits.requestsPerSecond", "1000000"),
    ("rateLimits.requestBurst", 5, "spec.rateLimits.requestBurst", "set requestsPerSecond"),
    ("rateLimits.tokenBurst", 500, "spec.rateLimits.tokenBurst", "set tokensPerMinute"),
    ("rateLimits.tokensPerMinute", 8, "spec.rateLimits.tokenBurst", "minOutputTokens"),
    ("rateLimits.maxInFlight", 1_000_001, "spec.rateLimits.maxInFlight", "1000000"),
    ("lanes", ["express", "express"], "spec.lanes[1]", "Duplicate"),
    ("models", ["a", "a"], "spec.models[1]", "Duplicate"),
    ("holds.expirySeconds", 3601, "spec.holds.expirySeconds", "3600"),
    ("holds.onExpiry", "forget", "spec.holds.onExpiry", '"charge", "release"'),
    ("holds.minOutputTokens", -1, "spec.holds.minOutputTokens", "0"),
    ("alertPercents", [100, 80], "spec.alertPercents", "ascending"),
    ("alertPercents", [80, 80], "spec.alertPercents[1]", "Duplicate"),
    ("alertPercents", [0], "spec.alertPercents[0]", "1"),
    ("alertPercents", [101], "spec.alertPercents[0]", "100"),
]
SELECTORS = [
    ("namespaceSelector.matchExpressions.0.operator", "Is", "operator", '"In", "NotIn"'),
    ("namespaceSelector.matchExpressions.0.values", [], "values", "at least one of values"),
    ("namespaceSelector.matchExpressions.0.operator", "Exists", "values", "take none"),
    ("namespaceSelector.matchExpressions.0.key", "", "key", "at least 1 chars"),
]
ACCOUNTS = [
    ("metadata.name", "a" * 64, "metadata", "longer than 63"),
    ("plan", ABSENT, "spec.plan", "Required"),
    ("plan", "Free", "spec.plan", "lower-case letters"),
    ("paymentMethod", "cash", "spec.paymentMethod", '"none", "card", "invoice"'),
    ("billing.anchorDay", 0, "spec.billing.anchorDay", "1"),
    ("billing.anchorDay", 32, "spec.billing.anchorDay", "31"),
    ("billing.timeZone", "../etc", "spec.billing.timeZone", "Europe/Berlin"),
    ("overrides.capUsd", "1.0.0", "spec.overrides.capUsd", "quoted string of digits"),
    ("overrides.hourlyCapUsd", "x", "spec.overrides.hourlyCapUsd", "quoted string of digits"),
    ("overrides.rateLimits.tokenBurst", -1, "spec.overrides.rateLimits.tokenBurst", "0"),
    ("budgets.0.name", "Search", "spec.budgets[0].name", "lower-case letters"),
    ("budgets.0.matchLabels", {}, "spec.budgets[0].matchLabels", "at least 1"),
    ("budgets.0.matchLabels", ABSENT, "spec.budgets[0].matchLabels", "Required"),
    ("budgets.0.capUsd", ABSENT, "spec.budgets[0].capUsd", "Required"),
    ("budgets.0.capUsd", "five", "spec.budgets[0].capUsd", "quoted string of digits"),
    ("apiKeys.1.name", "ci", "spec.apiKeys[1]", "Duplicate"),
    ("apiKeys.0.name", "c i", "spec.apiKeys[0].name", "lower-case letters"),
    ("apiKeys.0.capUsd", "$1", "spec.apiKeys[0].capUsd", "quoted string of digits"),
    ("apiKeys.0.expireTime", "tomorrow", "spec.apiKeys[0].expireTime", "date-time"),
    ("apiKeys.0.expireTime", "1969-01-01T00:00:00Z", "spec.apiKeys[0].expireTime", "after 1970"),
    ("apiKeys.0.allowedModels", ["a", "a"], "spec.apiKeys[0].allowedModels[1]", "Duplicate"),
    ("apiKeys.0.secret.name", "My Key", "spec.apiKeys[0].secret.name", "a Secret's name"),
    ("apiKeys.0.secret.rotation", -1, "spec.apiKeys[0].secret.rotation", "0"),
    (
        "apiKeys.0.secret.rotationGraceSeconds",
        2_592_001,
        "spec.apiKeys[0].secret.rotationGraceSeconds",
        "2592000",
    ),
    ("apiKeys.1.secret", {"name": "ci-key"}, "spec.apiKeys", "its own secret.name"),
]
CATALOGS = [
    ("metadata.name", "other", "metadata", "its name is default"),
    ("lanes", [], "spec.lanes", "at least 1"),
    ("lanes.0.id", "Express Lane", "spec.lanes[0].id", "lower-case letters"),
    ("lanes.0.rateCards.0.inputUsdPerMillion", ABSENT, "inputUsdPerMillion", "Required"),
    ("lanes.0.rateCards.0.inputUsdPerMillion", "9000.01", "inputUsdPerMillion", "0 to 9000"),
    ("lanes.0.rateCards.0.inputUsdPerMillion", "one", "inputUsdPerMillion", "of digits"),
    ("lanes.0.rateCards.0.outputUsdPerMillion", ABSENT, "rateCards", "needs outputUsd"),
    ("lanes.0.rateCards.0.effectiveTime", "1960-01-01T00:00:00Z", "effectiveTime", "1970"),
    ("models.0.id", "auto", "spec.models[0].id", "meaning of its own"),
    ("models.0.id", "flux-pinned-x", "spec.models[0].id", "meaning of its own"),
    ("models.0.id", "a b", "spec.models[0].id", "letters, digits"),
    ("models.0.lane", "slow", "spec.models", "not in spec.lanes"),
    ("models.0.lane", ABSENT, "spec.models[0].lane", "Required"),
    ("models.0.contextWindowTokens", 0, "spec.models[0].contextWindowTokens", "1"),
    ("models.0.maxOutputTokens", ABSENT, "spec.models[0].maxOutputTokens", "set maxOutput"),
    ("models.0.maxOutputTokens", 100_001, "spec.models[0].maxOutputTokens", "not exceed"),
    ("models.0.defaultOutputTokens", 4_001, "spec.models[0].defaultOutputTokens", "not exceed"),
    ("models.0.tokensPerKilobyte", 100_001, "spec.models[0].tokensPerKilobyte", "100000"),
    ("models.0.capabilities", ["vision"], "spec.models[0].imageTokens", "vision needs"),
    ("models.0.capabilities", ["smell"], "spec.models[0].capabilities[0]", '"tools"'),
    ("models.0.protocols", [], "spec.models[0].protocols", "at least 1"),
    ("models.0.protocols", ["soap"], "spec.models[0].protocols[0]", '"messages"'),
    (
        "models.0.rateCards",
        [{"inputUsdPerMillion": "1"}],
        "spec.models[0].rateCards",
        "needs outputUsd",
    ),
    ("tiers.2", {"tier": "fast", "models": ["small-1"]}, "spec.tiers[2]", "Duplicate"),
    ("tiers.2.tier", "genius", "spec.tiers[2].tier", '"reasoning"'),
    ("tiers.0.models", ["nobody"], "spec.tiers", "not in spec.models"),
    ("tiers.0.models", [], "spec.tiers[0].models", "at least 1"),
    ("aliases.0.id", "flux-pinned-x", "spec.aliases[0].id", "always asks for a model"),
    ("aliases.0.target", ABSENT, "spec.aliases[0].target", "Required"),
    ("inputMarginPercent", 101, "spec.inputMarginPercent", "100"),
]
REFUSALS = [
    *(Refusal(PLAN, *row) for row in PLANS),
    Refusal(METERED, "ceilingUsd", "x", "spec.ceilingUsd", "quoted string of digits"),
    *(Refusal(SELECTIVE, *row) for row in SELECTORS),
    *(Refusal(ACCOUNT, *row) for row in ACCOUNTS),
    *(Refusal(CATALOG, *row) for row in CATALOGS),
]
FROZEN = varied(ACCOUNT, {"metadata.name": "frozen", "apiKeys.0.secret.rotation": 2})
UPDATES = [
    Refusal(FROZEN, *row)
    for row in (
        ("apiKeys.0.secret.name", "new", "spec.apiKeys[0].secret.name", "cannot be changed"),
        ("apiKeys.0.secret", ABSENT, "spec.apiKeys[0]", "a key stays in its Secret"),
        ("apiKeys.0.secret.rotation", 1, "spec.apiKeys[0].secret.rotation", "only be raised"),
    )
]


@pytest.mark.parametrize("document", [PLAN, METERED, SELECTIVE, ACCOUNT, CATALOG])
def test_what_the_refusals_vary_is_accepted(kubernetes: KubernetesApi, document: Document) -> None:
    assert create(kubernetes, document)["metadata"]["name"] == document["metadata"]["name"]


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
def test_a_wrong_field_is_refused_by_the_api_server(
    kubernetes: KubernetesApi, refusal: Refusal
) -> None:
    with pytest.raises(Refused) as refused:
        create(kubernetes, varied(refusal.document, {refusal.path: refusal.value}))
    assert refused.value.code == 422
    assert refusal.field in str(refused.value)
    assert refusal.remedy in str(refused.value)


@pytest.mark.parametrize("refusal", UPDATES, ids=str)
def test_what_must_not_change_is_refused_by_the_api_server(
    kubernetes: KubernetesApi, refusal: Refusal
) -> None:
    kubernetes.apply(refusal.document)
    live = kubernetes.get("account", "frozen")
    changed = varied(live, {refusal.path: refusal.value})
    with pytest.raises(Refused) as refused:
        kubernetes.call("PUT", f"{path_of(live)}/frozen?dryRun=All", changed)
    assert refusal.field in str(refused.value)
    assert refusal.remedy in str(refused.value)


def test_a_budget_may_be_renamed_and_a_key_removed(kubernetes: KubernetesApi) -> None:
    document = varied(ACCOUNT, {"metadata.name": "moved"})
    kubernetes.apply(document)
    live = kubernetes.get("account", "moved")
    changed = varied(live, {"budgets.0.name": "find", "apiKeys": [{"name": "other"}]})
    assert kubernetes.call("PUT", f"{path_of(live)}/moved?dryRun=All", changed)


def test_unknown_fields_are_pruned_and_kubectl_refuses_them(kubernetes: KubernetesApi) -> None:
    document = varied(PLAN, {"capsUsd": "1.00"})
    assert "capsUsd" not in create(kubernetes, document)["spec"]
    with pytest.raises(Refused, match=r'unknown field "spec\.capsUsd"'):
        create(kubernetes, document, "&fieldValidation=Strict")


def test_an_embeddings_model_needs_neither_output_nor_its_price(kubernetes: KubernetesApi) -> None:
    model = {
        "id": "embed",
        "lane": "express",
        "rateCards": [{"inputUsdPerMillion": "0.02"}],
        "contextWindowTokens": 8192,
        "protocols": ["embeddings"],
    }
    models = [*CATALOG["spec"]["models"], model]
    assert create(kubernetes, varied(CATALOG, {"models": models}))


def test_the_largest_amount_and_the_most_decimals_are_accepted(kubernetes: KubernetesApi) -> None:
    document = varied(METERED, {"ceilingUsd": "9007199.254740992", "feeUsd": "0.000000001"})
    assert create(kubernetes, document)["spec"]["feeUsd"] == "0.000000001"


def create(kubernetes: KubernetesApi, document: Document, options: str = "") -> Document:
    created: Document = kubernetes.call(
        "POST", f"{path_of(document)}?dryRun=All{options}", document
    )
    return created
