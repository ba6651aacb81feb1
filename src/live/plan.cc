#include "live/plan.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "model/compiler.h"
#include "model/config.h"
#include "model/iceberg_type.h"
#include "model/lake.h"

namespace shoplake::live {
namespace {

using model::Json;
using model::Manifest;
using model::Node;
using model::ResourceType;

constexpr std::int64_t kLateHoursDefault = 72;

const Json* live_meta(const Node& node) {
  if (node.type != ResourceType::model)
    return nullptr;
  for (const Json* place : {&node.config, &node.meta}) {
    const Json* meta = place;
    if (place == &node.config) {
      const auto found = node.config.find("meta");
      if (found == node.config.end() || !found->is_object())
        continue;
      meta = &*found;
    }
    const auto live = meta->find("live");
    if (live != meta->end() && live->is_object())
      return &*live;
  }
  return nullptr;
}

base::Error configuration(const Node& node, const std::string& what) {
  return base::make_error(base::ErrorKind::usage, "live.configuration",
                          fmt::format("meta.live of {}: {}", node.original_file_path, what),
                          "docs/live.md says what it may hold.");
}

std::string trimmed(std::string text) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  const auto end = text.find_last_not_of(" \t\r\n");
  return begin == std::string::npos ? std::string() : text.substr(begin, end - begin + 1);
}

model::Relation relation(const char* schema, const std::string& name) {
  model::Relation relation;
  relation.schema = schema;
  relation.identifier = name;
  relation.type = "table";
  return relation;
}

std::string spelled(const char* schema, const std::string& name) {
  return engine::quote_identifier(schema) + "." + engine::quote_identifier(name);
}

bool mentions(const std::string& sql, const std::string& name) { return sql.find(name) != std::string::npos; }

// live.changed_x, quoted or not.
bool reads_changes(const std::string& sql, const std::string& model) {
  const std::string name = "changed_" + model;
  for (auto at = sql.find(name); at != std::string::npos; at = sql.find(name, at + 1)) {
    const auto end = at + name.size();
    const bool ends = end == sql.size() || (!std::isalnum(static_cast<unsigned char>(sql[end])) && sql[end] != '_');
    if (ends)
      return true;
  }
  return false;
}

class Planner {
 public:
  Planner(const PlanOptions& options, engine::Session& session, model::Invocation& invocation)
      : options_(options), session_(session), invocation_(invocation), manifest_(invocation.manifest()) {}

  Result<Plan> run() {
    plan_.late_hours = late_hours();
    for (const auto& [id, node] : manifest_.nodes) {
      if (live_meta(node) != nullptr)
        SHOPLAKE_TRY(use_node(id));
    }
    if (!plan_.missing.empty()) {
      Plan missing;
      missing.missing = std::move(plan_.missing);
      return missing;
    }
    SHOPLAKE_TRY(compile());
    SHOPLAKE_TRY(order());
    return std::move(plan_);
  }

 private:
  std::int64_t late_hours() const {
    const Json vars = invocation_.project().merged_vars(invocation_.options().vars);
    const auto found = vars.find("live_late_hours");
    return found != vars.end() && found->is_number_integer() ? found->get<std::int64_t>() : kLateHoursDefault;
  }

  // Gives a node its relation, and everything that it reads.
  Result<void> use_node(const std::string& id) {
    if (!seen_.insert(id).second)
      return {};
    const Node& node = manifest_.nodes.at(id);
    const std::string kind = node.materialized();
    if (const Json* meta = live_meta(node)) {
      SHOPLAKE_TRY(use_model(node, *meta));
    } else if (node.type == ResourceType::model && kind == "view") {
      auto view = std::make_unique<LiveView>();
      view->name = node.name;
      views_[id] = view.get();
      plan_.views.push_back(std::move(view));
    } else if (node.type != ResourceType::model || kind != "ephemeral") {
      const model::Relation own = node.relation();
      return use_lake_table(id, node.name, own);
    }
    for (const std::string& parent : node.depends_on)
      SHOPLAKE_TRY(use(parent));
    return {};
  }

  Result<void> use(const std::string& id) {
    if (manifest_.nodes.contains(id))
      return use_node(id);
    const auto source = manifest_.sources.find(id);
    if (source == manifest_.sources.end() || !seen_.insert(id).second)
      return {};
    const catalog::TableIdentifier table{catalog::Namespace{{source->second.schema}}, source->second.identifier};
    if (std::find(options_.sources.begin(), options_.sources.end(), table) != options_.sources.end()) {
      stand_ins_[id] = relation(kSourceSchema, table.name);
      batch_.insert(id);
      return {};
    }
    return use_lake_table(id, source->second.schema + "_" + source->second.identifier, source->second.relation());
  }

  Result<void> use_lake_table(const std::string& id, const std::string& name, const model::Relation& own) {
    LakeTable table;
    table.name = name;
    table.table = {catalog::Namespace{{own.schema}}, own.identifier};
    if (!SHOPLAKE_TRY(options_.catalog->table_exists(table.table))) {
      auto view = options_.catalog->load_view(table.table);
      if (!view.ok()) {
        plan_.missing.push_back(table.table);
        return {};
      }
      table.is_view = true;
      table.sql = view->sql;
    }
    stand_ins_[id] = relation(kLakeSchema, name);
    constant_.insert(id);
    plan_.lake_tables.push_back(std::move(table));
    return {};
  }

  Result<void> use_model(const Node& node, const Json& meta) {
    auto live = std::make_unique<LiveModel>();
    live->id = node.unique_id;
    live->name = node.name;
    live->table = {catalog::Namespace{{node.schema}}, node.alias};
    const auto scope = meta.find("scope");
    if (scope == meta.end() || !(scope->is_string() || scope->is_boolean()))
      return configuration(node, "scope is missing");
    live->scope = scope->is_boolean() ? (scope->get<bool>() ? "true" : "false") : scope->get<std::string>();
    if (const auto day = meta.find("day"); day != meta.end() && day->is_string())
      live->day = day->get<std::string>();
    if (const auto days = meta.find("hot_days"); days != meta.end() && days->is_number_integer())
      live->hot_days = days->get<std::int64_t>();
    if (live->hot_days < 0 || (live->hot_days > 0 && live->day.empty()))
      return configuration(node, "hot_days needs a day");
    SHOPLAKE_TRY(use_reads(node, meta, *live));

    if (!SHOPLAKE_TRY(options_.catalog->table_exists(live->table))) {
      plan_.missing.push_back(live->table);
      return {};
    }
    const catalog::Table table = SHOPLAKE_TRY(options_.catalog->load_table(live->table));
    live->schema = table.metadata->current_schema();
    for (const catalog::Field& field : live->schema.fields) {
      const std::string column = engine::quote_identifier(field.name);
      const bool first = live->columns.empty();
      live->columns += (first ? "" : ", ") + column;
      live->casts +=
          fmt::format("{}CAST({} AS {}) AS {}", first ? "" : ", ", column, model::duckdb_type(field.type), column);
    }
    for (const catalog::PartitionField& field : table.metadata->default_spec().fields) {
      const catalog::Field* source = live->schema.find_id(field.source_id);
      if (field.transform != "identity" || source == nullptr)
        return configuration(node, fmt::format("its table is partitioned by {}({}), which live cannot write",
                                               field.transform, field.name));
      live->partition_by.push_back(source->name);
    }
    if (!live->day.empty() && live->schema.find(live->day) == nullptr)
      return configuration(node, fmt::format("the table has no column {}", live->day));
    models_[node.unique_id] = live.get();
    plan_.models.push_back(std::move(live));
    return {};
  }

  // Which of them there are is known when all models are: see compile_reads().
  static Result<void> use_reads(const Node& node, const Json& meta, LiveModel& live) {
    const auto reads = meta.find("reads");
    if (reads == meta.end())
      return {};
    const auto text = [](const Json& read, const char* name) {
      const auto found = read.find(name);
      return found != read.end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    if (!reads->is_array())
      return configuration(node, "reads is no list of {ref, where}");
    for (const Json& read : *reads) {
      LiveRead one;
      one.model = read.is_object() ? text(read, "ref") : std::string();
      one.where = read.is_object() ? text(read, "where") : std::string();
      one.relation = live.name + "__" + one.model;
      if (one.model.empty() || one.where.empty())
        return configuration(node, "reads is no list of {ref, where}");
      live.reads.push_back(std::move(one));
    }
    return {};
  }

  // Puts the rows that a model needs of others in the place of these others, and renders which rows that are.
  Result<void> compile_reads(model::Compiler& compiler, LiveModel& live, model::Compiler::Options& options,
                             std::map<std::string, model::Relation>& relations) {
    const Node& node = manifest_.nodes.at(live.id);
    for (LiveRead& read : live.reads) {
      const auto found = std::find_if(models_.begin(), models_.end(),
                                      [&](const auto& model) { return model.second->name == read.model; });
      const bool is_parent = found != models_.end() && std::find(node.depends_on.begin(), node.depends_on.end(),
                                                                 found->first) != node.depends_on.end();
      if (!is_parent || found->second->appends || live.appends)
        return configuration(
            node, fmt::format("reads: {} is no model whose rows live changes and that this one refers to", read.model));
      read.where = trimmed(SHOPLAKE_TRY(compiler.render(node, read.where, options)));
      relations[found->first] = relation(kReadSchema, read.relation);
    }
    return {};
  }

  // Whether a node gives nothing but rows of the batch: then a view over it is computed once a batch.
  bool is_batch(const std::string& id) {
    if (batch_.contains(id))
      return true;
    if (const auto model = models_.find(id); model != models_.end())
      return model->second->appends;
    const auto node = manifest_.nodes.find(id);
    const bool passes_on =
        views_.contains(id) || (node != manifest_.nodes.end() && node->second.materialized() == "ephemeral");
    if (!passes_on)
      return false;
    bool any = false;
    for (const std::string& parent : node->second.depends_on) {
      if (constant_.contains(parent))
        continue;
      if (!is_batch(parent))
        return false;
      any = true;
    }
    return any;
  }

  Result<void> compile() {
    const std::unique_ptr<model::Lake> lake =
        SHOPLAKE_TRY(model::Lake::open({options_.env, options_.catalog}, session_));
    // It would keep the footer of every small file for ever.
    SHOPLAKE_TRY(session_.execute("SET GLOBAL parquet_metadata_cache = false"));
    model::Compiler compiler(manifest_, invocation_.renderer(), lake.get(), &session_, {});
    model::Compiler::Options compile_options;
    compile_options.is_incremental = true;
    for (const auto& [id, live] : models_)
      live->appends = trimmed(live->scope) == "false";
    for (const auto& [id, live] : models_)
      stand_ins_[id] = relation(live->appends ? kBatchSchema : kNowSchema, live->name);
    for (const auto& [id, view] : views_) {
      view->is_batch = is_batch(id);
      stand_ins_[id] = relation(view->is_batch ? kBatchSchema : kNowSchema, view->name);
    }
    for (const auto& [id, view] : views_) {
      std::map<std::string, model::Relation> relations = stand_ins_;
      relations["this"] = relation(kNowSchema, view->name);
      compile_options.stand_ins = &relations;
      view->sql = SHOPLAKE_TRY(compiler.compile(manifest_.nodes.at(id), compile_options)).sql;
    }
    for (const auto& [id, live] : models_) {
      std::map<std::string, model::Relation> relations = stand_ins_;
      relations["this"] = relation(live->appends ? kNowSchema : kThisSchema, live->name);
      compile_options.stand_ins = &relations;
      SHOPLAKE_TRY(compile_reads(compiler, *live, compile_options, relations));
      live->sql = SHOPLAKE_TRY(compiler.compile(manifest_.nodes.at(id), compile_options)).sql;
      relations = stand_ins_;
      relations["this"] = relation(kNowSchema, live->name);
      compile_options.stand_ins = &relations;
      live->scope = trimmed(SHOPLAKE_TRY(compiler.render(manifest_.nodes.at(id), live->scope, compile_options)));
    }
    std::string all;
    for (const auto& [id, live] : models_)
      all += live->sql + "\n" + live->scope + "\n" + predicates_of(*live);
    for (const auto& [id, view] : views_)
      all += view->sql + "\n";
    for (const auto& [id, live] : models_) {
      live->is_read_whole = mentions(all, spelled(kNowSchema, live->name));
      live->is_hot = !live->appends || live->is_read_whole;
      live->changes_read = reads_changes(all, live->name);
    }
    return {};
  }

  static std::string predicates_of(const LiveModel& live) {
    std::string text;
    for (const LiveRead& read : live.reads)
      text += read.where + "\n";
    return text;
  }

  // Every model after those that it reads, or whose changes it reads.
  Result<void> order() {
    for (const auto& [id, view] : views_)
      SHOPLAKE_TRY(place(id));
    for (const auto& [id, live] : models_)
      SHOPLAKE_TRY(place(id));
    return {};
  }

  Result<void> place(const std::string& id) {
    if (placed_.contains(id))
      return {};
    const Node& node = manifest_.nodes.at(id);
    if (!placing_.insert(id).second)
      return configuration(node, "it reads its own changes by way of other models");
    std::set<std::size_t> after;
    const auto follow = [&](const std::string& other) -> Result<void> {
      SHOPLAKE_TRY(place(other));
      const std::vector<std::size_t>& steps = placed_.at(other);
      after.insert(steps.begin(), steps.end());
      return {};
    };
    for (const std::string& parent : node.depends_on) {
      if (manifest_.nodes.contains(parent) && parent != id && seen_.contains(parent) && !constant_.contains(parent))
        SHOPLAKE_TRY(follow(parent));
    }
    const auto live = models_.find(id);
    const auto view = views_.find(id);
    const std::string sql = live != models_.end()
                                ? live->second->sql + live->second->scope + predicates_of(*live->second)
                            : view != views_.end() ? view->second->sql
                                                   : std::string();
    for (const auto& [other, read] : models_) {
      if (other != id && reads_changes(sql, read->name))
        SHOPLAKE_TRY(follow(other));
    }
    Plan::Step step{live == models_.end() ? nullptr : live->second, view == views_.end() ? nullptr : view->second,
                    std::vector<std::size_t>(after.begin(), after.end())};
    if (step.model == nullptr && step.view == nullptr) {
      placed_[id] = std::move(step.after);  // it is part of the SQL of those that refer to it
      return {};
    }
    placed_[id] = {plan_.steps.size()};
    plan_.steps.push_back(std::move(step));
    return {};
  }

  const PlanOptions& options_;
  engine::Session& session_;
  model::Invocation& invocation_;
  const Manifest& manifest_;
  Plan plan_;
  std::set<std::string> seen_;
  std::map<std::string, model::Relation> stand_ins_;  // by unique id
  std::set<std::string> batch_;                       // sources that live feeds
  std::set<std::string> constant_;                    // relations of the lake
  std::map<std::string, LiveModel*> models_;
  std::map<std::string, LiveView*> views_;
  std::set<std::string> placing_;
  std::map<std::string, std::vector<std::size_t>> placed_;  // the steps whose rows a node gives
};

}  // namespace

Result<std::vector<std::string>> list_live_models(const model::InvocationOptions& project) {
  const std::unique_ptr<model::Invocation> invocation = SHOPLAKE_TRY(model::Invocation::load(project));
  std::vector<std::string> names;
  for (const auto& [id, node] : invocation->manifest().nodes) {
    if (live_meta(node) != nullptr)
      names.push_back(node.name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<Plan> make_plan(const PlanOptions& options, engine::Session& session) {
  model::InvocationOptions project = options.project;
  if (!project.vars.is_object())
    project.vars = Json::object();
  project.vars["live"] = true;
  project.command = "live";
  const std::unique_ptr<model::Invocation> invocation = SHOPLAKE_TRY(model::Invocation::load(project));
  return Planner(options, session, *invocation).run();
}

}  // namespace shoplake::live
