"""What a dashboard is made of, and the queries that come again and again."""

from dataclasses import dataclass, field

# Which exchanges are looked at: chosen at the top of each dashboard.
CHOSEN = 'job=~"$job",instance=~"$instance"'
OVER = "$__rate_interval"


@dataclass
class Query:
    expr: str
    legend: str


@dataclass
class Row:
    title: str


@dataclass
class Panel:
    title: str
    description: str
    unit: str
    queries: list
    kind: str = "timeseries"
    # From which value on which colour; below the first: `base`.
    thresholds: list = field(default_factory=list)
    base: str = "green"
    width: int = 8
    height: int = 8
    # 0 and 1 are said as no and yes.
    yes_no: bool = False
    # Without a small graph behind the number.
    still: bool = False


@dataclass
class Board:
    file: str
    uid: str
    title: str
    description: str
    items: list
    since: str = "now-1h"
    refresh: str = "10s"


def of(metric, more=""):
    """The metric of the exchanges that were chosen."""
    return f"{metric}{{{CHOSEN}{',' + more if more else ''}}}"


def grouped(how, by):
    return f"{how} by ({by})" if by else how


def rate(metric, by="", more=""):
    """A second's worth of what grows."""
    return f"{grouped('sum', by)} (rate({of(metric, more)}[{OVER}]))"


def grown(metric, by="", more=""):
    """How much it grew in an interval."""
    return f"{grouped('sum', by)} (increase({of(metric, more)}[{OVER}]))"


def total(metric, by="", more=""):
    return f"{grouped('sum', by)} ({of(metric, more)})"


def least(metric, by="", more=""):
    return f"{grouped('min', by)} ({of(metric, more)})"


def most(metric, by="", more=""):
    return f"{grouped('max', by)} ({of(metric, more)})"


def quantile(part, metric):
    return f"histogram_quantile({part}, sum by (le) (rate({of(metric + '_bucket')}[{OVER}])))"


def quantiles(metric, parts=(0.5, 0.9, 0.99)):
    return [Query(quantile(part, metric), f"p{str(part * 100).rstrip('0').rstrip('.')}") for part in parts]


def quantiles_or_none(metric, parts=(0.5, 0.9, 0.99)):
    """As quantiles, and 0 while nothing is observed: for what many exchanges never have."""
    return [Query(f"({query.expr} >= 0) or vector(0)", query.legend) for query in quantiles(metric, parts)]


def average(metric):
    return f"sum (rate({of(metric + '_sum')}[{OVER}])) / sum (rate({of(metric + '_count')}[{OVER}]))"


def buckets(metric):
    return Query(f"sum by (le) (increase({of(metric + '_bucket')}[{OVER}]))", "{{le}}")


def stat(title, description, unit, expr, thresholds=(), base="green", width=3, yes_no=False, still=False):
    return Panel(title, description, unit, [Query(expr, title)], kind="stat", thresholds=list(thresholds), base=base,
                 width=width, height=4, yes_no=yes_no, still=still)


def ask(title, description, metric, width=3):
    """A stat that is 1 when all is well."""
    return stat(title, description, "short", least(metric), [(1, "green")], base="red", width=width, yes_no=True)
