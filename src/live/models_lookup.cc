// Models: which rows of a table a model of a batch needs, and how they are found.
#include <algorithm>
#include <functional>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "live/models.h"
#include "live/models_schema.h"

namespace shoplake::live {
namespace {

// Rows nearer to each other than this are read in one go: the engine decompresses 2,048 at a time anyway.
constexpr std::int64_t kStretchGapRows = 8'192;
constexpr std::size_t kStretchesMax = 8;

// Stretches of a table, first and last row of each, that hold all of the given rows, which are in order. Most rows that
// a batch touches were written lately; without it a single old one would have everything after it read.
std::vector<std::pair<std::int64_t, std::int64_t>> row_stretches(const std::vector<std::int64_t>& rows) {
  std::vector<std::int64_t> gaps;
  for (std::size_t index = 1; index < rows.size(); ++index)
    gaps.push_back(rows[index] - rows[index - 1]);
  std::int64_t least = kStretchGapRows;
  if (gaps.size() >= kStretchesMax) {
    std::nth_element(gaps.begin(), gaps.begin() + (kStretchesMax - 1), gaps.end(), std::greater<>());
    least = std::max(least, gaps[kStretchesMax - 1]);
  }
  std::vector<std::pair<std::int64_t, std::int64_t>> stretches;
  for (const std::int64_t row : rows) {
    if (stretches.empty() || row - stretches.back().second > least)
      stretches.emplace_back(row, row);
    stretches.back().second = row;
  }
  return stretches;
}

}  // namespace

// Of a lookup by key: a predicate of hot rows, true of at least all of its rows; none: the batch has none of its keys.
Result<std::optional<std::string>> Models::find_candidates(engine::Session& session, const Lookup& lookup) {
  Table& table = *lookup.table;
  std::vector<std::string> by_key;
  std::vector<const LookupTerm*> found;
  for (const LookupTerm& term : lookup.terms) {
    SHOPLAKE_TRY(find_keys(session, *term.keys, table.has_cold));
    if (term.keys->is_empty)
      continue;
    by_key.push_back(fmt::format("{} IN (SELECT key FROM {})", table.keys.name(term.term.columns), term.keys->table));
    found.push_back(&term);
  }
  if (by_key.empty())
    return std::optional<std::string>();
  if (table.has_cold) {
    // A row that another model has found is hot when it is looked for here.
    const std::lock_guard lock(table.cold_mutex);
    std::vector<ColdRows::Row> cold;
    for (const LookupTerm* term : found)
      SHOPLAKE_TRY(table.cold.find(table.keys.number(term->term.columns), term->keys->hashes, cold));
    SHOPLAKE_TRY(warm_rows(session, table, std::move(cold)));
  }
  return std::optional("(" + join(by_key, " OR ") + ")");
}

// Makes the table of the keys of the running batch, if nobody has, and with `lists` the list of them.
Result<void> Models::find_keys(engine::Session& session, KeySet& keys, bool lists) {
  const std::lock_guard lock(keys.mutex);
  if (keys.batch != batch_) {
    const engine::ResultSet created =
        SHOPLAKE_TRY(session.query(fmt::format("CREATE OR REPLACE TABLE {} AS {}", keys.table, keys.query)));
    keys.is_empty = created.row_count() == 0 || created.integer(0, 0) == 0;
    keys.is_listed = false;
    keys.hashes.clear();
    keys.batch = batch_;
  }
  if (!lists || keys.is_listed || keys.is_empty)
    return {};
  const engine::ResultSet listed = SHOPLAKE_TRY(session.query("SELECT key FROM " + keys.table));
  keys.hashes.reserve(static_cast<std::size_t>(listed.row_count()));
  for (std::int64_t row = 0; row < listed.row_count(); ++row)
    keys.hashes.push_back(static_cast<std::uint64_t>(listed.integer(row, 0)));
  keys.is_listed = true;
  return {};
}

// Reads cold rows from their files: they are hot then.
Result<void> Models::warm_rows(engine::Session& session, Table& table, std::vector<ColdRows::Row> found) {
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  const LiveModel& model = *table.model;
  const std::int64_t begun = options_.env->monotonic_micros();
  std::int64_t files = 0;
  const std::string is_recent =
      table.oldest_day.empty()
          ? std::string()
          : fmt::format(" AND ({0} IS NULL OR {0} >= {1})", engine::quote_identifier(model.day), table.oldest_day);
  for (auto begin = found.begin(); begin != found.end();) {
    const std::int32_t file = begin->place.file;
    std::string positions;
    auto end = begin;
    for (; end != found.end() && end->place.file == file; ++end)
      positions += fmt::format("{}{}", positions.empty() ? "" : ", ", end->place.position);
    SHOPLAKE_TRY(session.execute(fmt::format(
        "INSERT INTO {0} SELECT {1}, {2}, {3}{4} FROM (SELECT {5}, {6} AS {2}, rows.file_row_number AS {3} FROM "
        "read_parquet({7}, hive_partitioning = false, file_row_number = true) AS rows WHERE rows.file_row_number "
        "BETWEEN {8} AND {9} AND rows.file_row_number IN ({10}){11})",
        spelled(kHotSchema, model.name), model.columns, kFileColumn, kPositionColumn, table.keys.values(), model.casts,
        file, engine::quote_literal(table.files.data.at(file).path), begin->place.position,
        std::prev(end)->place.position, positions, is_recent)));
    begin = end;
    ++files;
  }
  if (!found.empty())
    base::log::debug("live.warmed", {{"model", model.name},
                                     {"rows", static_cast<std::int64_t>(found.size())},
                                     {"files", files},
                                     {"micros", options_.env->monotonic_micros() - begun}});
  table.cold.take(found);
  return {};
}

// Makes the table `into` of the rows of a lookup. False: the batch has none of its keys, and nothing was made.
Result<bool> Models::find_rows(engine::Session& session, const Lookup& lookup, const std::string& columns,
                               const std::string& into) {
  const std::string hot = spelled(kHotSchema, lookup.table->model->name);
  if (lookup.terms.empty()) {
    SHOPLAKE_TRY(session.execute(
        fmt::format("CREATE OR REPLACE TABLE {} AS SELECT {} FROM {} WHERE ({}\n)", into, columns, hot, lookup.where)));
    return true;
  }
  const std::optional<std::string> candidates = SHOPLAKE_TRY(find_candidates(session, lookup));
  if (!candidates)
    return false;
  // First which rows, from the columns that tell; then the others of their columns, where these rows are.
  const engine::ResultSet listed =
      SHOPLAKE_TRY(session.query(fmt::format("SELECT rowid FROM {} WHERE {}", hot, *candidates)));
  std::vector<std::int64_t> rows;
  rows.reserve(static_cast<std::size_t>(listed.row_count()));
  for (std::int64_t row = 0; row < listed.row_count(); ++row)
    rows.push_back(listed.integer(row, 0));
  std::sort(rows.begin(), rows.end());
  std::vector<std::string> stretches;
  for (const auto& [first, last] : row_stretches(rows))
    stretches.push_back(
        fmt::format("SELECT {} FROM {} WHERE rowid BETWEEN {} AND {} AND {}", columns, hot, first, last, *candidates));
  if (stretches.empty())
    stretches.push_back(fmt::format("SELECT {} FROM {} LIMIT 0", columns, hot));
  // The predicate has the last word, when the rows have been read.
  SHOPLAKE_TRY(session.execute(fmt::format(
      "CREATE OR REPLACE TABLE {} AS WITH candidates AS MATERIALIZED ({}) SELECT * FROM candidates WHERE ({}\n)", into,
      join(stretches, " UNION ALL "), lookup.where)));
  return true;
}

}  // namespace shoplake::live
