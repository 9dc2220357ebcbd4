"""What a detector counts: a mention or a wide record, in whose stories and in which series."""

from typing import Final, NamedTuple

from processors.messages import DocumentSummary, Mention, WideRecord
from processors.series import WIDE, series_of_mention, series_of_wide

_UTC: Final = "UTC"


class Record(NamedTuple):
    """A mention or a wide record, as the counting sees it: `owner` is whose identities and stories it belongs to."""

    owner: str
    series: tuple[str, ...]
    sector: str
    time_zone: str
    document: DocumentSummary


def record_of(event: Mention | WideRecord, max_companies: int) -> Record | None:
    """What is to be counted. A text that names more than `max_companies` is about none of them: of its mentions nothing
    (None) is counted, of its wide record no sector."""
    if isinstance(event, Mention):
        if event.companies_in_document > max_companies:
            return None
        names = series_of_mention(event)
        return Record(names[0], names, event.sector, event.time_zone, event.document)
    series = series_of_wide(event)
    if len(event.companies) > max_companies:
        series = tuple(name for name in series if not name.startswith("sector:"))
    return Record(WIDE, series, "", _UTC, event.document)
