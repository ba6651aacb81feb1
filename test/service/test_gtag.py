"""GA4's own clients against `shoplake serve`: a page in a real browser, on another origin, that sends hits as gtag does; and
servers that send the Measurement Protocol. What they sent stands in processed.events."""
import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import time

import pytest
from serving import serving

CACHE = pathlib.Path(os.environ.get("SHOPLAKE_CACHE", pathlib.Path.home() / ".cache/shoplake"))
WAIT_SECONDS = 120
MEASUREMENT_ID = "G-SHOP00TEST"


def param(key, column="string_value"):
    return f"list_filter(event_params, lambda p: p.key = '{key}')[1].value.{column}"


def until(server, sql, enough):
    """The rows of a query once they satisfy a condition."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        status, answer = server.query(sql)
        rows = [dict(zip([c["name"] for c in answer["columns"]], row)) for row in answer["rows"]] if status == 200 else []
        if enough(rows):
            return rows
        assert time.monotonic() < deadline, (status, answer)


def count_reaches(server, sql, number):
    until(server, f"select count(*) as n from ({sql})", lambda rows: rows and int(rows[0]["n"]) >= number)


def measure(server, body, query=f"measurement_id={MEASUREMENT_ID}&api_secret=s3cret", path="/mp/collect"):
    text = body if isinstance(body, (str, bytes)) else json.dumps(body)
    status, headers, answer = server.request("POST", f"{path}?{query}", text, {"Content-Type": "application/json"})
    return status, headers, answer


# --- the browser ---


@pytest.fixture(scope="module")
def browsed(tmp_path_factory, shoplake_in, source):
    """(what the page saw, the lake after the server ended)"""
    browser = pathlib.Path(os.environ.get("SHOPLAKE_BROWSER", CACHE / "browser"))
    if not (browser / "node_modules/playwright-core").is_dir():
        pytest.skip(f"no playwright-core in {browser}: tools/setup service installs it")
    node = shutil.which("node", path=os.environ["PATH"] + os.pathsep + str(CACHE / "node"))
    if node is None or shutil.which(os.environ.get("SHOPLAKE_CHROMIUM", "chromium")) is None:
        pytest.skip("no node or no chromium: tools/setup service installs them")
    lake = shoplake_in(tmp_path_factory.mktemp("gtag") / "home")
    with serving(lake) as server:
        process = subprocess.run([node, str(source / "test/browser/gtag.mjs"), server.address, MEASUREMENT_ID],
                                 env=os.environ | {"SHOPLAKE_BROWSER": str(browser)}, capture_output=True, text=True, timeout=300)
        assert process.returncode == 0, process.stderr[-4000:] + process.stdout[-2000:]
        count_reaches(server, "select distinct _shoplake_event_id from processed.events", 8)
        assert server.stop() == 0
    return json.loads(process.stdout), lake


def test_browser_may_send_from_another_origin(browsed):
    seen, _ = browsed
    assert seen["troubles"] == []
    assert seen["page"]["statuses"] == [0, 204, 204, 204]  # 0: what a page may see of a no-cors request
    assert seen["page"]["queued"] is True
    assert len(seen["answers"]) == 6 and {answer["status"] for answer in seen["answers"]} == {204}
    fetched = [answer for answer in seen["answers"] if answer["kind"] == "fetch"]
    assert {answer["allowed"] for answer in fetched} <= {"*", seen["origin"]}


def test_every_event_is_there_once(browsed):
    _, lake = browsed
    rows = lake.rows("select event_name, count(*) as n from processed.events group by all order by all")
    assert [(row["event_name"], int(row["n"])) for row in rows] == [
        (name, 1) for name in ("add_to_cart", "first_visit", "page_view", "preflighted", "purchase", "scroll", "session_start", "view_item")]
    assert lake.value("select count(*) from quarantine.events where dataset = 'events'") in (0, "0")


def test_what_a_row_says(browsed):
    seen, lake = browsed
    (row,) = lake.rows(f"""
        select user_pseudo_id, stream_id, platform, device.category as category, device.operating_system as system,
            device.web_info.browser as browser, device.web_info.hostname as hostname, device.language as language,
            privacy_info.analytics_storage as consent, {param('page_title')} as title, {param('page_location')} as location,
            {param('ga_session_id', 'int_value')} as session, {param('source')} as source, {param('medium')} as medium,
            {param('campaign')} as campaign, {param('entrances', 'int_value')} as entrances,
            collected_traffic_source.manual_source as manual_source, batch_page_id
        from processed.events where event_name = 'page_view'""")
    page = seen["page"]
    assert row == {
        "user_pseudo_id": f"1234567890.{page['second']}", "stream_id": MEASUREMENT_ID, "platform": "WEB", "category": "desktop",
        "system": "Linux", "browser": "Chrome", "hostname": "127.0.0.1", "language": page["language"], "consent": "Yes",
        "title": "Hüte & mehr", "location": f"{seen['origin']}/hats?utm_source=newsletter&utm_medium=email&utm_campaign=mai",
        "session": page["second"], "source": "newsletter", "medium": "email", "campaign": "mai", "entrances": 1,
        "manual_source": "newsletter", "batch_page_id": int(page["pageId"])}


def test_a_beacons_events_share_their_query(browsed):
    seen, lake = browsed
    rows = lake.rows(f"""
        select event_name, batch_event_index as position, {param('ga_session_id', 'int_value')} as session,
            ecommerce.transaction_id as transaction, ecommerce.purchase_revenue as revenue, ecommerce.total_item_quantity as quantity,
            items[1].item_name as item, {param('engagement_time_msec', 'int_value')} as engagement
        from processed.events where event_name in ('add_to_cart', 'purchase') order by position""")
    session = seen["page"]["second"]
    assert rows == [
        {"event_name": "add_to_cart", "position": 1, "session": session, "transaction": None, "revenue": None, "quantity": 2,
         "item": "Hut", "engagement": None},
        {"event_name": "purchase", "position": 2, "session": session, "transaction": "T-1001", "revenue": 44.25, "quantity": 2,
         "item": "Hut", "engagement": 812}]


def test_models_see_one_session(browsed):
    _, lake = browsed
    lake("build")
    (session,) = lake.rows("select source, medium, channel_group from marts.fact_sessions")
    assert session == {"source": "newsletter", "medium": "email", "channel_group": "Email"}
    assert float(lake.value("select sum(conversion_value) from marts.mart_first_click_attribution where conversion_event = 'purchase'")) == 44.25


# --- the Measurement Protocol ---


@pytest.fixture(scope="module")
def served(tmp_path_factory, shoplake_in):
    lake = shoplake_in(tmp_path_factory.mktemp("measurement") / "home")
    lake("init", lake.home)
    with open(lake.home / "shoplake.yml", "a") as settings:
        settings.write("\ncollector:\n  api_secrets: [s3cret]\n  time_zone: Pacific/Kiritimati\n")
    with serving(lake) as server:
        yield lake, server


def purchase(number, at_micros):
    return {"client_id": f"77.{number}", "timestamp_micros": at_micros, "events": [
        {"name": "purchase", "params": {"session_id": "1746817858", "currency": "USD", "value": 9.5, "transaction_id": f"M-{number}",
                                        "items": [{"item_id": "a", "price": 9.5}]}}]}


def test_measurement_protocol(served):
    lake, server = served
    at = int(time.time() * 1e6) - 60_000_000
    events = [purchase(number, at + number) for number in range(40)]
    with concurrent.futures.ThreadPoolExecutor(8) as senders:
        for _ in range(2):  # the second time as after lost answers
            assert {status for status, _, _ in senders.map(lambda body: measure(server, body), events)} == {204}
    rejected = [("", "{"), ("", "[]"), ("", {"client_id": "1.2", "events": []}), ("", {"events": [{"name": "a"}]}),
                ("", {"client_id": "1.2", "events": [{"name": "_a"}]}), ("measurement_id=G-1&api_secret=wrong", purchase(99, at))]
    for query, body in rejected:
        status, _, answer = measure(server, body, *([query] if query else []))
        assert (status, answer) == (204, b"")
    assert measure(server, {"client_id": "1.2", "timestamp_micros": at, "events": [{"name": "last"}]})[0] == 204
    count_reaches(server, "select 1 from processed.events where event_name = 'last'", 1)
    count_reaches(server, "select 1 from processed.events where event_name = 'purchase'", 40)
    (row,) = lake.rows("""select count(*) as n, count(distinct _shoplake_event_id) as ids, min(event_timestamp) as first,
        min(event_server_timestamp_offset) > 0 as is_late, sum(ecommerce.purchase_revenue_in_usd) as revenue
        from processed.events where event_name = 'purchase'""")
    assert row == {"n": 40, "ids": 40, "first": at, "is_late": True, "revenue": 380.0}
    # The day is the property's: 14 hours ahead of UTC.
    day = time.strftime("%Y%m%d", time.gmtime(at / 1e6 + 14 * 3600))
    assert lake.value("select min(event_date) from processed.events where event_name = 'last'").replace("-", "") == day


def test_validation_messages(served):
    _, server = served
    status, headers, answer = measure(server, {"client_id": "1.2", "events": [{"name": "_badEventName", "params": {}}]},
                                      path="/debug/mp/collect")
    assert status == 200 and headers["content-type"].startswith("application/json")
    assert json.loads(answer) == {"validationMessages": [{
        "fieldPath": "events", "validationCode": "NAME_INVALID",
        "description": "Event at index: [0] has invalid name [_badEventName]. Names must start with an alphabetic character."}]}
    _, _, answer = measure(server, {"client_id": "1.2", "events": [{"name": "fine"}]}, path="/debug/mp/collect")
    assert json.loads(answer) == {"validationMessages": []}


def test_methods_and_preflight(served):
    _, server = served
    assert server.get("/mp/collect")[0] == 405
    assert server.request("PUT", "/g/collect")[0] == 405
    status, headers, _ = server.request("OPTIONS", "/g/collect", headers={
        "Origin": "https://www.shop.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"})
    assert status in (200, 204) and headers["access-control-allow-origin"] in ("*", "https://www.shop.example")
    assert "POST" in headers["access-control-allow-methods"]
    status, headers, _ = server.request("GET", "/g/collect?v=2&tid=G-1", headers={"Origin": "https://www.shop.example"})
    assert status == 204  # no hit, and nothing to tell the page
