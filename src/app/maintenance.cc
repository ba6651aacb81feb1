#include "app/maintenance.h"

#include <algorithm>
#include <charconv>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/catalog.h"
#include "live/lake_lock.h"
#include "query/point_in_time.h"

namespace shoplake::app {
namespace {

using base::ErrorKind;
using base::make_error;
using nlohmann::json;

constexpr std::int64_t kSnapshotAgeMsDefault = std::int64_t{5} * 24 * 3600 * 1000;
constexpr std::int64_t kRetireMicros = std::int64_t{600} * 1'000'000;  // what readers that began before are given

std::optional<std::int64_t> number(const std::optional<std::string>& text) {
  if (!text) {
    return std::nullopt;
  }
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  return error == std::errc() && end == text->data() + text->size() ? std::optional(value) : std::nullopt;
}

// Keeps live and builds from the models' tables.
Result<std::shared_ptr<void>> exclude(App& app, std::stop_token stop) {
  return std::shared_ptr<void>(SHOPLAKE_TRY(live::LakeLock::acquire(app.env(), app.home().directory, std::move(stop))));
}

const json* summary_of(const catalog::TableMetadata& metadata, std::int64_t snapshot_id) {
  for (const json& snapshot : metadata.document().at("snapshots")) {
    if (snapshot.value("snapshot-id", std::int64_t{0}) == snapshot_id && snapshot.contains("summary")) {
      return &snapshot["summary"];
    }
  }
  return nullptr;
}

Result<const catalog::Snapshot*> find_target(const catalog::Table& table, const std::string& to) {
  const query::PointInTime point = SHOPLAKE_TRY(query::parse_point_in_time(to));
  const auto* id = std::get_if<query::SnapshotId>(&point);
  const catalog::Snapshot* target = id != nullptr
                                        ? table.metadata->snapshot(id->value)
                                        : table.metadata->snapshot_at(std::get<query::Moment>(point).milliseconds);
  if (target == nullptr) {
    return make_error(ErrorKind::not_found, "catalog.no_such_snapshot",
                      fmt::format("{} has no snapshot {}", catalog::to_string(table.identifier),
                                  id != nullptr ? to : "of " + to + " or before"),
                      "`shoplake catalog history` lists its snapshots; expired ones are gone.");
  }
  return target;
}

// The snapshots that are undone: from the current one back to the target, by parent; all younger ones if the target is
// no ancestor.
std::vector<std::int64_t> undone_by(const catalog::TableMetadata& metadata, const catalog::Snapshot& target) {
  std::vector<std::int64_t> undone;
  const catalog::Snapshot* snapshot = metadata.current_snapshot();
  while (snapshot != nullptr && snapshot->id != target.id) {
    undone.push_back(snapshot->id);
    snapshot = snapshot->parent_id ? metadata.snapshot(*snapshot->parent_id) : nullptr;
  }
  if (snapshot != nullptr) {
    return undone;
  }
  undone.clear();
  for (const catalog::Snapshot& other : metadata.snapshots()) {
    if (other.sequence_number > target.sequence_number) {
      undone.push_back(other.id);
    }
  }
  return undone;
}

void add_losses(const catalog::TableMetadata& metadata, const std::vector<std::int64_t>& undone,
                RollbackReport& report) {
  std::set<std::string> objects;
  for (const std::int64_t id : undone) {
    const json* summary = summary_of(metadata, id);
    if (summary == nullptr) {
      continue;
    }
    if (const std::string object = summary->value("shoplake.source-object", ""); !object.empty()) {
      objects.insert(object);
    }
    const std::string live = summary->value("shoplake.live", "");
    report.live_batches += live == "batch" || live == "retry" ? 1 : 0;
    const bool is_ours = summary->value("engine-name", "") == "shoplake" || summary->contains("shoplake.node") ||
                         summary->contains("shoplake.source-object") || !live.empty() ||
                         summary->contains("shoplake.maintenance");
    report.other_engines += is_ours ? 0 : 1;
  }
  report.objects.assign(objects.begin(), objects.end());
  report.snapshots_undone = static_cast<std::int64_t>(undone.size());
}

base::Error loses_rows(const std::string& name, const RollbackReport& report) {
  std::string what;
  if (!report.objects.empty()) {
    what = fmt::format("{} loaded raw object{} ({}{})", report.objects.size(), report.objects.size() == 1 ? "" : "s",
                       report.objects.front(), report.objects.size() > 1 ? ", …" : "");
  }
  if (report.live_batches > 0) {
    what += fmt::format("{}{} batch{} of the log", what.empty() ? "" : " and ", report.live_batches,
                        report.live_batches == 1 ? "" : "es");
  }
  return make_error(
      ErrorKind::failed, "catalog.rollback_loses_rows",
      fmt::format("the rollback of {} would undo {}, which count as consumed and are not taken again", name, what),
      "--force rolls back all the same; `shoplake replay` brings a stream's delivered objects back.");
}

}  // namespace

Result<std::vector<catalog::TableIdentifier>> chosen_tables(App& app, const std::vector<std::string>& names) {
  catalog::Catalog& catalog = *SHOPLAKE_TRY(app.catalog());
  std::vector<catalog::TableIdentifier> tables;
  const auto snapshot = SHOPLAKE_TRY(catalog.snapshot());
  if (names.empty()) {
    for (const auto& [identifier, metadata_location] : snapshot.tables) {
      tables.push_back(identifier);
    }
    return tables;
  }
  for (const std::string& name : names) {
    std::vector<catalog::TableIdentifier> found;
    for (const auto& [identifier, metadata_location] : snapshot.tables) {
      if (catalog::to_string(identifier) == name || catalog::to_string(identifier.name_space) == name) {
        found.push_back(identifier);
      }
    }
    if (found.empty()) {
      const auto identifier = catalog::parse_table_identifier(name);
      if (!identifier.ok()) {  // a bare word names a namespace
        SHOPLAKE_TRY(list_relations(app, name));
        continue;
      }
      const auto described = describe_relation(app, name);  // says what was probably meant
      if (!described.ok()) {
        return described.error();
      }
      return make_error(ErrorKind::usage, "catalog.is_view", name + " is a view, which has no files of its own");
    }
    for (catalog::TableIdentifier& identifier : found) {
      if (std::find(tables.begin(), tables.end(), identifier) == tables.end()) {
        tables.push_back(std::move(identifier));
      }
    }
  }
  return tables;
}

Result<std::vector<CompactedTable>> compact_tables(App& app, const CompactOptions& options) {
  const auto tables = SHOPLAKE_TRY(chosen_tables(app, options.names));
  const auto engine = SHOPLAKE_TRY(app.open_engine());
  maintain::CompactionOptions compaction;
  compaction.env = &app.env();
  compaction.catalog = SHOPLAKE_TRY(app.catalog());
  compaction.database = engine.get();
  compaction.temporary_directory = app.home().temporary_directory;
  compaction.target_file_bytes = options.target_file_bytes;
  compaction.sort_by = options.sort_by;
  compaction.all_files = options.all_files;
  compaction.dry_run = options.dry_run;
  compaction.exclude = [&app](std::stop_token stop) { return exclude(app, std::move(stop)); };
  compaction.progress = options.progress;
  compaction.stop = options.stop;
  std::vector<CompactedTable> compacted;
  for (const catalog::TableIdentifier& table : tables) {
    CompactedTable& one = compacted.emplace_back();
    one.name = catalog::to_string(table);
    auto report = maintain::compact_table(compaction, table);
    if (report.ok()) {
      one.report = std::move(report).value();
    } else if (report.error().kind == ErrorKind::cancelled) {
      return std::move(report).error();
    } else {
      one.error = std::move(report).error();
    }
  }
  return compacted;
}

Result<ExpireReport> expire_tables(App& app, const ExpireOptions& options) {
  const auto tables = SHOPLAKE_TRY(chosen_tables(app, options.names));
  catalog::Catalog& catalog = *SHOPLAKE_TRY(app.catalog());
  base::Progress& progress = options.progress != nullptr ? *options.progress : base::no_progress();
  progress.begin("expire snapshots", tables.size(), base::Progress::Unit::items);
  ExpireReport report;
  const std::int64_t now_ms = app.env().now_micros() / 1000;
  for (const catalog::TableIdentifier& identifier : tables) {
    if (options.stop.stop_requested()) {
      break;
    }
    ExpiredTable& one = report.tables.emplace_back();
    one.name = catalog::to_string(identifier);
    auto outcome = [&]() -> Result<void> {
      const catalog::Table table = SHOPLAKE_TRY(catalog.load_table(identifier));
      const auto age = number(table.metadata->property("history.expire.max-snapshot-age-ms"));
      const auto keep = number(table.metadata->property("history.expire.min-snapshots-to-keep"));
      catalog::Catalog::Expiry expiry;
      expiry.keep_last = options.keep_last.value_or(keep.value_or(1));
      // One more millisecond, so that an age of 0 means all that there is.
      expiry.older_than_ms =
          now_ms + 1 -
          (options.older_than_micros ? *options.older_than_micros / 1000 : age.value_or(kSnapshotAgeMsDefault));
      expiry.retire_micros = options.now ? 0 : kRetireMicros;
      const auto all = static_cast<std::int64_t>(table.metadata->snapshots().size());
      one.expired = options.dry_run
                        ? static_cast<std::int64_t>(catalog::Catalog::expired_snapshots(*table.metadata, expiry).size())
                        : SHOPLAKE_TRY(catalog.expire_snapshots(identifier, expiry));
      one.kept = all - one.expired;
      return {};
    }();
    if (!outcome.ok()) {
      one.error = std::move(outcome).error();
    }
    progress.update(report.tables.size());
  }
  progress.end();
  if (!options.dry_run) {
    report.files_removed = SHOPLAKE_TRY(catalog.remove_retired_files());
  }
  return report;
}

Result<maintain::OrphanReport> remove_orphans(App& app, const OrphansOptions& options) {
  maintain::OrphanOptions orphans;
  orphans.env = &app.env();
  orphans.catalog = SHOPLAKE_TRY(app.catalog());
  orphans.temporary_directory = app.home().temporary_directory;
  orphans.older_than_micros = options.older_than_micros;
  orphans.dry_run = options.dry_run;
  orphans.progress = options.progress;
  orphans.stop = options.stop;
  return maintain::remove_orphans(orphans);
}

Result<RollbackReport> rollback_table(App& app, const RollbackOptions& options) {
  catalog::Catalog& catalog = *SHOPLAKE_TRY(app.catalog());
  const auto tables = SHOPLAKE_TRY(chosen_tables(app, {options.name}));
  if (tables.size() != 1 || catalog::to_string(tables[0]) != options.name) {
    return make_error(ErrorKind::usage, "catalog.invalid_name", "\"" + options.name + "\" does not name one table",
                      "Write namespace.table, as in marts.dim_user.");
  }
  std::shared_ptr<void> exclusion;
  if (!options.dry_run) {
    exclusion = SHOPLAKE_TRY(exclude(app, options.stop));
  }
  const catalog::Table table = SHOPLAKE_TRY(catalog.load_table(tables[0]));
  const catalog::Snapshot* target = SHOPLAKE_TRY(find_target(table, options.to));
  RollbackReport report;
  report.from_snapshot = table.metadata->current_snapshot_id().value_or(0);
  report.to_snapshot = target->id;
  if (report.from_snapshot == report.to_snapshot) {
    return report;
  }
  add_losses(*table.metadata, undone_by(*table.metadata, *target), report);
  if (options.dry_run) {
    return report;
  }
  if (!options.force && (!report.objects.empty() || report.live_batches > 0)) {
    return loses_rows(options.name, report);
  }
  catalog::TableChange change;
  change.table = tables[0];
  change.operation = catalog::TableChange::Operation::restore;
  change.restored_snapshot_id = target->id;
  change.base_snapshot_id = table.metadata->current_snapshot_id();
  change.summary = {{"shoplake.maintenance", "rollback"},
                    {"shoplake.restored-snapshot-id", std::to_string(target->id)}};
  report.new_snapshot = SHOPLAKE_TRY(catalog.commit(std::span(&change, 1)))[0].snapshot_id;
  return report;
}

Result<maintain::RetentionReport> apply_retention(App& app, const RetainOptions& options) {
  maintain::RetentionOptions retention;
  retention.env = &app.env();
  retention.catalog = SHOPLAKE_TRY(app.catalog());
  retention.policy = app.home().retention;
  retention.dry_run = options.dry_run;
  retention.stop = options.stop;
  return maintain::apply_retention(retention);
}

Result<std::int64_t> parse_duration(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string unit(end, text.data() + text.size());
  const std::int64_t seconds = unit == "s"   ? 1
                               : unit == "m" ? 60
                               : unit == "h" ? 3600
                               : unit == "d" ? 86'400
                               : unit == "w" ? 604'800
                                             : 0;
  constexpr std::int64_t kLongestSeconds = std::int64_t{200} * 366 * 86'400;
  const bool fits = seconds == 0 ? value == 0 && unit.empty() : value <= kLongestSeconds / seconds;
  if (code != std::errc() || value < 0 || !fits) {
    return make_error(ErrorKind::usage, "maintenance.duration", "\"" + text + "\" is no length of time",
                      "Write a number and a unit: 90s, 45m, 36h, 7d, 2w.");
  }
  return value * seconds * 1'000'000;
}

}  // namespace shoplake::app
