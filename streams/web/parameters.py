"""What the REST interface takes, each with its limits, and how a list goes on."""

from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Annotated, Any, Final, get_args

from fastapi import HTTPException, Query, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from processors.labels import SentimentLabel, TopicLabel
from processors.messages import FeedbackKind, LabelStatus, SeriesKind
from processors.series import kind_of_series
from streams.store import DocumentQuery
from streams.web.present import Present

EARLIEST: Final = datetime(1970, 1, 2, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
SERIES_KINDS: Final[tuple[SeriesKind, ...]] = get_args(SeriesKind)
_LONGEST: Final = timedelta(days=3700)

Name = Annotated[str, Field(max_length=512)]
Names = Annotated[tuple[Name, ...], Query(max_length=200)]
Instant = Annotated[AwareDatetime | None, Query(ge=EARLIEST, le=LATEST)]
Limit = Annotated[int, Query(ge=1, le=500)]
Days = Annotated[int, Query(ge=1, le=3700)]
Cursor = Annotated[str | None, Query(max_length=600, description="`next` of the answer before")]


class Said(BaseModel):
    """What a person says of an incident, or does about it. A mute wants `until`, an assignment `assignee`."""

    model_config = ConfigDict(extra="forbid")

    incident: Annotated[str, Field(min_length=1, max_length=128)]
    kind: FeedbackKind
    by: Annotated[str, Field(max_length=200)] = ""
    document: Annotated[str | None, Field(max_length=512)] = None
    assignee: Annotated[str | None, Field(max_length=200)] = None
    until: Annotated[AwareDatetime | None, Field(ge=EARLIEST, le=LATEST)] = None
    note: Annotated[str, Field(max_length=2000)] = ""


def document_query(
    words: Annotated[str, Query(max_length=400, description="all of them occur, case and accents aside")] = "",
    company: Names = (),
    source: Names = (),
    sentiment: SentimentLabel | None = None,
    topic: TopicLabel | None = None,
    status: LabelStatus | None = None,
    since: Instant = None,
    until: Instant = None,
) -> DocumentQuery:
    """The conditions on documents that a request states."""
    return DocumentQuery(words, company, source, sentiment, topic, status, since, until)


def range_of(present: Present, since: datetime | None, until: datetime | None, days: int) -> tuple[datetime, datetime]:
    """The range that a request means: [since, until), by default the `days` before `present`."""
    until = until or present.at + timedelta(microseconds=1)
    since = since or until - timedelta(days=days)
    if not timedelta(0) < until - since <= _LONGEST:
        raise HTTPException(422, f"since has to lie before until, by at most {_LONGEST.days} days")
    return since.astimezone(UTC), until.astimezone(UTC)


def checked_series(series: str) -> str:
    """`series`, or the problem that it names none."""
    try:
        kind_of_series(series)
    except ValueError as error:
        raise HTTPException(422, f"{error}, such as company:AAPL") from None
    return series


async def described_parameters(request: Request) -> None:
    """Refuse a request with a query parameter that the description of its operation does not name: unheard, it would be
    taken for a condition that holds."""
    operation = request.app.openapi()["paths"][request.scope["route"].path_format][request.method.lower()]
    known = sorted(each["name"] for each in operation.get("parameters", ()) if each["in"] == "query")
    for name in request.query_params:
        if name not in known:
            nearest = get_close_matches(name, known, n=1)
            meant = f": did you mean {nearest[0]}?" if nearest else ";"
            raise HTTPException(
                422, f"{name[:80]!a} is no parameter here{meant} known are {', '.join(known) or 'none'}"
            )


def page(name: str, records: list[Any], following: str | None) -> JSONResponse:
    """One page of a list, and the cursor of the next one (None at the end)."""
    return JSONResponse({name: records, "next": following})
