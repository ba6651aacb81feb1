"""The dashboard in a real browser, on generated data: its figures against `shoplake query`, and how it behaves."""
import csv
import datetime
import decimal
import itertools
import json
import math
import os
import pathlib
import shutil
import sqlite3
import subprocess

import pytest
from serving import serving

CACHE = pathlib.Path(os.environ.get("SHOPLAKE_CACHE", pathlib.Path.home() / ".cache/shoplake"))
DAYS = 35


@pytest.fixture(scope="module")
def lake(tmp_path_factory, shoplake_in, test_data):
    """Generated events of the last weeks, loaded and built. The last day ends at 05:00 UTC of the next."""
    folder = tmp_path_factory.mktemp("dashboard")
    shoplake = shoplake_in(folder / "home")
    last_day = datetime.datetime.now(datetime.timezone.utc).date() - datetime.timedelta(days=2)
    shoplake("generate", "events", "--events", 40000, "--days", DAYS, "--seed", 11, "--end-date", last_day, "--out", folder / "events.ndjson.gz")
    shoplake("load", "events", folder / "events.ndjson.gz")
    fill_shop(shoplake, folder, test_data)
    shoplake("build")
    shoplake("quality", "run", check=False)
    shoplake("query", "select count(*) from marts.fact_events where user_id = 'u-1'")
    (shoplake.home / "shoplake.yml").write_text("topics: {pipeline-notifications: [{file: told.ndjson}]}\nbudgets: {daily: 0.01, monthly: 100}\n")
    shoplake("alarm", "test", "pipeline-down")
    shoplake("cost")  # makes the tables of flows
    run_a_flow(shoplake.home / "state.sqlite")
    return shoplake


def odd_texts(test_data):
    """25 of the naughty strings that a page could stumble over: markup first."""
    path = test_data / "strings/blns.json"
    if not path.is_file():
        pytest.skip("no naughty strings (shared/data/strings)")
    strings = [text for text in json.loads(path.read_text(encoding="utf-8")) if text.strip() and len(text) <= 400 and "@" not in text and "%40" not in text]
    return sorted(strings, key=lambda text: ("script" not in text.lower(), strings.index(text)))[::len(strings) // 25][:25]


def fill_shop(shoplake, folder, test_data):
    """A generated shop, and 25 products that earn more and whose reviews are newer than all others, named by odd texts."""
    for dataset in ("transactions", "products", "reviews"):
        shoplake("generate", dataset, "--events", 20000, "--days", 20, "--seed", 5, "--out", folder / "shop")
        shoplake("load", dataset, *sorted((folder / "shop" / dataset).glob("*/*.gz")))
    texts = list(enumerate(odd_texts(test_data)))
    products = [{"product_id": f"P{n}", "name": text, "price": 1, "updated_at": "2026-01-01T00:00:00Z"} for n, text in texts]
    reviews = [{"review_id": f"r{n}", "product_id": f"P{n}", "rating": 4, "text": text, "created_at": f"2026-07-01T00:00:{59 - n:02}Z"} for n, text in texts]
    for dataset, rows in (("products", products), ("reviews", reviews)):
        (folder / f"{dataset}.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        shoplake("load", dataset, folder / f"{dataset}.ndjson")
    with open(folder / "transactions.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"])
        table.writerows([900000 + n, f"P{n}", text, 1000, "2026-06-29 10:00:00", 1000 - n, 5, "Nowhere"] for n, text in texts)
    shoplake("load", "transactions", folder / "transactions.csv")


FLOW = {"StartAt": "Load", "States": {
    "Load": {"Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", "Next": "Enough?", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Tell"}]},
    "Enough?": {"Type": "Choice", "Choices": [{"Variable": "$.rows", "NumericGreaterThan": 0, "Next": "Build"}], "Default": "Tell"},
    "Build": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True},
    "Tell": {"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "Next": "Over"},
    "Over": {"Type": "Fail"}}}


def run_a_flow(control_plane):
    """Two executions as they stand in the control plane: one that succeeded, and a later one that failed in Build."""
    start = int(datetime.datetime.now(datetime.timezone.utc).timestamp() - 3600) * 1_000_000
    with sqlite3.connect(control_plane) as database:
        for number, (name, status) in enumerate((("first", "SUCCEEDED"), ("second", "FAILED"))):
            begin = start + number * 600_000_000
            row = database.execute(
                "insert into flow_executions (flow, name, definition, input, started_by, started_at, status, ended_at, error, cause) values (?, ?, ?, '{}', 'cli', ?, ?, ?, ?, ?)",
                ("shop_batch", name, json.dumps(FLOW), begin, status, begin + 90_000_000, *(("States.TaskFailed", "no such table") if status == "FAILED" else (None, None))))
            scheduled = {"type": "TaskScheduled", "taskScheduledEventDetails": {"resourceType": "glue", "resource": "startJobRun.sync"}}
            events = [entered("Load"), scheduled, {"type": "TaskStarted"}, {"type": "TaskSucceeded"}, exited("Load"), entered("Enough?"), exited("Enough?"), entered("Build")]
            events += [exited("Build")] if status == "SUCCEEDED" else []
            for position, event in enumerate(events, 1):
                document = {"id": position, "previousEventId": position - 1} | event
                database.execute("insert into flow_events values (?, ?, ?, ?)", (row.lastrowid, position, begin + position * 10_000_000, json.dumps(document)))


def entered(name):
    return {"type": "TaskStateEntered", "stateEnteredEventDetails": {"name": name}}


def exited(name):
    return {"type": "TaskStateExited", "stateExitedEventDetails": {"name": name}}


@pytest.fixture(scope="module")
def seen(lake, tmp_path_factory, shoplake_in, source):
    browser = pathlib.Path(os.environ.get("SHOPLAKE_BROWSER", CACHE / "browser"))
    if not (browser / "node_modules/playwright-core").is_dir():
        pytest.skip(f"no playwright-core in {browser}: tools/setup service installs it")
    node = shutil.which("node", path=os.environ["PATH"] + os.pathsep + str(CACHE / "node"))
    if node is None or shutil.which(os.environ.get("SHOPLAKE_CHROMIUM", "chromium")) is None:
        pytest.skip("no node or no chromium: tools/setup service installs them")
    empty = shoplake_in(tmp_path_factory.mktemp("empty") / "home")
    with serving(lake) as full, serving(empty) as nothing:
        process = subprocess.run(
            [node, str(source / "test/browser/dashboard.mjs"), full.address, nothing.address, str(source / "build/pictures")],
            env=os.environ | {"SHOPLAKE_BROWSER": str(browser)}, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr[-4000:] + process.stdout[-2000:]
    return json.loads(process.stdout)


@pytest.fixture(scope="module")
def days(lake):
    """The last 14 days of the data: what the page shows unasked."""
    last = datetime.date.fromisoformat(lake.value("select strftime(max(event_date), '%Y-%m-%d') as d from marts.mart_channel_performance"))
    return last - datetime.timedelta(days=13), last


def count(number):
    return f"{number:,}"


def money(number):
    return f"{number:,.2f}"


def fixed(number, decimals):
    """As JavaScript's toFixed: halves go up."""
    return str(decimal.Decimal(number).quantize(decimal.Decimal(1).scaleb(-decimals), decimal.ROUND_HALF_UP))


def share(number):
    percent = round(number, 6) * 100
    if percent in (0, 100):
        return f"{percent:.0f} %"
    return f"{fixed(percent, 2 if percent < 1 else 1)} %"


def difference(first, last):
    if first == 0:
        return "–"
    percent = math.floor(round(100 * (last - first) / first, 4) * 10 + 0.5) / 10
    return "±0 %" if percent == 0 else f"{'+' if percent > 0 else '−'}{abs(percent):.1f} %"


def totals(lake, days, model, where="true"):
    (row,) = lake.rows(f"""
        select count(*) as conversions, coalesce(sum(conversion_value_micros), 0) / 1e6 as value
        from marts.mart_{model}_click_attribution
        where conversion_event = 'purchase' and conversion_date between '{days[0]}' and '{days[1]}' and {where}""")
    return row["conversions"], float(row["value"])


def test_page_is_without_trouble(seen):
    """No console error, exception, policy violation, failed request, or request that leaves the origin, in any scene."""
    assert seen["troubles"] == []


def test_cards(seen, lake, days):
    for model in ("first", "last"):
        conversions, value = totals(lake, days, model)
        assert seen["figures"][f"{model}_click_conversions"] == count(conversions)
        assert seen["figures"][f"{model}_click_value"] == money(value)
    assert seen["figures"]["conversions_difference_percent"] == "±0 %"
    sessions = lake.value(f"select count(*) as n from marts.fact_sessions where session_start_date between '{days[0]}' and '{days[1]}'")
    assert seen["figures"]["sessions"] == count(sessions)


def test_day_by_day(seen, lake, days):
    rows = lake.rows(f"""
        select strftime(conversion_date, '%Y-%m-%d') as day, count(*) as conversions, sum(conversion_value_micros) / 1e6 as value
        from marts.mart_first_click_attribution
        where conversion_event = 'purchase' and conversion_date between '{days[0]}' and '{days[1]}' group by 1""")
    expected = {row["day"]: (count(row["conversions"]), money(float(row["value"]))) for row in rows}
    header, *shown, total = seen["series"]
    assert len(shown) == 14
    for offset, row in enumerate(shown):
        day = days[0] + datetime.timedelta(days=offset)
        assert row[0] == f"{day.day} {day:%b} {day.year}".replace("Sep", "Sept") or row[0] == f"{day.day} {day:%b} {day.year}"
        assert (row[1], row[3]) == expected.get(day.isoformat(), ("0", "0.00"))
    assert total[1] == count(totals(lake, days, "first")[0])


def test_channels(seen, lake, days):
    shown = {row[0]: row[1:] for row in seen["channels"][1:]}
    names = {row["channel"] for row in lake.rows(f"""
        select attributed_channel as channel from marts.mart_first_click_attribution where conversion_event = 'purchase' and conversion_date between '{days[0]}' and '{days[1]}'
        union select attributed_channel from marts.mart_last_click_attribution where conversion_event = 'purchase' and conversion_date between '{days[0]}' and '{days[1]}'
        union select channel from marts.fact_sessions where session_start_date between '{days[0]}' and '{days[1]}'""")}
    assert set(shown) == names | {"Sum"} and len(names) > 5
    for channel in names:
        first, first_value = totals(lake, days, "first", f"attributed_channel = '{channel}'")
        last, last_value = totals(lake, days, "last", f"attributed_channel = '{channel}'")
        row = shown[channel]
        assert row[1:3] == [count(first), count(last)], channel
        assert row[4] == difference(first, last), channel
        assert row[5:7] == [money(first_value), money(last_value)], channel


def test_channel_filter_rules_every_block(seen, lake, days):
    assert "channel=Email" in seen["filtered"]["address"] and "channel=Email" in seen["filtered"]["csv"]
    first, _ = totals(lake, days, "first", "attributed_channel = 'Email'")
    last, _ = totals(lake, days, "last", "attributed_channel = 'Email'")
    figures = seen["filtered"]["figures"]
    assert figures["first_click_conversions"] == count(first) and figures["last_click_conversions"] == count(last)
    assert figures["conversions_difference_percent"] == difference(first, last)
    assert [row[0] for row in seen["filtered"]["channels"][1:]] == ["Email", "Sum"]
    sessions = lake.value(f"select count(*) as n from marts.fact_sessions where channel = 'Email' and session_start_date between '{days[0]}' and '{days[1]}'")
    assert figures["sessions"] == count(sessions)
    assert seen["filtered"]["funnel"][0].startswith(count(sessions))


def test_address_holds_the_state(seen, days):
    assert seen["metricAddress"] == "?metric=value"
    assert seen["backRestores"]
    assert seen["sevenDays"]["rows"] == 7
    assert f"from={days[1] - datetime.timedelta(days=6)}" in seen["sevenDays"]["address"]
    assert seen["cleared"] is None


def test_funnel(seen, lake, days):
    rows = lake.rows(f"""
        select stage_number, stage, cast(sum(sessions) as bigint) as sessions from marts.agg_funnel_daily
        where event_date between '{days[0]}' and '{days[1]}' group by all order by 1""")
    assert [(name, number) for name, number, _ in seen["funnel"]] == [(row["stage"].replace("_", " ").capitalize(), count(row["sessions"])) for row in rows]
    assert [s for _, _, s in seen["funnel"]] == [share(row["sessions"] / rows[0]["sessions"]) for row in rows]
    assert seen["funnelSteps"] == [share(b["sessions"] / a["sessions"]) for a, b in itertools.pairwise(rows)]


def test_retention(seen, lake, days):
    rows = lake.rows(f"""
        select strftime(cohort_date, '%Y-%m-%d') as day, day_n, cohort_users, returning_users from marts.agg_retention_daily
        where cohort_date between '{days[0]}' and '{days[1]}' and day_n > 0""")

    def cell(rate):
        return "0" if rate == 0 else "<0.1" if rate < 0.0005 else fixed(100 * rate, 1 if rate < 0.0995 else 0)

    header, everyone, *cohorts = seen["retention"]
    assert header[:3] == ["First seen", "People", "D1"] and "D7" in header
    for row in rows:
        day = datetime.date.fromisoformat(row["day"])
        (shown,) = [c for c in cohorts if c[0].split() == [str(day.day), c[0].split()[1]] and c[0].split()[1][:3] == f"{day:%b}"]
        assert shown[1] == count(row["cohort_users"])
        assert shown[1 + row["day_n"]] == cell(round(row["returning_users"] / row["cohort_users"], 6)), row
    for n in (1, 7):
        base = sum(row["cohort_users"] for row in rows if row["day_n"] == n)
        assert seen["retentionFacts"][f"D{n}"] == share(sum(row["returning_users"] for row in rows if row["day_n"] == n) / base)


def test_freshness(seen, lake):
    assert seen["light"]["state"] == "fresh" and seen["light"]["text"][0].startswith("Fresh · last event")
    assert seen["facts"]["Events"] == count(lake.value("select count(*) as n from processed.events"))
    assert seen["facts"]["Rejected"] == "0"


def test_order_of_questions(seen):
    assert seen["headings"] == ["Is the data fresh and complete?", "What is happening now?", "What happened?", "Day by day", "Which channels, under which model?",
                                "Where are people lost?", "Do they come back?"]


def test_every_figure_is_explained(seen, lake):
    assert seen["explain"]["title"] == "What happened?" and "First click" in seen["explain"]["terms"]
    assert seen["explainFocus"] == "Explain"  # where the dialog was opened
    rows = lake.rows(seen["explain"]["sql"])  # it works in `shoplake query`, as the page says
    (current,) = [row for row in rows if row["period"] == "current"]
    assert count(current["first_click_conversions"]) == seen["figures"]["first_click_conversions"]


def test_charts_are_drawn(seen):
    assert len(seen["chartsHaveInk"]) == 3 and all(seen["chartsHaveInk"])


def test_layout_keeps_still_while_loading(seen):
    assert seen["layoutShift"] < 0.1


def test_keyboard(seen):
    keyboard = seen["keyboard"]
    assert keyboard["missed"] == [] and keyboard["unseen"] == []
    assert "Skip to the figures" in keyboard["reached"][0]
    assert keyboard["focusStays"] and keyboard["menuClosed"] and keyboard["focusBack"] == "channels-summary"


def test_fits_narrow_screens(seen):
    assert set(seen["overflow"].values()) == {0}, seen["overflow"]


def test_accessibility_rules(seen):
    assert {scene: found for scene, found in seen["accessibility"].items() if found} == {}


def test_themes(seen):
    assert seen["chosenTheme"] == "dark" and seen["rememberedTheme"] == "dark"
    assert seen["printHides"] == "none"


def linear(colour):
    values = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    return [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]


def contrast(a, b):
    light, dark = sorted((sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), linear(c))) for c in (a, b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


# How a colour looks to people without one kind of cones (Machado, Oliveira, Fernandes 2009, severity 1), in linear RGB.
VISION = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def perceived(colour, vision):
    """OKLab coordinates (Ottosson 2020)."""
    r, g, b = (min(1, max(0, sum(w * v for w, v in zip(row, linear(colour))))) for row in VISION[vision])
    l, m, s = (x ** (1 / 3) for x in (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b, 0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b,
                                      0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b))
    return (0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s, 1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
            0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours(seen, theme):
    lowest = seen["contrast"][theme]
    assert lowest["ratio"] >= 4.5, lowest
    tokens = seen["tokens"][theme]
    channels = [tokens[f"channel-{i}"] for i in range(1, 10)]
    for colour in [*channels, tokens["first"], tokens["last"]]:
        assert contrast(colour, tokens["surface"]) >= 4.5, colour
    for vision in VISION:
        least = 0.07 if vision == "tritanopia" else 0.08  # tritanopia is a thousand times rarer
        for pairs in (itertools.combinations(channels, 2), [(tokens["first"], tokens["last"])]):
            for a, b in pairs:
                assert sum((x - y) ** 2 for x, y in zip(perceived(a, vision), perceived(b, vision))) ** 0.5 >= least, (vision, a, b)


def test_names_are_only_text(seen):
    nasty = seen["nasty"]
    assert nasty["shown"] == nasty["expected"]
    assert nasty["elements"] == 0 and nasty["overflow"] == 0 and nasty["menuOverflow"] == 0


def test_failing_block_stays_alone(seen):
    failing = seen["failing"]
    assert "The engine has no memory left." in failing["message"] and "Give it more." in failing["message"]
    assert failing["others"] == 1 and failing["recovered"] == 3


def test_empty_lake_says_what_fills_it(seen):
    assert seen["empty"]["light"] == "No data yet"
    assert len(seen["empty"]["messages"]) == 5 and set(seen["empty"]["messages"]) == {"No events have been loaded yet."}
    assert set(seen["empty"]["commands"]) == {"shoplake load events FILE.ndjson.gz"}


def rows_of(table):
    """Rows of a shown table as dictionaries by its headings."""
    headings, *rows = table
    return [dict(zip(headings, row)) for row in rows]


def test_shop_page(seen, lake):
    page = seen["pages"]["shop"]
    ((last, net, orders),) = [tuple(row.values()) for row in lake.rows(
        "select strftime(max(sales_date), '%Y-%m-%d') as d, round(sum(net_revenue), 2) as net, sum(orders) as orders from curated.daily_sales "
        "where sales_date > (select max(sales_date) from curated.daily_sales) - interval 30 day")]
    assert page["current"] == ["Shop"] and last == "2026-06-30" and page["light"] == "Sales until 30 Jun 2026"
    assert (page["facts"]["Net revenue"], page["facts"]["Orders"]) == (money(float(net)), count(int(orders)))
    assert len(rows_of(page["tables"]["Products by net revenue"])) == 25
    customers = {row["Segment"]: row["Customers"] for row in rows_of(page["tables"]["Customers by segment"])}
    assert sum(int(text.replace(",", "")) for text in customers.values()) == lake.value("select count(*) from curated.customer_360")


def test_odd_texts_are_shown_as_they_are(seen, test_data):
    assert seen["pages"]["shop"]["names"] == odd_texts(test_data)
    assert seen["pages"]["shop"]["words"] == odd_texts(test_data)


def test_pipeline_page(seen):
    page = seen["pages"]["pipeline"]
    assert page["current"] == ["Pipeline"] and page["light"] == "Failed last: shop_batch"
    stages = {row["Stage"]: row for row in rows_of(page["tables"]["Stages"])}
    assert {"collect", "log", "deliver", "live", "catalog"} <= set(stages)
    assert stages["collect"]["State"] == stages["live"]["State"] == "✓ Up"
    assert [title.split(":")[0] for title in page["graph"]] == ["Load", "Enough?", "Build", "Tell", "Over"]
    assert sorted(page["edges"]) == ["catch", "next", "next", "next", "next"], "Load → Enough? → Build, Tell; Tell → Over; and what Load catches"
    second, first = rows_of(page["tables"]["Executions of shop_batch"])
    assert first["Execution"] == "first" and first["Status"] == "✓ Succeeded" and first["Took"] == "90.0 s"
    assert second["Status"].startswith("✕ FailedStates.TaskFailed: no such table")
    assert {row["State"]: row["Status"] for row in rows_of(page["tables"]["States of shop_batch"])} == {
        "Load": "✓ Succeeded", "Enough?": "✓ Succeeded", "Build": "✕ Failed", "Tell": "– Not reached", "Over": "– Not reached"}


def test_quality_page(seen, lake):
    page = seen["pages"]["quality"]
    listed = [rule for rule in lake("quality", "ls", "--json").json() if rule["outcome"]]
    assert page["facts"]["Rules"] == count(len(listed))
    assert page["facts"]["Fail"] == count(sum(rule["outcome"] in ("fail", "error") for rule in listed))
    for table in {rule["table"] for rule in listed}:
        shown = {row["Rule"]: row["Outcome"] for row in rows_of(page["tables"][f"Rules of {table}"])}
        words = {"pass": "✓ Passes", "fail": "✕ Fails", "error": "✕ Error", "skipped": "– Skipped"}
        assert shown == {rule["name"]: words[rule["outcome"]] for rule in listed if rule["table"] == table}


def test_alarms_page(seen, lake):
    page = seen["pages"]["alarms"]
    assert {row["Alarm"] for row in rows_of(page["tables"]["Alarms"])} == {alarm["name"] for alarm in lake("alarm", "ls", "--json").json()}
    (told,) = [row for row in rows_of(page["tables"]["Notifications"]) if row["Subject"] == "Test of ALARM: pipeline-down"]
    assert told["Topic"] == "pipeline-notifications" and told["Deliveries"].endswith("told.ndjson: delivered")
    topics = {row["Topic"]: row for row in rows_of(page["tables"]["Subscriptions"])}
    assert topics["pipeline-notifications"]["Delivered"] >= "1" and topics["cost-alerts"]["Subscription"] == "– nobody"


def test_cost_page(seen, lake):
    page = seen["pages"]["cost"]
    assert page["light"] == "Over the daily budget"
    lines = rows_of(page["tables"]["Cost by day, stage and meter"])
    assert {"load", "build", "quality run", "query", "flow"} <= {row["Stage"] for row in lines}
    (flow,) = rows_of(page["tables"]["Cost by flow"])
    assert (flow["Flow"], flow["Executions"], flow["Transitions"]) == ("shop_batch", "2", "6")
    queries = rows_of(page["tables"]["Cost by query"])
    assert "select count(*) from marts.fact_events where user_id = ?" in [row["Query"] for row in queries]


def test_pages_fit_and_can_be_read(seen):
    for name, page in seen["pages"].items():
        assert page["overflow"] == 0, name
        assert page["missed"] == [], name
        for scheme, lowest in page["contrast"].items():
            assert lowest["ratio"] >= 4.5, (name, scheme, lowest)
        for scene in (name, f"{name} dark", f"{name} phone", f"{name} empty"):
            assert seen["accessibility"][scene] == [], scene


def test_empty_pages_say_what_fills_them(seen):
    commands = {name: page["empty"]["commands"] for name, page in seen["pages"].items()}
    assert "shoplake flow start NAME" in commands["pipeline"]
    # Alarms are evaluated each minute, so that on a slow machine some may have changed by now.
    assert set(seen["pages"]["alarms"]["empty"]["messages"]) <= {"No alarm has changed its state.", "Nothing was told yet."}
    assert seen["pages"]["cost"]["empty"]["messages"][0] == "Nothing was used on these days."
