#include "model/renderer.h"

#include <filesystem>
#include <fstream>
#include <random>
#include <regex>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/jinja.h"

namespace shoplake::model {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A warehouse of fixed answers: ref('x') is "analytics"."x"; ref('missing') fails; every query answers two rows.
class FakeHost final : public Host {
 public:
  Result<Relation> ref(const RefCall& call) override {
    if (call.name == "missing") {
      return base::make_error(base::ErrorKind::not_found, "model.ref", "there is no model 'missing'", "Add it.");
    }
    if (call.name == "ephemeral") {
      return Relation{"", "", "ephemeral", "cte", "__dbt__cte__ephemeral"};
    }
    return Relation{"", call.package.empty() || call.package == "shop" ? "analytics" : call.package,
                    call.name + (call.version ? "_v" + *call.version : ""), "table", ""};
  }
  Result<Relation> source(const SourceCall& call) override {
    return Relation{"", call.source, call.table, "table", ""};
  }
  Result<Json> run_query(const std::string& sql) override {
    queries.push_back(sql);
    if (sql.find("broken") != std::string::npos) {
      return base::make_error(base::ErrorKind::failed, "engine.sql", "Parser Error: syntax error at \"broken\"",
                              "Correct it.");
    }
    return Json::parse(
        R"({"columns":[{"name":"id","type":"BIGINT"},{"name":"label","type":"VARCHAR"}],"rows":[[1,"one"],[2,null]]})");
  }
  Result<std::optional<Relation>> get_relation(const Relation& relation) override {
    return relation.identifier == "absent"
               ? std::nullopt
               : std::optional(Relation{"", relation.schema, relation.identifier, "table", ""});
  }
  Result<Json> columns_in_relation(const Relation&) override {
    return Json::parse(R"([{"name":"id","dtype":"BIGINT"},{"name":"label","dtype":"VARCHAR"}])");
  }
  void log(std::string_view message, bool) override { messages.emplace_back(message); }

  std::vector<std::string> queries;
  std::vector<std::string> messages;
};

RendererOptions options() {
  RendererOptions result;
  result.project_name = "shop";
  result.target = {{"name", "dev"}, {"schema", "analytics"}, {"type", "duckdb"}};
  result.vars = {{"lookback_days", 14}, {"channels", {"direct", "email"}}, {"other", {{"lookback_days", 7}}}};
  result.env = {{"SHOP_REGION", "eu"}};
  result.invocation_id = "00000000-0000-4000-8000-000000000001";
  result.run_started_at = "2024-02-29T12:30:00.000000+00:00";
  return result;
}

NodeContext context() {
  NodeContext result;
  result.unique_id = "model.shop.orders";
  result.package = "shop";
  result.path = "models/orders.sql";
  result.model = {{"name", "orders"}, {"resource_type", "model"}};
  result.self = Relation{"", "analytics", "orders", "", ""};
  result.execute = true;
  return result;
}

std::unique_ptr<Renderer> renderer(const std::vector<MacroFile>& macros = {}, RendererOptions given = options()) {
  auto made = Renderer::create(std::move(given), macros);
  EXPECT_TRUE(made.ok()) << (made.ok() ? "" : base::to_string(made.error()));
  return made.ok() ? std::move(made).value() : nullptr;
}

std::string render(const std::string& text, const std::vector<MacroFile>& macros = {}) {
  FakeHost host;
  auto result = renderer(macros)->render(text, context(), host);
  return result.ok() ? *result : "error: " + result.error().message;
}

// ---- test/cases/jinja/*.test
// -----------------------------------------------------------------------------------------------
//
// A file is a list of cases. "=== name" begins one; "--- section" begins a part of it:
//   --- macros [package:]path   a macro file
//   --- setup                   lines "key value": adapter, project, package, incremental, parse, var NAME JSON, config
//   NAME JSON
//   --- input                   the text that is rendered
//   --- output                  what it gives, to the letter; "--- output normalized": runs of blanks count as one
//   --- error                   a part of the error's message
// The last newline of each part is not of it.

struct Case {
  std::string name;
  std::vector<MacroFile> macros;
  RendererOptions options;
  NodeContext context;
  bool is_parsing = false;
  std::string input;
  std::optional<std::string> output;
  bool is_normalized = false;
  std::optional<std::string> error;
};

std::string normalized(const std::string& text) {
  std::string result;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    result += (result.empty() ? "" : " ") + word;
  }
  // Blanks beside brackets and commas mean nothing in SQL.
  static const std::regex kLoose(R"( *([(),\[\]]) *)");
  return std::regex_replace(result, kLoose, "$1");
}

void apply_setup(const std::string& text, Case& test) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string key;
    std::string name;
    words >> key;
    if (key == "incremental") {
      test.context.is_incremental = true;
    } else if (key == "parse") {
      test.is_parsing = true;
    } else if (key == "adapter") {
      words >> test.options.adapter;
    } else if (key == "package") {
      words >> test.context.package;
    } else if (key == "var" || key == "config" || key == "extra") {
      words >> name;
      std::string json;
      std::getline(words, json);
      (key == "var"      ? test.options.vars
       : key == "config" ? test.context.config
                         : test.context.extra)[name] = Json::parse(json);
    } else if (key == "dispatch") {
      words >> name;
      std::string package;
      test.options.dispatch[name] = Json::array();
      while (words >> package) {
        test.options.dispatch[name].push_back(package);
      }
    } else {
      ADD_FAILURE() << "unknown setup: " << line;
    }
  }
}

std::vector<Case> read_cases(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<Case> cases;
  std::string header;
  std::string body;
  const auto finish = [&] {
    if (cases.empty() || header.empty()) {
      return;
    }
    if (body.ends_with('\n')) {
      body.pop_back();
    }
    Case& test = cases.back();
    if (header.starts_with("macros ")) {
      const std::string name = header.substr(7);
      const auto colon = name.find(':');
      test.macros.push_back(colon == std::string::npos
                                ? MacroFile{"shop", name, body}
                                : MacroFile{name.substr(0, colon), name.substr(colon + 1), body});
    } else if (header == "setup") {
      apply_setup(body, test);
    } else if (header == "input") {
      test.input = body;
    } else if (header == "output" || header == "output normalized") {
      test.output = body;
      test.is_normalized = header != "output";
    } else if (header == "error") {
      test.error = body;
    } else {
      ADD_FAILURE() << path << ": unknown section '" << header << "'";
    }
  };
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("=== ")) {
      finish();
      header.clear();
      Case test;
      test.name = line.substr(4);
      test.options = options();
      test.context = context();
      cases.push_back(std::move(test));
    } else if (line.starts_with("--- ")) {
      finish();
      header = line.substr(4);
      body.clear();
    } else {
      body += line + "\n";
    }
  }
  finish();
  return cases;
}

void run_case(const Case& test) {
  auto made = Renderer::create(test.options, test.macros);
  FakeHost host;
  std::string output;
  std::string error;
  if (!made.ok()) {
    error = made.error().message;
  } else if (test.is_parsing) {
    auto parsed = (*made)->parse(test.input, test.context, host);
    if (parsed.ok()) {
      output = parsed->config.dump();
      for (const auto& ref : parsed->refs) {
        output += "\nref " + ref.package + (ref.package.empty() ? "" : ".") + ref.name +
                  (ref.version ? " v" + *ref.version : "");
      }
      for (const auto& source : parsed->sources) {
        output += "\nsource " + source.source + "." + source.table;
      }
      for (const auto& macro : parsed->macros) {
        output += "\n" + macro;
      }
    } else {
      error = parsed.error().message;
    }
  } else {
    auto rendered = (*made)->render(test.input, test.context, host);
    (rendered.ok() ? output : error) = rendered.ok() ? *rendered : rendered.error().message;
  }
  if (test.error) {
    EXPECT_THAT(error, HasSubstr(*test.error));
    return;
  }
  EXPECT_EQ(error, "");
  ASSERT_TRUE(test.output) << "the case expects nothing";
  if (test.is_normalized) {
    EXPECT_EQ(normalized(output), normalized(*test.output));
  } else {
    EXPECT_EQ(output, *test.output);
  }
}

TEST(Renderer, cases) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SHOPLAKE_SOURCE_DIR "/test/cases/jinja")) {
    if (entry.path().extension() != ".test") {
      continue;
    }
    for (const Case& test : read_cases(entry.path())) {
      SCOPED_TRACE(entry.path().filename().string() + ": " + test.name);
      run_case(test);
      ++count;
    }
  }
  EXPECT_GT(count, 0);
}

// ---- what needs C++
// ----------------------------------------------------------------------------------------------------------

TEST(Renderer, parse_finds_refs_sources_config_and_macros) {
  const auto shop = renderer({{"shop", "macros/cents.sql", "{% macro cents(x) %}({{ x }} * 100){% endmacro %}"}});
  FakeHost host;
  const auto found = shop->parse(
      "{{ config(materialized='incremental', tags=['a'], unique_key=['id', 'day']) }}{{ config(tags='b') }}"
      "select {{ cents('v') }} from {{ ref('a') }} join {{ ref('a') }} join {{ ref('p', 'b', v=2) }} join {{ "
      "source('raw', 'c') }}",
      context(), host);
  ASSERT_TRUE(found.ok()) << base::to_string(found.error());
  EXPECT_EQ(found->config.dump(), R"({"materialized":"incremental","unique_key":["id","day"],"tags":["a","b"]})");
  EXPECT_THAT(found->refs, ElementsAre(RefCall{"", "a", {}}, RefCall{"p", "b", "2"}));
  EXPECT_THAT(found->sources, ElementsAre(SourceCall{"raw", "c"}));
  EXPECT_THAT(found->macros, ElementsAre("macro.shop.cents"));
  EXPECT_TRUE(host.queries.empty());
}

TEST(Renderer, call_macro_answers_values) {
  const auto shop = renderer({{"shop", "macros/m.sql",
                               "{% macro pair(a, b=2) %}{{ return([a, b, {'r': ref('x')}]) }}{% endmacro %}"
                               "{% macro text() %} hi {% endmacro %}"
                               "{% macro generate_schema_name(custom_schema_name=none, node=none) %}{{ "
                               "custom_schema_name or 'main' }}{% endmacro %}"}});
  FakeHost host;
  const auto pair = shop->call_macro("pair", Json::array({1}), Json::object(), context(), host);
  ASSERT_TRUE(pair.ok()) << base::to_string(pair.error());
  EXPECT_EQ((*pair)[1], 2);
  EXPECT_EQ(relation_from_json((*pair)[2]["r"]).identifier, "x");
  EXPECT_EQ(shop->call_macro("text", Json::array(), Json::object(), context(), host).value(), " hi ");
  EXPECT_EQ(shop->call_macro("generate_schema_name", Json::array({"marts"}), Json::object(), context(), host).value(),
            "marts");
  EXPECT_TRUE(shop->has_macro("pair"));
  EXPECT_TRUE(shop->has_macro("test_not_null"));
  EXPECT_FALSE(shop->has_macro("nothing"));
}

TEST(Renderer, relation_crosses_as_argument) {
  FakeHost host;
  NodeContext node = context();
  node.extra = {{"model", to_json(Relation{"", "analytics", "orders", "table", ""})}, {"column_name", "id"}};
  const auto sql = renderer()->render("{{ test_not_null(model, column_name) }}", node, host);
  ASSERT_TRUE(sql.ok()) << base::to_string(sql.error());
  EXPECT_EQ(normalized(*sql), R"(select id from "analytics"."orders" where id is null)");
}

TEST(Renderer, error_names_file_line_and_macros) {
  const std::vector<MacroFile> macros = {
      {"shop", "macros/deep.sql",
       "\n{% macro outer() %}\n{{ inner() }}\n{% endmacro %}\n\n{% macro inner() %}\n\n{{ nope(1) }}{% endmacro %}"}};
  EXPECT_EQ(render("select 1\nfrom {{ outer() }}", macros),
            "error: macros/deep.sql:8: 'nope' is undefined: there is no macro or function of that name\n  in macro "
            "shop.inner\n"
            "  called from macro shop.outer at macros/deep.sql:3\n  called from models/orders.sql:2");
}

TEST(Renderer, host_error_keeps_its_words) {
  FakeHost host;
  const auto result = renderer()->render("select *\nfrom {{ ref('missing') }}", context(), host);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, "model.jinja");
  EXPECT_EQ(result.error().message, "models/orders.sql:2: there is no model 'missing'");
  EXPECT_EQ(result.error().advice, "Add it.");
}

TEST(Renderer, syntax_errors_name_the_line) {
  FakeHost host;
  for (const auto& [text, message] : std::vector<std::pair<std::string, std::string>>{
           {"select\n{{ 1 +", "models/orders.sql:2: this expression has no end: '}}' is missing"},
           {"select\n\n{% if x %}", "models/orders.sql:3: "},
           {"{% nonsense %}", "models/orders.sql:1: unknown statement nonsense"}}) {
    const auto result = renderer()->render(text, context(), host);
    ASSERT_FALSE(result.ok()) << text;
    EXPECT_EQ(result.error().code, "model.jinja_syntax") << text;
    EXPECT_THAT(result.error().message, HasSubstr(message));
  }
  const auto made = Renderer::create(options(), {{"shop", "macros/bad.sql", "\n\n{% macro a() %}{{ }}{% endmacro %}"}});
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code, "model.jinja_syntax");
  EXPECT_THAT(made.error().message, HasSubstr("macros/bad.sql:3: "));
}

TEST(Renderer, render_yaml_gives_texts_and_values_on_request) {
  const auto shop = renderer();
  const Json yaml = Json::parse(
      R"({"a": "{{ var('lookback_days') | as_number }}", "b": "x_{{ target.name }}", "c": [1, "{{ env_var('SHOP_REGION') }}"],
                                    "d": "plain", "e": "{{ var('lookback_days') }}", "f": "{{ (target.name == 'dev') | as_bool }}",
                                    "g": "{{ '[1, 2]' | as_native }}", "h": "{{ 5 | as_text }}", "i": "{{ var('channels') }}"})");
  const auto rendered = shop->render_yaml(yaml);
  ASSERT_TRUE(rendered.ok()) << base::to_string(rendered.error());
  EXPECT_EQ(
      rendered->dump(),
      R"({"a":14,"b":"x_dev","c":[1,"eu"],"d":"plain","e":"14","f":true,"g":[1,2],"h":"5","i":"['direct', 'email']"})");
  EXPECT_FALSE(shop->render_yaml("{{ env_var('NOT_SET') }}").ok());
  EXPECT_THAT(shop->render_yaml("{{ ref('x') }}").error().message, HasSubstr("cannot be used in a YAML file"));
}

// Built-in macros are compiled when they are first used; here all are, as those of a package.
TEST(Renderer, builtin_macros_compile) {
  std::vector<MacroFile> files;
  for (const auto& file : jinja::builtin_files()) {
    files.push_back({"copy", std::string(file.path), std::string(file.text)});
  }
  ASSERT_FALSE(files.empty());
  const auto made = Renderer::create(options(), files);
  EXPECT_TRUE(made.ok()) << base::to_string(made.error());
}

// Cuts, doubles and changes the inputs of the cases: whatever comes out, the program stands and says nothing of itself.
TEST(Renderer, malformed_texts_are_errors) {
  std::mt19937 random(20240229);
  const auto pick = [&random](std::size_t limit) { return limit == 0 ? 0 : random() % limit; };
  static constexpr std::string_view kPieces[] = {
      "{{", "}}", "{%", "%}", "{#", "#}",   "'",    "\"", "(",     ")",     "[",   "]",  "{",  "}",     "|",   "-",
      "+",  "%",  "~",  "\\", "\n", "\xc3", "\xff", "if", "endif", "set x", "for", "in", "do", "macro", "raw", ""};
  const auto shop = renderer();
  FakeHost host;
  for (const auto& entry : std::filesystem::directory_iterator(SHOPLAKE_SOURCE_DIR "/test/cases/jinja")) {
    if (entry.path().extension() != ".test") {
      continue;
    }
    for (const Case& test : read_cases(entry.path())) {
      for (int round = 0; round < 8; ++round) {
        std::string text = test.input;
        for (std::size_t change = 0; change <= pick(3); ++change) {
          text.replace(pick(text.size()), pick(4), kPieces[pick(std::size(kPieces))]);
        }
        for (const auto& result : {shop->render(text, context(), host), shop->render("x", context(), host)}) {
          EXPECT_TRUE(result.ok() || result.error().code != "model.jinja_internal") << text << "\n"
                                                                                    << result.error().message;
        }
        const auto made =
            Renderer::create(options(), {{"shop", "macros/m.sql", "{% macro m() %}" + text + "{% endmacro %}"}});
        EXPECT_TRUE(made.ok() || made.error().code == "model.jinja_syntax") << text << "\n" << made.error().message;
      }
    }
  }
}

TEST(Renderer, deep_nesting_is_an_error) {
  const auto nested = [](std::string_view open, std::string_view close, int depth) {
    std::string text;
    for (int i = 0; i < depth; ++i) {
      text += open;
    }
    text += "1";
    for (int i = 0; i < depth; ++i) {
      text += close;
    }
    return text;
  };
  const auto shop = renderer();
  FakeHost host;
  for (const auto& text : {"{{ " + nested("(", ")", 20000) + " }}", "{{ " + nested("[", "]", 20000) + " }}",
                           "{{ " + nested("{'a': ", "}", 20000) + " }}", nested("{% if 1 %}", "{% endif %}", 20000)}) {
    const auto result = shop->render(text, context(), host);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, "model.jinja_syntax");
  }
}

TEST(Renderer, renders_on_many_threads_at_once) {
  const auto shop = renderer(
      {{"shop", "macros/m.sql",
        "{% macro twice(x) %}{% set l = [] %}{% do l.append(x) %}{% do l.append(x) %}{{ return(l) }}{% endmacro %}"}});
  std::vector<std::thread> threads;
  std::vector<std::string> results(8);
  for (std::size_t i = 0; i < results.size(); ++i) {
    threads.emplace_back([&, i] {
      FakeHost host;
      for (int n = 0; n < 200; ++n) {
        results[i] = shop->render("{{ twice(" + std::to_string(i) + ") | join('-') }} {{ ref('t') }}", context(), host)
                         .value_or("failed");
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  for (std::size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(results[i], std::to_string(i) + "-" + std::to_string(i) + R"( "analytics"."t")");
  }
}

}  // namespace
}  // namespace shoplake::model
