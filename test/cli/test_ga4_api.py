"""`shoplake ga4 ingest` against an API server that behaves by the rules (ga4_api_server.py)."""
import datetime
import json
import os
import re
import signal
import subprocess

import pytest
from ga4_api_server import Ga4Api

DAY = "2026-11-20"
NAME = re.compile(r"ga4_events_\d{4}-\d\d-\d\d_\d{6}\.json")


def fill(api, day, sessions=10, channels=("Direct", "Email")):
    """One day of a property: every grain that is asked for."""
    for number, channel in enumerate(channels):
        for country in ("DE", "FR", "(not set)"):
            api.add(day, "traffic", (f"source{number}", "cpc", 'say "hi", \\ünïcode', channel, "desktop", country), sessions=sessions,
                    totalUsers=4, newUsers=1, screenPageViews=sessions * 3, eventCount=sessions * 7, purchaseRevenue="19.99",
                    transactions=1, keyEvents="0.5")
        api.add(day, "channel", (channel,), sessions=sessions * 3, totalUsers=9, screenPageViews=sessions * 9, eventCount=sessions * 21)
    api.add(day, "day", (), sessions=sessions * 6, totalUsers=15, screenPageViews=sessions * 18, eventCount=sessions * 42)
    api.add(day, "event", ("page_view",), eventCount=sessions * 18, totalUsers=15)


@pytest.fixture
def api(tmp_path):
    server = Ga4Api(tmp_path / "api")
    yield server
    server.close()


@pytest.fixture
def ingest(shoplake, api):
    def run(*arguments, check=True, env=None, **options):
        arguments = arguments or ("--date", DAY)
        outcome = shoplake("ga4", "ingest", "--property", options.pop("property", "77"), "--credentials", api.key_file, "--api-url",
                           api.url, "--retry-pause", 0.01, *arguments, "--json", check=check, env=env, **options)
        for secret in ("PRIVATE KEY", "secret-token", "assertion="):
            assert secret not in outcome.stdout + outcome.stderr
        return outcome
    return run


def landed(shoplake):
    return sorted(path.name for path in (shoplake.home / "lake/raw/ga4_report").glob("*"))


def rows(shoplake, what="count(*)"):
    return shoplake.value(f"select {what} from processed.ga4_report")


def test_a_day_becomes_a_landing_file_and_rows(shoplake, api, ingest):
    fill(api, DAY)
    report = ingest().json()
    (day,) = report["days"]
    assert (day["status"], day["rows"], day["rejected"], report["error"]) == ("loaded", 10, 0, None)
    (name,) = landed(shoplake)
    assert NAME.fullmatch(name) and name.startswith(f"ga4_events_{DAY}_")
    assert day["landing_object"] == f"raw/ga4_report/{name}"
    lines = [json.loads(line) for line in (shoplake.home / "lake" / day["landing_object"]).read_text().splitlines()]
    assert [line["report"] for line in lines] == ["traffic"] * 6 + ["channel"] * 2 + ["day", "event"]
    (row,) = shoplake.rows("select * from processed.ga4_report where report_name = 'traffic' and country = 'DE' and session_source = 'source0'")
    assert row["session_campaign_name"] == 'say "hi", \\ünïcode'
    assert (row["property_id"], row["date"], row["sessions"], row["purchase_revenue"], row["key_events"]) == ("77", DAY, 10, 19.99, 0.5)
    assert (row["currency_code"], row["time_zone"], row["is_sampled"]) == ("EUR", "Europe/Berlin", False)
    assert row["_shoplake_source_object"] == day["landing_object"]
    assert rows(shoplake, "sum(case when report_name = 'day' then total_users end)") == 15
    assert report["quota"]["tokensPerDay"] == {"consumed": 10, "remaining": 200000 - 40}
    (run,) = shoplake("ga4", "runs", "--json").json()["runs"]
    assert (run["property"], run["first_day"], run["days"], run["rows"], run["error_code"]) == ("77", DAY, 1, 10, "")
    assert run["quota"] == report["quota"]


def test_reading_again_replaces_and_adds_nothing_twice(shoplake, api, ingest):
    fill(api, DAY)
    ingest()
    first = landed(shoplake)
    again = ingest().json()
    assert again["days"][0]["status"] == "unchanged"
    assert landed(shoplake) == first and rows(shoplake) == 10
    fill(api, DAY, sessions=20, channels=("Direct",))
    for key in list(api.rows[DAY, "traffic"]):
        if key[3] == "Email":
            del api.rows[DAY, "traffic"][key]
    del api.rows[DAY, "channel"][("Email",)]
    changed = ingest().json()["days"][0]
    assert (changed["status"], changed["rows"], changed["replaced_object"]) == ("loaded", 6, f"raw/ga4_report/{first[0]}")
    assert rows(shoplake) == 6 and rows(shoplake, "sum(sessions)") == 20 * 3 + 60 + 120
    assert len(landed(shoplake)) == 2
    # A day whose figures are gone loses its rows.
    api.rows.clear()
    assert ingest().json()["days"][0]["status"] == "loaded"
    assert rows(shoplake) == 0


def test_a_range_of_days_and_days_without_traffic(shoplake, api, ingest):
    for day in ("2026-11-17", "2026-11-19"):
        fill(api, day)
    report = ingest("--from", "2026-11-17", "--to", "2026-11-19").json()
    assert [(day["day"], day["status"]) for day in report["days"]] == [
        ("2026-11-17", "loaded"), ("2026-11-18", "empty"), ("2026-11-19", "loaded")]
    assert rows(shoplake, "count(distinct date)") == 2 and len(landed(shoplake)) == 2
    assert api.tokens_given == 1


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])  # fourteen hours before UTC, eleven behind it
def test_yesterday_is_of_the_property_and_the_last_three_days_are_read(shoplake, api, ingest, zone):
    api.time_zone = zone
    before = api.local_yesterday()
    for ago in range(4):
        fill(api, (before - datetime.timedelta(days=ago)).isoformat())
    report = ingest("--date", "yesterday").json()
    if api.local_yesterday() == before:  # else midnight passed
        assert [day["day"] for day in report["days"]] == [(before - datetime.timedelta(days=ago)).isoformat() for ago in (2, 1, 0)]
        assert report["time_zone"] == zone
        fill(api, before.isoformat(), sessions=11)
        again = ingest("--date", "yesterday").json()
        assert [day["status"] for day in again["days"]] == ["unchanged", "unchanged", "loaded"]
        assert len(ingest("--date", "yesterday", "--reread-days", 1).json()["days"]) == 1


def test_pages_fit_together(shoplake, api, ingest):
    for number in range(1000):
        api.add(DAY, "traffic", (f"s{number:04}", "m", "c", "Direct", "mobile", "DE"), sessions=number)
    report = ingest("--date", DAY, "--page-rows", 300).json()
    assert report["days"][0]["rows"] == 1000
    assert [(request["offset"], request["limit"]) for request in api.requests[:4]] == [(str(at), "300") for at in (0, 300, 600, 900)]
    assert rows(shoplake, "count(distinct session_source)") == 1000 and rows(shoplake, "sum(sessions)") == 499500
    # A server that gives less than it was asked for.
    api.rows[DAY, "traffic"]["s", "m", "c", "Direct", "mobile", "DE"] = {"sessions": 1}
    api.largest_limit = 128
    ingest()
    assert rows(shoplake) == 1001


def test_a_report_that_changes_between_pages_is_read_anew(shoplake, api, ingest):
    for number in range(10):
        api.add(DAY, "traffic", (f"s{number}", "m", "c", "Direct", "mobile", "DE"), sessions=1)

    def revise(request):
        if len(api.requests) == 1:
            api.add(DAY, "traffic", ("a first one", "m", "c", "Direct", "mobile", "DE"), sessions=1)
    api.after_page = revise
    ingest("--date", DAY, "--page-rows", 4)
    assert rows(shoplake, "count(distinct session_source)") == 11 == rows(shoplake)


@pytest.mark.parametrize("failures", [[500], [503, 500], ["truncated"], ["not_json", "truncated"], ["concurrent"], ["revoke"]])
def test_what_passes_is_tried_again(shoplake, api, ingest, failures):
    fill(api, DAY)
    api.failures = list(failures)
    report = ingest().json()
    assert rows(shoplake) == 10 and report["error"] is None
    assert report["retries"] == (0 if failures == ["revoke"] else len(failures))
    assert api.tokens_given == (2 if failures == ["revoke"] else 1)


def test_a_slow_server_is_given_up_and_asked_again(shoplake, api, ingest):
    fill(api, DAY)
    api.failures = ["slow"]
    report = ingest("--date", DAY, "--timeout", 1).json()
    assert report["retries"] == 1 and rows(shoplake) == 10


@pytest.mark.parametrize("status, code, exit_code", [
    (403, "ga4.forbidden", 2), (400, "ga4.bad_request", 2), ("tokens_per_hour", "ga4.quota_exhausted", 4), (500, "ga4.unavailable", 4)])
def test_what_stays_wrong_is_told_in_the_apis_words_and_lands_nothing(shoplake, api, ingest, status, code, exit_code):
    fill(api, DAY)
    api.failures = [status] * 9
    outcome = ingest(check=False)
    error = outcome.json()["error"]
    assert (outcome.returncode, error["code"]) == (exit_code, code)
    assert ("refused by the test" if isinstance(status, int) else "Exhausted property tokens per hour") in error["message"]
    if status == 403:
        assert "robot@shop.iam.gserviceaccount.com" in error["advice"]
    assert len(api.requests) == (5 if status == 500 else 1)
    assert not (shoplake.home / "lake/raw/ga4_report").exists()
    (run,) = shoplake("ga4", "runs", "--json").json()["runs"]
    assert run["error_code"] == code


def test_days_that_are_complete_stay_when_the_quota_ends(shoplake, api, ingest):
    for day in ("2026-11-18", "2026-11-19", "2026-11-20"):
        fill(api, day)
    api.quota["tokensPerHour"] = 65
    outcome = ingest("--from", "2026-11-18", "--to", "2026-11-20", check=False)
    report = outcome.json()
    assert (outcome.returncode, report["error"]["code"]) == (4, "ga4.quota_exhausted")
    assert [day["day"] for day in report["days"]] == ["2026-11-18"]
    assert report["quota"]["tokensPerHour"]["remaining"] >= 0 and len(api.requests) == 6
    assert rows(shoplake, "count(distinct date)") == 1 and len(landed(shoplake)) == 1
    api.quota["tokensPerHour"] = 40000
    assert [day["status"] for day in ingest("--from", "2026-11-18", "--to", "2026-11-20").json()["days"]] == ["unchanged", "loaded", "loaded"]


def test_what_weakens_the_figures_is_kept(shoplake, api, ingest):
    fill(api, DAY)
    api.metadata = {"samplingMetadatas": [{"samplesReadCount": "500", "samplingSpaceSize": "2000"}], "subjectToThresholding": True,
                    "dataLossFromOtherRow": True}
    day = ingest().json()["days"][0]
    assert (day["is_sampled"], day["samples_read"], day["sampling_space"], day["is_thresholded"], day["has_other_row"]) == (True, 500, 2000, True, True)
    assert shoplake.rows("select distinct is_sampled, samples_read_count, sampling_space_size, is_thresholded, has_other_row from processed.ga4_report") == [
        {"is_sampled": True, "samples_read_count": 500, "sampling_space_size": 2000, "is_thresholded": True, "has_other_row": True}]


def test_credentials_that_are_wrong(shoplake, api, ingest, tmp_path):
    def code(*arguments, **options):
        outcome = ingest(*arguments, check=False, **options)
        assert outcome.returncode == 2, outcome
        return outcome.json()["error"]["code"]

    other = Ga4Api(tmp_path / "other")
    other.close()
    api.write_key(private_key=other.private_key.read_text())
    assert code() == "ga4.token_refused"
    api.write_key(token_uri="http://tokens.example/")
    assert code() == "ga4.insecure_url"
    api.write_key(private_key="-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n")
    assert code() == "ga4.credentials"
    api.key_file.write_text("{")
    assert code() == "ga4.credentials"
    api.key_file.unlink()
    assert code() == "ga4.credentials"
    assert api.tokens_given == 0
    # The environment names the key, as Google's own tools have it.
    api.write_key()
    fill(api, DAY)
    arguments = ["ga4", "ingest", "--date", DAY, "--api-url", api.url]
    assert shoplake(*arguments, "--json", check=False).json()["error"]["code"] == "ga4.bad_property"
    arguments += ["--property", "properties/77"]
    assert shoplake(*arguments, "--json", check=False).json()["error"]["code"] == "ga4.credentials"
    shoplake(*arguments[:-2], env={"GOOGLE_APPLICATION_CREDENTIALS": str(api.key_file), "GA4_PROPERTY_ID": "77"})
    assert rows(shoplake) == 10


@pytest.mark.parametrize("arguments, code", [
    (["--date", "2026-02-30"], "ga4.bad_date"), (["--from", DAY], "ga4.bad_date"), (["--from", DAY, "--to", "2026-11-19"], "ga4.bad_date"),
    (["--date", DAY, "--from", DAY], "ga4.bad_date"), (["--from", "2020-01-01", "--to", DAY], "ga4.bad_date")])
def test_bad_arguments(api, ingest, arguments, code):
    outcome = ingest(*arguments, check=False)
    assert (outcome.returncode, outcome.json()["error"]["code"]) == (2, code)
    assert api.requests == []


def test_secrets_are_not_sent_in_the_clear(shoplake, api):
    outcome = shoplake("ga4", "ingest", "--property", "77", "--date", DAY, "--credentials", api.key_file, "--api-url",
                       "http://analytics.example", "--json", check=False)
    assert (outcome.returncode, outcome.json()["error"]["code"], api.tokens_given) == (2, "ga4.insecure_url", 0)


def test_no_access_to_another_property(ingest):
    assert ingest("--date", DAY, property="78", check=False).json()["error"]["code"] == "ga4.forbidden"
    assert ingest("--date", DAY, property="G-ABC", check=False).json()["error"]["code"] == "ga4.bad_property"


def test_tls_is_verified(shoplake, tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "cert-key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj",
                    "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    api = Ga4Api(tmp_path / "tls", tls=(certificate, key))
    try:
        fill(api, DAY)
        arguments = ["ga4", "ingest", "--property", "77", "--date", DAY, "--credentials", api.key_file, "--api-url", api.url, "--json"]
        refused = shoplake(*arguments, check=False)
        assert (refused.returncode, refused.json()["error"]["code"]) == (4, "http.untrusted")
        assert api.tokens_given == 0
        shoplake(*arguments, "--ca-file", certificate)
        assert rows(shoplake) == 10
    finally:
        api.close()


def test_one_at_a_time_and_killed_at_any_moment(shoplake, api, ingest):
    fill(api, DAY)
    api.failures = ["slow"]
    process = shoplake.start("ga4", "ingest", "--property", "77", "--date", DAY, "--credentials", api.key_file, "--api-url", api.url)
    assert api.asked.wait(30)
    busy = ingest(check=False)
    assert (busy.returncode, busy.json()["error"]["code"]) == (4, "ga4.busy")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert ingest().json()["days"][0]["status"] == "loaded"
    assert rows(shoplake) == 10 and len(landed(shoplake)) == 1


def test_the_kpis_are_built_from_it(shoplake, api, ingest):
    fill(api, DAY)
    ingest()
    shoplake("build", "--select", "path:models/ga4_report")
    assert shoplake.value("select count(*) from analytics_raw.ga4_events_raw") == 10
    assert shoplake.value("select count(*) from staging.ga4_events_staged") == 10
    assert shoplake.rows("select channel_group, pages_per_session, sessions_per_user, events_per_session from analytics.ga4_kpis_daily order by 1") == [
        {"channel_group": "(all)", "pages_per_session": 3.0, "sessions_per_user": 4.0, "events_per_session": 7.0},
        {"channel_group": "Direct", "pages_per_session": 3.0, "sessions_per_user": 3.3333, "events_per_session": 7.0},
        {"channel_group": "Email", "pages_per_session": 3.0, "sessions_per_user": 3.3333, "events_per_session": 7.0}]
    (row,) = shoplake.rows("select count(*) as rows, sum(purchase_revenue_micros) as micros, sum(sessions) as sessions from analytics.ga4_events_cleaned")
    assert row == {"rows": 6, "micros": 6 * 19990000, "sessions": 60}


# ── as a task of flows ─────────────────────────────────────────────────────────────────────────────────────────────────

@pytest.fixture
def daily(shoplake, api, source):
    """The flow that comes with shoplake, with the address of our server in it: started to its end."""
    definition = json.loads((source / "flows/ga4_daily.asl.json").read_text())
    definition["States"]["IngestReport"]["Parameters"]["Payload"]["api_url"] = api.url
    folder = shoplake.home / "flows"
    folder.mkdir(parents=True)
    (folder / "ga4_daily.asl.json").write_text(json.dumps(definition))

    def run(check=True, **input):
        done = shoplake("flow", "start", "ga4_daily", "--input", json.dumps({"source": "api"} | input), "--wait", "--json", check=False,
                        env={"GOOGLE_APPLICATION_CREDENTIALS": str(api.key_file), "GA4_PROPERTY_ID": "77"})
        assert done.returncode == (0 if check else 1), done
        return done.json()
    return run


def test_the_daily_flow_reads_yesterday_to_the_kpis(shoplake, api, daily):
    yesterday = api.local_yesterday()
    for ago in range(3):
        fill(api, (yesterday - datetime.timedelta(days=ago)).isoformat())
    ended = daily()
    assert ended["status"] == "SUCCEEDED"
    assert ended["output"]["files"] == {"days": 3, "rows": 30, "rejected_rows": 0}
    assert rows(shoplake) == 30 and shoplake.value("select count(*) from raw.ga4_report") == 30
    assert shoplake.value("select count(*) from analytics.ga4_events_cleaned") == 18
    assert shoplake.value("select count(*) from analytics.ga4_kpis_daily") == 9
    # A day that is named is read alone; one that did not change adds nothing.
    again = daily(date=yesterday.isoformat(), property="properties/77")
    assert again["output"]["files"]["days"] == 1 and rows(shoplake) == 30 and len(landed(shoplake)) == 3


def test_the_daily_flow_tells_why_it_failed(shoplake, api, daily):
    fill(api, DAY)
    api.failures = [403]
    ended = daily(check=False, date=DAY)
    assert (ended["status"], ended["error"]) == ("FAILED", "Ga4Forbidden")
    assert json.loads(ended["cause"])["code"] == "ga4.forbidden" and "secret-token" not in json.dumps(ended)
    (told,) = shoplake("topic", "history", "pipeline-notifications", "--json").json()
    assert told["subject"] == "ga4_daily failed"
    # What passes is tried again: by the exchange, then by the state's Retry.
    api.failures = ["concurrent", 503]
    assert daily(date=DAY)["status"] == "SUCCEEDED"
    wrong = daily(check=False, date="2026-02-30")
    assert wrong["error"] == "Ga4BadDate"
