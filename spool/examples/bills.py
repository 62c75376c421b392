"""A handler with an effect that must not happen twice, over a connection that is not to be relied on."""

from __future__ import annotations

import hashlib
from typing import Any

from spoold import Item, Skip


def bill(order: dict[str, str], ctx: Item) -> dict[str, Any]:
    """Charge what an order costs, then send its receipt."""
    amount = int(order["quantity"]) * float(order["price"])
    if amount <= 0:
        raise Skip("there is nothing to pay")
    receipt = ctx.once("charge", charge, ctx.key, amount)  # the second attempt gets the first one's receipt
    send(receipt, ctx.attempt)
    return {"order": ctx.id, "receipt": receipt, "attempts": ctx.attempt}


def charge(key: str, amount: float) -> str:
    """Stand for a payment gateway, which takes an idempotency key and gives a receipt."""
    return hashlib.sha256(f"{key} {amount:.2f}".encode()).hexdigest()[:12]


def send(receipt: str, attempt: int) -> None:
    """Stand for a mail server that refuses one receipt in three at the first attempt."""
    if attempt == 1 and int(receipt, 16) % 3 == 0:
        raise ConnectionError("the mail server refused")
