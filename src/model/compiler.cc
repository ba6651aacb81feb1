#include "model/compiler.h"

#include <algorithm>
#include <cctype>
#include <set>

#include <fmt/format.h>

#include "model/artifacts.h"
#include "model/node_context.h"
#include "model/repeatable.h"

namespace shoplake::model {
namespace {

constexpr int kEphemeralDepthMax = 50;

// Where the first word of a statement begins, after blanks and comments.
std::size_t first_word(std::string_view sql) {
  std::size_t at = 0;
  while (at < sql.size()) {
    if (std::isspace(static_cast<unsigned char>(sql[at]))) {
      ++at;
    } else if (sql.substr(at).starts_with("--")) {
      const auto end = sql.find('\n', at);
      at = end == std::string_view::npos ? sql.size() : end + 1;
    } else if (sql.substr(at).starts_with("/*")) {
      const auto end = sql.find("*/", at + 2);
      at = end == std::string_view::npos ? sql.size() : end + 2;
    } else {
      break;
    }
  }
  return at;
}

bool is_word(std::string_view sql, std::size_t at, std::string_view word) {
  if (sql.size() < at + word.size())
    return false;
  for (std::size_t index = 0; index < word.size(); ++index) {
    if (std::tolower(static_cast<unsigned char>(sql[at + index])) != word[index])
      return false;
  }
  return at + word.size() == sql.size() ||
         !(std::isalnum(static_cast<unsigned char>(sql[at + word.size()])) || sql[at + word.size()] == '_');
}

Json scalar_to_json(const engine::ResultSet& result, std::int64_t row, std::size_t column) {
  const engine::Value value = result.value(row, column);
  if (value.is_null())
    return nullptr;
  if (const bool* flag = std::get_if<bool>(&value.data))
    return *flag;
  if (const std::int64_t* number = std::get_if<std::int64_t>(&value.data))
    return *number;
  if (const double* number = std::get_if<double>(&value.data))
    return *number;
  if (const engine::Exact* exact = std::get_if<engine::Exact>(&value.data)) {
    const Json parsed = Json::parse(exact->text, nullptr, false);
    return parsed.is_discarded() ? Json(exact->text) : parsed;
  }
  if (const std::string* text = std::get_if<std::string>(&value.data))
    return *text;
  const Json parsed = Json::parse(engine::to_json(value), nullptr, false);
  return parsed.is_discarded() ? Json(result.text(row, column).value_or("")) : parsed;
}

}  // namespace

Json result_to_json(const engine::ResultSet& result) {
  Json columns = Json::array();
  for (const engine::Column& column : result.columns())
    columns.push_back({{"name", column.name}, {"type", column.type}});
  Json rows = Json::array();
  for (std::int64_t row = 0; row < result.row_count(); ++row) {
    Json values = Json::array();
    for (std::size_t column = 0; column < result.columns().size(); ++column)
      values.push_back(scalar_to_json(result, row, column));
    rows.push_back(std::move(values));
  }
  return {{"columns", std::move(columns)}, {"rows", std::move(rows)}};
}

std::string inject_ctes(const std::string& sql, const std::vector<std::pair<std::string, std::string>>& ctes) {
  if (ctes.empty())
    return sql;
  std::string list;
  for (const auto& [name, body] : ctes)
    list += fmt::format("{}{} as (\n{}\n)", list.empty() ? "" : ", ", name, body);
  std::size_t at = first_word(sql);
  if (!is_word(sql, at, "with"))
    return fmt::format("{}with {}\n{}", sql.substr(0, at), list, sql.substr(at));
  std::size_t after = at + 4;
  std::string head = "with ";
  const std::size_t next = after + first_word(std::string_view(sql).substr(after));
  if (is_word(sql, next, "recursive")) {
    head = "with recursive ";
    after = next + 9;
  }
  return fmt::format("{}{}{},{}", sql.substr(0, at), head, list, sql.substr(after));
}

class CompileHost : public Host {
 public:
  CompileHost(Compiler& compiler, const Node& node, const Compiler::Options& options, int depth)
      : compiler_(compiler), node_(node), options_(options), depth_(depth) {}

  Result<Relation> ref(const RefCall& call) override {
    const Node* target = compiler_.manifest_.find_ref(call, node_.package);
    if (target == nullptr) {
      return base::make_error(
          base::ErrorKind::failed, "model.unresolved",
          fmt::format("{} refers to '{}', which was not found", node_.unique_id, call.name),
          "ref() calls must also be reached when the project is parsed: do not hide them behind `if execute`.");
    }
    if (const Relation* stand_in = stand_in_for(target->unique_id))
      return *stand_in;
    if (options_.stand_ins != nullptr && node_.type == ResourceType::model) {
      if (target->materialized() != "ephemeral") {
        return base::make_error(
            base::ErrorKind::failed, "model.unit_test",
            fmt::format("the model {} reads ref('{}'), for which the unit test gives no rows", node_.name, call.name),
            fmt::format("Add `- input: ref('{}')` with its rows (an empty list is fine).", call.name));
      }
    }
    if (target->materialized() == "ephemeral") {
      SHOPLAKE_TRY(use_ephemeral(*target));
      Relation relation = target->relation();
      relation.type = "cte";
      relation.identifier = "__dbt__cte__" + target->name;
      relation.sql = relation.identifier;
      return relation;
    }
    return target->relation();
  }

  Result<Relation> source(const SourceCall& call) override {
    const Source* target = compiler_.manifest_.find_source(call, node_.package);
    if (target == nullptr) {
      return base::make_error(base::ErrorKind::failed, "model.unresolved",
                              fmt::format("{} refers to the source '{}.{}', which was not found", node_.unique_id,
                                          call.source, call.table));
    }
    if (const Relation* stand_in = stand_in_for(target->unique_id))
      return *stand_in;
    if (options_.stand_ins != nullptr) {
      return base::make_error(
          base::ErrorKind::failed, "model.unit_test",
          fmt::format("the model {} reads source('{}', '{}'), for which the unit test gives no rows", node_.name,
                      call.source, call.table),
          fmt::format("Add `- input: source('{}', '{}')` with its rows (an empty list is fine).", call.source,
                      call.table));
    }
    return target->relation();
  }

  Result<Json> run_query(const std::string& sql) override {
    if (compiler_.session_ == nullptr)
      return Json{{"columns", Json::array()}, {"rows", Json::array()}};
    if (!only_reads(sql))
      compiler_.lake_->note_effect();
    SHOPLAKE_TRY(compiler_.lake_->prepare(*compiler_.session_, sql));
    return result_to_json(SHOPLAKE_TRY(compiler_.session_->query(sql)));
  }

  Result<std::optional<Relation>> get_relation(const Relation& relation) override {
    if (compiler_.session_ == nullptr)
      return std::optional<Relation>();
    // What stands in for a table is one.
    if (options_.stand_ins != nullptr) {
      for (const auto& [id, stand_in] : *options_.stand_ins) {
        if (stand_in.type == "table" && stand_in.schema == relation.schema &&
            stand_in.identifier == relation.identifier)
          return std::optional<Relation>(stand_in);
      }
    }
    const std::optional<Lake::Kind> kind = compiler_.lake_->kind({relation.schema, relation.identifier});
    if (!kind)
      return std::optional<Relation>();
    Relation found = relation;
    found.type = *kind == Lake::Kind::view ? "view" : "table";
    return std::optional<Relation>(found);
  }

  Result<Json> columns_in_relation(const Relation& relation) override {
    Json list = Json::array();
    if (compiler_.session_ == nullptr)
      return list;
    std::string from = relation.sql;
    if (relation.type == "cte") {
      const auto cte = std::find_if(ctes_.begin(), ctes_.end(),
                                    [&](const auto& entry) { return entry.first == relation.identifier; });
      from = cte == ctes_.end() ? relation.identifier : "(" + cte->second + ")";
    } else if (from.empty()) {
      from = relation_name(relation.schema, relation.identifier);
    }
    for (const engine::Column& column :
         SHOPLAKE_TRY(compiler_.lake_->describe(*compiler_.session_, "SELECT * FROM " + from))) {
      list.push_back({{"name", column.name}, {"dtype", column.type}});
    }
    return list;
  }

  void log(std::string_view message, bool to_terminal) override {
    if (compiler_.log_)
      compiler_.log_(message, to_terminal);
  }

  std::vector<std::pair<std::string, std::string>> ctes_;

 private:
  const Relation* stand_in_for(const std::string& unique_id) const {
    if (options_.stand_ins == nullptr)
      return nullptr;
    const auto found = options_.stand_ins->find(unique_id);
    return found == options_.stand_ins->end() ? nullptr : &found->second;
  }

  Result<void> use_ephemeral(const Node& target) {
    if (depth_ > kEphemeralDepthMax)
      return base::make_error(base::ErrorKind::failed, "model.ephemeral_depth",
                              fmt::format("ephemeral models are nested more than {} deep", kEphemeralDepthMax));
    const std::string name = "__dbt__cte__" + target.name;
    if (std::any_of(ctes_.begin(), ctes_.end(), [&](const auto& cte) { return cte.first == name; }))
      return {};
    // Its own ephemerals come first; each stands once.
    Compiler::Options options;
    options.stand_ins = options_.stand_ins;
    CompileHost host(compiler_, target, options, depth_ + 1);
    NodeContext context = context_of(target);
    context.self = target.relation();
    context.execute = true;
    const std::string sql = SHOPLAKE_TRY(compiler_.renderer_.render(target.raw_code, context, host));
    for (auto& cte : host.ctes_) {
      if (std::none_of(ctes_.begin(), ctes_.end(), [&](const auto& mine) { return mine.first == cte.first; }))
        ctes_.push_back(std::move(cte));
    }
    ctes_.emplace_back(name, sql);
    return {};
  }

  Compiler& compiler_;
  const Node& node_;
  const Compiler::Options& options_;
  int depth_;
};

namespace {

NodeContext node_context(const Node& node, const Compiler::Options& options) {
  NodeContext context = context_of(node);
  context.self = node.relation();
  if (options.stand_ins != nullptr) {
    if (const auto self = options.stand_ins->find("this"); self != options.stand_ins->end())
      context.self = self->second;
  }
  context.execute = true;
  context.is_incremental = options.is_incremental;
  context.extra = options.extra;
  return context;
}

}  // namespace

Result<CompiledNode> Compiler::compile(const Node& node, const Options& options) {
  CompileHost host(*this, node, options, 0);
  const NodeContext context = node_context(node, options);
  std::string sql = SHOPLAKE_TRY(renderer_.render(node.raw_code, context, host));
  while (!sql.empty() && (std::isspace(static_cast<unsigned char>(sql.back())) || sql.back() == ';'))
    sql.pop_back();
  sql.erase(0, std::min(sql.find_first_not_of(" \t\r\n"), sql.size()));
  if (sql.empty()) {
    return base::make_error(base::ErrorKind::failed, "model.empty",
                            fmt::format("{}: the compiled SQL is empty", node.original_file_path));
  }
  CompiledNode compiled;
  compiled.sql = inject_ctes(sql, host.ctes_);
  compiled.ctes = std::move(host.ctes_);
  return compiled;
}

Result<std::string> Compiler::render(const Node& node, const std::string& text, const Options& options) {
  CompileHost host(*this, node, options, 0);
  return renderer_.render(text, node_context(node, options), host);
}

}  // namespace shoplake::model
