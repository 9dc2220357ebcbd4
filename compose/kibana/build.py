"""Builds `tocsin.ndjson`, what Kibana imports: data views, panels, dashboards. Run it after a change:

python -m compose.kibana.build
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from compose.kibana.boards import BOARDS
from compose.kibana.charts import TIMES, Board, Chart, Json, Panel, Table

TARGET: Final = Path(__file__).with_name("tocsin.ndjson")


def saved(kind: str, id: str, migration: str, attributes: Json, references: Sequence[Json] = ()) -> Json:
    """One saved object."""
    return {
        "type": kind,
        "id": id,
        "attributes": attributes,
        "references": list(references),
        "coreMigrationVersion": "8.8.0",
        "typeMigrationVersion": migration,
    }


def view_of(index: str) -> Json:
    """A data view of one alias."""
    attributes: Json = {"title": f"tocsin-{index}", "name": f"Tocsin {index}"}
    attributes |= {"fieldAttrs": "{}", "fields": "[]", "runtimeFieldMap": "{}", "sourceFilters": "[]"}
    if TIMES[index]:
        attributes["timeFieldName"] = TIMES[index]
    return saved("index-pattern", f"tocsin-{index}", "8.0.0", attributes)


def panel_of(panel: Panel) -> Json:
    """A chart, a table or a note."""
    if isinstance(panel, Table):
        source = {"query": {"query": panel.query, "language": "lucene"}, "filter": []}
        reference = "kibanaSavedObjectMeta.searchSourceJSON.index"
        time = TIMES[panel.index]
        attributes: Json = {
            "title": panel.title,
            "description": "",
            "columns": list(panel.columns),
            "sort": [[time, "desc"]] if time else [],
            "grid": {},
            "hideChart": True,
            "isTextBasedQuery": False,
            "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps({**source, "indexRefName": reference})},
        }
        pointed = [{"name": reference, "type": "index-pattern", "id": f"tocsin-{panel.index}"}]
        return saved("search", panel.id, "8.0.0", attributes, pointed)
    if isinstance(panel, Chart):
        kind, parameters = "vega", {"spec": json.dumps(panel.spec, indent=2, ensure_ascii=False)}
    else:
        kind, parameters = "markdown", {"markdown": panel.text, "fontSize": 12, "openLinksInNewTab": False}
    state = {"title": panel.title, "type": kind, "aggs": [], "params": parameters}
    source = {"query": {"query": "", "language": "kuery"}, "filter": []}
    attributes = {
        "title": panel.title,
        "description": panel.description if isinstance(panel, Chart) else "",
        "version": 1,
        "uiStateJSON": "{}",
        "visState": json.dumps(state, ensure_ascii=False),
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(source)},
    }
    return saved("visualization", panel.id, "8.5.0", attributes)


def board_of(board: Board) -> Json:
    """A dashboard."""
    panels: list[Json] = []
    references: list[Json] = []
    y = 0
    for height, row in board.rows:
        x = 0
        for panel, width in row:
            number = str(len(panels) + 1)
            kind = "search" if isinstance(panel, Table) else "visualization"
            panels.append(
                {
                    "version": "8.9.0",
                    "type": kind,
                    "gridData": {"x": x, "y": y, "w": width, "h": height, "i": number},
                    "panelIndex": number,
                    "embeddableConfig": {"enhancements": {}},
                    "panelRefName": f"panel_{number}",
                }
            )
            references.append({"name": f"{number}:panel_{number}", "type": kind, "id": panel.id})
            x += width
        y += height
    options = {"useMargins": True, "syncColors": True, "syncCursor": True, "syncTooltips": False}
    attributes: Json = {
        "title": board.title,
        "description": board.description,
        "hits": 0,
        "timeRestore": True,
        "timeFrom": "now-7d",
        "timeTo": "now",
        "refreshInterval": {"pause": False, "value": 60_000},
        "optionsJSON": json.dumps({**options, "hidePanelTitles": False}),
        "panelsJSON": json.dumps(panels),
        "kibanaSavedObjectMeta": {
            "searchSourceJSON": json.dumps({"query": {"query": "", "language": "kuery"}, "filter": []})
        },
        "version": 1,
    }
    return saved("dashboard", board.id, "8.9.0", attributes, references)


def objects() -> Iterator[Json]:
    """Everything, what is pointed at before what points."""
    yield from (view_of(index) for index in TIMES)
    panels = {panel.id: panel for board in BOARDS for _, row in board.rows for panel, _ in row}
    yield from (panel_of(panel) for panel in panels.values())
    yield from (board_of(board) for board in BOARDS)


def built() -> str:
    """The file as it has to be."""
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects())


if __name__ == "__main__":
    TARGET.write_text(built(), encoding="utf-8")
