#include "maintain/retention.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <set>
#include <span>
#include <string_view>

#include <fmt/format.h>

#include "io/parallel.h"

namespace shoplake::maintain {
namespace {

using Content = transform::DataFile::Content;

constexpr std::int64_t kDayMicros = std::int64_t{86'400} * 1'000'000;
// Where ingest keeps files that were rejected as a whole, and what ends the name of the document beside each.
// Format: docs/formats/raw_objects.md.
constexpr std::string_view kRejectedFiles = "quarantine/_files";
constexpr std::string_view kReasonEnding = ".reason.json";
constexpr const char* kTable = R"sql(
CREATE TABLE IF NOT EXISTS retention_removal (
  object TEXT NOT NULL,
  zone TEXT NOT NULL,
  dataset TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  object_micros INTEGER NOT NULL,
  removed_at_micros INTEGER NOT NULL,
  PRIMARY KEY (object, removed_at_micros)
) WITHOUT ROWID)sql";

std::optional<std::int64_t> midnight_micros(int year, unsigned month, unsigned day) {
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month), std::chrono::day(day)};
  if (!date.ok()) {
    return std::nullopt;
  }
  return std::chrono::sys_days(date).time_since_epoch().count() * kDayMicros;
}

// "2026-11-21", "20261121": that midnight.
std::optional<std::int64_t> day_of(const std::string& text) {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  int end = 0;
  if (text.size() == 10 && std::sscanf(text.c_str(), "%4d-%2u-%2u%n", &year, &month, &day, &end) == 3 && end == 10) {
    return midnight_micros(year, month, day);
  }
  if (text.size() == 8 && std::sscanf(text.c_str(), "%4d%2u%2u%n", &year, &month, &day, &end) == 3 && end == 8) {
    return midnight_micros(year, month, day);
  }
  return std::nullopt;
}

// The day that the folders of a path name.
std::optional<std::int64_t> day_of_path(const std::string& path) {
  std::optional<int> year;
  std::optional<unsigned> month;
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string part = path.substr(begin, end - begin);
    begin = end + 1;
    if (part.starts_with("date=")) {
      return day_of(part.substr(5));
    }
    int number = 0;
    if (std::sscanf(part.c_str(), "year=%4d", &number) == 1) {
      year = number;
    } else if (std::sscanf(part.c_str(), "month=%2d", &number) == 1) {
      month = static_cast<unsigned>(number);
    } else if (std::sscanf(part.c_str(), "day=%2d", &number) == 1 && year && month) {
      return midnight_micros(*year, *month, static_cast<unsigned>(number));
    }
  }
  return std::nullopt;
}

bool has_table(io::Database& database, const char* name) {
  auto select = database.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1");
  if (!select.ok()) {
    return false;
  }
  select->bind(1, name);
  return select->step().value_or(false);
}

// What stands between a raw object and its removal.
class RawNeeds {
 public:
  static Result<RawNeeds> read(io::Database& database) {
    RawNeeds needs;
    if (has_table(database, "raw_object")) {
      // Known by path, and no load of its content is recorded.
      SHOPLAKE_TRY(needs.add(database,
                             "SELECT path FROM raw_object o WHERE NOT EXISTS (SELECT 1 FROM loaded_object l WHERE "
                             "l.dataset = o.dataset AND l.md5 = o.md5 AND l.size_bytes = o.size_bytes)"));
    }
    if (has_table(database, "delivered_object")) {
      SHOPLAKE_TRY(needs.add(database, "SELECT object FROM delivered_object WHERE delivered_at_micros IS NULL"));
      // Delivered, but a consumer of the log has not come so far: a stream that is not live is loaded from its objects.
      if (has_table(database, "wal_consumers")) {
        SHOPLAKE_TRY(needs.add(database,
                               "SELECT object FROM delivered_object WHERE last_offset >= (SELECT min(next_offset) "
                               "FROM wal_consumers)"));
      }
    }
    return needs;
  }

  bool needs(const std::string& object) const { return objects_.contains(object); }

 private:
  Result<void> add(io::Database& database, const char* sql) {
    auto select = SHOPLAKE_TRY(database.prepare(sql));
    while (SHOPLAKE_TRY(select.step())) {
      objects_.insert(select.text(0));
    }
    return {};
  }

  std::set<std::string> objects_;  // below the lake's root
};

struct Object {
  std::string path;  // below the lake's root
  std::uint64_t bytes = 0;
  std::int64_t micros = 0;
};

class Retention {
 public:
  explicit Retention(const RetentionOptions& options)
      : options_(options),
        env_(*options.env),
        root_(options.catalog->options().lake_root),
        now_(options.env->now_micros()) {}

  Result<RetentionReport> run() {
    database_ = SHOPLAKE_TRY(options_.catalog->open_control_plane());
    SHOPLAKE_TRY(database_->execute(kTable));
    SHOPLAKE_TRY(apply_to_raw());
    SHOPLAKE_TRY(apply_to_rejected_files());
    SHOPLAKE_TRY(apply_to_results());
    SHOPLAKE_TRY(apply_to_tables());
    return std::move(report_);
  }

 private:
  Result<std::vector<Object>> list(const std::string& folder, bool by_path) const {
    const auto files = env_.list_tree(io::join_path(root_, folder));
    if (!files.ok() && files.error().kind != base::ErrorKind::not_found) {
      return files.error();
    }
    std::vector<Object> objects;
    if (files.ok()) {
      for (const io::DirectoryEntry& file : *files) {
        const std::string path = io::join_path(folder, file.name);
        // A day is over when it ends.
        const auto day = by_path ? day_of_path(path) : std::nullopt;
        objects.push_back({path, file.size_bytes, day ? *day + kDayMicros : file.modified_micros});
      }
    }
    return objects;
  }

  bool is_old(std::int64_t micros, std::int64_t days) const { return micros <= now_ - days * kDayMicros; }

  Result<void> apply_to_raw() {
    const std::string zone = io::join_path(root_, "raw");
    if (!SHOPLAKE_TRY(env_.exists(zone))) {
      return {};
    }
    const RawNeeds needs = SHOPLAKE_TRY(RawNeeds::read(*database_));
    for (const io::DirectoryEntry& dataset : SHOPLAKE_TRY(env_.list_directory(zone))) {
      if (!dataset.is_directory) {
        continue;
      }
      RetentionReport::Line line{
          .zone = "raw", .name = dataset.name, .days = options_.policy.days("raw", dataset.name), .note = {}};
      if (line.days) {
        std::vector<Object> objects = SHOPLAKE_TRY(list(io::join_path("raw", dataset.name), true));
        std::erase_if(objects, [&](const Object& object) {
          if (!is_old(object.micros, *line.days)) {
            return true;
          }
          line.needed += needs.needs(object.path) ? 1 : 0;
          return needs.needs(object.path);
        });
        SHOPLAKE_TRY(remove(objects, line));
      }
      report_.lines.push_back(std::move(line));
    }
    return {};
  }

  // A file keeps its own time when it moves to quarantine; the document beside it is as old as its rejection.
  Result<void> apply_to_rejected_files() {
    const std::string zone = io::join_path(root_, kRejectedFiles);
    if (!SHOPLAKE_TRY(env_.exists(zone))) {
      return {};
    }
    for (const io::DirectoryEntry& dataset : SHOPLAKE_TRY(env_.list_directory(zone))) {
      RetentionReport::Line line{.zone = "quarantine",
                                 .name = dataset.name,
                                 .days = options_.policy.days("quarantine", dataset.name),
                                 .note = {}};
      if (line.days) {
        std::vector<Object> objects = SHOPLAKE_TRY(list(io::join_path(kRejectedFiles, dataset.name), false));
        std::map<std::string, std::int64_t> rejected_at;  // by the path of the file
        for (const Object& object : objects) {
          if (object.path.ends_with(kReasonEnding)) {
            rejected_at[object.path.substr(0, object.path.size() - kReasonEnding.size())] = object.micros;
          }
        }
        for (Object& object : objects) {
          if (const auto found = rejected_at.find(object.path); found != rejected_at.end()) {
            object.micros = found->second;
          }
        }
        std::erase_if(objects, [&](const Object& object) { return !is_old(object.micros, *line.days); });
        SHOPLAKE_TRY(remove(objects, line));
      }
      report_.lines.push_back(std::move(line));
    }
    return {};
  }

  // What the registry says of a rejected file goes with its reason. Inside a transaction of the caller.
  Result<void> forget_rejected(const std::vector<Object>& objects) {
    if (!has_table(*database_, "ingested_file")) {
      return {};
    }
    auto forget =
        SHOPLAKE_TRY(database_->prepare("DELETE FROM ingested_file WHERE object = ?1 AND state = 'rejected'"));
    for (const Object& object : objects) {
      if (object.path.starts_with(kRejectedFiles) && object.path.ends_with(kReasonEnding)) {
        forget.bind(1, object.path.substr(0, object.path.size() - kReasonEnding.size()));
        SHOPLAKE_TRY(forget.run());
      }
    }
    return {};
  }

  Result<void> apply_to_results() {
    RetentionReport::Line line{.zone = "query-results", .name = "*", .days = options_.policy.query_results, .note = {}};
    std::vector<Object> objects = SHOPLAKE_TRY(list("query-results", false));
    if (line.days) {
      std::erase_if(objects, [&](const Object& object) { return !is_old(object.micros, *line.days); });
      SHOPLAKE_TRY(remove(objects, line));
    }
    if (line.days || !objects.empty()) {
      report_.lines.push_back(std::move(line));
    }
    return {};
  }

  // Recorded first, so that no object goes unrecorded; what is recorded and still there goes with the next run.
  Result<void> remove(const std::vector<Object>& objects, RetentionReport::Line& line) {
    for (const Object& object : objects) {
      line.bytes += object.bytes;
      ++line.objects;
    }
    if (options_.dry_run || objects.empty()) {
      return {};
    }
    auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database_));
    auto insert = SHOPLAKE_TRY(
        database_->prepare("INSERT INTO retention_removal (object, zone, dataset, size_bytes, object_micros, "
                           "removed_at_micros) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING"));
    for (const Object& object : objects) {
      insert.bind(1, object.path)
          .bind(2, line.zone)
          .bind(3, line.name)
          .bind(4, static_cast<std::int64_t>(object.bytes))
          .bind(5, object.micros)
          .bind(6, now_);
      SHOPLAKE_TRY(insert.run());
    }
    SHOPLAKE_TRY(forget_rejected(objects));
    SHOPLAKE_TRY(transaction.commit());
    return io::for_each_in_parallel(objects, [&](const Object& object) -> Result<void> {
      if (options_.stop.stop_requested()) {
        return base::make_error(base::ErrorKind::cancelled, "maintain.interrupted", "interrupted");
      }
      const auto removed = env_.remove_file(io::join_path(root_, object.path));
      const bool is_gone = removed.ok() || removed.error().kind == base::ErrorKind::not_found;
      return is_gone ? Result<void>() : removed;
    });
  }

  Result<void> apply_to_tables() {
    for (const auto& [identifier, metadata_location] : SHOPLAKE_TRY(options_.catalog->snapshot()).tables) {
      const std::string space = catalog::to_string(identifier.name_space);
      const std::string zone = space == "processed" || space == "quarantine" || space == "raw" ? space : "curated";
      const auto days = options_.policy.days(zone, identifier.name);
      if (!days || zone == "raw") {
        continue;
      }
      RetentionReport::Line line{.zone = zone, .name = catalog::to_string(identifier), .days = days, .note = {}};
      auto outcome = apply_to_table(identifier, *days, line);
      if (!outcome.ok()) {
        return std::move(outcome).error().within("retention of " + line.name);
      }
      report_.lines.push_back(std::move(line));
    }
    return {};
  }

  // Removes the data files of days that are over for so long, with the delete files of their partitions.
  Result<void> apply_to_table(const catalog::TableIdentifier& identifier, std::int64_t days,
                              RetentionReport::Line& line) {
    constexpr int kAttempts = 5;
    for (int attempt = 1;; ++attempt) {
      const catalog::Table table = SHOPLAKE_TRY(options_.catalog->load_table(identifier));
      const auto place = date_partition(*table.metadata);
      if (!place) {
        line.note = "not partitioned by a date";
        return {};
      }
      catalog::TableChange change;
      change.table = identifier;
      change.operation = catalog::TableChange::Operation::overwrite;
      change.base_snapshot_id = table.metadata->current_snapshot_id();
      change.summary = {{"shoplake.maintenance", "retention"}};
      line.objects = line.rows = 0;
      line.bytes = 0;
      for (const auto& stored : SHOPLAKE_TRY(options_.catalog->list_stored_files(table))) {
        const transform::DataFile& file = stored.file;
        if (stored.spec_id != table.metadata->default_spec().id || *place >= file.partition.size() ||
            !file.partition[*place]) {
          continue;
        }
        const auto day = day_of(*file.partition[*place]);
        if (!day || !is_old(*day + kDayMicros, days)) {
          continue;
        }
        change.removed_paths.push_back(file.path);
        ++line.objects;
        line.bytes += static_cast<std::uint64_t>(file.file_size_bytes);
        line.rows += file.content == Content::data ? file.record_count : 0;
      }
      if (options_.dry_run || change.removed_paths.empty()) {
        return {};
      }
      const auto committed = options_.catalog->commit(std::span(&change, 1));
      if (committed.ok() || committed.error().kind != base::ErrorKind::conflict || attempt == kAttempts) {
        return committed.ok() ? Result<void>() : Result<void>(committed.error());
      }
    }
  }

  // The place of the partition field that is a date: of type date, or text of the form 20261121.
  static std::optional<std::size_t> date_partition(const catalog::TableMetadata& metadata) {
    const auto& fields = metadata.default_spec().fields;
    for (std::size_t index = 0; index < fields.size(); ++index) {
      const catalog::Field* source = metadata.current_schema().find_id(fields[index].source_id);
      const bool is_day = fields[index].transform == "day";
      const bool names_a_date = fields[index].transform == "identity" && source != nullptr &&
                                (source->type.name == "date" || source->name.ends_with("date"));
      if (is_day || names_a_date) {
        return index;
      }
    }
    return std::nullopt;
  }

  const RetentionOptions& options_;
  io::Env& env_;
  std::string root_;
  std::int64_t now_;
  std::unique_ptr<io::Database> database_;
  RetentionReport report_;
};

}  // namespace

std::optional<std::int64_t> RetentionPolicy::days(const std::string& zone, const std::string& dataset) const {
  if (const auto found = datasets.find(dataset); found != datasets.end()) {
    if (const auto own = found->second.zones.find(zone); own != found->second.zones.end()) {
      return own->second;
    }
  }
  return zone == "raw"          ? raw
         : zone == "processed"  ? processed
         : zone == "curated"    ? curated
         : zone == "quarantine" ? quarantine
                                : query_results;
}

Result<RetentionReport> apply_retention(const RetentionOptions& options) { return Retention(options).run(); }

std::vector<LifecycleRule> lifecycle_rules(const RetentionPolicy& policy, const std::vector<std::string>& datasets,
                                           std::int64_t grace_days) {
  std::vector<LifecycleRule> rules;
  const auto add = [&](std::string prefix, const std::optional<std::int64_t>& days) {
    if (days) {
      rules.push_back({std::move(prefix), *days + grace_days});
    }
  };
  std::set<std::string> known(datasets.begin(), datasets.end());
  for (const auto& [dataset, own] : policy.datasets) {
    known.insert(dataset);
  }
  const bool some_stay_longer = std::ranges::any_of(known, [&](const std::string& dataset) {
    const auto days = policy.days("raw", dataset);
    return !days || (policy.raw && *days > *policy.raw);
  });
  const bool is_common = policy.raw && !some_stay_longer;
  if (is_common) {
    add("raw/", policy.raw);
  }
  for (const std::string& dataset : known) {
    const auto days = policy.days("raw", dataset);
    if (!is_common || days != policy.raw) {
      add("raw/" + dataset + "/", days);
    }
  }
  add("query-results/", policy.query_results);
  return rules;
}

}  // namespace shoplake::maintain
