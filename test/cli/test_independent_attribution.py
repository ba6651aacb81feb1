"""The whole pipeline against a second implementation: a few dozen lines of plain Python over the same NDJSON.

Written from the published rules (GA4 sessions, channel_day touchpoints, 14-day look-back, purchases once for each order), not from the
SQL in dbt/. It reads the input file, not the lake, so a mistake anywhere between the two shows.
"""
import collections
import datetime
import gzip
import json
import re

import pytest

LOOKBACK_MICROS = 14 * 24 * 3600 * 1_000_000
CLICK_IDS = {"gclid": "google", "wbraid": "google", "gbraid": "google", "fbclid": "facebook", "msclkid": "bing", "ttclid": "tiktok"}


def parameters(event):
    found = {}
    for entry in event.get("event_params") or []:
        value = entry.get("value") or {}
        for kind in ("string_value", "int_value", "double_value", "float_value"):
            if value.get(kind) is not None:
                found.setdefault(entry["key"], int(value[kind]) if kind == "int_value" else value[kind])
                break
    return found


class Event:
    def __init__(self, record):
        values = parameters(record)
        self.date = record["event_date"]
        self.micros = int(record["event_timestamp"])
        self.name = record["event_name"].strip().lower().replace(" ", "_")
        self.user = record.get("user_pseudo_id")
        self.stream = record.get("stream_id")
        self.session_number = values.get("ga_session_id")
        self.session = None if None in (self.user, self.stream, self.session_number) else (self.user, self.stream, self.session_number)
        batch = [record.get(key) for key in ("batch_page_id", "batch_ordering_id", "batch_event_index")]
        self.batch = tuple(int(part) if part is not None else 2**63 for part in batch)
        self.order = (self.micros, *self.batch)
        collected = record.get("collected_traffic_source") or {}
        self.source = values.get("source", collected.get("manual_source"))
        self.source = self.source.lower() if self.source else self.source
        clicked = re.search(r"[?&#]([a-z]*(?:clid|braid))=", str(values.get("page_location", "")))
        if self.source is None and clicked:
            self.source = CLICK_IDS.get(clicked[1])
        ecommerce = record.get("ecommerce") or {}
        self.transaction = ecommerce.get("transaction_id") or values.get("transaction_id")
        if self.transaction in ("(not set)", ""):
            self.transaction = None
        self.identity = json.dumps(
            [self.date, self.stream, self.user, self.session_number, self.name, self.micros, batch,
             sorted(json.dumps(entry, sort_keys=True) for entry in record.get("event_params") or [])]
        )


def read_events(path):
    distinct = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            event = Event(json.loads(line))
            distinct.setdefault(event.identity, event)
    return list(distinct.values())


def sessions_of(events):
    sessions = collections.defaultdict(list)
    for event in events:
        if event.session:
            sessions[event.session].append(event)
    return {key: sorted(members, key=lambda event: event.order) for key, members in sessions.items()}


def source_of(members):
    for event in members:
        if event.name not in ("session_start", "first_visit") and event.source and event.source != "(direct)":
            return event.source
    return "(direct)"


def funnel_of(sessions):
    """date of the session's start -> [started, viewed after starting, bought after viewing]"""
    counts = collections.defaultdict(lambda: [0, 0, 0])
    for members in sessions.values():
        day = counts[members[0].date]
        day[0] += 1
        views = [event.micros for event in members if event.name == "page_view"]
        if views:
            day[1] += 1
            if any(event.name == "purchase" and event.micros >= min(views) for event in members):
                day[2] += 1
    return counts


@pytest.fixture(scope="module")
def built(tmp_path_factory, shoplake_in):
    folder = tmp_path_factory.mktemp("independent")
    shoplake = shoplake_in(folder / "home")
    path = folder / "events.ndjson.gz"
    shoplake("generate", "events", "--events", 20000, "--days", 21, "--seed", 11, "--out", path)
    shoplake("load", "events", path)
    shoplake("build")
    events = read_events(path)
    return shoplake, events, sessions_of(events)


def test_distinct_events(built):
    shoplake, events, _ = built
    assert shoplake.value("select count(*) from marts.fact_events") == len(events)
    by_name = collections.Counter(event.name for event in events)
    rows = shoplake.rows("select event_name, count(*) as events from marts.fact_events group by all")
    assert {row["event_name"]: row["events"] for row in rows} == dict(by_name)


def test_sessions_and_their_sources(built):
    shoplake, _, sessions = built
    rows = shoplake.rows(
        "select user_pseudo_id, stream_id, ga_session_id, event_count, page_view_count, source, session_start_timestamp from marts.fact_sessions"
    )
    found = {
        (row["user_pseudo_id"], row["stream_id"], row["ga_session_id"]): (
            row["event_count"], row["page_view_count"], row["source"], row["session_start_timestamp"])
        for row in rows
    }
    expected = {
        key: (len(members), sum(event.name == "page_view" for event in members), source_of(members), members[0].micros)
        for key, members in sessions.items()
    }
    assert len(found) == len(rows)
    assert found == expected


def test_first_and_last_click(built):
    shoplake, events, sessions = built
    touches = collections.defaultdict(list)
    for (user, _, _), members in sessions.items():
        touches[user].append((members[0].micros, members[0].date, source_of(members)))
    channel = {row["source"]: row["channel"] for row in shoplake.rows("select source, any_value(channel) as channel from marts.fact_sessions group by 1 having count(distinct channel) = 1")}
    ambiguous = {row["source"] for row in shoplake.rows("select source from marts.fact_sessions group by 1 having count(distinct channel) > 1")}

    conversions = {}
    for event in sorted(events, key=lambda event: event.order):
        if event.name == "purchase":
            key = ("order", event.transaction) if event.transaction else event.identity
        elif event.name == "begin_checkout":
            key = event.identity
        else:
            continue
        conversions.setdefault(key, event)
    first = {(r["user_pseudo_id"], r["conversion_event"], r["conversion_micros"]): r for r in shoplake.rows(
        "select *, epoch_us(conversion_at) as conversion_micros from marts.mart_first_click_attribution")}
    last = {(r["user_pseudo_id"], r["conversion_event"], r["conversion_micros"]): r for r in shoplake.rows(
        "select *, epoch_us(conversion_at) as conversion_micros from marts.mart_last_click_attribution")}
    assert len(conversions) > 100
    total = shoplake.value("select count(*) from marts.mart_first_click_attribution")
    assert total == len(conversions)

    compared = 0
    for event in conversions.values():
        if event.user is None:
            continue
        window = sorted(touch for touch in touches[event.user] if event.micros - LOOKBACK_MICROS <= touch[0] <= event.micros)
        if any(source in ambiguous for _, _, source in window):
            continue  # the channel of these needs medium and campaign: the channel rules have tests of their own
        seen, kept = set(), []
        for micros, date, source in window:
            if (date, channel[source]) not in seen:
                seen.add((date, channel[source]))
                kept.append((micros, source))
        if not kept:
            continue
        key = (event.user, event.name, event.micros)
        assert first[key]["attributed_source"] == kept[0][1], key
        assert last[key]["attributed_source"] == kept[-1][1], key
        compared += 1
    assert compared > 50


def test_funnel(built):
    shoplake, _, sessions = built
    rows = shoplake.rows("select event_date, stage, sessions from marts.agg_funnel_daily")
    found = collections.defaultdict(dict)
    for row in rows:
        found[row["event_date"].replace("-", "")][row["stage"]] = row["sessions"]
    expected = {
        day: {"session_start": counts[0], "page_view": counts[1], "purchase": counts[2]} for day, counts in funnel_of(sessions).items()
    }
    assert {day: dict(stages) for day, stages in found.items()} == expected


def test_day_one_retention(built):
    shoplake, _, sessions = built
    days = collections.defaultdict(set)  # a return is a session begun: one that runs past midnight is not a second visit
    for (user, _, _), members in sessions.items():
        date = members[0].date
        days[user].add(datetime.date(int(date[:4]), int(date[4:6]), int(date[6:])))
    cohorts = collections.Counter(min(seen) for seen in days.values())
    returning = collections.Counter(min(seen) for seen in days.values() if min(seen) + datetime.timedelta(days=1) in seen)
    rows = shoplake.rows("select cohort_date, returning_users, cohort_users from marts.agg_retention_daily where day_n = 1")
    assert rows
    for row in rows:
        day = datetime.date.fromisoformat(row["cohort_date"])
        assert (row["cohort_users"], row["returning_users"]) == (cohorts[day], returning[day]), day


def test_large_amounts_keep_their_cents(shoplake, tmp_path):
    """Neither 32-bit floats nor sums in any order may show: an order of a billion, and an integer that only 64 bits hold."""
    def purchase(number, value):
        params = [{"key": "ga_session_id", "value": {"int_value": "7"}}, {"key": "transaction_id", "value": {"string_value": f"t{number}"}}, {"key": "value", "value": value},
                  {"key": "currency", "value": {"string_value": "EUR"}}]
        return {"event_date": "20260301", "event_timestamp": str(1_772_359_200_000_000 + number), "event_name": "purchase", "user_pseudo_id": "u", "stream_id": "s",
                "event_params": params, "ecommerce": {"transaction_id": f"t{number}"}}

    path = tmp_path / "events.ndjson"
    path.write_text("".join(json.dumps(event) + "\n" for event in [purchase(1, {"double_value": 1234567890.12}), purchase(2, {"int_value": "16777217"})]))
    shoplake("load", "events", path)
    shoplake("build")
    rows = shoplake.rows("select first_click_value_micros, cast(first_click_value as varchar) as value from marts.mart_attribution_comparison where first_click_conversions > 0")
    assert rows == [{"first_click_value_micros": 1_251_345_107_120_000, "value": "1251345107.12"}]
    assert shoplake.value("select cast(sum(revenue) as varchar) from marts.mart_channel_performance") == "1251345107.12"
