"""dbt/ is an ordinary dbt project: dbt-core with dbt-duckdb and shoplake's own runner give the same rows in every model.

Also that incremental building equals building anew: after a first part of the data come a new day, late events of old days
and repeated events, and nothing but the touched days may change.
"""
import gzip
import hashlib
import json
import pathlib
import re

import duckdb
import pytest
from dbt_runners import DbtCore, differences, export, relations


@pytest.fixture(scope="session")
def project(source):
    return source / "dbt"


def assert_same(shoplake, dbt, names, folder):
    """All relations of the lake equal those of dbt-core's database."""
    paths = export(shoplake, names, folder)
    with duckdb.connect(str(dbt.database), read_only=True) as connection:
        found = {name: differences(connection, f"read_parquet('{path}')", name) for name, path in paths.items()}
    assert {name: text for name, text in found.items() if text} == {}


def ga4_export(folder, shoplake, test_data):
    return test_data / "ga4/ga4_export_small.ndjson.gz"


def ga4_sample(folder, shoplake, test_data):
    return test_data / "ga4/ga4_events_sampled.ndjson.gz"


def generated(folder, shoplake, test_data):
    path = folder / "generated.ndjson.gz"
    shoplake("generate", "events", "--events", 20000, "--days", 21, "--seed", 5, "--chaos", "--out", path)
    return path


def absurd(folder, shoplake, test_data):
    """Every number at the end of its range, and clickstream that only the gap rule divides into sessions."""
    greatest = 2**63 - 1
    # The contract that comes with shoplake rejects such timestamps; another contract, or another engine, may let them in.
    contracts = shoplake.home / "datasets"
    contracts.mkdir(parents=True)
    contract = (pathlib.Path(__file__).resolve().parents[2] / "datasets/events.yml").read_text(encoding="utf-8")
    contracts.joinpath("events.yml").write_text(re.sub(r", min: \d+, max: \d+", "", contract), encoding="utf-8")
    shoplake.home.joinpath("shoplake.yml").write_text("datasets: datasets\n", encoding="utf-8")

    def event(micros, name, user, date="20240301", platform="WEB", parameters={}, **fields):
        values = [{"key": key, "value": {kind: value}} for key, (kind, value) in parameters.items()]
        return json.dumps({"event_date": date, "event_timestamp": micros, "event_name": name, "event_params": values,
                           "user_pseudo_id": user, "stream_id": "1", "platform": platform} | fields)

    session = {"ga_session_id": ("int_value", 1709250000), "engagement_time_msec": ("int_value", greatest)}
    lines = []
    for micros in (0, -1, greatest, -greatest - 1, 10**18, -(10**18), 1709250000000000):
        lines.append(event(micros, "page_view", "u1", parameters=session))
        lines.append(event(micros, "purchase", "u1", parameters=session | {"value": ("double_value", 1e308)},
                           ecommerce={"purchase_revenue": 8.9e12, "purchase_revenue_in_usd": 8.9e12, "transaction_id": str(micros)}))
        lines.append(event(micros, "page_view", "c1", platform="CLICKSTREAM"))
    for number in range(5):
        micros = 1709250000000000 + number
        odd = {"ga_session_id": ("int_value", -greatest), "ga_session_number": ("double_value", 1e300), "value": ("int_value", greatest)}
        lines.append(event(micros, "purchase", "u2", parameters=odd, ecommerce={"purchase_revenue_in_usd": -8.9e12}))
        lines.append(event(micros, "purchase", "u'3\"%/", date="99991231", parameters={"ga_session_id": ("double_value", 1709250000.6)}))
        lines.append(event(micros + number * 1_900_000_000, "page_view", "c2", platform="CLICKSTREAM"))
        lines.append(event(micros + number * 1_700_000_000, "purchase", "c3", platform="CLICKSTREAM"))
    path = folder / "absurd.ndjson"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("make", [ga4_export, ga4_sample, generated, absurd])
def test_both_runners_give_the_same_rows(make, shoplake, project, tmp_path, test_data):
    dbt = DbtCore(project, tmp_path / "dbt")
    shoplake("load", "events", make(tmp_path, shoplake, test_data))
    shoplake("build")
    dbt.take_events(shoplake)
    dbt("build")
    assert_same(shoplake, dbt, relations(project), tmp_path / "lake")


def clickstream(path):
    """Flat events: sessions with and without an id, visitors without one, an order under two names, copies, oddities."""
    lines = []

    def event(number, kind, seconds, **fields):
        moment = f"2024-03-{1 + seconds // 86400:02d}T{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}Z"
        lines.append(json.dumps({"event_id": f"e{number}", "event_type": kind, "timestamp": moment} | fields))

    for number in range(200):
        seconds = number * 1801 % (3 * 86400)
        source = {"utm_source": ["Google", "news", None][number % 3], "utm_medium": ["cpc", "email", None][number % 3]}
        visitor = {"user_id": f"u{number % 17}" if number % 5 else None, "session_id": f"s{number % 29}" if number % 4 else None}
        kind = ["page_view", "Product View", "checkout", "purchase", "own type"][number % 5]
        event(number, kind, seconds, page_url=f"https://shop.test/p{number % 7}?gclid={number}", device="mobile", country="DE",
              price=number / 10, quantity=number % 3, currency=["USD", "EUR"][number % 2], **source, **visitor)
    path.write_text("\n".join(lines + lines[:9]) + "\n", encoding="utf-8")
    return path


def test_flat_clickstream_beside_ga4(shoplake, project, tmp_path, test_data):
    dbt = DbtCore(project, tmp_path / "dbt")
    shoplake("load", "events", ga4_sample(tmp_path, shoplake, test_data))
    shoplake("build")
    without = shoplake.value("select count(*) from marts.fact_events")
    shoplake("load", "clickstream", clickstream(tmp_path / "clickstream.ndjson"))
    shoplake("build")
    assert shoplake.value("select count(*) from marts.fact_events where platform = 'CLICKSTREAM'") == 200
    assert shoplake.value("select count(*) from marts.fact_events") == without + 200
    assert shoplake.rows("select distinct event_name from marts.fact_events where platform = 'CLICKSTREAM' order by 1") == [
        {"event_name": name} for name in ("begin_checkout", "own_type", "page_view", "purchase", "view_item")]
    # An event of neither visitor nor session belongs to no session.
    assert shoplake.value("select count(*) from marts.fact_events where platform = 'CLICKSTREAM' and session_id is null") == 10
    columns = "event_name, user_pseudo_id, session_id, page_location, click_id, event_source, event_medium, event_campaign, device_category, geo_country"
    money = "currency, event_value_micros, event_value_in_usd_micros, purchase_revenue_micros, purchase_revenue_in_usd_micros, item_quantity"
    # The click id fills the campaign, which is missing; source and medium stay.
    assert shoplake.rows(f"select {columns} from marts.fact_events where event_id = 'e58'") == [{
        "event_name": "purchase", "user_pseudo_id": shoplake.value("select user_id from processed.clickstream where event_id = 'e58'"),
        "session_id": "clickstream/s0/" + shoplake.value("select user_id from processed.clickstream where event_id = 'e58'"),
        "page_location": "https://shop.test/p2?gclid=58", "click_id": "gclid", "event_source": "news", "event_medium": "email",
        "event_campaign": "(cpc)", "device_category": "mobile", "geo_country": "DE"}]
    assert shoplake.rows(f"select {money} from marts.fact_events where event_id in ('e58', 'e13') order by event_id") == [
        {"currency": "EUR", "event_value_micros": 1300000, "event_value_in_usd_micros": None, "purchase_revenue_micros": 1300000,
         "purchase_revenue_in_usd_micros": None, "item_quantity": 1},
        {"currency": "USD", "event_value_micros": 5800000, "event_value_in_usd_micros": 5800000, "purchase_revenue_micros": 5800000,
         "purchase_revenue_in_usd_micros": 5800000, "item_quantity": 1}]
    dbt.take_events(shoplake, ("events", "clickstream"))
    dbt("build")
    assert_same(shoplake, dbt, relations(project), tmp_path / "lake")


def parts(path):
    """The export in three deliveries: most of the days before the last; the last days, late events and repeated ones; the rest."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        lines = file.read().splitlines(keepends=True)
    days = sorted({day_of(line) for line in lines})
    first, second, third = [], [], []
    for line in lines:
        lot = hashlib.sha256(line.encode()).digest()[0]
        if lot < 10:
            third.append(line)
        elif day_of(line) in days[-5:] or (lot < 20 and day_of(line) in days[10:14]):
            second.append(line)
        else:
            first.append(line)
            if lot < 24 and day_of(line) in days[2:5]:
                second.append(line)
    return first, second, third


def day_of(line):
    return line.split('"event_date":"', 1)[1][:8]


def test_incremental_equals_full_refresh(shoplake, project, tmp_path, test_data):
    dbt = DbtCore(project, tmp_path / "dbt")
    names = relations(project)
    for number, lines in enumerate(parts(ga4_export(tmp_path, shoplake, test_data))):
        delivery = tmp_path / f"delivery-{number}.ndjson"
        delivery.write_text("".join(lines), encoding="utf-8")
        shoplake("load", "events", delivery)
        shoplake("build")
        dbt.take_events(shoplake)
        if number == 0:
            dbt("seed")
        dbt("run")
        assert_same(shoplake, dbt, names, tmp_path / f"lake-{number}")
    anew = DbtCore(project, tmp_path / "anew")
    anew.take_events(shoplake)
    anew("build", "--full-refresh")
    assert_same(shoplake, anew, names, tmp_path / "lake-anew")


def test_only_touched_days_are_computed_again(shoplake, project, tmp_path, test_data):
    """A row that an incremental model keeps, keeps the fingerprint of the run that made it."""
    first, second, _ = parts(ga4_export(tmp_path, shoplake, test_data))
    (tmp_path / "first.ndjson").write_text("".join(first), encoding="utf-8")
    shoplake("load", "events", tmp_path / "first.ndjson")
    shoplake("build")
    states = "select distinct event_date, day_fingerprint from marts.fact_events order by all"
    before = {row["event_date"]: row["day_fingerprint"] for row in shoplake.rows(states)}
    (tmp_path / "second.ndjson").write_text("".join(second), encoding="utf-8")
    shoplake("load", "events", tmp_path / "second.ndjson")
    shoplake("run")
    after = {row["event_date"]: row["day_fingerprint"] for row in shoplake.rows(states)}
    touched = {f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in map(day_of, second)}
    assert {day for day in after if before.get(day) != after[day]} == touched

    everything = relations(project)
    unchanged = export(shoplake, everything, tmp_path / "before-rerun")
    shoplake("run")
    rerun = export(shoplake, everything, tmp_path / "after-rerun")
    with duckdb.connect() as connection:
        for name in everything:
            assert not differences(connection, f"read_parquet('{unchanged[name]}')", f"read_parquet('{rerun[name]}')"), name
