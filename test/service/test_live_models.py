"""The models' live branches (dbt/macros/live.sql) give what a full build gives.

Without the program's live path: a few lines of Python keep its contract on DuckDB. A lake is built from the first days of events; the
rest arrives in batches, some of it late, and goes through the models compiled with `live: true`. At the end every row of
every live model must be the one of a build of all events at once. Fingerprints alone may differ.
"""
import datetime
import gzip
import json
import random
import re

import duckdb
import pytest
from dbt_runners import export

VARS = {"lookback_days": 3, "live_late_hours": 24}  # 5 hot days: less than what is played
SOURCE_TABLES = ["processed.events", "processed.clickstream"]
# The two lakes loaded their events from files of other names; live has one record of an event that was sent twice.
NOT_COMPARED = ["day_fingerprint", "window_fingerprint", "source_object", "source_line", "source_row_count"]
BUILT_DAYS = 7
DAYS = 16
FIRST_DAY = datetime.date(2026, 3, 2)
LATE_SECONDS_MAX = 23 * 3600
DAY_MICROS = 86_400_000_000


REF = r"\{\{ ref\('(\w+)'\) \}\}"


def quoted(relation):
    return ".".join(f'"{part}"' for part in relation.split("."))


class Project:
    """The compiled models of one set of variables."""

    def __init__(self, shoplake, source, folder, variables):
        variables = json.dumps(variables | {"live": True})
        shoplake("compile", "--project-dir", source / "dbt", "--target-path", folder, "--vars", variables)
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        nodes = {key: node for key, node in manifest["nodes"].items() if node["resource_type"] == "model"}
        self.relations = {node["name"]: f"{node['schema']}.{node['name']}" for node in nodes.values()}
        self.seeds = [f"{node['schema']}.{node['name']}" for node in manifest["nodes"].values() if node["resource_type"] == "seed"]
        self.sql = {
            node["name"]: (folder / "compiled/shoplake" / node["original_file_path"]).read_text(encoding="utf-8")
            for node in nodes.values()
        }
        self.views = [node["name"] for node in in_order(nodes) if node["config"]["materialized"] == "view"]
        self.live = {
            node["name"]: {"day": None, "hot_days": None} | node["config"]["meta"]["live"]
            for node in in_order(nodes) if "live" in node["config"].get("meta", {})
        }
        for model, settings in self.live.items():
            settings["scope"] = re.sub(REF, lambda match: self.relations[match[1]], settings["scope"])
            # Of some models only the rows that `where` is true of: in the SQL, and in the predicates that follow.
            settings["reads"] = [read | {"relation": f"reads.{model}__{read['ref']}"} for read in settings.get("reads", [])]
            relations = dict(self.relations)
            for read in settings["reads"]:
                read["where"] = re.sub(REF, lambda match: relations[match[1]], read["where"])
                self.sql[model] = self.sql[model].replace(quoted(relations[read["ref"]]), read["relation"])
                relations[read["ref"]] = read["relation"]


def in_order(nodes):
    """Nodes, each after those it needs."""
    ordered, done = [], set()
    while len(ordered) < len(nodes):
        for key, node in nodes.items():
            if key not in done and all(needed in done or needed not in nodes for needed in node["depends_on"]["nodes"]):
                ordered.append(node)
                done.add(key)
    return ordered


class Live:
    """What the program's live path does with a batch, as the contract in dbt/macros/live.sql says it."""

    def __init__(self, project, connection, tables):
        self.project = project
        self.connection = connection
        for schema in ("processed", "staging", "intermediate", "marts", "live", "cold", "reads"):
            connection.execute(f"create schema if not exists {schema}")
        for name in project.seeds:
            connection.execute(f"create table {name} as from read_parquet('{tables[name]}')")
        for name, path in tables.items():
            if name.startswith("processed."):
                connection.execute(f"create table {name} as from read_parquet('{path}') limit 0")
        for model in project.live:
            path = tables[project.relations[model]]
            connection.execute(f"create table {project.relations[model]} as from read_parquet('{path}')")
            connection.execute(f"create table cold.{model} as from read_parquet('{path}') limit 0")
            connection.execute(f"create table live.changed_{model} as select *, 0 as change_count from read_parquet('{path}') limit 0")
        for view in project.views:
            connection.execute(f"create view {project.relations[view]} as {project.sql[view]}")
        # What was built is history of models that only append.
        for model, settings in project.live.items():
            if settings["scope"] == "false":
                self.cool(model, "true")

    def cool(self, model, condition):
        relation = self.project.relations[model]
        self.connection.execute(f"insert into cold.{model} from {relation} where {condition}")
        self.connection.execute(f"delete from {relation} where {condition}")

    def run(self, sources):
        """A batch: {table: query of its rows}."""
        for table, query in sources.items():
            self.connection.execute(f"delete from {table}")
            self.connection.execute(f"insert into {table} {query}")
        for model, settings in self.project.live.items():
            relation, scope = self.project.relations[model], settings["scope"]
            columns = self.connection.execute(f"select * from {relation} limit 0").description
            names = ", ".join(f'"{column[0]}"' for column in columns)
            new = f"(select {names} from ({self.project.sql[model]}))"
            self.connection.execute(f"delete from live.changed_{model}")
            if scope == "false":
                self.connection.execute(f"insert into {relation} {new}")
                self.connection.execute(f"insert into live.changed_{model} select *, 1 from {relation}")
                continue
            for read in settings["reads"]:
                self.connection.execute(f"create or replace table {read['relation']} as from {self.project.relations[read['ref']]} where {read['where']}")
            self.connection.execute(f"create or replace temp table fresh as from {relation} limit 0")
            self.connection.execute(f"insert into fresh {new}")
            strays = self.connection.execute(f"select count(*) from fresh where not coalesce({scope}, false)").fetchone()[0]
            assert strays == 0, f"{model} gives {strays} rows outside of its scope"
            self.connection.execute(f"create or replace temp table old as from {relation} where {scope}")
            self.connection.execute("create or replace temp table removed as (from old) except all (from fresh)")
            self.connection.execute("create or replace temp table added as (from fresh) except all (from old)")
            self.connection.execute(f"create or replace temp table kept as (from {relation}) except all (from removed)")
            self.connection.execute(f"insert into live.changed_{model} select *, -1 from removed union all select *, 1 from added")
            self.connection.execute(f"delete from {relation}")
            self.connection.execute(f"insert into {relation} from kept union all from added")
        for model, settings in self.project.live.items():
            if settings["scope"] == "false":
                self.cool(model, "true")
            elif settings["hot_days"]:
                # Of each table by itself: no model may lean on the hot rows of others ending on the same day.
                day, days, relation = settings["day"], settings["hot_days"], self.project.relations[model]
                self.cool(model, f"{day} < (select max({day}) from {relation}) - {days}")

    def everything(self, model):
        return f"(from {self.project.relations[model]} union all from cold.{model})"


def ga4(chooser, user, session, micros, name, parameters=None, platform="WEB", **fields):
    values = [{"key": key, "value": {("int_value" if isinstance(value, int) else "string_value"): value}} for key, value in (parameters or {}).items()]
    if session is not None:
        values.append({"key": "ga_session_id", "value": {"int_value": session}})
    moment = datetime.datetime.fromtimestamp(micros // 1_000_000, datetime.timezone.utc)
    return {
        "event_date": moment.strftime("%Y%m%d"), "event_timestamp": micros, "event_name": name, "event_params": values,
        "user_pseudo_id": user, "stream_id": "7", "platform": platform,
        "device": {"category": chooser.choice(["mobile", "desktop"])}, "geo": {"country": chooser.choice(["DE", "FR"])},
    } | fields


SOURCES = [
    {}, {}, {"source": "(direct)", "medium": "(none)"}, {"source": "Google", "medium": "organic"}, {"source": "google", "medium": "cpc", "campaign": "shop"},
    {"source": "news", "medium": "email"}, {"source": "facebook.com", "medium": "referral"}, {"source": "affiliate-1", "medium": "affiliate", "campaign": "x"},
]
PAGES = ["https://shop.test/", "https://www.shop.test/a?gclid=1", "https://shop.test/b?x=1#y", "https://shop.test/c?fbclid=2", None]


def made_events(chooser):
    """Sessions with every oddity that models must merge: (event, seconds from its moment to its arrival, whether late)."""
    start = int(datetime.datetime.combine(FIRST_DAY, datetime.time(), datetime.timezone.utc).timestamp()) * 1_000_000
    events = []
    users = [f"u{number}" for number in range(60)]
    orders = [f"order-{number}" for number in range(40)]
    for _ in range(400):
        user = chooser.choice(users)
        # Many near midnight, so that sessions have two days; some keep one session id for days.
        began = start + chooser.randrange(DAYS) * DAY_MICROS + chooser.choice([chooser.randrange(DAY_MICROS), DAY_MICROS - 600_000_000])
        session = chooser.choice([began // 1_000_000] * 9 + [None])
        micros = began
        late_session = chooser.random() < 0.1
        for position in range(chooser.randrange(1, 9)):
            name = chooser.choice(["page_view"] * 4 + ["session_start", "first_visit", "scroll", "begin_checkout", "purchase", "generate_lead"])
            parameters = dict(chooser.choice(SOURCES))
            page = chooser.choice(PAGES)
            if page:
                parameters["page_location"] = page
            if chooser.random() < 0.4:
                parameters["engagement_time_msec"] = chooser.randrange(5000)
            if chooser.random() < 0.3:
                parameters["session_engaged"] = chooser.choice([1, "1", "0"])
            fields = {}
            if chooser.random() < 0.2:
                fields["user_id"] = f"login-{chooser.randrange(9)}"
            if chooser.random() < 0.3:
                fields |= {"batch_page_id": chooser.randrange(3), "batch_ordering_id": chooser.randrange(3), "batch_event_index": position}
            if chooser.random() < 0.2:
                fields["event_value_in_usd"] = chooser.randrange(1000) / 100
            if name == "purchase":
                # The same order under other users and after many days.
                parameters["transaction_id"] = chooser.choice(orders + ["(not set)"])
                fields["ecommerce"] = {"purchase_revenue": chooser.randrange(10000) / 100, "transaction_id": chooser.choice([None, parameters["transaction_id"]])}
            micros += chooser.choice([0, 0, chooser.randrange(600_000_000)])
            is_late = late_session or chooser.random() < 0.08
            events.append((ga4(chooser, user if chooser.random() < 0.98 else None, session, micros, name, parameters, **fields), is_late))
    # Sessions by the gap rule, in order for each client.
    for user in ("c1", "c2", "c3"):
        micros = start + chooser.randrange(DAY_MICROS)
        while micros < start + DAYS * DAY_MICROS:
            name = chooser.choice(["page_view", "page_view", "purchase"])
            events.append((ga4(chooser, user, None, micros, name, dict(chooser.choice(SOURCES)), platform="CLICKSTREAM"), False))
            micros += chooser.choice([60_000_000, 1_800_000_000, 1_800_000_001, 30_000_000_000])
    return events


def made_clickstream(chooser):
    """Flat events: sessions named by the client, in any order; and visits without a session, in order for each visitor."""
    start = int(datetime.datetime.combine(FIRST_DAY, datetime.time(), datetime.timezone.utc).timestamp()) * 1_000_000
    events = []
    for visit in range(60):
        micros = start + chooser.randrange(DAYS * DAY_MICROS)
        visitor = chooser.choice([None, f"v{chooser.randrange(12)}"])
        session = f"visit-{visit}"
        if visit % 4 == 0:
            visitor, session = f"w{visit}", None
        for _ in range(chooser.randrange(1, 5)):
            moment = datetime.datetime.fromtimestamp(micros / 1_000_000, datetime.timezone.utc)
            event = {"event_id": f"flat-{len(events)}", "event_type": chooser.choice(["page_view", "checkout", "purchase"]), "timestamp": moment.isoformat(),
                     "price": chooser.randrange(90), "quantity": 1, "currency": "USD", "page_url": chooser.choice(PAGES)}
            campaign = {"utm_source": "News", "utm_medium": "email"} if chooser.random() < 0.4 else {}
            identity = {key: value for key, value in {"user_id": visitor, "session_id": session}.items() if value}
            events.append((event | campaign | identity, micros))
            micros += chooser.randrange(3_000_000_000)
    return events


def write(path, lines):
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    return path


def arrivals(chooser, rows, border):
    """Batches of keys of the events after the border, in an order of arrival in which some come hours late."""
    waiting = []
    for key, micros, may_be_late in rows:
        late = may_be_late and chooser.random() < 0.1
        waiting.append((max(micros + (chooser.randrange(LATE_SECONDS_MAX) if late else chooser.randrange(3)) * 1_000_000, border), key))
    waiting.sort()
    while waiting:
        size = chooser.choice([1, 3, 20, 60, 120])
        yield [key for _, key in waiting[:size]]
        del waiting[:size]


@pytest.mark.parametrize("variables", [{}, {"touchpoint_dedupe": "none", "conversion_cuts_journey": True}], ids=["default", "variants"])
def test_batches_give_what_a_build_gives(shoplake, shoplake_in, source, tmp_path, seeded_random, variables):
    chooser = seeded_random
    variables = VARS | variables
    events = made_events(chooser)
    border = int(datetime.datetime.combine(FIRST_DAY + datetime.timedelta(days=BUILT_DAYS), datetime.time(12), datetime.timezone.utc).timestamp()) * 1_000_000
    # What is late at the border is missing in what was built.
    early = [event for event, is_late in events if event["event_timestamp"] < border - (3_600_000_000 if is_late else 0)]
    arguments = ("build", "--project-dir", source / "dbt", "--vars", json.dumps(variables))

    flat = made_clickstream(chooser)

    shoplake("load", "events", write(tmp_path / "all.ndjson.gz", [event for event, _ in events]))
    shoplake("load", "clickstream", write(tmp_path / "all-flat.ndjson.gz", [event for event, _ in flat]))
    shoplake(*arguments, "--target-path", tmp_path / "target-all")
    built = shoplake_in(tmp_path / "early")
    built("load", "events", write(tmp_path / "early.ndjson.gz", early))
    built("load", "clickstream", write(tmp_path / "early-flat.ndjson.gz", [event for event, micros in flat if micros < border]))
    built(*arguments, "--target-path", tmp_path / "target-early")

    project = Project(shoplake, source, tmp_path / "compiled", variables)
    live_relations = [project.relations[model] for model in project.live]
    expected = export(shoplake, live_relations + SOURCE_TABLES, tmp_path / "expected")
    start = export(built, live_relations + project.seeds + SOURCE_TABLES, tmp_path / "start")

    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute("set threads = 1")
        live = Live(project, connection, start)
        # Each event once, by its first record: what live has done before it calls the models.
        rows, sources = [], {}
        for table, key, micros in (("events", "_shoplake_event_id", "event_timestamp"), ("clickstream", "event_id", "epoch_us(timestamp)")):
            connection.execute(f"""
                create temp table arriving_{table} as
                from read_parquet('{expected[f"processed.{table}"]}')
                where {key} not in (select {key} from read_parquet('{start[f"processed.{table}"]}'))
                qualify row_number() over (partition by {key} order by _shoplake_ingested_at, _shoplake_source_object, _shoplake_line) = 1""")
            has_session = "platform <> 'CLICKSTREAM'" if table == "events" else "session_id is not null"
            rows += connection.execute(f"select {key}, {micros}, {has_session} from arriving_{table} order by all").fetchall()
            sources[f"processed.{table}"] = f"from arriving_{table} where {key} in (from batch)"
        assert len(rows) > 500
        connection.execute("create temp table batch (event_id varchar)")
        for keys in arrivals(chooser, rows, border):
            connection.execute("delete from batch")
            connection.executemany("insert into batch values (?)", [[key] for key in keys])
            live.run(sources)
        found = {}
        for model in project.live:
            compared = f"select columns(c -> c not in {NOT_COMPARED}) from"
            ours, theirs = f"{compared} {live.everything(model)}", f"{compared} read_parquet('{expected[project.relations[model]]}')"
            left = connection.execute(f"({ours}) except all ({theirs})").fetchall()
            right = connection.execute(f"({theirs}) except all ({ours})").fetchall()
            if left or right:
                found[model] = f"{len(left)} rows only live, like {left[:2]}; {len(right)} only built, like {right[:2]}"
            assert connection.execute(f"select count(*) from {live.everything(model)}").fetchone()[0] > 0, model
        assert not found, "\n".join(f"{model}: {text}" for model, text in found.items())
        cooled = {model: connection.execute(f"select count(*) from cold.{model}").fetchone()[0] for model, settings in project.live.items() if settings["hot_days"]}
        assert all(cooled[model] for model in ("stg_ga4_sessions", "fact_sessions", "int_user_journeys")), cooled
