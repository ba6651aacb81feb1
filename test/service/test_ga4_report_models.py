"""models/ga4_report is portable: dbt-core with dbt-duckdb and shoplake give the same rows."""
import json

import duckdb
from dbt_runners import DbtCore, differences, export

NAMES = ["analytics_raw.ga4_events_raw", "staging.ga4_events_staged", "analytics.ga4_events_cleaned", "analytics.ga4_kpis_daily",
         "analytics.ga4_event_names_daily"]


def landing(folder, day, factor):
    """A landing file as `shoplake ga4 ingest` writes it, with odd values."""
    def line(report, **fields):
        return json.dumps({"property": "77", "report": report, "date": day.replace("-", ""), "currencyCode": "EUR", "timeZone": "UTC",
                           "is_sampled": factor == 3, "subjectToThresholding": False, "dataLossFromOtherRow": False} | fields)

    metrics = {"sessions": 7 * factor, "totalUsers": 3, "screenPageViews": 20, "eventCount": 2**40, "purchaseRevenue": 0.1 * factor, "keyEvents": 1e-3}
    nothing = {"sessions": 0, "totalUsers": 0, "screenPageViews": 0, "eventCount": 0, "purchaseRevenue": -1e300}
    where = {"sessionMedium": "cpc", "sessionCampaignName": "ü'\"%", "sessionDefaultChannelGroup": "Paid Search", "deviceCategory": "", "country": "(not set)"}
    lines = [line("traffic", sessionSource=source, **where, **(metrics if source else nothing)) for source in ("google", " google", "", "x")]
    lines += [line("channel", sessionDefaultChannelGroup="Direct", **metrics), line("day", **metrics), line("day", **nothing)]
    lines += [line("event", eventName="page_view", **metrics), line("event", eventName="PAGE_VIEW", **nothing)]
    path = folder / f"ga4_events_{day}_{factor:06}.json"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_both_runners_give_the_same_rows(shoplake, source, tmp_path):
    project = source / "dbt"
    dbt = DbtCore(project, tmp_path / "dbt")
    # Loaded by hand, files of one day stand beside each other: the models take each row as it was loaded last.
    for day, factor in (("2026-11-19", 1), ("2026-11-20", 2), ("2026-11-20", 3)):
        shoplake("load", "ga4_report", landing(tmp_path, day, factor))
    shoplake("build", "--select", "path:models/ga4_report", "path:tests/ga4_report")
    dbt.take_events(shoplake, ("events", "ga4_report"))
    dbt("build", "--vars", "{ga4_report: true}", "--select", "path:models/ga4_report", "path:tests/ga4_report")
    paths = export(shoplake, NAMES, tmp_path / "lake")
    with duckdb.connect(str(dbt.database), read_only=True) as connection:
        found = {name: differences(connection, f"read_parquet('{path}')", name) for name, path in paths.items()}
    assert {name: text for name, text in found.items() if text} == {}
    assert shoplake.value("select count(*) from analytics_raw.ga4_events_raw") == 27
    assert shoplake.rows("select event_date, sessions from analytics.ga4_kpis_daily where channel_group = '(all)' order by 1") == [
        {"event_date": "2026-11-19", "sessions": 7}, {"event_date": "2026-11-20", "sessions": 21}]
