#include "app/build_console.h"

#include <ctime>
#include <map>

#include <fmt/format.h>

#include "engine/session.h"

namespace shoplake::app {
namespace {

using model::Json;
using model::NodeStatus;
using Tone = ModelOutput::Tone;

constexpr std::size_t kLineWidth = 80;

std::string clock(io::Env& env) {
  const std::time_t seconds = static_cast<std::time_t>(env.now_micros() / 1'000'000);
  std::tm parts{};
  localtime_r(&seconds, &parts);
  return fmt::format("{:02}:{:02}:{:02}", parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::string plural(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string join(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts)
    text += (text.empty() ? "" : ", ") + part;
  return text;
}

std::string relation(const model::Node& node) { return node.schema + "." + node.alias; }

// "sql table model marts.x", "seed file staging.x", "test not_null_x", "unit_test x::y".
std::string subject(const model::Manifest& manifest, const std::string& id) {
  if (const auto test = manifest.unit_tests.find(id); test != manifest.unit_tests.end())
    return fmt::format("{}::{}", test->second.model_name, test->second.name);
  const model::Node& node = manifest.nodes.at(id);
  switch (node.type) {
    case model::ResourceType::seed: return "seed file " + relation(node);
    case model::ResourceType::snapshot: return "snapshot " + relation(node);
    case model::ResourceType::test: return node.name;
    case model::ResourceType::operation: return "hook: " + node.name;
    default: return fmt::format("sql {} model {}", node.materialized(), relation(node));
  }
}

double seconds(const model::NodeResult& result) {
  const std::int64_t begin = result.compile_started_us > 0 ? result.compile_started_us : result.started_us;
  return begin > 0 && result.finished_us > begin ? static_cast<double>(result.finished_us - begin) / 1e6 : 0.0;
}

}  // namespace

void BuildConsole::line(std::string_view text) {
  if (output_.as_json)
    return;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const auto end = std::min(text.find('\n', begin), text.size());
    output_.line(fmt::format("{}  {}", output_.paint(Tone::dim, clock(env_)), text.substr(begin, end - begin)));
    begin = end + 1;
  }
}

void BuildConsole::warning(std::string_view text) {
  if (output_.as_json) {
    output_.json(Json{{"event", "warning"}, {"message", text}}.dump());
  } else {
    line(fmt::format("{} {}", output_.paint(Tone::warning, "[WARNING]:"), text));
  }
}

void BuildConsole::message(std::string_view text) {
  if (output_.as_json) {
    output_.json(Json{{"event", "message"}, {"message", text}}.dump());
  } else {
    line(text);
  }
}

void BuildConsole::begin(std::string_view command, const model::Manifest& manifest, std::size_t macro_count) {
  std::map<model::ResourceType, std::size_t> counts;
  for (const auto& [id, node] : manifest.nodes)
    ++counts[node.type];
  line(fmt::format("shoplake {} (dbt project {}, engine DuckDB {})", command == "generate" ? "docs" : command,
                   manifest.project_name, engine::Database::version()));
  std::vector<std::string> parts;
  const auto add = [&](std::size_t count, std::string_view noun) {
    if (count > 0)
      parts.push_back(plural(count, noun));
  };
  add(counts[model::ResourceType::model], "model");
  add(counts[model::ResourceType::seed], "seed");
  add(counts[model::ResourceType::snapshot], "snapshot");
  add(counts[model::ResourceType::operation], "operation");
  add(counts[model::ResourceType::test], "data test");
  add(manifest.sources.size(), "source");
  add(manifest.exposures.size(), "exposure");
  add(macro_count, "macro");
  add(manifest.unit_tests.size(), "unit test");
  line("Found " + join(parts));
  line("");
}

void BuildConsole::concurrency(int threads, const std::string& target) {
  line(fmt::format("Concurrency: {} (target='{}')", plural(static_cast<std::size_t>(threads), "thread"), target));
  line("");
}

void BuildConsole::progress_line(int index, int total, const std::string& text, Tone tone, const std::string& status) {
  std::string padded = fmt::format("{} of {} {} ", index, total, text);
  if (padded.size() < kLineWidth)
    padded.append(kLineWidth - padded.size(), '.');
  line(fmt::format("{} [{}]", padded, tone == Tone::dim ? status : output_.paint(tone, status)));
}

void BuildConsole::started(int index, int total, const model::Manifest& manifest, const std::string& unique_id) {
  if (output_.as_json) {
    output_.json(Json{{"event", "started"}, {"index", index}, {"total", total}, {"unique_id", unique_id}}.dump());
    return;
  }
  if (quiet_nodes_)
    return;
  const std::string_view type = manifest.resource_type(unique_id);
  const std::string kind = type == "test" ? "test " : type == "unit_test" ? "unit_test " : "";
  progress_line(index, total, fmt::format("START {}{}", kind, subject(manifest, unique_id)), Tone::dim, "RUN");
}

void BuildConsole::finished(int index, int total, const model::Manifest& manifest, const model::NodeResult& result) {
  if (output_.as_json) {
    Json json{{"event", "finished"},
              {"index", index},
              {"total", total},
              {"unique_id", result.unique_id},
              {"status", model::name(result.status)},
              {"seconds", seconds(result)}};
    if (result.kept)
      json["kept"] = true;
    if (result.rows)
      json["rows"] = *result.rows;
    if (result.failures)
      json["failures"] = *result.failures;
    if (!result.message.empty() && result.status != NodeStatus::success)
      json["message"] = result.message;
    output_.json(json.dump(-1, ' ', false, Json::error_handler_t::replace));
    return;
  }
  if (quiet_nodes_ && result.status == NodeStatus::success)
    return;
  const std::string what = subject(manifest, result.unique_id);
  const std::string_view type = manifest.resource_type(result.unique_id);
  const std::string time = fmt::format("in {:.2f}s", seconds(result));
  const auto failures = result.failures.value_or(0);
  if (result.kept) {
    const bool is_test = result.status == NodeStatus::pass;
    progress_line(index, total, (is_test ? "PASS " : "OK kept ") + what, Tone::good,
                  fmt::format("{} {}", is_test ? "PASS, UNCHANGED" : "UNCHANGED", time));
    return;
  }
  switch (result.status) {
    case NodeStatus::success:
      if (type == "seed") {
        progress_line(index, total, "OK loaded " + what, Tone::good,
                      fmt::format("INSERT {} {}", result.rows.value_or(0), time));
      } else if (type == "snapshot") {
        progress_line(index, total, "OK snapshotted " + what, Tone::good, "OK " + time);
      } else if (type == "operation") {
        progress_line(index, total, "OK " + what, Tone::good, "OK " + time);
      } else {
        progress_line(index, total, "OK created " + what, Tone::good, "OK " + time);
      }
      break;
    case NodeStatus::pass: progress_line(index, total, "PASS " + what, Tone::good, "PASS " + time); break;
    case NodeStatus::warn:
      progress_line(index, total, fmt::format("WARN {} {}", failures, what), Tone::warning,
                    fmt::format("WARN {} {}", failures, time));
      break;
    case NodeStatus::fail:
      progress_line(index, total, fmt::format("FAIL {} {}", failures, what), Tone::bad,
                    fmt::format("FAIL {} {}", failures, time));
      break;
    case NodeStatus::skipped: {
      const std::string kind = type == "test" || type == "unit_test"
                                   ? "test " + what
                                   : "relation " + relation(manifest.nodes.at(result.unique_id));
      progress_line(index, total, "SKIP " + kind, Tone::warning, "SKIP");
      break;
    }
    case NodeStatus::error:
      progress_line(index, total,
                    fmt::format("ERROR {}{}",
                                type == "model"      ? "creating "
                                : type == "seed"     ? "loading "
                                : type == "snapshot" ? "snapshotting "
                                                     : "",
                                what),
                    Tone::bad, "ERROR " + time);
      break;
  }
}

void BuildConsole::freshness_started(int index, int total, const model::Source& source) {
  if (output_.as_json)
    return;
  progress_line(index, total, fmt::format("START freshness of {}.{}", source.source_name, source.name), Tone::dim,
                "RUN");
}

void BuildConsole::freshness_finished(int index, int total, const model::Source& source,
                                      const model::FreshnessResult& result) {
  const double time = static_cast<double>(result.finished_us - result.started_us) / 1e6;
  if (output_.as_json) {
    output_.json(Json{{"event", "freshness"},
                      {"unique_id", result.unique_id},
                      {"status", result.status},
                      {"max_loaded_at", result.max_loaded_at},
                      {"age_seconds", result.age_seconds},
                      {"message", result.error}}
                     .dump());
    return;
  }
  const std::string what = fmt::format("freshness of {}.{}", source.source_name, source.name);
  if (result.status == "pass") {
    progress_line(index, total, "PASS " + what, Tone::good, fmt::format("PASS in {:.2f}s", time));
  } else if (result.status == "warn") {
    progress_line(index, total, "WARN " + what, Tone::warning, fmt::format("WARN in {:.2f}s", time));
  } else {
    const bool stale = result.status == "error";
    progress_line(index, total, fmt::format("{} {}", stale ? "ERROR STALE" : "ERROR", what), Tone::bad,
                  fmt::format("{} in {:.2f}s", stale ? "ERROR STALE" : "ERROR", time));
    if (!result.error.empty())
      line(result.error);
  }
}

int BuildConsole::end(const model::Manifest& manifest, const std::vector<model::NodeResult>& results,
                      double elapsed_seconds) {
  std::map<std::string, std::size_t> kinds;
  std::size_t pass = 0, warn = 0, error = 0, skip = 0, kept = 0;
  for (const model::NodeResult& result : results) {
    std::string kind(manifest.resource_type(result.unique_id));
    if (const auto node = manifest.nodes.find(result.unique_id); node != manifest.nodes.end()) {
      if (kind == "model")
        kind = node->second.materialized() + " model";
      if (kind == "test")
        kind = "data test";
      if (kind == "operation")
        kind = "project hook";
    } else {
      kind = "unit test";
    }
    ++kinds[kind];
    kept += result.kept ? 1 : 0;
    switch (result.status) {
      case NodeStatus::success:
      case NodeStatus::pass: ++pass; break;
      case NodeStatus::warn: ++warn; break;
      case NodeStatus::skipped: ++skip; break;
      default: ++error; break;
    }
  }
  if (output_.as_json) {
    output_.json(Json{{"event", "summary"},
                      {"pass", pass},
                      {"warn", warn},
                      {"error", error},
                      {"skip", skip},
                      {"kept", kept},
                      {"total", results.size()},
                      {"seconds", elapsed_seconds}}
                     .dump());
    return error > 0 ? 1 : 0;
  }
  std::vector<std::string> parts;
  for (const auto& [kind, count] : kinds)
    parts.push_back(plural(count, kind));
  const int whole = static_cast<int>(elapsed_seconds);
  line("");
  line(fmt::format("Finished running {} in {} hours {} minutes and {:.2f} seconds ({:.2f}s).", join(parts),
                   whole / 3600, whole / 60 % 60, elapsed_seconds - whole / 60 * 60, elapsed_seconds));
  if (kept > 0)
    line(fmt::format("{} of {} unchanged and kept", kept, results.size()));
  line("");
  if (error == 0 && warn == 0) {
    line(output_.paint(Tone::good, "Completed successfully"));
  } else {
    line(output_.paint(error > 0 ? Tone::bad : Tone::warning,
                       fmt::format("Completed with {}, 0 partial successes, and {}:", plural(error, "error"),
                                   plural(warn, "warning"))));
  }
  for (const model::NodeResult& result : results) {
    if (result.status != NodeStatus::error && result.status != NodeStatus::fail && result.status != NodeStatus::warn)
      continue;
    line("");
    if (result.status == NodeStatus::error) {
      line(result.message);
      continue;
    }
    const char* what = result.status == NodeStatus::warn ? "Warning" : "Failure";
    if (const auto test = manifest.unit_tests.find(result.unique_id); test != manifest.unit_tests.end()) {
      line(fmt::format("{} in unit_test {} ({}:{})\n  {}", what, test->second.name, test->second.original_file_path,
                       test->second.line, result.message));
      continue;
    }
    const model::Node& node = manifest.nodes.at(result.unique_id);
    const std::string place =
        node.line > 0 ? fmt::format("{}:{}", node.original_file_path, node.line) : node.original_file_path;
    line(fmt::format("{} in test {} ({})\n  {}", what, node.name, place, result.message));
    if (!node.compiled_path.empty())
      line(fmt::format("\n  compiled code at {}", node.compiled_path));
  }
  line("");
  line(fmt::format("Done. PASS={} WARN={} ERROR={} SKIP={} TOTAL={}", pass, warn, error, skip, results.size()));
  return error > 0 ? 1 : 0;
}

}  // namespace shoplake::app
