#include "app/quarantine_retry.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "app/file_loader.h"
#include "app/live_options.h"
#include "app/quarantine.h"
#include "io/env.h"
#include "live/live.h"
#include "transform/transform.h"

namespace shoplake::app {
namespace {

using base::ErrorKind;
using base::Result;
using ingest::FileRecord;
using ingest::FileState;

class Retry {
 public:
  Retry(App& app, const QuarantineRetryOptions& options) : app_(app), options_(options) {}

  Result<QuarantineRetryReport> run() {
    QuarantineFilter filter;
    filter.dataset = options_.dataset;
    filter.reason = options_.reason_code;
    const std::vector<QuarantineGroup> groups = SHOPLAKE_TRY(list_quarantine(app_, filter));
    if (groups.empty())
      return std::move(report_);
    loader_ = SHOPLAKE_TRY(FileLoader::open(app_, {options_.dataset, options_.progress, options_.stop, false}));
    control_plane_ = SHOPLAKE_TRY(SHOPLAKE_TRY(app_.catalog())->open_control_plane());
    SHOPLAKE_TRY(choose_way(groups));
    for (const FileRecord& record : SHOPLAKE_TRY(chosen_files(groups)))
      SHOPLAKE_TRY(retry_file(record));
    SHOPLAKE_TRY(retry_records(groups));
    return std::move(report_);
  }

 private:
  // Whether the dataset's JSON records go by the live path.
  Result<void> choose_way(const std::vector<QuarantineGroup>& groups) {
    if (std::ranges::all_of(groups, &QuarantineGroup::is_file))
      return {};
    const auto streams = SHOPLAKE_TRY(open_streams(app_));
    streams_ = SHOPLAKE_TRY(live_streams(app_, *streams, true));
    is_live_ = std::ranges::any_of(streams_, [&](const auto& stream) { return stream.dataset == options_.dataset; });
    return {};
  }

  // Whether the records of a loaded file are for the live path. A file that is gone can be read by nobody else.
  Result<bool> is_for_live(const FileRecord& record) {
    if (!is_live_)
      return false;
    const auto file = app_.env().open_file(io::join_path(app_.home().lake_root, record.object));
    if (!file.ok())
      return true;
    const auto format = transform::detect_format(**file, record.key.name, loader_->contract());
    return !format.ok() || *format == transform::InputFormat::json;
  }

  // The files of the groups, each once, in the order in which they came.
  Result<std::vector<FileRecord>> chosen_files(const std::vector<QuarantineGroup>& groups) {
    std::set<std::string> whole, of_records;
    for (const QuarantineGroup& group : groups)
      (group.is_file ? whole : of_records).insert(group.source_object);
    std::vector<FileRecord> chosen;
    for (FileRecord& record : SHOPLAKE_TRY(ingest::list_files(*control_plane_, {options_.dataset}))) {
      const bool is_whole = record.state == FileState::rejected || record.state == FileState::blocked;
      if (is_whole ? !whole.contains(record.object)
                   : record.state != FileState::loaded || !of_records.contains(record.object))
        continue;
      if (is_whole ? SHOPLAKE_TRY(is_superseded(record)) : SHOPLAKE_TRY(is_for_live(record)))
        continue;
      chosen.push_back(std::move(record));
    }
    std::ranges::stable_sort(chosen, {}, &FileRecord::at_micros);
    return chosen;
  }

  // A later file of that day and name is loaded: this one must not take its place.
  Result<bool> is_superseded(const FileRecord& record) {
    ingest::FileKey key = record.key;
    key.name = ingest::given_name(record);
    const auto current = SHOPLAKE_TRY(ingest::find_file(*control_plane_, key));
    return current && current->state == FileState::loaded && current->at_micros > record.at_micros;
  }

  Result<void> retry_file(const FileRecord& record) {
    RetriedFile retried{record.object, record.state, record.rejected, loader_->retry(record)};
    const LoadedFile& file = retried.file;
    // What will not be better for the next file ends it.
    if (file.error && file.error->kind != ErrorKind::input && file.error->kind != ErrorKind::not_found &&
        file.error->code != quality::kBlocked)
      return *file.error;
    if (record.state == FileState::loaded) {
      files_.insert(record.object);
      const bool is_better = file.status == LoadedFile::Status::loaded;
      const auto before = static_cast<std::uint64_t>(record.rejected);
      const auto after = is_better ? static_cast<std::uint64_t>(file.rejected) : before;
      report_.tried += before;
      report_.accepted += before - after;
      report_.rejected += after;
    }
    report_.files.push_back(std::move(retried));
    return {};
  }

  // Those that no file was loaded for.
  Result<void> retry_records(const std::vector<QuarantineGroup>& groups) {
    std::uint64_t left = 0;
    for (const QuarantineGroup& group : groups) {
      if (!group.is_file && !files_.contains(group.source_object))
        left += static_cast<std::uint64_t>(group.count);
    }
    if (left == 0)
      return {};
    if (!is_live_) {  // their file is not known any more
      report_.tried += left;
      report_.rejected += left;
      return {};
    }
    const auto live = SHOPLAKE_TRY(live::Live::open(SHOPLAKE_TRY(live_options(app_, std::move(streams_)))));
    live::RetryOptions options;
    options.dataset = options_.dataset;
    options.reason_code = options_.reason_code;
    options.left_objects.assign(files_.begin(), files_.end());
    options.stop = options_.stop;
    const live::RetryReport done = SHOPLAKE_TRY(live->retry(options));
    report_.tried += done.tried;
    report_.accepted += done.accepted;
    report_.already_there += done.already_there;
    report_.rejected += done.rejected;
    report_.truncated += done.truncated;
    return {};
  }

  App& app_;
  const QuarantineRetryOptions& options_;
  std::unique_ptr<FileLoader> loader_;
  std::unique_ptr<io::Database> control_plane_;
  std::vector<live::Stream> streams_;
  bool is_live_ = false;
  std::set<std::string> files_;  // whose records were tried by loading them again
  QuarantineRetryReport report_;
};

}  // namespace

Result<QuarantineRetryReport> retry_quarantine(App& app, const QuarantineRetryOptions& options) {
  return Retry(app, options).run();
}

}  // namespace shoplake::app
