#include "query/runner.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/nearest_name.h"
#include "engine/arrow_interface.h"
#include "query/guard.h"

namespace shoplake::query {
namespace {

using base::ErrorKind;

base::Error interrupted() {
  return base::make_error(ErrorKind::cancelled, "engine.interrupted", "the query was interrupted");
}

// "marts (12), processed (1)".
std::string count_by_namespace(const std::vector<std::string>& names) {
  std::map<std::string, int> counts;
  for (const std::string& name : names) {
    ++counts[name.substr(0, name.rfind('.'))];
  }
  std::string text;
  for (const auto& [name_space, count] : counts) {
    text.append(text.empty() ? "" : ", ").append(name_space).append(" (").append(std::to_string(count)).append(")");
  }
  return text;
}

std::string advice_for(const std::string& name, const std::vector<std::string>& known) {
  if (known.empty()) {
    return "The lake has no table yet: `shoplake load events FILE`, then `shoplake build`.";
  }
  std::string nearest = base::nearest_name(name, known);
  if (nearest.empty()) {  // the table may be right and its namespace wrong, or missing
    const std::string last = engine::split_name(name).back();
    std::vector<std::string> last_parts;
    for (const std::string& candidate : known) {
      last_parts.push_back(candidate.substr(candidate.rfind('.') + 1));
    }
    const std::string meant = base::nearest_name(last, last_parts);
    if (!meant.empty()) {
      nearest = known[static_cast<std::size_t>(std::ranges::find(last_parts, meant) - last_parts.begin())];
    }
  }
  const std::string listing =
      "Namespaces with tables: " + count_by_namespace(known) + "; `shoplake catalog ls` lists all.";
  return nearest.empty() ? listing : "Did you mean " + nearest + "? " + listing;
}

}  // namespace

QueryRunner::QueryRunner(std::unique_ptr<engine::Database> database, std::unique_ptr<engine::Session> session,
                         LakeViews views, std::string sql)
    : database_(std::move(database)), session_(std::move(session)), views_(std::move(views)), sql_(std::move(sql)) {}

QueryRunner::~QueryRunner() = default;

Result<std::unique_ptr<QueryRunner>> QueryRunner::prepare(std::unique_ptr<engine::Database> database,
                                                          catalog::Catalog& catalog, std::string sql,
                                                          std::optional<PointInTime> at) {
  auto session = SHOPLAKE_TRY(database->connect());
  SHOPLAKE_TRY(check_query(*session, sql));
  LakeViews views = SHOPLAKE_TRY(LakeViews::open(*session, catalog, at));
  SHOPLAKE_TRY(views.prepare(sql));
  const std::array<std::string, 1> readable{catalog.options().lake_root};
  SHOPLAKE_TRY(database->lock_down(readable));
  return std::unique_ptr<QueryRunner>(
      new QueryRunner(std::move(database), std::move(session), std::move(views), std::move(sql)));
}

// An unknown table, told in the lake's terms.
base::Error QueryRunner::explained(base::Error error) {
  if (error.code != "engine.sql" || !error.message.starts_with("Catalog Error: Table with name")) {
    return error;
  }
  const auto unknown = views_.unknown_tables(sql_);
  if (!unknown.ok() || unknown->empty()) {
    return error;
  }
  const std::string& name = unknown->front();
  const std::size_t place = error.message.find("\nLINE ");
  std::string message = "there is no table " + name;
  if (place != std::string::npos) {
    message.append("\n").append(error.message.substr(place));
  }
  return base::make_error(ErrorKind::not_found, "query.unknown_table", std::move(message),
                          advice_for(name, views_.names()));
}

Result<engine::ResultSet> QueryRunner::run(std::stop_token stop) {
  if (stop.stop_requested()) {
    return interrupted();
  }
  const std::stop_callback on_stop(stop, [this] { session_->interrupt(); });
  auto answer = session_->query(sql_);
  if (!answer.ok()) {
    return explained(std::move(answer).error());
  }
  return answer;
}

Result<void> QueryRunner::stream(const std::function<Result<void>(ArrowArrayStream*)>& consume, std::stop_token stop) {
  if (stop.stop_requested()) {
    return interrupted();
  }
  const std::stop_callback on_stop(stop, [this] { session_->interrupt(); });
  ArrowArrayStream answer{};
  auto started = session_->query_arrow(sql_, &answer);
  if (!started.ok()) {
    return explained(std::move(started).error());
  }
  auto outcome = consume(&answer);
  if (answer.release != nullptr) {
    answer.release(&answer);
  }
  // The reader of a stream sees an interrupt as a failure of the engine; it is what was asked for.
  return !outcome.ok() && stop.stop_requested() ? Result<void>(interrupted()) : outcome;
}

}  // namespace shoplake::query
