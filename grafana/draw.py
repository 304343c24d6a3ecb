#!/usr/bin/env python3
"""Draws the dashboards as SVG from what a Prometheus answers to their queries. It is not Grafana: same panels, same queries,
same places, plainer lines.

    grafana/draw.py --prometheus http://127.0.0.1:9090 --seconds 60 --out docs/images

Each panel that has no finite figure is named on stderr, and the exit code is 1. Python's standard library is all that it needs.
"""

import argparse
import html
import json
import math
import pathlib
import sys
import time
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
UNIT, GAP, TOP = 46, 6, 54
COLOURS = ["#7eb26d", "#eab839", "#6ed0e0", "#ef843c", "#e24d42", "#1f78c1", "#ba43a9", "#705da0", "#508642", "#cca300"]
NAMED = {"green": "#56a64b", "yellow": "#e0b400", "red": "#d44a3a"}
CAPTION = "Drawn by grafana/draw.py from the figures of one run of the simulation; not drawn by Grafana."
# What a picture takes of a panel at most.
SERIES_MAX, ROWS_MAX = 12, 8


def ask(base, query, since, until, step):
    asked = urllib.parse.urlencode({"query": query, "start": since, "end": until, "step": step})
    with urllib.request.urlopen(f"{base}/api/v1/query_range?{asked}", timeout=20) as answer:
        told = json.load(answer)
    return told["data"]["result"]


def finite(series):
    return [(float(at), float(value)) for at, value in series["values"] if math.isfinite(float(value))]


def said(value, unit):
    """A figure with its unit, as short as people say it."""
    if unit == "s":
        for size, name in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms")):
            if abs(value) >= size:
                return f"{value / size:.3g} {name}"
        return "0" if value == 0 else f"{value * 1e6:.3g} µs"
    if unit == "d":
        return f"{value:.3g} d"
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit in ("bytes", "Bps"):
        for size, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
            if abs(value) >= size:
                return f"{value / size:.3g} {name}" + ("/s" if unit == "Bps" else "")
        return f"{value:.3g} B" + ("/s" if unit == "Bps" else "")
    for size, name in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (size if name != 'k' else 1e3):.3g} {name}"
    return (f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}") + ("" if unit == "short" else "/s")


def legend(template, labels):
    for name, value in labels.items():
        template = template.replace("{{" + name + "}}", value)
    return template


def text(x, y, what, size=11, fill="#c7d0d9", anchor="start", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}" text-anchor="{anchor}" font-weight="{weight}">'
            f"{html.escape(what)}</text>")


def rect(x, y, w, h, fill, more=""):
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(w, 0):.1f}" height="{max(h, 0):.1f}" fill="{fill}" {more}/>'


def coloured(panel, value):
    colour = "green"
    for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]:
        if step["value"] is None or value >= step["value"]:
            colour = step["color"]
    return NAMED.get(colour, colour)


def shown(panel, value):
    for mapping in panel["fieldConfig"]["defaults"].get("mappings", []):
        word = mapping["options"].get(str(int(value)))
        if word:
            return word["text"]
    return said(value, panel["fieldConfig"]["defaults"]["unit"])


def lines(panel, series, box, since, until):
    x, y, w, h = box
    unit = panel["fieldConfig"]["defaults"]["unit"]
    series = sorted(series, key=lambda one: -max(value for _, value in one[1]))
    rows = min(len(series), 3)
    left, high = 52, h - 14 - 13 * rows
    top = max((value for _, points in series for _, value in points), default=0) or 1
    drawn = []
    for part in (0, 0.5, 1):
        at = y + high - part * (high - 8)
        drawn.append(f'<line x1="{x + left}" x2="{x + w}" y1="{at:.1f}" y2="{at:.1f}" stroke="#2c3235"/>')
        drawn.append(text(x + left - 4, at + 3, said(top * part, unit), 9, "#8e99a4", "end"))
    for number, (name, points) in enumerate(series[:SERIES_MAX]):
        colour = COLOURS[number % len(COLOURS)]
        place = [(x + left + (at - since) / (until - since) * (w - left), y + high - value / top * (high - 8)) for at, value in points]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in place)
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.3"/>')
        if number < rows:
            at = y + high + 14 + 13 * number
            more = f"  and {len(series) - rows} more" if number == rows - 1 and len(series) > rows else ""
            drawn.append(rect(x, at - 7, 10, 3, colour))
            drawn.append(text(x + 14, at - 2, f"{name}  {said(points[-1][1], unit)}{more}", 10))
    return drawn


def heat(series, box, since, until):
    x, y, w, h = box
    def order(labels):
        return math.inf if labels["le"] == "+Inf" else float(labels["le"])
    series = sorted(series, key=lambda one: order(one[0]))
    below, cells, rows = {}, [], []
    for labels, points in series:
        row = {}
        for at, value in points:
            row[at] = max(value - below.get(at, 0), 0)
            below[at] = max(value, below.get(at, 0))
        if any(value > 0 for value in row.values()):
            rows.append((labels["le"], row))
    most = max((value for _, row in rows for value in row.values()), default=1) or 1
    left, high = 52, h - 8
    step = high / max(len(rows), 1)
    for number, (le, row) in enumerate(rows):
        at = y + high - (number + 1) * step
        if number % max(1, len(rows) // 6) == 0:
            cells.append(text(x + left - 4, at + step / 2 + 3, "more" if le == "+Inf" else said(float(le), "s"), 9, "#8e99a4", "end"))
        wide = (w - left) / max(len(row), 1)
        for when, value in row.items():
            if value > 0:
                place = x + left + (when - since) / (until - since) * (w - left - wide)
                cells.append(rect(place, at + 0.5, wide + 0.3, step - 1, "#ff9830", f'fill-opacity="{0.12 + 0.88 * (value / most) ** 0.5:.2f}"'))
    return cells


def states(panel, series, box, since, until):
    x, y, w, h = box
    shownow = series[:ROWS_MAX * 2]
    step = min(22, (h - 2) / max(len(shownow), 1))
    drawn = []
    for number, (name, points) in enumerate(shownow):
        at = y + number * step
        drawn.append(text(x + 110, at + step / 2 + 3, name, min(10, step), anchor="end"))
        wide = (w - 116) / max(len(points), 1)
        for n, (_, value) in enumerate(points):
            drawn.append(rect(x + 116 + n * wide, at + 1, wide + 0.4, step - 3, coloured(panel, value)))
    return drawn


def panel_drawn(panel, base, since, until, step):
    grid = panel["gridPos"]
    x, y = grid["x"] * UNIT + GAP, TOP + grid["y"] * 30
    w, h = grid["w"] * UNIT - GAP, grid["h"] * 30 - GAP
    if panel["type"] == "row":
        return [text(x, y + 20, panel["title"], 14, "#ffffff", weight="bold")], True
    series = []
    for target in panel["targets"]:
        expr = target["expr"].replace("$__rate_interval", "10s").replace("$job", ".*").replace("$instance", ".*")
        for one in ask(base, expr, since, until, step):
            points = finite(one)
            if points:
                series.append((one["metric"] if panel["type"] == "heatmap" else legend(target["legendFormat"], one["metric"]), points))
    drawn = [rect(x, y, w, h, "#181b1f", 'stroke="#2c3235" rx="2"'), text(x + 8, y + 16, panel["title"], 12, "#e8edf2")]
    box = (x + 8, y + 26, w - 16, h - 32)
    if not series:
        drawn.append(text(x + w / 2, y + h / 2, "no data", 12, "#8e99a4", "middle"))
    elif panel["type"] == "stat":
        value = series[0][1][-1][1]
        drawn.append(text(x + w / 2, y + h / 2 + 18, shown(panel, value), 24, coloured(panel, value), "middle", "bold"))
    elif panel["type"] == "heatmap":
        drawn += heat(series, box, since, until)
    elif panel["type"] == "state-timeline":
        drawn += states(panel, series, box, since, until)
    elif panel["type"] == "table":
        drawn += [text(x + 8, y + 38 + 14 * n, name, 11) for n, (name, _) in enumerate(series[:ROWS_MAX])]
    else:
        drawn += lines(panel, series, box, since, until)
    return [f'<g class="panel"><title>{html.escape(panel["description"])}</title>', *drawn, "</g>"], bool(series)


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--prometheus", required=True)
    asked.add_argument("--seconds", type=int, default=60)
    asked.add_argument("--out", type=pathlib.Path, required=True)
    chosen = asked.parse_args()
    until = time.time()
    since, step = until - chosen.seconds, max(1, chosen.seconds // 120)
    chosen.out.mkdir(parents=True, exist_ok=True)
    empty = []
    for file in sorted((HERE / "dashboards").glob("*.json")):
        board = json.loads(file.read_text())
        high = TOP + 30 * max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"]) + 24
        wide = 24 * UNIT + GAP
        drawn = [rect(0, 0, wide, high, "#111217"), text(GAP, 24, board["title"], 18, "#ffffff", weight="bold"),
                 text(GAP, 42, CAPTION, 11, "#8e99a4")]
        for panel in board["panels"]:
            parts, filled = panel_drawn(panel, chosen.prometheus, since, until, step)
            drawn += parts
            if not filled:
                empty.append(f"{board['title']}: {panel['title']}")
        picture = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" font-family="sans-serif">\n'
                   f"<desc>{CAPTION}</desc>\n" + "\n".join(drawn) + "\n</svg>\n")
        (chosen.out / f"dashboard-{file.stem}.svg").write_text(picture)
    for name in empty:
        print(f"no figure: {name}", file=sys.stderr)
    return 1 if empty else 0


if __name__ == "__main__":
    sys.exit(main())
