"""Reads the documents that a script sends to a caller whose own are old."""

from fluxrouter_server.domain.ids import AccountUid
from fluxrouter_server.domain.limits import CatalogRecord, PlanRecord
from fluxrouter_server.domain.periods import Period
from fluxrouter_server.services.ports.holds import Stale
from fluxrouter_server.store.documents import (
    decode_account_record,
    decode_catalog,
    decode_generation,
    decode_plan,
)
from fluxrouter_server.store.hold_calls import Answer
from fluxrouter_server.store.keys import AccountFlag

__all__ = ["read_stale"]

_UNCHANGED, _GIVEN, _MISSING = 0, 1, 2


def read_stale(answer: Answer, uid: AccountUid) -> Stale:
    """Read a script's STALE; its shape is in `lua/lib/stale.lua`.

    Raises:
        StoreRefused: A document can't be read.
    """
    now_us, start_us, end_us = answer[1:4]
    account, generation, update_us, document, flags = answer[4:9]
    plan, plan_generation, plan_update_us, plan_document = answer[9:13]
    catalog, catalog_generation, catalog_update_us, catalog_document = answer[13:17]
    return Stale(
        account=None
        if account != _GIVEN
        else decode_account_record(
            document,
            uid=uid,
            generation=decode_generation(generation),
            update_us=int(update_us),
            deleted=bool(flags & AccountFlag.DELETED),
        ),
        plan=None
        if plan != _GIVEN
        else PlanRecord(
            decode_plan(plan_document), decode_generation(plan_generation), int(plan_update_us)
        ),
        catalog=None
        if catalog != _GIVEN
        else CatalogRecord(
            decode_catalog(catalog_document),
            decode_generation(catalog_generation),
            int(catalog_update_us),
        ),
        open_period=Period(start_us, end_us) if end_us else None,
        store_us=now_us,
        account_missing=account == _MISSING,
        plan_missing=plan == _MISSING,
        catalog_missing=catalog == _MISSING,
    )
