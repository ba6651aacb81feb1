"""models/shop is portable: dbt-core with dbt-duckdb and shoplake give the same rows, over deliveries in several parts."""
import json

import duckdb
import pytest
from dbt_runners import DbtCore, differences, export

SOURCES = ("events", "clickstream", "transactions", "products", "reviews")
SHOP = ["--events", 30000, "--days", 20, "--seed", 11]


@pytest.fixture(scope="session")
def project(source):
    return source / "dbt"


def relations(shoplake):
    listed = shoplake("ls", "--output", "json", "--quiet", "--select", "path:models/shop", "path:seeds/shop").stdout
    nodes = [json.loads(line) for line in listed.splitlines()]
    return [f"{node['schema']}.{node['alias']}" for node in nodes if node["resource_type"] in ("model", "seed")]


def assert_same(shoplake, dbt, folder):
    names = relations(shoplake)
    assert len(names) > 20
    paths = export(shoplake, names + ["curated.product_prices"], folder)
    prices = paths.pop("curated.product_prices")
    # When a build saw a price is its own affair, and the identity of a version is made of that.
    of_run = "exclude (dbt_scd_id, dbt_updated_at, dbt_valid_from) replace (dbt_valid_to is null as dbt_valid_to)"
    with duckdb.connect(str(dbt.database), read_only=True) as connection:
        found = {name: differences(connection, f"read_parquet('{path}')", name) for name, path in paths.items()}
        found["product_prices"] = differences(connection, f"(select * {of_run} from read_parquet('{prices}'))",
                                              f"(select * {of_run} from curated.product_prices)")
    assert {name: text for name, text in found.items() if text} == {}


def test_both_runners_give_the_same_rows(shoplake, project, tmp_path):
    dbt = DbtCore(project, tmp_path / "dbt")
    raw = tmp_path / "raw"
    shoplake("generate", "clickstream", *SHOP, "--out", tmp_path / "clicks.ndjson.gz")
    for dataset in ("transactions", "products", "reviews"):
        shoplake("generate", dataset, *SHOP, "--chaos", "--out", raw)
    for part in range(3):
        for dataset in ("transactions", "products", "reviews"):
            files = sorted((raw / dataset).glob("*/*.gz"))
            shoplake("load", dataset, *files[part::3])
        if part == 0:
            shoplake("load", "clickstream", tmp_path / "clicks.ndjson.gz")
        shoplake("build")
        dbt.take_events(shoplake, SOURCES)
        dbt("build", "--vars", "{shop: true}")
        assert_same(shoplake, dbt, tmp_path / f"lake-{part}")
    assert shoplake.value("select count(*) from curated.orders_enriched") > 100
    assert shoplake.value("select count(*) from curated.cancellations where is_matched") > 0
    assert shoplake.value("select count(*) from curated.product_prices where dbt_valid_to is not null") > 0


def test_a_shop_of_transactions_alone(shoplake, project, tmp_path):
    """For dbt-core the other tables are not there at all; for shoplake they are empty."""
    dbt = DbtCore(project, tmp_path / "dbt")
    shoplake("generate", "transactions", "--events", 3000, "--days", 5, "--out", tmp_path / "raw")
    shoplake("load", "transactions", *sorted((tmp_path / "raw/transactions").glob("*/*.gz")))
    shoplake("build")
    dbt.take_events(shoplake, ("events", "transactions"))
    dbt("build", "--vars", "{shop: true}")
    assert_same(shoplake, dbt, tmp_path / "lake")
