"""The ecosystem, for a wall that everybody may look at: counts over the exchange's own windows, no name of a person."""

from .parts import Board, Panel, Query, Row, least, most, rate, stat, total

WINDOWS = ["1m", "5m", "1h", "24h", "30d"]


def window(metric, of):
    return total(metric, more=f'window="{of}"')


def greatest(metric, of):
    return most(metric, more=f'window="{of}"')


def today(title, description, metric, unit="short", width=4):
    return stat(title, description, unit, window(metric, "24h"), width=width)


def lines(metric, by_window=("5m", "1h")):
    """A count within a window, a second: what a rate is, by event time."""
    seconds = {"1m": 60, "5m": 300, "1h": 3600, "24h": 86400, "30d": 2592000}
    return [Query(f"{window(metric, of)} / {seconds[of]}", f"over {of}") for of in by_window]


BOARD = Board(
    file="ecosystem", uid="dex-ecosystem", title="dex: Ecosystem", since="now-24h", refresh="30s",
    description="What the ecosystem exchanges, for everybody: counts over rolling windows, no name of a person or an organisation. "
                "What the exchange saw and what HATs reported stand apart.",
    items=[
        Row("The last 24 hours"),
        today("Exchanges settled", "Exchanges of the last 24 hours whose recipient confirmed what it got.", "dex_window_settled_exchanges"),
        today("HATs", "Different HATs that took part in the last 24 hours; an estimate, 2 in 100 off.", "dex_window_active_hats"),
        today("Sources", "Different plugs and applications that wrote into HATs in the last 24 hours.", "dex_window_active_sources"),
        today("Acquirers", "Different organisations, applications and HATs that got or asked for data in the last 24 hours.",
              "dex_window_active_acquirers"),
        today("Records into HATs", "Records that came into HATs in the last 24 hours, as the exchange saw them.", "dex_window_credited_records"),
        today("Records to acquirers", "Records that left HATs under data debits in the last 24 hours, as the exchange saw them.",
              "dex_window_released_records"),
        Row("Exchanges"),
        Panel("Settled a second", "Exchanges settled, a second, over windows of event time.", "ops", lines("dex_window_settled_exchanges")),
        Panel("Accepted a second", "Exchanges accepted, a second, over windows of event time.", "ops", lines("dex_window_accepted_exchanges")),
        Panel("How exchanges end", "Exchanges of the last hour by how they ended. Each ends in one of these.", "short",
              [Query(window(f"dex_window_{status}_exchanges", "1h"), status) for status in ("settled", "disputed", "expired", "recalled")]),
        Panel("Part that settles", "Of the exchanges that ended in the window: the part whose two sides agree.", "percentunit",
              [Query("({0}) / ({0} + {1} + {2} + {3})".format(*[window(f"dex_window_{status}_exchanges", of) for status in
                                                                ("settled", "disputed", "expired", "recalled")]), f"over {of}")
               for of in ("1h", "24h")], thresholds=[(0.8, "yellow"), (0.95, "green")], base="red"),
        Panel("Time until settled", "From an exchange's opening until its recipient confirmed, in the last hour.", "s",
              [Query(greatest("dex_window_settle_p50_seconds", "1h"), "half of them"),
               Query(greatest("dex_window_settle_p99_seconds", "1h"), "99 of 100")]),
        Panel("Time until the first answer", "From a message's arrival until its first outcome was on disk, in the last hour.", "s",
              [Query(greatest("dex_window_outcome_p50_seconds", "1h"), "half of them"),
               Query(greatest("dex_window_outcome_p99_seconds", "1h"), "99 of 100")], thresholds=[(1, "red")]),
        Panel("Exchanges now", "Exchanges that reached a status, a second, as they happen.", "ops",
              [Query(rate("dex_exchanges_total", "status"), "{{status}}")]),
        Row("Data"),
        Panel("Records", "Records a second, over an hour, into HATs and out of them.", "recps",
              [Query(f"{window('dex_window_credited_records', '1h')} / 3600", "into HATs"),
               Query(f"{window('dex_window_released_records', '1h')} / 3600", "to acquirers")]),
        Panel("Volume", "Bytes a second, over an hour, into HATs and out of them.", "Bps",
              [Query(f"{window('dex_window_credited_bytes', '1h')} / 3600", "into HATs"),
               Query(f"{window('dex_window_released_bytes', '1h')} / 3600", "to acquirers")]),
        Panel("What HATs report", "Values that HATs themselves reported as come in and gone out in the last 24 hours. They are never added to what "
              "the exchange saw.", "short", [Query(window("dex_window_reported_in_values", "24h"), "in"), Query(window("dex_window_reported_out_values", "24h"), "out")]),
        Panel("Kept back", "Fields that were left out of deliveries in the last hour, because their class of personal data is not granted.", "short",
              [Query(window("dex_window_dropped_fields", "1h"), "fields")]),
        Panel("Refused", "Messages that were refused in the last hour, with and without a sender who could be authenticated.", "short",
              [Query(window("dex_window_rejected_messages", "1h"), "of known senders"),
               Query(window("dex_window_unauthenticated_messages", "1h"), "not authenticated")]),
        Panel("Catalogue", "Kinds of data that the ecosystem knows: endpoints, and fields in them.", "short",
              [Query(most("dex_catalogue_endpoints"), "endpoints"), Query(most("dex_catalogue_fields"), "fields")]),
        Row("Agreements and sources"),
        Panel("Debits", "Data debits that owners enabled and disabled in the last 24 hours.", "short",
              [Query(window("dex_window_debits_enabled", "24h"), "enabled"), Query(window("dex_window_debits_disabled", "24h"), "disabled")]),
        Panel("Offers claimed", "Claims of offers that were confirmed in the window.", "short",
              [Query(window("dex_window_claims_confirmed", of), f"in {of}") for of in ("24h", "30d")]),
        Panel("Jobs of plugs", "Acquisition jobs that plugs reported as done and as failed in the last hour.", "short",
              [Query(window("dex_window_jobs_done", "1h"), "done"), Query(window("dex_window_jobs_failed", "1h"), "failed")]),
        Panel("Plugs that are well", "1 while a plug's jobs are done as often as its manifest says. The first fifty by name; `other` is well when all the rest are.",
              "short", [Query(least("dex_plug_healthy", "name"), "{{name}}")], kind="state-timeline", thresholds=[(1, "green")], base="red", yes_no=True,
              width=12),
        Panel("How far plugs lag", "How far the newest data that a plug has read lies behind its source, as the plug itself says.", "s",
              [Query(most("dex_plug_lag_seconds", "name"), "{{name}}")], thresholds=[(86400, "red")], width=12),
    ],
)
