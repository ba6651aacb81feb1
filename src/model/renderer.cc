#include "model/renderer.h"

#include <utility>

#include <yaml-cpp/yaml.h>

#include "base/digest.h"
#include "model/jinja.h"

namespace shoplake::model {
namespace {

using base::Error;
using base::ErrorKind;

constexpr std::string_view kBuiltinPackage = "dbt";
// Marks a relation among the values that cross, so that it becomes one again on the other side.
constexpr const char* kRelationKey = "__relation__";

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string text_of(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Json plain_json(const Relation& relation) {
  return {{"database", relation.database},
          {"schema", relation.schema},
          {"identifier", relation.identifier},
          {"type", relation.type},
          {"sql", relation.sql}};
}

std::string place(const Json& frame) {
  const int line = frame.value("line", 0);
  return line > 0 ? text_of(frame, "path") + ":" + std::to_string(line) : text_of(frame, "path");
}

ErrorKind kind_of(const Json& host) {
  const std::string name = text_of(host, "kind");
  for (const auto kind : {ErrorKind::environment, ErrorKind::conflict, ErrorKind::unknown_outcome, ErrorKind::cancelled,
                          ErrorKind::internal}) {
    if (name == base::name(kind)) {
      return kind;
    }
  }
  return ErrorKind::failed;
}

// The error of the Jinja library as shoplake's: the innermost place first, then the macros on the way there.
Error to_error(const Json& error) {
  std::string message = text_of(error, "message");
  std::string advice = text_of(error, "advice");
  if (error.value("is_internal", false)) {
    return base::make_error(ErrorKind::internal, "model.jinja_internal", "Jinja: " + message,
                            "Report this with the template that caused it.");
  }
  const Json& stack = error.contains("stack") ? error["stack"] : Json::array();
  for (std::size_t i = 0; i < stack.size(); ++i) {
    const std::string macro = text_of(stack[i], "macro");
    if (i == 0) {
      message = place(stack[i]) + ": " + message + (macro.empty() ? "" : "\n  in macro " + macro);
    } else {
      message += "\n  called from " + (macro.empty() ? "" : "macro " + macro + " at ") + place(stack[i]);
    }
  }
  const auto host = error.find("host");
  ErrorKind kind = ErrorKind::failed;
  if (host != error.end() && host->is_object()) {
    kind = kind_of(*host);
    advice = text_of(*host, "advice");
  }
  const bool is_syntax = error.value("is_syntax", false);
  return base::make_error(kind, is_syntax ? "model.jinja_syntax" : "model.jinja", std::move(message),
                          std::move(advice));
}

Result<Json> answer_of(const std::string& text) {
  Json answer = Json::parse(text, nullptr, false);
  if (answer.is_discarded()) {
    return base::make_error(ErrorKind::internal, "model.jinja_internal", "Jinja: the library's answer is not JSON");
  }
  if (answer.contains("error")) {
    return to_error(answer["error"]);
  }
  return answer;
}

Json scalar(const YAML::Node& node) {
  const std::string text = node.Scalar();
  if (node.Tag() == "!") {  // quoted
    return text;
  }
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") {
    return nullptr;
  }
  if (text == "true" || text == "True" || text == "TRUE") {
    return true;
  }
  if (text == "false" || text == "False" || text == "FALSE") {
    return false;
  }
  const Json number = Json::parse(text, nullptr, false);
  return number.is_number() ? number : Json(text);
}

Json from_yaml(const YAML::Node& node) {
  if (node.IsSequence()) {
    Json result = Json::array();
    for (const auto& item : node) {
      result.push_back(from_yaml(item));
    }
    return result;
  }
  if (node.IsMap()) {
    Json result = Json::object();
    for (const auto& item : node) {
      result[item.first.Scalar()] = from_yaml(item.second);
    }
    return result;
  }
  return node.IsScalar() ? scalar(node) : Json(nullptr);
}

Result<Json> parse_yaml(const std::string& text) {
  try {
    return from_yaml(YAML::Load(text));
  } catch (const YAML::Exception& error) {
    return base::make_error(ErrorKind::failed, "model.yaml", std::string("fromyaml(): ") + error.what());
  }
}

Result<Json> answer_question(Host& host, const NodeContext& context, std::string_view name, const Json& arguments) {
  if (name == "ref") {
    RefCall call{text_of(arguments, "package"), text_of(arguments, "name"), std::nullopt};
    if (arguments.contains("version") && arguments["version"].is_string()) {
      call.version = arguments["version"].get<std::string>();
    }
    return plain_json(SHOPLAKE_TRY(host.ref(call)));
  }
  if (name == "source") {
    return plain_json(SHOPLAKE_TRY(host.source({text_of(arguments, "source"), text_of(arguments, "table")})));
  }
  if (name == "run_query") {
    return host.run_query(text_of(arguments, "sql"));
  }
  if (name == "get_relation") {
    const auto found = SHOPLAKE_TRY(host.get_relation(relation_from_json(arguments)));
    return found ? plain_json(*found) : Json(nullptr);
  }
  if (name == "columns_in_relation") {
    return host.columns_in_relation(relation_from_json(arguments));
  }
  if (name == "log") {
    host.log(text_of(arguments, "message"), arguments.value("to_terminal", false));
    return Json(nullptr);
  }
  if (name == "model") {
    return context.model;
  }
  if (name == "md5") {
    return Json(base::md5_hex(text_of(arguments, "text")));
  }
  if (name == "fromyaml") {
    return parse_yaml(text_of(arguments, "text"));
  }
  return base::make_error(ErrorKind::internal, "model.jinja_internal",
                          "Jinja asks an unknown question: " + std::string(name));
}

jinja::Question question_to(Host& host, const NodeContext& context) {
  return [&host, &context](std::string_view name, std::string_view text) {
    const Json arguments = Json::parse(text, nullptr, false);
    auto answer = answer_question(host, context, name, arguments);
    if (answer.ok()) {
      return dump({{"value", std::move(answer).value()}});
    }
    const Error& error = answer.error();
    return dump({{"error",
                  {{"kind", std::string(base::name(error.kind))},
                   {"code", error.code},
                   {"message", error.message},
                   {"advice", error.advice}}}});
  };
}

Json request_of(std::string_view what, const NodeContext& context, bool is_parsing) {
  Json request = {{"do", what},
                  {"unique_id", context.unique_id},
                  {"package", context.package},
                  {"path", context.path},
                  {"config", context.config},
                  {"execute", context.execute && !is_parsing},
                  {"parsing", is_parsing},
                  {"is_incremental", context.is_incremental},
                  {"extra", context.extra}};
  if (context.self) {
    request["this"] = plain_json(*context.self);
  }
  return request;
}

// Answers for YAML values, which have no node.
class NoHost final : public Host {
 public:
  Result<Relation> ref(const RefCall& call) override { return refused("ref('" + call.name + "')"); }
  Result<Relation> source(const SourceCall& call) override {
    return refused("source('" + call.source + "', '" + call.table + "')");
  }
  Result<Json> run_query(const std::string&) override { return refused("run_query()"); }
  Result<std::optional<Relation>> get_relation(const Relation&) override { return refused("adapter.get_relation()"); }
  Result<Json> columns_in_relation(const Relation&) override { return refused("adapter.get_columns_in_relation()"); }
  void log(std::string_view, bool) override {}

 private:
  static Error refused(const std::string& what) {
    return base::make_error(ErrorKind::failed, "model.jinja", what + " cannot be used in a YAML file's values");
  }
};

}  // namespace

Json to_json(const Relation& relation) { return {{kRelationKey, plain_json(relation)}}; }

Relation relation_from_json(const Json& json) {
  const Json& plain = json.contains(kRelationKey) ? json[kRelationKey] : json;
  return {text_of(plain, "database"), text_of(plain, "schema"), text_of(plain, "identifier"), text_of(plain, "type"),
          text_of(plain, "sql")};
}

struct Renderer::State {
  jinja::Project project;
  std::string project_name;
  std::vector<MacroInfo> macros;
};

Renderer::Renderer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Renderer::~Renderer() = default;

Result<std::unique_ptr<Renderer>> Renderer::create(RendererOptions options, const std::vector<MacroFile>& macros) {
  Json files = Json::array();
  for (const auto& file : jinja::builtin_files()) {
    files.push_back({{"package", kBuiltinPackage}, {"path", file.path}, {"text", file.text}});
  }
  for (const auto& file : macros) {
    files.push_back({{"package", file.package}, {"path", file.path}, {"text", file.text}});
  }
  const Json request = {{"options",
                         {{"project_name", options.project_name},
                          {"adapter", options.adapter},
                          {"vars", options.vars},
                          {"target", options.target},
                          {"env", options.env},
                          {"invocation_id", options.invocation_id},
                          {"run_started_at", options.run_started_at},
                          {"flags", options.flags},
                          {"dispatch", options.dispatch},
                          {"graph", options.graph},
                          {"selected_resources", options.selected_resources}}},
                        {"files", std::move(files)}};
  auto state = std::make_unique<State>();
  state->project_name = options.project_name;
  const Json answer = SHOPLAKE_TRY(answer_of(state->project.create(dump(request))));
  for (const auto& item : answer["macros"]) {
    state->macros.push_back({text_of(item, "unique_id"), text_of(item, "package"), text_of(item, "name"),
                             text_of(item, "path"), text_of(item, "original_text"),
                             item["arguments"].get<std::vector<std::string>>()});
  }
  return std::unique_ptr<Renderer>(new Renderer(std::move(state)));
}

const std::vector<MacroInfo>& Renderer::macros() const { return state_->macros; }

bool Renderer::has_macro(std::string_view name) const {
  for (const auto& macro : state_->macros) {
    if (macro.name == name && (macro.package == state_->project_name || macro.package == kBuiltinPackage)) {
      return true;
    }
    if (name.size() > macro.package.size() && name.starts_with(macro.package) && name[macro.package.size()] == '.' &&
        name.substr(macro.package.size() + 1) == macro.name) {
      return true;
    }
  }
  return false;
}

Result<ParsedNode> Renderer::parse(const std::string& text, const NodeContext& context, Host& host) const {
  Json request = request_of("render", context, true);
  request["text"] = text;
  const Json answer = SHOPLAKE_TRY(answer_of(state_->project.run(dump(request), question_to(host, context))));
  const Json& found = answer["found"];
  ParsedNode node;
  node.config = found["config"];
  for (const auto& ref : found["refs"]) {
    RefCall call{text_of(ref, "package"), text_of(ref, "name"), std::nullopt};
    if (ref["version"].is_string()) {
      call.version = ref["version"].get<std::string>();
    }
    node.refs.push_back(std::move(call));
  }
  for (const auto& source : found["sources"]) {
    node.sources.push_back({text_of(source, "source"), text_of(source, "table")});
  }
  node.macros = found["macros"].get<std::vector<std::string>>();
  return node;
}

Result<std::string> Renderer::render(const std::string& text, const NodeContext& context, Host& host) const {
  Json request = request_of("render", context, false);
  request["text"] = text;
  Json answer = SHOPLAKE_TRY(answer_of(state_->project.run(dump(request), question_to(host, context))));
  return answer["value"].get<std::string>();
}

Result<Json> Renderer::call_macro(std::string_view name, const Json& positional, const Json& named,
                                  const NodeContext& context, Host& host) const {
  Json request = request_of("call", context, false);
  request["name"] = name;
  request["positional"] = positional;
  request["named"] = named;
  Json answer = SHOPLAKE_TRY(answer_of(state_->project.run(dump(request), question_to(host, context))));
  return std::move(answer["value"]);
}

Result<Json> Renderer::render_yaml(const Json& value) const {
  NoHost host;
  const NodeContext context;
  const Json request = {{"do", "yaml"}, {"value", value}};
  Json answer = SHOPLAKE_TRY(answer_of(state_->project.run(dump(request), question_to(host, context))));
  return std::move(answer["value"]);
}

}  // namespace shoplake::model
