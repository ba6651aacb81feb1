#include "app/drops.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "app/file_loader.h"
#include "base/log.h"
#include "ingest/file_name.h"
#include "ingest/file_registry.h"
#include "ingest/registry.h"
#include "live/lake_lock.h"

namespace shoplake::app {

namespace {

using base::ErrorKind;
using base::Result;

constexpr char kDayFolder[] = "date=";
constexpr char kLockFile[] = "ingest.lock";

}  // namespace

Result<std::vector<std::string>> all_datasets(App& app) {
  std::vector<std::string> names;
  constexpr std::string_view kEnding = ".yml";
  for (const io::DirectoryEntry& entry : SHOPLAKE_TRY(app.env().list_directory(app.home().datasets_directory))) {
    if (!entry.is_directory && entry.name.ends_with(kEnding))
      names.push_back(entry.name.substr(0, entry.name.size() - kEnding.size()));
  }
  return names;
}

std::chrono::milliseconds drop_interval(const Home& home) {
  return home.is_in_object_store() ? kDropIntervalInStore : kDropInterval;
}

std::int64_t settled_at_micros(std::uint64_t size_bytes, std::int64_t modified_micros, io::Writers writers) {
  if (writers == io::Writers::some)
    return modified_micros + kOpenSettleMicros;
  const bool is_closed = writers == io::Writers::none && size_bytes > 0;
  return modified_micros + (is_closed ? kClosedSettleMicros : kSettleMicros);
}

Result<DropPass> DropZone::pass() {
  DropPass pass;
  // One pass at a time: of `shoplake serve`, of a flow, of `shoplake ingest`.
  const auto lock =
      SHOPLAKE_TRY(live::lock_when_free(app_.env(), io::join_path(app_.home().directory, kLockFile), options_.stop));
  const std::vector<std::string> datasets =
      options_.datasets.empty() ? SHOPLAKE_TRY(all_datasets(app_)) : options_.datasets;
  for (const std::string& dataset : datasets) {
    SHOPLAKE_TRY(pass_dataset(dataset, pass));
    if (options_.stop.stop_requested())
      break;
  }
  return pass;
}

Result<void> DropZone::pass_dataset(const std::string& dataset, DropPass& pass) {
  io::Env& env = app_.env();
  const std::string folder = io::join_path(app_.home().lake_root, "raw/" + dataset);
  auto listed = env.list_tree(folder, kDayFolder);
  if (!listed.ok() && listed.error().kind != ErrorKind::not_found)
    return listed.error();
  if (!listed.ok() || listed->empty())
    return {};
  catalog::Catalog* catalog = SHOPLAKE_TRY(app_.catalog());
  const auto control_plane = SHOPLAKE_TRY(catalog->open_control_plane());
  SHOPLAKE_TRY(ingest::prepare_registry(*control_plane));
  SHOPLAKE_TRY(ingest::prepare_file_registry(*control_plane));
  std::map<std::string, ingest::FileRecord> known;
  for (ingest::FileRecord& file : SHOPLAKE_TRY(ingest::list_files(*control_plane, {dataset})))
    known[file.object] = std::move(file);

  const std::int64_t now = env.now_micros();
  std::vector<FileToLoad> files;
  for (const io::DirectoryEntry& entry : *listed) {
    if (std::ranges::count(entry.name, '/') != 1)
      continue;  // files stand directly in the folder of their day
    ++pass.seen;
    const std::string object = fmt::format("raw/{}/{}", dataset, entry.name);
    const auto record = known.find(object);
    if (record != known.end() && record->second.size_bytes == entry.size_bytes &&
        record->second.modified_micros == entry.modified_micros)
      continue;
    if (SHOPLAKE_TRY(ingest::is_placed(*control_plane, object, entry.size_bytes)))
      continue;
    if (ingest::is_unfinished_name(io::file_name(entry.name))) {
      ++pass.unfinished;
      continue;
    }
    const std::string path = io::join_path(app_.home().lake_root, object);
    if (now - entry.modified_micros < kOpenSettleMicros) {
      const std::int64_t settled_at = settled_at_micros(entry.size_bytes, entry.modified_micros, io::writers_of(path));
      if (now < settled_at) {
        ++pass.unfinished;
        pass.settling[object] = std::min(settled_at, now + kSettleMicros);  // a file that is open may be closed
        continue;
      }
    }
    files.push_back({path, entry.modified_micros});
  }
  if (files.empty())
    return {};
  const auto loader = SHOPLAKE_TRY(FileLoader::open(app_, {dataset, options_.progress, options_.stop, false}));
  std::optional<base::Error> failure;
  loader->load_all(files, [&](const LoadedFile& file) {
    if (options_.on_file)
      options_.on_file(dataset, file);
    if (file.error && file.error->kind != ErrorKind::input && file.error->code != quality::kBlocked) {
      failure = file.error;
      return false;
    }
    ++(file.error ? pass.rejected : file.status == LoadedFile::Status::skipped ? pass.skipped : pass.loaded);
    pass.rows += file.rows;
    pass.rejected_rows += file.rejected;
    return true;
  });
  return failure ? Result<void>(*failure) : Result<void>();
}

struct DropWatcher::State {
  State(App& given_app, base::Metrics& given_metrics, std::function<void()> given_before_pass)
      : app(given_app), metrics(given_metrics), before_pass(std::move(given_before_pass)) {}

  App& app;
  base::Metrics& metrics;
  std::function<void()> before_pass;
  std::mutex mutex;
  std::condition_variable_any changed;
  std::string last_error;
  bool is_woken = false;
  std::jthread thread;

  // How long to wait for the next look.
  std::chrono::microseconds look(const std::stop_token& stop) {
    DropOptions options;
    options.stop = stop;
    options.on_file = [this](const std::string& dataset, const LoadedFile& file) {
      metrics.add("Invocations", {{"stage", "ingest"}});
      metrics.observe("Duration", {{"stage", "ingest"}}, static_cast<double>(file.micros) / 1e6);
      if (file.error)
        metrics.add("Errors", {{"stage", "ingest"}});
      base::log::info(
          "ingest.file",
          {{"dataset", dataset}, {"object", file.raw_object}, {"rows", file.rows}, {"rejected", file.rejected}});
    };
    const auto pass = DropZone(app, std::move(options)).pass();
    std::chrono::microseconds pause = drop_interval(app.home());
    if (pass.ok()) {
      for (const auto& [object, settled_at] : pass->settling)
        pause =
            std::min(pause, std::chrono::microseconds(std::max<std::int64_t>(0, settled_at - app.env().now_micros())));
      last_error.clear();
    } else if (pass.error().kind != ErrorKind::cancelled && pass.error().message != last_error) {
      last_error = pass.error().message;  // said once, not every two seconds
      base::log::error("ingest.pass_failed", {{"code", pass.error().code}, {"reason", last_error}});
    }
    return pause;
  }

  void work(const std::stop_token& stop) {
    std::unique_lock lock(mutex);
    while (!stop.stop_requested()) {
      lock.unlock();
      if (before_pass)
        before_pass();
      lock.lock();
      is_woken = false;  // what came until now is seen by this look
      lock.unlock();
      const std::chrono::microseconds pause = look(stop);
      lock.lock();
      changed.wait_for(lock, stop, pause, [this] { return is_woken; });
    }
  }
};

DropWatcher::DropWatcher(App& app, base::Metrics& metrics, std::function<void()> before_pass)
    : state_(std::make_unique<State>(app, metrics, std::move(before_pass))) {}
DropWatcher::~DropWatcher() { stop(); }

void DropWatcher::start() {
  state_->thread = std::jthread([state = state_.get()](const std::stop_token& stop) { state->work(stop); });
}

void DropWatcher::wake() {
  {
    const std::scoped_lock lock(state_->mutex);
    state_->is_woken = true;
  }
  state_->changed.notify_one();
}

void DropWatcher::stop() {
  state_->thread.request_stop();
  if (state_->thread.joinable())
    state_->thread.join();
}

}  // namespace shoplake::app
