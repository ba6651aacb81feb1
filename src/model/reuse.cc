#include "model/reuse.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "base/digest.h"
#include "io/sqlite.h"
#include "model/config.h"
#include "model/lake_sql.h"
#include "model/repeatable.h"

namespace shoplake::model {
namespace {

// Raised when a fingerprint is made of other things than before.
constexpr int kFingerprintVersion = 1;

constexpr const char* kHooks[] = {"pre-hook", "post-hook"};
// Settings that hold SQL beside the query.
constexpr const char* kExpressions[] = {"unique_key", "incremental_predicates",
                                        "predicates", "updated_at",
                                        "check_cols", "dbt_valid_to_current",
                                        "fail_calc",  "where",
                                        "warn_if",    "error_if"};

// A text among others, so that two lists of texts never look alike.
std::string delimited(std::string_view text) { return fmt::format("{}:{}", text.size(), text); }

// The texts of a configuration may be expressions of SQL (predicates, keys).
bool has_repeatable_texts(const Json& json) {
  if (json.is_string())
    return is_repeatable(json.get<std::string>());
  if (!json.is_structured())
    return true;
  return std::all_of(json.begin(), json.end(), [](const Json& each) { return has_repeatable_texts(each); });
}

bool has_hooks(const Node& node) {
  return std::any_of(std::begin(kHooks), std::end(kHooks), [&](const char* key) {
    const auto hooks = node.config.find(key);
    return hooks != node.config.end() && !hooks->is_null() && !hooks->empty();
  });
}

RelationName own_table(const Node& node) { return folded({node.schema, node.alias}); }

constexpr std::string_view kView = "view ";

}  // namespace

std::optional<Work> work_of(Lake& lake, const Node& node, const std::string& sql, const Audit::Rules& rules) {
  const bool is_seed = node.type == ResourceType::seed;
  if (has_hooks(node) || lake.has_effects() || !rules.asks_own_rows_only || (!is_seed && !is_repeatable(sql)))
    return std::nullopt;
  for (const char* key : kExpressions) {
    const auto value = node.config.find(key);
    if (value != node.config.end() && !has_repeatable_texts(*value))
      return std::nullopt;
  }
  Work work;
  work.unique_id = node.unique_id;
  Json columns = Json::array();  // of a contract
  for (const ColumnDocument& column : node.columns)
    columns.push_back({column.name, column.data_type, column.constraints});
  for (const std::string& part :
       {std::string(name(node.type)), node.config.dump(-1, ' ', false, Json::error_handler_t::replace),
        columns.dump(-1, ' ', false, Json::error_handler_t::replace), rules.text, sql})
    work.code += delimited(part);
  if (!is_seed)
    lake.add_versions(sql, work.reads);
  if (node.is_refable())
    lake.add_version(own_table(node), work.reads);
  for (const auto& [name, version] : work.reads) {
    if (version.content.starts_with(kView) && !is_repeatable(version.content))
      return std::nullopt;
  }
  return work;
}

bool reads_the_same(const Node& node, Work one, Work other) {
  one.reads.erase(own_table(node));
  other.reads.erase(own_table(node));
  return one.code == other.code && one.reads == other.reads;
}

bool leaves_table(const Node& node, const Work& one, const Work& other) {
  const auto before = one.reads.find(own_table(node)), after = other.reads.find(own_table(node));
  return before != one.reads.end() && after != other.reads.end() && before->second == after->second;
}

bool settles(const Node& node) {
  const auto meta = node.config.find("meta");
  return meta != node.config.end() && meta->is_object() && config_flag(*meta, "settles", false);
}

Result<std::unique_ptr<Reuse>> Reuse::open(catalog::Catalog& catalog, std::string program) {
  std::unique_ptr<Reuse> reuse(new Reuse(catalog, std::move(program)));
  const std::unique_ptr<io::Database> database = SHOPLAKE_TRY(catalog.open_control_plane());
  auto present = SHOPLAKE_TRY(database->prepare("select 1 from sqlite_master where name = 'model_reuse'"));
  if (!SHOPLAKE_TRY(present.step()))
    return reuse;
  auto rows = SHOPLAKE_TRY(database->prepare("select node, fingerprint from model_reuse"));
  while (SHOPLAKE_TRY(rows.step()))
    reuse->fingerprints_.emplace(rows.text(0), rows.text(1));
  return reuse;
}

std::string Reuse::fingerprint(const Work& work) const {
  base::Digest digest(base::Digest::Algorithm::sha256);
  digest.update(fmt::format("{} {} {}", kFingerprintVersion, delimited(program_), delimited(work.code)));
  for (const auto& [name, version] : work.reads)
    digest.update(
        fmt::format("{} {} {}", delimited(name.schema), delimited(name.identifier), delimited(version.content)));
  return digest.finish_hex();
}

bool Reuse::is_complete(const Work& work) const {
  const auto known = fingerprints_.find(work.unique_id);
  return known != fingerprints_.end() && known->second == fingerprint(work);
}

void Reuse::complete(Work work) {
  const std::lock_guard lock(mutex_);
  std::string id = work.unique_id;
  completed_.insert_or_assign(std::move(id), std::move(work));
}

Result<void> Reuse::save(Lake& lake, const std::set<std::string>& succeeded, std::int64_t now_us) {
  const std::lock_guard lock(mutex_);
  std::map<std::string, std::string> changed;
  for (auto& [id, work] : completed_) {
    if (!succeeded.contains(id) || !lake.settle(work.reads))
      continue;
    std::string now = fingerprint(work);
    const auto before = fingerprints_.find(id);
    if (before == fingerprints_.end() || before->second != now)
      changed.emplace(id, std::move(now));
  }
  completed_.clear();
  if (changed.empty())
    return {};
  const std::unique_ptr<io::Database> database = SHOPLAKE_TRY(catalog_.open_control_plane());
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database));
  SHOPLAKE_TRY(
      database->execute("create table if not exists model_reuse ("
                        " node text not null primary key,"
                        " fingerprint text not null,"
                        " at integer not null"
                        ") without rowid"));
  auto upsert =
      SHOPLAKE_TRY(database->prepare("insert into model_reuse (node, fingerprint, at) values (?, ?, ?) on conflict "
                                     "(node) do update set fingerprint = excluded.fingerprint, at = excluded.at"));
  for (const auto& [id, now] : changed)
    SHOPLAKE_TRY(upsert.bind(1, id).bind(2, now).bind(3, now_us).run());
  SHOPLAKE_TRY(transaction.commit());
  for (auto& [id, now] : changed)
    fingerprints_.insert_or_assign(id, std::move(now));
  return {};
}

}  // namespace shoplake::model
