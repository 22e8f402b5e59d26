"""Legal clocks: by when a request must be answered."""

import calendar
from datetime import datetime, timedelta

from service.core.tables import Regulation

CCPA_DAYS = 45


def one_month_after(moment: datetime) -> datetime:
    """The same day of the next month, or its last day where it has no such day."""
    year, month = (moment.year + 1, 1) if moment.month == 12 else (moment.year, moment.month + 1)
    last = calendar.monthrange(year, month)[1]
    return moment.replace(year=year, month=month, day=min(moment.day, last))


def due_at(regulation: Regulation, received_at: datetime) -> datetime | None:
    """GDPR Art. 12(3): one calendar month. CCPA regulations §7021: 45 days. Otherwise none."""
    match regulation:
        case Regulation.GDPR:
            return one_month_after(received_at)
        case Regulation.CCPA:
            return received_at + timedelta(days=CCPA_DAYS)
        case Regulation.NONE:
            return None
