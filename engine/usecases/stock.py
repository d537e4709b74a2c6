"""New codes for a coupon pool, in their place in the log. Codes that the pool knows already are left alone."""

from engine.core.coupons import check_stock
from engine.core.events import Directive
from engine.usecases.work import Work


def stock(work: Work, directive: Directive) -> None:
    """Add the directive's codes to the end of its pool; raises `BadInput`, and adds none, when one of them is wrong."""
    codes = check_stock(directive.subject, directive.properties.get("codes"))
    work.changes.stock.append((directive.subject, codes))
