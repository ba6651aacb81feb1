#include "maintain/compaction.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "io/sync_files.h"
#include "live/parquet_copy.h"
#include "live/table_files.h"
#include "maintain/compaction_plan.h"
#include "model/iceberg_type.h"

namespace shoplake::maintain {
namespace {

using base::ErrorKind;
using base::make_error;
using Content = transform::DataFile::Content;
using StoredFile = catalog::Catalog::StoredFile;

constexpr const char* kSummaryKey = "shoplake.maintenance";
constexpr int kAttemptsMax = 20;  // of one group, under exclusion too
constexpr const char* kSortedRows = "compaction_rows";

std::string location_path(const std::string& location) {
  constexpr std::string_view kFile = "file://";
  return location.starts_with(kFile) ? location.substr(kFile.size()) : location;
}

std::int64_t target_bytes(const CompactionOptions& options, const catalog::TableMetadata& metadata) {
  if (options.target_file_bytes > 0) {
    return options.target_file_bytes;
  }
  const auto text = metadata.property("write.target-file-size-bytes");
  const std::int64_t value = text ? std::atoll(text->c_str()) : 0;
  return value > 0 ? value : kTargetFileBytesDefault;
}

bool is_time(const catalog::Field& field) {
  return field.name == "event_timestamp" || field.type.name == "timestamptz" || field.type.name == "timestamp";
}

void add_column(std::vector<std::string>& columns, const std::string& name) {
  if (std::find(columns.begin(), columns.end(), name) == columns.end()) {
    columns.push_back(name);
  }
}

// Identity fields of the table's sort order, with their directions; empty if it has none.
std::vector<std::pair<std::string, std::string>> iceberg_sort_order(const catalog::TableMetadata& metadata) {
  std::vector<std::pair<std::string, std::string>> order;
  const nlohmann::json& document = metadata.document();
  const std::int64_t id = document.value("default-sort-order-id", std::int64_t{0});
  for (const nlohmann::json& candidate : document.value("sort-orders", nlohmann::json::array())) {
    if (candidate.value("order-id", std::int64_t{-1}) != id) {
      continue;
    }
    for (const nlohmann::json& field : candidate.value("fields", nlohmann::json::array())) {
      const catalog::Field* column = metadata.current_schema().find_id(field.value("source-id", 0));
      if (column != nullptr && metadata.current_schema().find(column->name) == column) {
        const bool descends = field.value("direction", "asc") == "desc";
        const bool nulls_last = field.value("null-order", "nulls-first") == "nulls-last";
        order.emplace_back(column->name,
                           fmt::format("{} {}", descends ? "DESC" : "ASC", nulls_last ? "NULLS LAST" : "NULLS FIRST"));
      }
    }
  }
  return order;
}

class TableCompaction {
 public:
  TableCompaction(const CompactionOptions& options, const catalog::TableIdentifier& identifier)
      : options_(options), identifier_(identifier), name_(catalog::to_string(identifier)) {}

  ~TableCompaction() { (void)options_.env->remove_tree(scratch_); }

  Result<CompactionReport> run() {
    session_ = SHOPLAKE_TRY(options_.database->connect());
    scratch_ = io::join_path(options_.temporary_directory, "compact-" + options_.env->new_uuid());
    std::vector<Group> groups = SHOPLAKE_TRY(plan());
    report_.sorted_by = sort_by();
    if (options_.dry_run) {
      for (const Group& group : groups) {
        count_removed(group);
        ++report_.commits;
      }
      report_.rows = std::exchange(report_.rows_dropped, 0);
      return report_;
    }
    const std::stop_callback on_stop(options_.stop, [this] { session_->interrupt(); });
    base::Progress& progress = options_.progress != nullptr ? *options_.progress : base::no_progress();
    std::uint64_t total = 0;
    for (const Group& group : groups) {
      total += static_cast<std::uint64_t>(group.bytes);
    }
    progress.begin("compact " + name_, total, base::Progress::Unit::bytes);
    std::uint64_t done = 0;
    // Others may go on writing: as many groups as there were at the start are done, and no more.
    for (std::size_t left = groups.size(); left > 0 && !groups.empty(); --left) {
      done += static_cast<std::uint64_t>(groups.front().bytes);
      auto outcome = compact(std::move(groups));
      if (!outcome.ok()) {
        progress.end();
        return std::move(outcome).error().within("compaction of " + name_);
      }
      groups = std::move(outcome).value();
      progress.update(std::min(done, total));
    }
    progress.end();
    return report_;
  }

 private:
  // What is to be done with the table as it is now.
  Result<std::vector<Group>> plan() {
    table_ = SHOPLAKE_TRY(options_.catalog->load_table(identifier_));
    const catalog::TableMetadata& metadata = *table_.metadata;
    if (metadata.format_version() > 2) {
      return make_error(ErrorKind::failed, "maintain.unsupported_table",
                        fmt::format("{} has format version {}, which shoplake reads but does not write", name_,
                                    metadata.format_version()),
                        "Compact it with the engine that writes it.");
    }
    for (const std::string& column : options_.sort_by) {
      if (metadata.current_schema().find(column) == nullptr) {
        return make_error(ErrorKind::usage, "maintain.no_such_column",
                          fmt::format("{} has no column {} to sort by", name_, column),
                          "`shoplake catalog show` lists its columns.");
      }
    }
    const std::vector<StoredFile> files = SHOPLAKE_TRY(options_.catalog->list_stored_files(table_));
    const std::int32_t spec_id = metadata.default_spec().id;
    report_.files_of_other_specs = 0;
    for (const StoredFile& file : files) {
      if (file.format != "PARQUET" && file.format != "parquet") {
        return make_error(
            ErrorKind::failed, "maintain.unsupported_table",
            fmt::format("{} has the file {}, which is {}, not Parquet", name_, file.file.path, file.format),
            "Compact it with the engine that wrote it.");
      }
      report_.files_of_other_specs += file.file.content == Content::data && file.spec_id != spec_id ? 1 : 0;
    }
    const DeletedRows deleted = SHOPLAKE_TRY(read_deletes(files));
    PlanOptions plan;
    plan.target_file_bytes = target_bytes(options_, metadata);
    plan.all_files = options_.all_files;
    plan.done = done_;
    plan.spec_id = spec_id;
    return plan_groups(files, deleted, plan);
  }

  Result<DeletedRows> read_deletes(const std::vector<StoredFile>& files) {
    DeletedRows deleted;
    std::vector<std::string> paths;
    std::map<std::string, std::string> data;  // plain path to path as the manifest has it
    for (const StoredFile& file : files) {
      if (file.file.content == Content::position_deletes) {
        paths.push_back(file.file.path);
        deleted.of[file.file.path];
      } else if (file.file.content == Content::data) {
        data.emplace(location_path(file.file.path), file.file.path);
      }
    }
    if (paths.empty()) {
      return deleted;
    }
    // One by one, so that each name is the manifest's, whatever the engine makes of it.
    for (const std::string& path : paths) {
      const engine::ResultSet named = SHOPLAKE_TRY(
          session_->query(fmt::format("SELECT file_path, count(DISTINCT pos) FROM read_parquet({}) GROUP BY file_path",
                                      engine::quote_literal(path))));
      for (std::int64_t row = 0; row < named.row_count(); ++row) {
        const auto found = data.find(location_path(named.text(row, 0).value_or("")));
        if (found != data.end()) {
          deleted.of[path].push_back(found->second);
          deleted.rows[found->second] += named.integer(row, 1);
        }
      }
    }
    return deleted;
  }

  std::vector<std::string> sort_by() const {
    return options_.sort_by.empty() ? sort_columns(*table_.metadata) : options_.sort_by;
  }

  std::string order_clause() const {
    std::string clause;
    const auto add = [&](const std::string& column, const std::string& direction) {
      clause +=
          fmt::format("{}{} {}", clause.empty() ? " ORDER BY " : ", ", engine::quote_identifier(column), direction);
    };
    if (options_.sort_by.empty()) {
      if (const auto order = iceberg_sort_order(*table_.metadata); !order.empty()) {
        for (const auto& [column, direction] : order) {
          add(column, direction);
        }
        return clause;
      }
    }
    for (const std::string& column : sort_by()) {
      add(column, "ASC NULLS FIRST");
    }
    return clause;
  }

  // Does the first of the groups; returns what is to do then.
  Result<std::vector<Group>> compact(std::vector<Group> groups) {
    std::shared_ptr<void> exclusion;
    for (int attempt = 0;; ++attempt) {
      if (options_.stop.stop_requested()) {
        return make_error(ErrorKind::cancelled, "engine.interrupted", "interrupted");
      }
      if (groups.empty()) {
        return groups;
      }
      table_ = SHOPLAKE_TRY(options_.catalog->load_table(identifier_));
      auto committed = write_and_commit(groups.front());
      if (committed.ok()) {
        ++report_.commits;
        groups.erase(groups.begin());
        return groups;
      }
      if (committed.error().kind != ErrorKind::conflict) {
        return std::move(committed).error();
      }
      ++report_.retries;
      base::log::debug("maintain.compaction_retried", {{"table", name_}, {"reason", committed.error().message}});
      if (attempt + 1 >= kAttemptsMax) {
        return make_error(
            ErrorKind::conflict, "maintain.changed_too_often",
            fmt::format("others changed the rows of {} {} times while they were compacted", name_, kAttemptsMax),
            "What was compacted before stays. Try again when less is written.");
      }
      if (attempt + 1 >= kOptimisticAttempts && options_.exclude && !exclusion) {
        exclusion = SHOPLAKE_TRY(options_.exclude(options_.stop));
      }
      groups = SHOPLAKE_TRY(plan());
    }
  }

  Result<void> write_and_commit(const Group& group) {
    std::vector<std::string> written;
    auto outcome = [&]() -> Result<void> {
      catalog::TableChange change;
      change.table = identifier_;
      change.operation = catalog::TableChange::Operation::rewrite;
      change.base_sequence_number = table_.metadata->last_sequence_number();
      change.summary = {{kSummaryKey, "compaction"}};
      change.removed_paths = group.spent_deletes;
      std::int64_t rows = 0;
      for (const Bin& bin : group.bins) {
        change.removed_paths.insert(change.removed_paths.end(), bin.paths.begin(), bin.paths.end());
        for (transform::DataFile& file : SHOPLAKE_TRY(write(bin, written))) {
          rows += file.record_count;
          change.added.push_back(std::move(file));
        }
      }
      SHOPLAKE_TRY(io::sync_files(*options_.env, written));
      const auto committed = SHOPLAKE_TRY(options_.catalog->commit(std::span(&change, 1)));
      report_.retries += committed[0].retries;
      report_.rows += rows;
      report_.rows_dropped -= rows;
      for (const transform::DataFile& file : change.added) {
        report_.bytes_added += file.file_size_bytes;
        done_.insert(file.path);
      }
      report_.files_added += static_cast<std::int64_t>(change.added.size());
      count_removed(group);
      return {};
    }();
    if (!outcome.ok() && outcome.error().kind != ErrorKind::unknown_outcome) {
      live::remove_files(*options_.env, written);
    }
    return outcome;
  }

  void count_removed(const Group& group) {
    report_.delete_files_removed += static_cast<std::int64_t>(group.spent_deletes.size());
    for (const Bin& bin : group.bins) {
      ++report_.partitions;
      report_.files_removed += static_cast<std::int64_t>(bin.paths.size());
      report_.bytes_removed += bin.bytes;
      report_.rows_dropped += bin.rows;
    }
  }

  // A bin's rows, sorted, as new files beside the old ones.
  Result<std::vector<transform::DataFile>> write(const Bin& bin, std::vector<std::string>& written) {
    const catalog::Schema& schema = table_.metadata->current_schema();
    const std::string slice = SHOPLAKE_TRY(options_.catalog->write_slice(table_, bin.paths, scratch_));
    std::string columns;
    for (const catalog::Field& field : schema.fields) {
      const std::string column = engine::quote_identifier(field.name);
      columns += fmt::format("{}CAST({} AS {}) AS {}", columns.empty() ? "" : ", ", column,
                             model::duckdb_type(field.type), column);
    }
    SHOPLAKE_TRY(session_->execute(fmt::format("CREATE OR REPLACE TEMP TABLE {} AS SELECT {} FROM iceberg_scan({}){}",
                                               kSortedRows, columns, engine::quote_literal(slice), order_clause())));
    auto files = write_sorted(bin, schema, written);
    SHOPLAKE_TRY(session_->execute(fmt::format("DROP TABLE IF EXISTS {}", kSortedRows)));
    SHOPLAKE_TRY(options_.env->remove_tree(io::parent_path(slice)));
    return files;
  }

  Result<std::vector<transform::DataFile>> write_sorted(const Bin& bin, const catalog::Schema& schema,
                                                        std::vector<std::string>& written) {
    const engine::ResultSet count = SHOPLAKE_TRY(session_->query(fmt::format("SELECT count(*) FROM {}", kSortedRows)));
    const std::int64_t rows = count.integer(0, 0);
    if (rows > bin.rows) {
      return make_error(ErrorKind::internal, "maintain.row_count",
                        fmt::format("{} rows of {} were read as {}", bin.rows, name_, rows));
    }
    std::string folder = SHOPLAKE_TRY(options_.catalog->data_location(identifier_));
    if (const std::string beside = io::parent_path(location_path(bin.paths.front())); beside.starts_with(folder)) {
      folder = beside;
    }
    const std::int64_t target = target_bytes(options_, *table_.metadata);
    double row_bytes = static_cast<double>(bin.bytes) / static_cast<double>(std::max<std::int64_t>(1, bin.rows));
    std::vector<transform::DataFile> files;
    std::int64_t bytes = 0;
    std::int64_t total = 0;
    for (std::int64_t first = 0; first < rows;) {
      // The rest in equal parts, by what a row has taken so far.
      const std::int64_t parts = std::max<std::int64_t>(
          1,
          static_cast<std::int64_t>(static_cast<double>(rows - first) * row_bytes / static_cast<double>(target) + 0.5));
      const std::int64_t next = first + (rows - first + parts - 1) / parts;
      const std::string path = io::join_path(folder, options_.env->new_uuid() + ".parquet");
      written.push_back(path);
      transform::DataFile file = SHOPLAKE_TRY(live::copy_rows(
          *options_.env, *session_,
          fmt::format("SELECT * FROM {} WHERE rowid >= {} AND rowid < {}", kSortedRows, first, next), schema, path));
      file.partition = bin.partition;
      bytes += file.file_size_bytes;
      total += file.record_count;
      row_bytes = static_cast<double>(bytes) / static_cast<double>(total);
      files.push_back(std::move(file));
      first = next;
    }
    if (total != rows) {
      return make_error(ErrorKind::internal, "maintain.row_count",
                        fmt::format("{} rows of {} were written as {}", rows, name_, total));
    }
    return files;
  }

  const CompactionOptions& options_;
  catalog::TableIdentifier identifier_;
  std::string name_;
  std::string scratch_;
  std::unique_ptr<engine::Session> session_;
  catalog::Table table_;
  std::set<std::string> done_;  // files that this compaction wrote
  CompactionReport report_;
};

}  // namespace

std::vector<std::string> sort_columns(const catalog::TableMetadata& metadata) {
  std::vector<std::string> columns;
  for (const auto& [column, direction] : iceberg_sort_order(metadata)) {
    add_column(columns, column);
  }
  if (!columns.empty()) {
    return columns;
  }
  const catalog::Schema& schema = metadata.current_schema();
  for (const catalog::PartitionField& field : metadata.default_spec().fields) {
    if (const catalog::Field* source = schema.find_id(field.source_id);
        source != nullptr && schema.find(source->name) == source) {
      add_column(columns, source->name);
    }
  }
  if (const catalog::Field* time = schema.find("event_timestamp"); time != nullptr) {
    add_column(columns, time->name);
  } else if (const auto found = std::find_if(schema.fields.begin(), schema.fields.end(), is_time);
             found != schema.fields.end()) {
    add_column(columns, found->name);
  }
  for (const nlohmann::json& candidate : metadata.document().value("schemas", nlohmann::json::array())) {
    if (candidate.value("schema-id", 0) != schema.id) {
      continue;
    }
    for (const nlohmann::json& id : candidate.value("identifier-field-ids", nlohmann::json::array())) {
      const catalog::Field* field = schema.find_id(id.get<std::int32_t>());
      if (field != nullptr && schema.find(field->name) == field) {
        add_column(columns, field->name);
      }
    }
  }
  if (schema.find("_shoplake_event_id") != nullptr) {
    add_column(columns, "_shoplake_event_id");
  }
  return columns;
}

Result<CompactionReport> compact_table(const CompactionOptions& options, const catalog::TableIdentifier& table) {
  return TableCompaction(options, table).run();
}

}  // namespace shoplake::maintain
