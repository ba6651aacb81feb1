#include "app/tasks/file_validation.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "app/drops.h"
#include "app/tasks/outcome.h"
#include "base/moment.h"
#include "ga4api/exchange.h"
#include "ingest/file_registry.h"
#include "quality/audit.h"

namespace shoplake::app {

using base::ErrorKind;
using base::make_error;
using base::Result;
using flow::Json;

namespace {

constexpr std::size_t kListedMax = 100;
constexpr std::size_t kNamedMax = 3;                 // in an error
constexpr std::int64_t kWaitMicrosMax = 60'000'000;  // for files that do not cease to change

struct Request {
  std::vector<std::string> datasets;
  std::set<std::string> objects;
  std::int64_t since_micros = std::numeric_limits<std::int64_t>::max();
  bool fails = true;
};

Result<Request> request_of(const Json& payload) {
  Request request;
  request.datasets = SHOPLAKE_TRY(list_parameter(payload, "datasets"));
  for (std::string& object : SHOPLAKE_TRY(list_parameter(payload, "objects")))
    request.objects.insert(std::move(object));
  if (const auto since = SHOPLAKE_TRY(text_parameter(payload, "since"))) {
    const auto micros = base::parse_timestamp(*since);
    if (!micros)
      return make_error(ErrorKind::usage, "task.parameters", fmt::format("since is \"{}\", which is no time", *since));
    request.since_micros = *micros;
  }
  const std::string on_rejected = SHOPLAKE_TRY(text_parameter(payload, "on_rejected")).value_or("fail");
  if (on_rejected != "fail" && on_rejected != "continue")
    return make_error(ErrorKind::usage, "task.parameters", fmt::format("on_rejected is \"{}\"", on_rejected),
                      "It is fail or continue.");
  request.fails = on_rejected == "fail";
  return request;
}

struct Findings {
  std::int64_t loaded = 0, duplicates = 0, rejected = 0, blocked = 0, rows = 0, rejected_rows = 0;
  std::vector<Json> files;  // bad ones first, in the end

  void add(const ingest::FileRecord& file) {
    switch (file.state) {
      case ingest::FileState::loaded: ++loaded; break;
      case ingest::FileState::duplicate: ++duplicates; break;
      case ingest::FileState::rejected: ++rejected; break;
      case ingest::FileState::blocked: ++blocked; break;
    }
    rows += file.rows;
    rejected_rows += file.rejected;
    Json json{{"object", file.object},
              {"dataset", file.key.dataset},
              {"state", ingest::name(file.state)},
              {"rows", file.rows},
              {"rejected_rows", file.rejected}};
    if (!file.reason.empty()) {
      json["reason"] = file.reason;
      json["message"] = file.message;
    }
    files.push_back(std::move(json));
  }
  void add_missing(const std::string& object) {
    ++rejected;
    files.push_back({{"object", object},
                     {"state", "rejected"},
                     {"reason", "files.missing"},
                     {"message", "it is neither in the raw zone nor known"}});
  }
};

Result<Findings> look_up(App& app, const Request& request) {
  catalog::Catalog* catalog = SHOPLAKE_TRY(app.catalog());
  const auto control_plane = SHOPLAKE_TRY(catalog->open_control_plane());
  SHOPLAKE_TRY(ingest::prepare_file_registry(*control_plane));
  Findings findings;
  std::set<std::string> missing = request.objects;
  for (const ingest::FileRecord& file : SHOPLAKE_TRY(ingest::list_files(*control_plane, {}))) {
    const bool is_of_dataset =
        request.datasets.empty() || std::ranges::find(request.datasets, file.key.dataset) != request.datasets.end();
    // A rejected file stands in quarantine, and its source is where it was dropped.
    const bool is_given = missing.erase(file.object) + missing.erase(file.source_name) > 0;
    if (is_given || (is_of_dataset && file.at_micros >= request.since_micros))
      findings.add(file);
  }
  for (const std::string& object : missing) {
    // Also: a file that was changed while it was looked at, and is looked at again later.
    if (!SHOPLAKE_TRY(app.env().exists(io::join_path(app.home().lake_root, object))))
      findings.add_missing(object);
  }
  std::ranges::stable_partition(findings.files, [](const Json& file) { return file.contains("reason"); });
  return findings;
}

// The given objects that are too young to be looked at are waited for: a flow that their arrival has started would find
// nothing to do.
Result<void> look_at_drops(App& app, const flow::TaskCall& call, const Request& request) {
  const auto pause = ga4api::interruptible_pause(call.stop);
  const std::int64_t deadline = app.env().monotonic_micros() + kWaitMicrosMax;
  for (;;) {
    DropOptions options;
    options.datasets = request.datasets;
    options.stop = call.stop;
    options.on_file = [&](const std::string&, const LoadedFile&) { call.heartbeat(); };
    const DropPass pass = SHOPLAKE_TRY(DropZone(app, std::move(options)).pass());
    std::int64_t settled_at_micros = 0;
    for (const std::string& object : request.objects) {
      if (const auto found = pass.settling.find(object); found != pass.settling.end())
        settled_at_micros = std::max(settled_at_micros, found->second);
    }
    if (settled_at_micros == 0 || app.env().monotonic_micros() >= deadline)
      return {};
    call.heartbeat();
    const std::int64_t wait_micros = settled_at_micros - app.env().now_micros();
    if (wait_micros > 0 && !pause(std::chrono::milliseconds(wait_micros / 1'000 + 1)))
      return make_error(ErrorKind::cancelled, "files.interrupted", "Stopped before all files were complete");
  }
}

base::Error error_of(const Findings& findings) {
  const bool is_quality = findings.rejected == 0;
  const std::int64_t count = findings.rejected + findings.blocked;
  std::string text = fmt::format("{} file{}", count, count == 1 ? " was rejected" : "s were rejected");
  for (std::size_t i = 0; i < std::min(findings.files.size(), kNamedMax); ++i) {
    const Json& file = findings.files[i];
    if (file.contains("reason"))
      text += fmt::format("{}{}: {}", i == 0 ? ": " : "; ", file["object"].get<std::string>(),
                          file["message"].get<std::string>());
  }
  return make_error(ErrorKind::input, is_quality ? std::string(quality::kBlocked) : "files.rejected", std::move(text),
                    "Drop right files under the same names; `shoplake quarantine ls` shows what was kept.");
}

}  // namespace

Result<Json> validate_files(App& app, const flow::TaskCall& call, const Json& payload) {
  const Request request = SHOPLAKE_TRY(request_of(payload));
  SHOPLAKE_TRY(look_at_drops(app, call, request));
  Findings findings = SHOPLAKE_TRY(look_up(app, request));
  if (request.fails && findings.rejected + findings.blocked > 0)
    return error_of(findings);
  Json files = Json::array();
  for (std::size_t i = 0; i < std::min(findings.files.size(), kListedMax); ++i)
    files.push_back(std::move(findings.files[i]));
  return Json{{"loaded", findings.loaded},     {"duplicates", findings.duplicates},
              {"rejected", findings.rejected}, {"blocked", findings.blocked},
              {"rows", findings.rows},         {"rejected_rows", findings.rejected_rows},
              {"files", std::move(files)}};
}

}  // namespace shoplake::app
