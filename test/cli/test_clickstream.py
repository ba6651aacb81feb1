"""The dataset clickstream, from outside: its shape, what is removed, what is computed, what is refused."""
import json
import pathlib

import pytest

SHAPE = ["event_id", "event_type", "timestamp", "user_id", "session_id", "page_url", "referrer", "user_agent", "device", "country", "utm_source", "utm_medium", "utm_campaign",
         "utm_term", "utm_content", "product_id", "price", "quantity", "currency", "event_date", "hour", "day_of_week", "revenue", "_extra", "_shoplake_source_object",
         "_shoplake_line", "_shoplake_ingested_at"]


def event(number=1, **more):
    return {"event_id": f"e{number}", "event_type": "page_view", "timestamp": "2026-11-21T10:30:00Z"} | more


def write_lines(path, events):
    path.write_text("".join((e if isinstance(e, str) else json.dumps(e)) + "\n" for e in events))
    return path


def load(shoplake, path, dataset="clickstream"):
    report = shoplake("load", dataset, path, "--json", check=False).json()
    assert not [file for file in report.get("files", [report]) if file.get("error")], report
    return report


def test_generated_events_load_once_and_lose_what_is_personal(shoplake, home, tmp_path):
    source = tmp_path / "clicks.ndjson.gz"
    made = shoplake("generate", "clickstream", "--events", "8000", "--days", "3", "--out", source, "--json").json()
    assert made["dataset"] == "clickstream"
    report = load(shoplake, source)
    assert (report["rows"], report["rejected"], report["files"][0]["drift"]) == (8000, 0, [])
    again = load(shoplake, source)
    assert (again["rows"], again["files"][0]["status"]) == (0, "skipped")
    row = shoplake.rows("select count(*) as all_rows, count(distinct event_id) as events, count(distinct event_date) as days, count(_extra) as extra from processed.clickstream")[0]
    assert row == {"all_rows": 8000, "events": 8000 - made["duplicates"], "days": 3, "extra": 0}
    assert [each["column_name"] for each in shoplake.rows("describe processed.clickstream")] == SHAPE
    files = list((home / "lake/processed/clickstream").rglob("*.parquet"))
    assert {path.parent.name for path in files} == {"event_date=2026-06-28", "event_date=2026-06-29", "event_date=2026-06-30"}
    assert shoplake.value("select count(*) from processed.clickstream where columns(*)::varchar like '%@mail.example%'") == 0
    assert shoplake.value("select count(*) from processed.clickstream where page_url like '%[email]%'") > 0
    wrong = "select count(*) from processed.clickstream where revenue is distinct from price * quantity or hour <> hour(timestamp) or day_of_week <> isodow(timestamp) or event_date <> timestamp::date"
    assert shoplake.value(wrong) == 0


@pytest.mark.parametrize("spelled", ["2026-11-21T10:30:00Z", "2026-11-21 10:30:00", "2026-11-21T12:30+02:00", "2026-11-21T10:30:00.000000Z", 1_795_257_000, 1_795_257_000_000, 1_795_257_000_000_000,
                                     1_795_257_000_000_000_000, "1795257000", 1_795_257_000.0])
def test_times_in_all_spellings(shoplake, tmp_path, spelled):
    report = load(shoplake, write_lines(tmp_path / "t.ndjson", [event(timestamp=spelled)]))
    assert report["rows"] == 1, report
    row = shoplake.rows("select epoch_us(timestamp) as us, event_date, hour, day_of_week from processed.clickstream")[0]
    assert row == {"us": 1_795_257_000_000_000, "event_date": "2026-11-21", "hour": 10, "day_of_week": 6}


def test_places_of_values_and_unknown_fields(shoplake, tmp_path):
    secrets = ["203.0.113.9", "2001:db8::9", "ada@mail.example"]
    events = [
        event(1, utm={"source": "google", "medium": "cpc", "campaign": "spring", "term": "shoes", "content": "a"}),
        event(2, utm_source="bing", utm={"medium": "cpc", "id": "77"}),
        event(3, utm=None, ip="203.0.113.9", email="ada@mail.example"),
        event(4, ip={"v4": "203.0.113.9", "v6": ["2001:db8::9"]}, email=["ada@mail.example"], ip_address="203.0.113.9", user_email="ada@mail.example"),
        event(5, utm="google", note="write to ada@mail.example"),
        event(6, revenue=5, price="19.5", quantity="2", page_url="https://x.example/?m=ada%40mail.example", user_id="ada@mail.example"),
    ]
    report = load(shoplake, write_lines(tmp_path / "p.ndjson", events))
    assert (report["rows"], report["rejected"]) == (6, 0)
    rows = shoplake.rows("select * from processed.clickstream order by event_id")
    utm = [[row["utm_" + name] for name in ("source", "medium", "campaign", "term", "content")] for row in rows]
    assert utm[:3] == [["google", "cpc", "spring", "shoes", "a"], ["bing", "cpc", None, None, None], [None] * 5]
    assert [row["_extra"] and json.loads(row["_extra"]) for row in rows] == [None, {"utm.id": "77"}, None, None, {"utm": "google", "note": "write to [email]"}, {"revenue": 5}]
    assert (rows[5]["revenue"], rows[5]["page_url"]) == (39, "https://x.example/?m=[email]")
    assert rows[5]["user_id"].startswith("email:")
    assert not [secret for secret in secrets if secret in json.dumps(rows)]


BAD = [
    (event(timestamp=None), "contract.missing_field"),
    ({"event_id": "e", "event_type": "x"}, "contract.missing_field"),
    ({"event_type": "x", "timestamp": 1_795_257_000}, "contract.missing_field"),
    (event(event_id=""), "contract.missing_field"),
    (event(event_type=None), "contract.missing_field"),
    (event(timestamp="yesterday"), "contract.invalid_timestamp"),
    (event(timestamp="2026-02-30T00:00:00Z"), "contract.invalid_timestamp"),
    (event(timestamp="1999-12-31T23:59:59Z"), "contract.out_of_range"),
    (event(timestamp=-5), "contract.out_of_range"),
    (event(timestamp=True), "contract.wrong_type"),
    (event(timestamp={"at": 5}), "contract.wrong_type"),
    (event(price="cheap"), "contract.wrong_type"),
    (event(quantity=1.5), "contract.wrong_type"),
    (event(country={"code": "DE"}), "contract.wrong_type"),
    (event(utm_source="a", utm={"source": "b"}), "json.duplicate_field"),
    ('{"event_id":"e","timestamp":1795257000,"event_type":"x","ip":tru}', "json.malformed"),
    ('{"event_id":"e","timestamp":1795257000,"event_type":"x","ip":"\\x"}', "json.malformed"),
    ('{"event_id":"e","timestamp":1795257000,"event_type":"x","utm":{"source":}}', "json.malformed"),
    ('{"event_id":"e","timestamp":1795257000', "json.malformed"),
    ("[1]", "json.not_an_object"),
]


def test_bad_records_are_kept_with_their_reason(shoplake, tmp_path):
    report = load(shoplake, write_lines(tmp_path / "bad.ndjson", [each for bad, _ in BAD for each in (bad, event(7))]))
    assert (report["rows"], report["rejected"]) == (len(BAD), len(BAD))
    rows = shoplake.rows("select reason_code, record from quarantine.clickstream order by line")
    for (bad, reason), row in zip(BAD, rows):
        assert row["reason_code"] == reason, (bad, row)
        assert row["record"] == (bad if isinstance(bad, str) else json.dumps(bad))


# What the engine computes of the same columns is what the contract must compute. Division by zero and overflow are told apart below.
EXPRESSIONS = {
    "a": ("n + 2 * m - 1", "n + 2 * m - 1"), "b": ("n / 4", "n / 4"), "c": ("n % 3", "n % 3"), "d": ("-r * n", "-r * n"), "e": ("r > n or s is null", "r > n or s is null"),
    "f": ("not (n > 1 and m > 1)", "not (n > 1 and m > 1)"), "g": ("s || '-' || lower(t)", "s || '-' || lower(t)"), "h": ("coalesce(s, t, 'none')", "coalesce(s, t, 'none')"),
    "i": ("case when n > 2 then 'high' when n is not null then 'low' end", None), "j": ("case s when 'A' then 1 when 'b' then 2.5 else r end", None),
    "k": ("nullif(n, 3)", None), "l": ("if(b, n, m)", None), "m2": ("s in ('A', 'b')", "s in ('A', 'b')"), "o": ("n not between 1 and 2", None), "p": ("round(r)", None), "q": ("floor(r) + ceil(r)", None),
    "u": ("abs(n)", None), "v": ("length(trim(t))", None), "w": ("upper(s)", None), "x": ("year(seen) * 10000 + month(seen) * 100 + day(seen)", None), "y": ("hour(seen) * 60 + minute(seen)", None),
    "z": ("day_of_week(seen)", "isodow(seen)"), "aa": ("date(seen) < date '2026-06-01'", "seen::date < date '2026-06-01'"), "bb": ("concat(s, t)", "s || t"), "cc": ("x_a + 1", "(n + 2 * m - 1) + 1"),
}
EXPRESSIONS = {"x_" + name: spellings for name, spellings in EXPRESSIONS.items()}


def test_computed_fields_are_what_sql_says(shoplake, home, tmp_path):
    folder = tmp_path / "datasets"
    folder.mkdir()
    fields = {"seen": "timestamp", "n": "long", "m": "long", "r": "double", "s": "string", "t": "string", "b": "boolean"}
    lines = ["dataset: things", "table: processed.things", "partition_by: on_day", "unknown_fields: {keep_in: _extra}", "fields:"]
    lines += [f"  - {{name: {name}, type: {kind}{', required: true' if name == 'seen' else ''}}}" for name, kind in fields.items()]
    lines += ["computed:", "  on_day: date(seen)"] + [f"  {name}: {json.dumps(ours)}" for name, (ours, _) in EXPRESSIONS.items()]
    (folder / "things.yml").write_text("\n".join(lines) + "\n")
    shoplake("init")
    config = pathlib.Path(home) / "shoplake.yml"
    config.write_text(config.read_text() + f"\ndatasets: {folder}\n" if config.exists() else f"datasets: {folder}\n")
    values = {"n": [None, 0, 1, 3, -7, 10**12], "m": [None, 2, -5], "r": [None, 0.5, -1.5, 2.5, 1e6], "s": [None, "A", "b", "Zuerich"], "t": [None, " ü x ", "Q"], "b": [None, True, False]}
    rows = []
    for number in range(700):
        row = {"seen": f"{2026 - number % 9}-{number % 12 + 1:02}-{number % 28 + 1:02}T{number % 24:02}:{number % 60:02}:07Z"}
        row |= {name: choices[(number * (position + 3) + number // 7) % len(choices)] for position, (name, choices) in enumerate(values.items())}
        rows.append(row)
    report = load(shoplake, write_lines(tmp_path / "things.ndjson", rows), "things")
    assert (report["rows"], report["rejected"]) == (len(rows), 0), report
    checks = ", ".join(f"count(*) filter ({name} is distinct from ({theirs or ours})) as {name}" for name, (ours, theirs) in EXPRESSIONS.items())
    assert set(shoplake.rows(f"select {checks} from processed.things")[0].values()) == {0}
    assert min(shoplake.rows("select " + ", ".join(f"count({name}) as {name}" for name in EXPRESSIONS) + " from processed.things")[0].values()) > 0


def test_what_cannot_be_computed_is_null(shoplake, home, tmp_path):
    folder = tmp_path / "datasets"
    folder.mkdir()
    (folder / "edges.yml").write_text("""
dataset: edges
table: processed.edges
partition_by: on_day
unknown_fields: {keep_in: _extra}
fields:
  - {name: at, type: timestamp, required: true}
  - {name: n, type: long}
  - {name: r, type: double}
computed: {on_day: date(at), by_zero: 1 / (n - n), rest: "n % 0", sum: n + 1, product: n * n, negative: -n, large: r * r, kept: n}
""")
    shoplake("init")
    config = pathlib.Path(home) / "shoplake.yml"
    config.write_text(config.read_text() + f"\ndatasets: {folder}\n" if config.exists() else f"datasets: {folder}\n")
    rows = [{"at": "1969-12-31T23:59:59Z", "n": 2**63 - 1, "r": 1e200}, {"at": "0001-01-01T00:00:00Z", "n": -(2**63), "r": -1e200}]
    assert load(shoplake, write_lines(tmp_path / "edges.ndjson", rows), "edges")["rows"] == 2
    found = shoplake.rows("select on_day, by_zero, rest, sum, product, negative, large, kept::varchar as kept from processed.edges order by on_day desc")
    assert found[0] == {"on_day": "1969-12-31", "by_zero": None, "rest": None, "sum": None, "product": None, "negative": -(2**63 - 1), "large": None, "kept": str(2**63 - 1)}
    assert found[1] == {"on_day": "0001-01-01", "by_zero": None, "rest": None, "sum": -(2**63) + 1, "product": None, "negative": None, "large": None, "kept": str(-(2**63))}
