#include "app/build.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <future>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "app/build_console.h"
#include "app/quality.h"
#include "contract/contract.h"
#include "ingest/dataset_tables.h"
#include "live/lake_lock.h"
#include "model/config.h"
#include "model/freshness.h"
#include "model/invocation.h"
#include "model/reuse.h"
#include "model/runner.h"
#include "model/selector.h"
#include "model/yaml.h"
#include "quality/audit.h"
#include "quality/results.h"
#include "serve/version.h"

namespace shoplake::app {
namespace {

using base::Result;
using model::Json;
using Kind = ModelCommand::Kind;

std::uint64_t machine_memory_bytes() {
  const long pages = ::sysconf(_SC_PHYS_PAGES), page_bytes = ::sysconf(_SC_PAGE_SIZE);
  return pages > 0 && page_bytes > 0 ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_bytes) : 0;
}

const char* verb(Kind kind) {
  switch (kind) {
    case Kind::build: return "build";
    case Kind::run: return "run";
    case Kind::test: return "test";
    case Kind::seed: return "seed";
    case Kind::snapshot: return "snapshot";
    case Kind::compile: return "compile";
    case Kind::ls: return "list";
    case Kind::docs: return "generate";
    case Kind::parse: return "parse";
    case Kind::freshness: return "freshness";
  }
  return "build";
}

std::map<std::string, std::string> environment() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto equals = text.find('=');
    if (equals != std::string_view::npos)
      variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

Result<model::IndirectSelection> indirect_selection(const std::string& name) {
  if (name == "eager")
    return model::IndirectSelection::eager;
  if (name == "cautious")
    return model::IndirectSelection::cautious;
  if (name == "buildable")
    return model::IndirectSelection::buildable;
  if (name == "empty")
    return model::IndirectSelection::empty;
  return base::make_error(base::ErrorKind::usage, "model.selector", fmt::format("--indirect-selection is '{}'", name),
                          "It is eager, cautious, buildable or empty.");
}

std::string absolute(const std::string& path) { return std::filesystem::absolute(path).lexically_normal().string(); }

class ModelRun {
 public:
  ModelRun(App& app, const ModelCommand& command, const ModelOutput& output, std::stop_token stop)
      : app_(app), command_(command), output_(output), stop_(std::move(stop)), console_(app.env(), output) {}

  Result<int> run() {
    begin_us_ = app_.env().monotonic_micros();
    const model::InvocationOptions options = SHOPLAKE_TRY(invocation_options());
    if (command_.kind == Kind::build || command_.kind == Kind::run || command_.kind == Kind::test ||
        command_.kind == Kind::seed || command_.kind == Kind::snapshot) {
      engine_ = std::async(std::launch::async, [this] { return open_engine(); });  // while the project is read
    }
    invocation_ = SHOPLAKE_TRY(model::Invocation::load(options));
    const model::Manifest& manifest = invocation_->manifest();
    if (command_.kind != Kind::ls)
      console_.begin(verb(command_.kind), manifest, invocation_->renderer().macros().size());
    for (const std::string& warning : manifest.warnings)
      console_.warning(warning);
    if (command_.kind == Kind::parse) {
      SHOPLAKE_TRY(invocation_->write_manifest());
      console_.line(fmt::format("Wrote {}", io::join_path(options.target_directory, "manifest.json")));
      return 0;
    }
    const std::set<std::string> selected = SHOPLAKE_TRY(select());
    switch (command_.kind) {
      case Kind::ls: return list(selected);
      case Kind::freshness: return freshness(selected);
      case Kind::docs: return docs(selected);
      default: return execute(selected);
    }
  }

 private:
  Result<model::InvocationOptions> invocation_options() {
    model::InvocationOptions options;
    options.env = &app_.env();
    options.project_directory =
        command_.project_directory.empty() ? app_.home().project_directory : absolute(command_.project_directory);
    if (!command_.target_path.empty()) {
      options.target_directory = absolute(command_.target_path);
    } else {
      options.target_directory = io::join_path(
          command_.project_directory.empty() ? app_.home().directory : options.project_directory, "target");
    }
    if (!command_.vars.empty()) {
      options.vars = SHOPLAKE_TRY(model::parse_yaml_value(command_.vars, "--vars"));
      if (!options.vars.is_object()) {
        return base::make_error(base::ErrorKind::usage, "model.vars", "--vars is not a YAML mapping",
                                "Write it as '{name: value}'.");
      }
    }
    options.target_name = command_.target;
    options.threads = threads();
    options.full_refresh = command_.full_refresh;
    options.store_failures = command_.store_failures;
    options.command = verb(command_.kind);
    options.environment = environment();
    options.decide_automatic = [this](const std::string& variable) { return decide_automatic(variable); };
    return options;
  }

  // Models of sources that not everybody has take part once one of their files was loaded.
  Result<bool> decide_automatic(const std::string& variable) {
    static const std::map<std::string, std::vector<std::string>> kTables = {
        {"shop", {"transactions", "products", "reviews"}}, {"ga4_report", {"ga4_report"}}};
    const auto tables = kTables.find(variable);
    if (tables == kTables.end())
      return false;
    catalog::Catalog* catalog = SHOPLAKE_TRY(app_.catalog());
    for (const std::string& table : tables->second) {
      if (SHOPLAKE_TRY(catalog->table_exists({catalog::Namespace{{"processed"}}, table})))
        return true;
    }
    return false;
  }

  int threads() const {
    if (command_.threads > 0)
      return command_.threads;
    return app_.home().threads > 0 ? app_.home().threads : 2;
  }

  // What the command is about, of what was selected.
  Result<std::set<std::string>> select() {
    model::Selection selection;
    selection.select = command_.select;
    selection.exclude = command_.exclude;
    selection.indirect = SHOPLAKE_TRY(indirect_selection(command_.indirect_selection));
    std::vector<std::string> warnings;
    const std::set<std::string> all =
        SHOPLAKE_TRY(model::select_nodes(invocation_->manifest(), invocation_->graph(), selection, &warnings));
    for (const std::string& warning : warnings)
      console_.warning(warning);
    std::set<std::string> types;
    switch (command_.kind) {
      case Kind::build: types = {"model", "seed", "snapshot", "test", "unit_test"}; break;
      case Kind::run: types = {"model"}; break;
      case Kind::test: types = {"test", "unit_test"}; break;
      case Kind::seed: types = {"seed"}; break;
      case Kind::snapshot: types = {"snapshot"}; break;
      case Kind::compile:
      case Kind::docs: types = {"model", "snapshot", "test", "analysis"}; break;
      case Kind::freshness: types = {"source"}; break;
      default: types = {"model", "seed", "snapshot", "test", "unit_test", "source", "exposure", "analysis"}; break;
    }
    if (!command_.resource_types.empty()) {
      std::set<std::string> wanted;
      for (const std::string& type : command_.resource_types) {
        if (type == "all" || type == "default") {
          wanted = types;
        } else {
          wanted.insert(type == "data_test" ? "test" : type);
        }
      }
      std::erase_if(types, [&](const std::string& type) { return !wanted.contains(type); });
    }
    for (const std::string& type : command_.exclude_resource_types)
      types.erase(type == "data_test" ? "test" : type);
    std::set<std::string> chosen;
    for (const std::string& id : all) {
      if (types.contains(std::string(invocation_->manifest().resource_type(id))))
        chosen.insert(id);
    }
    return chosen;
  }

  Result<int> list(const std::set<std::string>& selected) {
    const model::Manifest& manifest = invocation_->manifest();
    SHOPLAKE_TRY(invocation_->write_manifest());
    static const std::set<std::string> outputs{"selector", "name", "path", "json"};
    if (!outputs.contains(command_.list_output)) {
      return base::make_error(base::ErrorKind::usage, "model.list_output",
                              fmt::format("--output is '{}'", command_.list_output),
                              "It is selector, name, path or json.");
    }
    for (const std::string& id : invocation_->graph().order()) {
      if (!selected.contains(id))
        continue;
      std::string selector, name, path, package;
      Json json{{"unique_id", id}, {"resource_type", manifest.resource_type(id)}};
      const auto join = [](const std::vector<std::string>& parts) {
        std::string text;
        for (const std::string& part : parts)
          text += (text.empty() ? "" : ".") + part;
        return text;
      };
      if (auto node = manifest.nodes.find(id); node != manifest.nodes.end()) {
        const model::Node& it = node->second;
        selector = join(it.fqn);
        name = it.name;
        path = it.original_file_path;
        package = it.package;
        json["alias"] = it.alias;
        json["schema"] = it.schema;
        json["config"] = it.config;
        json["tags"] = it.tags;
        json["depends_on"] = {{"macros", it.depends_on_macros}, {"nodes", it.depends_on}};
      } else if (auto source = manifest.sources.find(id); source != manifest.sources.end()) {
        const model::Source& it = source->second;
        selector = fmt::format("source:{}.{}.{}", it.package, it.source_name, it.name);
        name = it.source_name + "." + it.name;
        path = it.original_file_path;
        package = it.package;
        json["source_name"] = it.source_name;
        json["tags"] = it.tags;
      } else if (auto test = manifest.unit_tests.find(id); test != manifest.unit_tests.end()) {
        const model::UnitTest& it = test->second;
        selector = fmt::format("unit_test:{}", join(it.fqn));
        name = it.name;
        path = it.original_file_path;
        package = it.package;
      } else {
        const model::Exposure& it = manifest.exposures.at(id);
        selector = fmt::format("exposure:{}.{}", it.package, it.name);
        name = it.name;
        path = it.original_file_path;
        package = it.package;
      }
      json["name"] = name;
      json["package_name"] = package;
      json["original_file_path"] = path;
      if (output_.as_json || command_.list_output == "json") {
        (output_.as_json ? output_.json : output_.line)(json.dump());
      } else {
        output_.line(command_.list_output == "name" ? name : command_.list_output == "path" ? path : selector);
      }
    }
    return 0;
  }

  // What the user sets holds for all nodes; else the command's limit, which grows for a node that needs more.
  bool has_memory_setting() const { return app_.engine_options().memory_limit_bytes != 0; }

  Result<std::unique_ptr<engine::Database>> open_engine() const {
    engine::DatabaseOptions options = app_.engine_options();
    if (!has_memory_setting())
      options.memory_limit_bytes = command_.memory_bytes;
    return engine::Database::open(options);
  }

  Result<void> open_lake() {
    catalog::Catalog* catalog = SHOPLAKE_TRY(app_.catalog());
    database_ = SHOPLAKE_TRY(engine_.valid() ? engine_.get() : open_engine());
    session_ = SHOPLAKE_TRY(database_->connect());
    lake_ = SHOPLAKE_TRY(model::Lake::open({&app_.env(), catalog}, *session_));
    return {};
  }

  // A source that a data contract describes and that nothing was loaded into yet is an empty table, not an error.
  Result<void> create_sources() {
    catalog::Catalog* catalog = SHOPLAKE_TRY(app_.catalog());
    for (const auto& [id, source] : invocation_->manifest().sources) {
      const catalog::TableIdentifier table{catalog::Namespace{{source.schema}}, source.identifier};
      const std::string path = io::join_path(app_.home().datasets_directory, source.identifier + ".yml");
      if (SHOPLAKE_TRY(catalog->table_exists(table)) || !SHOPLAKE_TRY(app_.env().exists(path)))
        continue;
      const contract::Contract contract = SHOPLAKE_TRY(contract::read_contract(app_.env(), path));
      if (contract.table == source.schema + "." + source.identifier)
        SHOPLAKE_TRY(ingest::create_dataset_tables(*catalog, contract));
    }
    return {};
  }

  // Builds of one home follow one another, and `shoplake serve` keeps its hands off the models' tables meanwhile.
  Result<void> lock_lake() {
    const std::string& home = app_.home().directory;
    lock_ = SHOPLAKE_TRY(live::LakeLock::try_acquire(app_.env(), home));
    if (lock_ == nullptr) {
      console_.line("Waiting for another shoplake that is changing the models of this home");
      lock_ = SHOPLAKE_TRY(live::LakeLock::acquire(app_.env(), home, stop_));
    }
    return {};
  }

  model::RunnerOptions runner_options() {
    model::RunnerOptions options;
    options.env = &app_.env();
    options.target_directory = invocation_->options().target_directory;
    options.invocation_id = invocation_->metadata().invocation_id;
    options.threads = threads();
    options.full_refresh = command_.full_refresh;
    options.fail_fast = command_.fail_fast;
    options.store_failures = command_.store_failures;
    options.compile_only = command_.kind == Kind::compile || command_.kind == Kind::docs;
    options.tests_gate = command_.kind == Kind::build;
    options.stop = stop_;
    if (!has_memory_setting()) {
      options.memory_bytes = command_.memory_bytes;
      options.memory_bytes_max = machine_memory_bytes() / 10 * 8;
    }
    options.audit = auditor_.get();
    options.reuse = reuse_.get();
    options.keep_unchanged = !command_.rebuild;
    options.with_overrides = [this](const Json& overrides) { return invocation_->renderer_with(overrides); };
    return options;
  }

  // `build` and `run` leave out what would give the same again; the other commands do what they are called.
  Result<void> open_reuse() {
    const auto& nodes = invocation_->manifest().nodes;
    const bool has_hooks = std::any_of(nodes.begin(), nodes.end(), [](const auto& each) {
      return each.second.type == model::ResourceType::operation && !each.second.tags.empty() &&
             each.second.tags[0] == "on-run-start";  // it may do anything to what the models see
    });
    if ((command_.kind == Kind::build || command_.kind == Kind::run) && !has_hooks) {
      reuse_ = SHOPLAKE_TRY(model::Reuse::open(
          lake_->catalog(),
          fmt::format("shoplake {}, DuckDB {}", serve::shoplake_version(), engine::Database::version())));
    }
    return {};
  }

  // The block rules of the tables that are built, if there are any.
  Result<void> open_auditor() {
    const bool is_own_project =
        command_.project_directory.empty() &&
        app_.home().project_directory == io::join_path(app_.installation().share_directory, "dbt");
    auditor_ = SHOPLAKE_TRY(make_auditor(app_, is_own_project));
    return {};
  }

  // What the audits found is kept; that it could not be is no reason to fail what is published already.
  void record_audits(const std::vector<model::NodeResult>& results) {
    if (auditor_ == nullptr)
      return;
    for (const model::NodeResult& result : results) {
      const auto node = invocation_->manifest().nodes.find(result.unique_id);
      if (result.status == model::NodeStatus::error && node != invocation_->manifest().nodes.end())
        auditor_->not_published(node->second.schema + "." + node->second.alias);
    }
    quality::ResultsTable table(app_.env(), lake_->catalog());
    if (const Result<void> kept = table.append(*session_, auditor_->take_run()); !kept.ok())
      console_.warning(fmt::format("The results of quality rules were not kept: {}", kept.error().message));
  }

  // Ephemeral models are part of others; only compiling shows them by themselves.
  std::set<std::string> executable(const std::set<std::string>& selected, bool compiling) const {
    std::set<std::string> nodes;
    for (const std::string& id : selected) {
      const auto node = invocation_->manifest().nodes.find(id);
      if (!compiling && node != invocation_->manifest().nodes.end() &&
          node->second.type == model::ResourceType::model && node->second.materialized() == "ephemeral")
        continue;
      nodes.insert(id);
    }
    return nodes;
  }

  Result<std::vector<model::NodeResult>> compile_all(const std::set<std::string>& selected) {
    model::Runner runner(invocation_->manifest(), invocation_->graph(), invocation_->renderer(), *lake_, *database_,
                         runner_options(), console_);
    return runner.run(selected);
  }

  Result<int> execute(const std::set<std::string>& selected) {
    const bool compiling = command_.kind == Kind::compile;
    const std::set<std::string> nodes = executable(selected, compiling);
    if (command_.kind == Kind::build || command_.kind == Kind::run || command_.kind == Kind::seed ||
        command_.kind == Kind::snapshot) {
      SHOPLAKE_TRY(open_auditor());
      SHOPLAKE_TRY(lock_lake());
    }
    if (!compiling)
      SHOPLAKE_TRY(create_sources());
    SHOPLAKE_TRY(open_lake());
    SHOPLAKE_TRY(open_reuse());
    if (nodes.empty()) {
      SHOPLAKE_TRY(invocation_->write_manifest());
      SHOPLAKE_TRY(write_results({}));
      console_.warning("Nothing to do. Try checking your model configs and model specification args");
      return 0;
    }
    console_.concurrency(threads(), command_.target);
    console_.quiet_nodes(compiling);
    std::vector<model::NodeResult> results;
    bool proceed = true;
    const bool hooks = command_.kind == Kind::build || command_.kind == Kind::run || command_.kind == Kind::seed ||
                       command_.kind == Kind::snapshot || command_.kind == Kind::test;
    if (hooks)
      proceed = SHOPLAKE_TRY(run_hooks("on-run-start", results));
    if (proceed) {
      model::Runner runner(invocation_->manifest(), invocation_->graph(), invocation_->renderer(), *lake_, *database_,
                           runner_options(), console_);
      for (model::NodeResult& result : SHOPLAKE_TRY(runner.run(nodes)))
        results.push_back(std::move(result));
      record_audits(results);
      if (hooks)
        SHOPLAKE_TRY(run_hooks("on-run-end", results));
    }
    SHOPLAKE_TRY(invocation_->write_manifest());
    SHOPLAKE_TRY(write_results(results));
    if (compiling && !output_.as_json) {
      std::vector<const model::Node*> models;
      for (const std::string& id : nodes) {
        const model::Node& node = invocation_->manifest().nodes.at(id);
        if (nodes.size() == 1 || node.type != model::ResourceType::test)
          models.push_back(&node);
      }
      if (models.size() == 1 && models[0]->compiled)
        output_.line(fmt::format("Compiled node '{}' is:\n{}", models[0]->name, models[0]->compiled_code));
    }
    const int exit_code = console_.end(invocation_->manifest(), results, elapsed_seconds());
    if (stop_.stop_requested()) {
      return base::make_error(
          base::ErrorKind::cancelled, "model.interrupted",
          "the run was interrupted; what is reported as OK is committed, everything else is as it was before",
          "Run the same command again.");
    }
    return exit_code;
  }

  Result<bool> run_hooks(std::string_view when, std::vector<model::NodeResult>& results) {
    model::Runner runner(invocation_->manifest(), invocation_->graph(), invocation_->renderer(), *lake_, *database_,
                         runner_options(), console_);
    bool proceed = true;
    for (model::NodeResult& result : SHOPLAKE_TRY(runner.run_hooks(when))) {
      proceed = proceed && result.status != model::NodeStatus::error;
      results.push_back(std::move(result));
    }
    return proceed;
  }

  double elapsed_seconds() const { return static_cast<double>(app_.env().monotonic_micros() - begin_us_) / 1e6; }

  model::ArtifactMetadata metadata() const {
    model::ArtifactMetadata metadata = invocation_->metadata();
    metadata.generated_at = model::iso8601(app_.env().now_micros());
    metadata.arguments = {{"which", verb(command_.kind)},
                          {"select", command_.select},
                          {"exclude", command_.exclude},
                          {"full_refresh", command_.full_refresh},
                          {"fail_fast", command_.fail_fast},
                          {"target", command_.target},
                          {"vars", invocation_->options().vars},
                          {"project_dir", invocation_->options().project_directory},
                          {"indirect_selection", command_.indirect_selection}};
    return metadata;
  }

  Result<void> write_results(const std::vector<model::NodeResult>& results) {
    return invocation_->write_artifact("run_results.json",
                                       model::run_results_to_json(results, elapsed_seconds(), metadata()));
  }

  Result<int> freshness(const std::set<std::string>& selected) {
    SHOPLAKE_TRY(open_lake());
    std::vector<model::FreshnessResult> results;
    std::vector<const model::Source*> checked;
    for (const std::string& id : selected) {
      const model::Source& source = invocation_->manifest().sources.at(id);
      if (source.freshness.is_object())
        checked.push_back(&source);
    }
    if (checked.empty())
      console_.warning("No source has a freshness rule");
    int index = 0;
    bool failed = false;
    for (const model::Source* source : checked) {
      ++index;
      console_.freshness_started(index, static_cast<int>(checked.size()), *source);
      model::FreshnessResult result = model::check_freshness(*source, *lake_, *session_, app_.env());
      failed = failed || result.status == "error" || result.status == "runtime error";
      console_.freshness_finished(index, static_cast<int>(checked.size()), *source, result);
      results.push_back(std::move(result));
    }
    SHOPLAKE_TRY(invocation_->write_manifest());
    SHOPLAKE_TRY(
        invocation_->write_artifact("sources.json", model::freshness_to_json(results, elapsed_seconds(), metadata())));
    return failed ? 1 : 0;
  }

  Result<int> docs(const std::set<std::string>& selected) {
    SHOPLAKE_TRY(open_lake());
    int exit_code = 0;
    if (command_.compile_docs) {
      console_.quiet_nodes(true);
      const std::vector<model::NodeResult> results = SHOPLAKE_TRY(compile_all(executable(selected, true)));
      for (const model::NodeResult& result : results) {
        if (result.status != model::NodeStatus::error)
          continue;
        exit_code = 1;
        console_.warning(result.message);
      }
    }
    const std::vector<model::CatalogEntry> entries =
        SHOPLAKE_TRY(model::describe_catalog(invocation_->manifest(), *lake_, *session_));
    SHOPLAKE_TRY(invocation_->write_manifest());
    SHOPLAKE_TRY(invocation_->write_artifact("catalog.json",
                                             model::catalog_to_json(invocation_->manifest(), entries, metadata())));
    console_.line(fmt::format("Catalog written to {} ({} relations)",
                              io::join_path(invocation_->options().target_directory, "catalog.json"), entries.size()));
    return exit_code;
  }

  App& app_;
  const ModelCommand& command_;
  const ModelOutput& output_;
  std::stop_token stop_;
  BuildConsole console_;
  std::int64_t begin_us_ = 0;
  std::unique_ptr<live::LakeLock> lock_;
  std::unique_ptr<model::Invocation> invocation_;
  std::future<Result<std::unique_ptr<engine::Database>>> engine_;
  std::unique_ptr<engine::Database> database_;
  std::unique_ptr<engine::Session> session_;
  std::unique_ptr<quality::Auditor> auditor_;
  std::unique_ptr<model::Lake> lake_;
  std::unique_ptr<model::Reuse> reuse_;
};

}  // namespace

base::Result<int> run_models(App& app, const ModelCommand& command, const ModelOutput& output, std::stop_token stop) {
  return ModelRun(app, command, output, std::move(stop)).run();
}

}  // namespace shoplake::app
