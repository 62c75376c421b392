"""Adds up an order."""

from decimal import Decimal


def total(item: dict[str, str]) -> dict[str, str]:
    """The order's sum; every column is text, so that no digit is lost."""
    quantity = int(item["quantity"])
    if quantity < 1:
        raise ValueError(f"a quantity of {quantity}")
    return {"customer": item["customer"], "total": str(quantity * Decimal(item["price"]))}
