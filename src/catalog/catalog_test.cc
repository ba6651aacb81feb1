#include "catalog/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "catalog/single_value.h"
#include "catalog/storage.h"
#include "io/temporary_directory.h"

namespace shoplake::catalog {
namespace {

using testing::HasSubstr;
using Operation = TableChange::Operation;

class CatalogTest : public testing::Test {
 protected:
  CatalogTest() : catalog_(open()) {}

  std::unique_ptr<Catalog> open() {
    auto opened = Catalog::open({&io::posix_env(), folder_.file("lake"), folder_.file("state.sqlite")});
    EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : to_string(opened.error()));
    return std::move(opened).value();
  }

  static Schema events_schema() {
    Schema schema;
    schema.fields = {
        {0, "event_date", Type::primitive("string"), false, ""},
        {0, "value", Type::primitive("long"), false, ""},
        {0, "items", Type::list(Type::structure({{0, "sku", Type::primitive("string"), false, ""}})), false, ""}};
    return schema;
  }

  static transform::DataFile file(const std::string& path, std::int64_t records,
                                  std::optional<std::string> date = "20201101") {
    transform::DataFile file;
    file.path = path;
    file.record_count = records;
    file.file_size_bytes = records * 10;
    file.partition = {std::move(date)};
    transform::ColumnStatistics column;
    column.field_id = 2;
    column.column_size_bytes = 80;
    column.value_count = records;
    column.null_count = 1;
    column.lower_bound = encode_long(-5);
    column.upper_bound = encode_long(1LL << 40);
    file.columns = {column};
    file.split_offsets = {4};
    return file;
  }

  static CreateTable events_table() {
    CreateTable create;
    create.schema = events_schema();
    create.partition_by = {"event_date"};
    create.properties = {{"owner", "test"}};
    return create;
  }

  TableChange append(const std::string& path, std::int64_t records = 3) {
    TableChange change;
    change.table = kEvents;
    change.added = {file(path, records)};
    change.create = events_table();
    return change;
  }

  std::vector<std::string> paths() {
    const auto table = catalog_->load_table(kEvents);
    EXPECT_TRUE(table.ok()) << to_string(table.error());
    const auto files = catalog_->list_files(*table);
    EXPECT_TRUE(files.ok()) << (files.ok() ? "" : to_string(files.error()));
    std::vector<std::string> result;
    for (const auto& one : *files) {
      result.push_back(one.path);
    }
    std::sort(result.begin(), result.end());
    return result;
  }

  std::string summary(const std::string& name) {
    const auto table = catalog_->load_table(kEvents);
    const auto& snapshots = table->metadata->document()["snapshots"];
    return snapshots.back()["summary"].value(name, "");
  }

  const TableIdentifier kEvents{{{"processed"}}, "events"};
  io::TemporaryDirectory folder_;
  std::unique_ptr<Catalog> catalog_;
};

#define ASSERT_OK(expression)                                    \
  do {                                                           \
    const auto& ok_result = (expression);                        \
    ASSERT_TRUE(ok_result.ok()) << to_string(ok_result.error()); \
  } while (false)

TEST_F(CatalogTest, StandardNamespacesExist) {
  const auto names = catalog_->list_namespaces();
  ASSERT_OK(names);
  std::vector<std::string> texts;
  for (const auto& name : *names) {
    texts.push_back(to_string(name));
  }
  EXPECT_THAT(texts, testing::UnorderedElementsAre("raw", "processed", "curated", "staging", "intermediate", "marts",
                                                   "quarantine"));
}

TEST_F(CatalogTest, CreatesATableWithFreshIdsAndFolders) {
  const auto table = catalog_->create_table(kEvents, events_table());
  ASSERT_OK(table);
  EXPECT_EQ(table->metadata->location(), folder_.file("lake/processed/events"));
  EXPECT_TRUE(std::filesystem::is_directory(folder_.file("lake/processed/events/data")));
  EXPECT_THAT(table->metadata_location, HasSubstr("/metadata/00000-"));
  EXPECT_EQ(table->metadata->current_schema().find("items")->type.fields[0].id, 4);
  EXPECT_EQ(table->metadata->default_spec().fields[0].field_id, 1000);
  EXPECT_EQ(table->metadata->property("owner"), "test");
  const auto again = catalog_->create_table(kEvents, events_table());
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, "catalog.table_exists");
}

TEST_F(CatalogTest, AppendsAndCounts) {
  ASSERT_OK(catalog_->commit(std::vector{append("/data/a.parquet", 3)}));
  ASSERT_OK(catalog_->commit(std::vector{append("/data/b.parquet", 4)}));
  EXPECT_THAT(paths(), testing::ElementsAre("/data/a.parquet", "/data/b.parquet"));
  EXPECT_EQ(summary("total-records"), "7");
  EXPECT_EQ(summary("total-data-files"), "2");
  EXPECT_EQ(summary("added-records"), "4");
  EXPECT_EQ(summary("operation"), "append");
  const auto table = catalog_->load_table(kEvents);
  ASSERT_OK(table);
  EXPECT_EQ(table->metadata->last_sequence_number(), 2);
  EXPECT_EQ(table->metadata->current_snapshot()->parent_id, table->metadata->snapshots()[0].id);
  EXPECT_EQ(table->metadata->document()["metadata-log"].size(), 1);
  const auto files = catalog_->list_files(*table, table->metadata->snapshots()[0].id);
  ASSERT_OK(files);
  ASSERT_EQ(files->size(), 1);
  EXPECT_EQ((*files)[0].partition[0], "20201101");
  ASSERT_EQ((*files)[0].columns.size(), 1);
  EXPECT_EQ((*files)[0].columns[0].upper_bound, encode_long(1LL << 40));
  EXPECT_EQ((*files)[0].columns[0].null_count, 1);
  EXPECT_EQ((*files)[0].split_offsets, (std::vector<std::int64_t>{4}));
}

TEST_F(CatalogTest, OverwriteRemovesFilesAndConflictsWhenTheyAreGone) {
  TableChange first = append("/data/a.parquet");
  first.added.push_back(file("/data/b.parquet", 5, "20201102"));
  ASSERT_OK(catalog_->commit(std::vector{first}));
  TableChange change;
  change.table = kEvents;
  change.operation = Operation::overwrite;
  change.removed_paths = {"/data/a.parquet"};
  change.added = {file("/data/c.parquet", 1)};
  ASSERT_OK(catalog_->commit(std::vector{change}));
  EXPECT_THAT(paths(), testing::ElementsAre("/data/b.parquet", "/data/c.parquet"));
  EXPECT_EQ(summary("deleted-data-files"), "1");
  EXPECT_EQ(summary("total-records"), "6");
  change.added = {file("/data/d.parquet", 1)};
  const auto again = catalog_->commit(std::vector{change});
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, "catalog.commit_conflict");
  EXPECT_THAT(again.error().message, HasSubstr("/data/a.parquet"));
}

TEST_F(CatalogTest, OverwriteOfAnotherSnapshotConflicts) {
  ASSERT_OK(catalog_->commit(std::vector{append("/data/a.parquet")}));
  const auto base = catalog_->load_table(kEvents)->metadata->current_snapshot_id();
  ASSERT_OK(catalog_->commit(std::vector{append("/data/b.parquet")}));
  TableChange change;
  change.table = kEvents;
  change.operation = Operation::overwrite;
  change.removed_paths = {"/data/a.parquet"};
  change.base_snapshot_id = base;
  const auto committed = catalog_->commit(std::vector{change});
  ASSERT_FALSE(committed.ok());
  EXPECT_EQ(committed.error().kind, base::ErrorKind::conflict);
}

TEST_F(CatalogTest, RewriteGoesBesideAppendsAndConflictsWithDeletesOfItsRows) {
  ASSERT_OK(catalog_->commit(std::vector{append("/data/a.parquet"), append("/data/b.parquet")}));
  TableChange rewrite;
  rewrite.table = kEvents;
  rewrite.operation = Operation::rewrite;
  rewrite.base_sequence_number = catalog_->load_table(kEvents)->metadata->last_sequence_number();
  rewrite.removed_paths = {"/data/a.parquet", "/data/b.parquet"};
  rewrite.added = {file("/data/ab.parquet", 6)};
  // Somebody appends, and deletes rows of another partition.
  ASSERT_OK(catalog_->commit(std::vector{append("/data/c.parquet")}));
  TableChange elsewhere;
  elsewhere.table = kEvents;
  elsewhere.added = {file("/data/delete-1.parquet", 1, "20201102")};
  elsewhere.added[0].content = transform::DataFile::Content::position_deletes;
  elsewhere.added[0].columns.clear();
  ASSERT_OK(catalog_->commit(std::vector{elsewhere}));
  ASSERT_OK(catalog_->commit(std::vector{rewrite}));
  EXPECT_THAT(paths(), testing::ElementsAre("/data/ab.parquet", "/data/c.parquet", "/data/delete-1.parquet"));
  EXPECT_EQ(summary("operation"), "replace");
  EXPECT_EQ(summary("total-records"), "9");

  // Now rows of the very partition: they must not come back.
  rewrite.base_sequence_number = catalog_->load_table(kEvents)->metadata->last_sequence_number();
  rewrite.removed_paths = {"/data/ab.parquet"};
  rewrite.added = {file("/data/ab2.parquet", 6)};
  elsewhere.added[0].path = "/data/delete-2.parquet";
  elsewhere.added[0].partition = {"20201101"};
  ASSERT_OK(catalog_->commit(std::vector{elsewhere}));
  const auto late = catalog_->commit(std::vector{rewrite});
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code, "catalog.commit_conflict");
  rewrite.base_sequence_number = catalog_->load_table(kEvents)->metadata->last_sequence_number();
  ASSERT_OK(catalog_->commit(std::vector{rewrite}));
  EXPECT_EQ(catalog_->commit_counts().conflicts, 1u);
}

TEST_F(CatalogTest, RestoreBringsAnOlderSnapshotBackAsANewOne) {
  ASSERT_OK(catalog_->commit(std::vector{append("/data/a.parquet")}));
  const auto first = catalog_->load_table(kEvents)->metadata->current_snapshot_id();
  TableChange replace = append("/data/b.parquet", 8);
  replace.operation = Operation::replace;
  ASSERT_OK(catalog_->commit(std::vector{replace}));
  TableChange restore;
  restore.table = kEvents;
  restore.operation = Operation::restore;
  restore.restored_snapshot_id = first;
  restore.base_snapshot_id = first;  // not the current one
  EXPECT_EQ(catalog_->commit(std::vector{restore}).error().code, "catalog.commit_conflict");
  restore.base_snapshot_id.reset();
  const auto committed = catalog_->commit(std::vector{restore});
  ASSERT_OK(committed);
  EXPECT_NE((*committed)[0].snapshot_id, *first);
  EXPECT_THAT(paths(), testing::ElementsAre("/data/a.parquet"));
  EXPECT_EQ(summary("total-records"), "3");
  EXPECT_EQ(summary("deleted-records"), "8");
  EXPECT_EQ(catalog_->load_table(kEvents)->metadata->snapshots().size(), 3u);
  restore.restored_snapshot_id = 42;
  EXPECT_EQ(catalog_->commit(std::vector{restore}).error().code, "catalog.no_such_snapshot");
}

TEST_F(CatalogTest, NamesEveryFileOfEverySnapshotOnce) {
  ASSERT_OK(catalog_->commit(std::vector{append("/data/a.parquet")}));
  TableChange replace = append("/data/b.parquet");
  replace.operation = Operation::replace;
  ASSERT_OK(catalog_->commit(std::vector{replace}));
  const auto named = catalog_->list_named_files(*catalog_->load_table(kEvents));
  ASSERT_OK(named);
  EXPECT_THAT(*named, testing::IsSupersetOf({"/data/a.parquet", "/data/b.parquet"}));
  // Two data files, two manifests, two manifest lists, two metadata files.
  EXPECT_EQ(named->size(), 8u);
  EXPECT_EQ(std::set<std::string>(named->begin(), named->end()).size(), 8u);
}

TEST_F(CatalogTest, ASliceIsATableOfSomeFilesAndTheirDeletes) {
  TableChange change = append("/data/a.parquet");
  change.added.push_back(file("/data/b.parquet", 5, "20201102"));
  change.added.push_back(file("/data/delete.parquet", 1, "20201102"));
  change.added.back().content = transform::DataFile::Content::position_deletes;
  change.added.back().columns.clear();
  ASSERT_OK(catalog_->commit(std::vector{change}));
  const auto table = catalog_->load_table(kEvents);
  const auto read = [&](const std::vector<std::string>& data) {
    const auto slice = catalog_->write_slice(*table, data, folder_.file("slices"));
    EXPECT_TRUE(slice.ok()) << to_string(slice.error());
    const auto metadata = TableMetadata::parse(*io::posix_env().read_file(*slice));
    EXPECT_TRUE(metadata.ok()) << to_string(metadata.error());
    std::vector<std::string> found;
    const auto files = catalog_->list_files({kEvents, *slice, *metadata});
    EXPECT_TRUE(files.ok()) << to_string(files.error());
    for (const auto& one : *files) {
      found.push_back(one.path);
    }
    return found;
  };
  EXPECT_THAT(read({"/data/a.parquet"}), testing::ElementsAre("/data/a.parquet"));
  EXPECT_THAT(read({"/data/b.parquet"}), testing::ElementsAre("/data/b.parquet", "/data/delete.parquet"));
  EXPECT_EQ(catalog_->write_slice(*table, {"/data/none.parquet"}, folder_.file("slices")).error().kind,
            base::ErrorKind::conflict);
}

TEST_F(CatalogTest, ReplaceKeepsUuidHistoryAndIds) {
  ASSERT_OK(catalog_->commit(std::vector{append("/data/a.parquet")}));
  const auto before = catalog_->load_table(kEvents);
  Schema wanted;
  wanted.fields = {{0, "value", Type::primitive("long"), false, ""},
                   {0, "event_date", Type::primitive("date"), false, ""},
                   {0, "fresh", Type::primitive("double"), false, ""}};
  const auto planned = catalog_->plan_schema(kEvents, wanted);
  ASSERT_OK(planned);
  EXPECT_EQ(planned->find("value")->id, 2);
  EXPECT_EQ(planned->find("event_date")->id, 6) << "a string cannot become a date: a new column";
  EXPECT_EQ(planned->find("fresh")->id, 7);
  TableChange change;
  change.table = kEvents;
  change.operation = Operation::replace;
  change.create = CreateTable{*planned, {}, {}, {}};
  transform::DataFile replacement = file("/data/z.parquet", 9);
  replacement.partition = {};
  change.added = {replacement};
  ASSERT_OK(catalog_->commit(std::vector{change}));
  const auto after = catalog_->load_table(kEvents);
  EXPECT_EQ(after->metadata->uuid(), before->metadata->uuid());
  EXPECT_EQ(after->metadata->snapshots().size(), 2);
  EXPECT_TRUE(after->metadata->default_spec().fields.empty());
  EXPECT_THAT(paths(), testing::ElementsAre("/data/z.parquet"));
  EXPECT_EQ(summary("total-records"), "9");
  EXPECT_EQ(summary("deleted-records"), "3");
  const auto old = catalog_->list_files(*after, before->metadata->current_snapshot_id());
  ASSERT_OK(old);
  EXPECT_EQ(old->size(), 1);

  // The same shape again adds neither a schema nor a spec.
  change.create = CreateTable{*catalog_->plan_schema(kEvents, wanted), {}, {}, {}};
  change.added[0].path = "/data/y.parquet";
  ASSERT_OK(catalog_->commit(std::vector{change}));
  EXPECT_EQ(catalog_->load_table(kEvents)->metadata->document()["schemas"].size(), 2);
  EXPECT_EQ(catalog_->load_table(kEvents)->metadata->document()["partition-specs"].size(), 2);
}

TEST_F(CatalogTest, WrongFieldIdsAreRefused) {
  ASSERT_OK(catalog_->commit(std::vector{append("/data/a.parquet")}));
  TableChange change;
  change.table = kEvents;
  change.operation = Operation::replace;
  change.create = events_table();
  change.create->schema.fields[1].id = 7;
  const auto committed = catalog_->commit(std::vector{change});
  ASSERT_FALSE(committed.ok());
  EXPECT_EQ(committed.error().code, "catalog.schema_changed");
  TableChange unknown = append("/data/b.parquet");
  unknown.added[0].columns[0].field_id = 99;
  EXPECT_EQ(catalog_->commit(std::vector{unknown}).error().code, "catalog.schema_changed");
}

TEST_F(CatalogTest, EvolvesByName) {
  ASSERT_OK(catalog_->commit(std::vector{append("/data/a.parquet")}));
  TableChange change = append("/data/b.parquet");
  Schema wanted;
  wanted.fields = {{0, "extra", Type::primitive("string"), true, ""}, {0, "value", Type::primitive("int"), false, ""}};
  change.evolve_to = *catalog_->plan_evolved_schema(kEvents, wanted);
  ASSERT_OK(catalog_->commit(std::vector{change}));
  const auto table = catalog_->load_table(kEvents);
  EXPECT_EQ(table->metadata->current_schema().fields.size(), 4);
  EXPECT_EQ(table->metadata->current_schema().find("value")->type.name, "long");
  EXPECT_FALSE(table->metadata->current_schema().find("extra")->required);
  wanted.fields = {{0, "value", Type::primitive("string"), false, ""}};
  change = append("/data/c.parquet");
  change.evolve_to = wanted;
  EXPECT_EQ(catalog_->commit(std::vector{change}).error().code, "catalog.incompatible_schema");
}

TEST_F(CatalogTest, SeveralTablesAndControlPlaneWritesAreOneCommit) {
  TableChange other;
  other.table = {{{"marts"}}, "m"};
  other.operation = Operation::replace;
  other.create = CreateTable{events_schema(), {}, {}, {}};
  const auto failing =
      catalog_->commit(std::vector{append("/data/a.parquet"), other}, [](io::Database& database) -> Result<void> {
        SHOPLAKE_TRY(database.execute("CREATE TABLE offsets (n INTEGER)"));
        return base::make_error(base::ErrorKind::failed, "test.no", "no");
      });
  ASSERT_FALSE(failing.ok());
  EXPECT_FALSE(*catalog_->table_exists(kEvents));
  ASSERT_OK(catalog_->commit(std::vector{append("/data/a.parquet"), other}, [](io::Database& database) {
    return database.execute("CREATE TABLE offsets (n INTEGER)");
  }));
  EXPECT_TRUE(*catalog_->table_exists(kEvents));
  EXPECT_TRUE(*catalog_->table_exists(other.table));
  const auto snapshot = catalog_->snapshot();
  ASSERT_OK(snapshot);
  EXPECT_EQ(snapshot->tables.size(), 2);
}

TEST_F(CatalogTest, ManySmallAppendsMergeManifests) {
  TableChange first = append("/data/first.parquet");
  first.create->properties["commit.manifest.min-count-to-merge"] = "5";
  ASSERT_OK(catalog_->commit(std::vector{first}));
  for (int index = 0; index < 23; ++index) {
    ASSERT_OK(catalog_->commit(std::vector{append("/data/" + std::to_string(index) + ".parquet")}));
  }
  EXPECT_EQ(paths().size(), 24);
  const auto table = catalog_->load_table(kEvents);
  const auto manifests = read_manifest_list(Storage(io::posix_env()), *table->metadata->current_snapshot());
  ASSERT_OK(manifests);
  EXPECT_LE(manifests->size(), 6);
  std::int64_t rows = 0;
  for (const auto& manifest : *manifests) {
    rows += manifest.added_rows + manifest.existing_rows;
  }
  EXPECT_EQ(rows, 24 * 3);
  // Sequence numbers survive merging: position deletes written later still apply.
  std::vector<std::int64_t> sequences;
  for (const auto& manifest : *manifests) {
    const auto entries = read_manifest(Storage(io::posix_env()), *table->metadata, manifest, EntryDetail::paths);
    ASSERT_OK(entries);
    for (const auto& entry : *entries) {
      sequences.push_back(*entry.sequence_number);
    }
  }
  std::sort(sequences.begin(), sequences.end());
  for (std::size_t index = 0; index < sequences.size(); ++index) {
    EXPECT_EQ(sequences[index], static_cast<std::int64_t>(index + 1));
  }
}

TEST_F(CatalogTest, ConcurrentAppendsLoseNothing) {
  constexpr int kThreads = 4;
  constexpr int kAppends = 12;
  ASSERT_OK(catalog_->create_table(kEvents, events_table()));
  const auto second = open();  // as another process would
  std::vector<std::thread> threads;
  std::vector<std::string> errors(kThreads);
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      Catalog& catalog = thread % 2 == 0 ? *catalog_ : *second;
      for (int index = 0; index < kAppends; ++index) {
        const auto committed = catalog.commit(
            std::vector{append("/data/" + std::to_string(thread) + "-" + std::to_string(index) + ".parquet", 1)});
        if (!committed.ok()) {
          errors[static_cast<std::size_t>(thread)] = to_string(committed.error());
          return;
        }
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_THAT(errors, testing::Each(""));
  EXPECT_EQ(paths().size(), kThreads * kAppends);
  EXPECT_EQ(summary("total-records"), std::to_string(kThreads * kAppends));
  EXPECT_EQ(catalog_->load_table(kEvents)->metadata->last_sequence_number(), kThreads * kAppends);
}

TEST_F(CatalogTest, ViewsAreCreatedReplacedAndDropped) {
  const TableIdentifier name{{{"staging"}}, "stg"};
  ASSERT_OK(catalog_->replace_view(name, "select 1", {{"a", "b"}}));
  ASSERT_OK(catalog_->replace_view(name, "select 2", {}));
  const auto view = catalog_->load_view(name);
  ASSERT_OK(view);
  EXPECT_EQ(view->sql, "select 2");
  EXPECT_THAT(view->metadata_location, HasSubstr("/metadata/00001-"));
  EXPECT_EQ(catalog_->list_views()->size(), 1);
  EXPECT_FALSE(*catalog_->table_exists(name));
  EXPECT_EQ(catalog_->create_table(name, events_table()).error().code, "catalog.view_exists");
  TableChange change;
  change.table = name;
  change.operation = Operation::replace;
  change.create = events_table();
  ASSERT_OK(catalog_->commit(std::vector{change}));
  EXPECT_TRUE(*catalog_->table_exists(name));
  EXPECT_EQ(catalog_->replace_view(name, "select 3", {}).error().code, "catalog.table_exists");
  ASSERT_OK(catalog_->replace_view(name, "select 3", {}, true));
  ASSERT_OK(catalog_->drop_view(name));
  EXPECT_EQ(catalog_->load_view(name).error().code, "catalog.no_such_view");
}

TEST_F(CatalogTest, TablesOfOneNameInTwoNamespacesHaveTheirOwnPlaces) {
  const TableIdentifier one{{{"staging"}}, "x"};
  const TableIdentifier two{{{"marts"}}, "x"};
  ASSERT_OK(catalog_->create_table(one, events_table()));
  ASSERT_OK(catalog_->create_table(two, events_table()));
  EXPECT_EQ(catalog_->load_table(one)->metadata->location(), folder_.file("lake/curated/x"));
  EXPECT_EQ(catalog_->load_table(two)->metadata->location(), folder_.file("lake/curated/marts.x"));
  EXPECT_EQ(*catalog_->data_location(two), folder_.file("lake/curated/marts.x/data"));
  ASSERT_OK(catalog_->purge_table(two));
  EXPECT_FALSE(std::filesystem::exists(folder_.file("lake/curated/marts.x")));
  EXPECT_TRUE(std::filesystem::exists(folder_.file("lake/curated/x")));
}

TEST_F(CatalogTest, RenamesAndDrops) {
  const TableIdentifier renamed{{{"processed"}}, "renamed"};
  ASSERT_OK(catalog_->create_table(kEvents, events_table()));
  EXPECT_EQ(catalog_->rename_table(kEvents, {{{"nowhere"}}, "x"}).error().code, "catalog.no_such_namespace");
  ASSERT_OK(catalog_->rename_table(kEvents, renamed));
  EXPECT_EQ(catalog_->load_table(kEvents).error().code, "catalog.no_such_table");
  ASSERT_OK(catalog_->load_table(renamed));
  EXPECT_EQ(catalog_->drop_namespace({{"processed"}}).error().code, "catalog.namespace_not_empty");
  ASSERT_OK(catalog_->drop_table(renamed));
  EXPECT_EQ(catalog_->drop_table(renamed).error().code, "catalog.no_such_table");
}

TEST_F(CatalogTest, FailedCommitLeavesNoFiles) {
  ASSERT_OK(catalog_->commit(std::vector{append("/data/a.parquet")}));
  const auto count = [&] {
    const std::filesystem::recursive_directory_iterator all(folder_.file("lake"));
    return std::distance(begin(all), end(all));
  };
  const auto before = count();
  const auto failing = catalog_->commit(std::vector{append("/data/b.parquet")}, [](io::Database&) -> Result<void> {
    return base::make_error(base::ErrorKind::failed, "test.no", "no");
  });
  EXPECT_FALSE(failing.ok());
  EXPECT_EQ(count(), before);
}

TEST_F(CatalogTest, ExpiryForgetsSnapshotsAndRemovesTheirFiles) {
  ASSERT_OK(catalog_->create_table(kEvents, events_table()));
  const std::string data = *catalog_->data_location(kEvents);
  for (const char* name : {"a", "b", "c"}) {
    TableChange change = append(data + "/" + name + ".parquet");
    change.operation = Operation::replace;
    std::filesystem::copy_file("/proc/self/exe", data + "/" + name + ".parquet");
    ASSERT_OK(catalog_->commit(std::vector{change}));
  }
  EXPECT_EQ(*catalog_->expire_snapshots(kEvents, {.keep_last = 1, .older_than_ms = 0}), 0) << "none is that old";
  EXPECT_EQ(*catalog_->expire_snapshots(kEvents, {.keep_last = 2, .older_than_ms = INT64_MAX}), 1);
  EXPECT_FALSE(std::filesystem::exists(data + "/a.parquet"));
  EXPECT_TRUE(std::filesystem::exists(data + "/b.parquet"));
  EXPECT_EQ(*catalog_->expire_snapshots(kEvents, {.keep_last = 1, .older_than_ms = INT64_MAX}), 1);
  EXPECT_FALSE(std::filesystem::exists(data + "/b.parquet"));
  EXPECT_THAT(paths(), testing::ElementsAre(data + "/c.parquet"));
}

}  // namespace
}  // namespace shoplake::catalog
