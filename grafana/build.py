#!/usr/bin/env python3
"""Writes the dashboards of grafana/dashboards/ from the panels that grafana/panels/ lists.

    grafana/build.py            writes them
    grafana/build.py --check    says whether the files are what it would write; exit code 1 if not

Grafana's own JSON says each thing some thirty times. Here a panel is its title, its sentence, its unit, its queries and
its thresholds; how they are drawn, and where, is the same for all. Python's standard library is all that it needs.
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

from panels import ecosystem, exchange, internals  # noqa: E402
from panels.parts import Panel, Row  # noqa: E402

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24
BOARDS = [ecosystem.BOARD, exchange.BOARD, internals.BOARD]
PANEL_KINDS = {"heatmap": "Heatmap", "stat": "Stat", "state-timeline": "State timeline", "table": "Table", "timeseries": "Time series",
               "bargauge": "Bar gauge"}


def variable(name, label, query):
    return {
        "name": name, "label": label, "type": "query", "datasource": SOURCE, "definition": query,
        "query": {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "refresh": 2, "includeAll": True, "allValue": ".*", "multi": True,
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "options": [], "regex": "", "skipUrlSync": False, "sort": 1, "hide": 0,
    }


def variables():
    source = {
        "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1,
        "includeAll": False, "multi": False, "current": {}, "options": [], "regex": "", "skipUrlSync": False, "hide": 0,
    }
    return [
        source,
        variable("job", "Job", "label_values(dex_build_info, job)"),
        variable("instance", "Exchange", 'label_values(dex_build_info{job=~"$job"}, instance)'),
    ]


def links(own):
    """To the other two, with the time and the choices kept."""
    return [
        {
            "asDropdown": False, "icon": "dashboard", "includeVars": True, "keepTime": True, "tags": [], "targetBlank": False,
            "title": board.title, "tooltip": board.description, "type": "link", "url": f"/d/{board.uid}",
        }
        for board in BOARDS if board is not own
    ]


def thresholds(panel):
    steps = [{"color": panel.base, "value": None}]
    steps += [{"color": color, "value": value} for value, color in panel.thresholds]
    return {"mode": "absolute", "steps": steps}


def mappings(panel):
    if not panel.yes_no:
        return []
    words = {"0": {"text": "no", "color": "red", "index": 0}, "1": {"text": "yes", "color": "green", "index": 1}}
    return [{"type": "value", "options": words}]


def calculation():
    return {"calcs": ["lastNotNull"], "fields": "", "values": False}


def style(panel):
    """What the kind of a panel asks for: its defaults for fields, and its options."""
    if panel.kind == "stat":
        options = {
            "colorMode": "value", "graphMode": "none" if panel.yes_no or panel.still else "area", "justifyMode": "auto",
            "orientation": "auto", "reduceOptions": calculation(), "textMode": "auto",
        }
        return {"color": {"mode": "thresholds"}}, options
    if panel.kind == "bargauge":
        options = {
            "displayMode": "basic", "orientation": "horizontal", "reduceOptions": calculation(), "showUnfilled": True,
            "minVizWidth": 0, "minVizHeight": 10, "valueMode": "color",
        }
        return {"color": {"mode": "thresholds"}, "min": 0}, options
    if panel.kind == "state-timeline":
        options = {
            "alignValue": "left", "mergeValues": True, "rowHeight": 0.9, "showValue": "never",
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "single", "sort": "none"},
        }
        return {"color": {"mode": "thresholds"}, "custom": {"fillOpacity": 70, "lineWidth": 0, "spanNulls": False}}, options
    if panel.kind == "table":
        return {"color": {"mode": "thresholds"}, "custom": {"align": "auto", "inspect": False}}, {"showHeader": True, "cellHeight": "sm"}
    if panel.kind == "heatmap":
        options = {
            "calculate": False, "cellGap": 1, "cellValues": {"unit": "short"},
            "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5, "fill": "dark-orange",
                      "reverse": False, "scale": "exponential"},
            "exemplars": {"color": "rgba(255,0,255,0.7)"}, "filterValues": {"le": 1e-9}, "legend": {"show": True},
            "rowsFrame": {"layout": "auto"}, "tooltip": {"mode": "single", "show": True, "yHistogram": True},
            "yAxis": {"axisPlacement": "left", "reverse": False, "unit": panel.unit},
        }
        hide = {"legend": False, "tooltip": False, "viz": False}
        return {"custom": {"hideFrom": hide, "scaleDistribution": {"type": "linear"}}}, options
    custom = {
        "drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 1, "fillOpacity": 8, "showPoints": "never",
        "spanNulls": False, "stacking": {"group": "A", "mode": "none"}, "scaleDistribution": {"type": "linear"},
        "axisPlacement": "auto", "thresholdsStyle": {"mode": "line" if panel.thresholds else "off"},
    }
    options = {
        "legend": {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull", "max"],
                   "sortBy": "Max", "sortDesc": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return {"color": {"mode": "palette-classic"}, "custom": custom, "min": 0}, options


def target(panel, number, query):
    told = {
        "refId": "ABCDEFGH"[number], "datasource": SOURCE, "editorMode": "code", "expr": query.expr,
        "legendFormat": query.legend, "range": panel.kind not in ("table", "bargauge"), "instant": panel.kind in ("table", "bargauge"),
    }
    if panel.kind == "heatmap":
        told["format"] = "heatmap"
    if panel.kind == "table":
        told["format"] = "table"
    return told


def placed(board):
    """The panels of a board, row by row from the left, each row of panels as high as its first."""
    panels, number, x, y, high = [], 0, 0, 0, 0
    for item in board.items:
        number += 1
        if isinstance(item, Row):
            y += high
            x, high = 0, 0
            panels.append({"id": number, "type": "row", "title": item.title, "collapsed": False,
                           "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": y}, "panels": []})
            y += 1
            continue
        assert isinstance(item, Panel)
        if x + item.width > WIDTH:
            x, y, high = 0, y + high, 0
        fields, options = style(item)
        defaults = {"unit": item.unit, **fields, "mappings": mappings(item), "thresholds": thresholds(item)}
        panels.append({
            "id": number, "type": item.kind, "title": item.title, "description": item.description, "datasource": SOURCE,
            "gridPos": {"h": item.height, "w": item.width, "x": x, "y": y},
            "fieldConfig": {"defaults": defaults, "overrides": []}, "options": options,
            "targets": [target(item, n, query) for n, query in enumerate(item.queries)],
        })
        x, high = x + item.width, max(high, item.height)
    return panels


def whole(board):
    panels = placed(board)
    kinds = sorted({panel["type"] for panel in panels} - {"row"})
    requires = [{"type": "grafana", "id": "grafana", "name": "Grafana", "version": "10.0.0"},
                {"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"}]
    requires += [{"type": "panel", "id": kind, "name": PANEL_KINDS[kind], "version": ""} for kind in kinds]
    annotation = {
        "builtIn": 1, "datasource": {"type": "grafana", "uid": "-- Grafana --"}, "enable": True, "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)", "name": "Annotations & Alerts", "type": "dashboard",
    }
    alerts = {
        "datasource": SOURCE, "enable": True, "hide": False, "iconColor": "red", "name": "Alerts that fire",
        "expr": 'ALERTS{alertname=~"Dex.*",alertstate="firing"}', "titleFormat": "{{alertname}}", "step": "30s",
    }
    return {
        "__requires": requires, "id": None, "uid": board.uid, "title": board.title, "description": board.description,
        "tags": ["dex"], "schemaVersion": 38, "version": 1, "editable": True, "graphTooltip": 1, "fiscalYearStartMonth": 0,
        "liveNow": False, "style": "dark", "timezone": "", "weekStart": "", "refresh": board.refresh,
        "time": {"from": board.since, "to": "now"},
        "timepicker": {"refresh_intervals": ["5s", "10s", "30s", "1m", "5m", "15m"]},
        "links": links(board), "annotations": {"list": [annotation, alerts]}, "templating": {"list": variables()},
        "panels": panels,
    }


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        print(__doc__, file=sys.stderr)
        return 2
    differs = False
    for board in BOARDS:
        file = HERE / "dashboards" / f"{board.file}.json"
        text = json.dumps(whole(board), indent=2, ensure_ascii=False) + "\n"
        if check:
            if not file.exists() or file.read_text() != text:
                print(f"{file.relative_to(HERE.parent)} is not what grafana/build.py writes: run it", file=sys.stderr)
                differs = True
        else:
            file.write_text(text)
            print(file.relative_to(HERE.parent))
    return 1 if differs else 0


if __name__ == "__main__":
    sys.exit(main())
