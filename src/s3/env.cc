#include "s3/env.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "io/staged_folder.h"
#include "s3/object_reader.h"
#include "s3/upload.h"

namespace shoplake::s3 {

using base::ErrorKind;
using base::make_error;

namespace {

base::Error refused(const std::string& path, std::string_view what) {
  return make_error(ErrorKind::internal, "s3.not_a_file", fmt::format("{} is an object: {}", path, what));
}

// A file of the store that is to be synced; it never changes.
class CompleteObject final : public io::WritableFile {
 public:
  CompleteObject(std::string path, std::function<Result<void>()> arrived)
      : path_(std::move(path)), arrived_(std::move(arrived)) {}
  Result<void> append(std::string_view) override { return refused(path_, "nothing can be appended"); }
  Result<void> sync() override { return arrived_(); }
  Result<void> close() override { return {}; }

 private:
  const std::string path_;
  const std::function<Result<void>()> arrived_;
};

}  // namespace

// Small files that were closed and not synced are on their way; `sending` knows them until somebody has seen that they
// arrived, and those that failed until they are replaced or removed.
struct S3Env::State {
  State(io::Env& local, Client& client, S3EnvOptions options) : transfers(local, client, std::move(options)) {}

  std::mutex mutex;
  std::map<std::string, std::shared_future<Result<void>>> sending;  // by path
  Transfers transfers;                                              // last: its workers end before what they use

  void send_later(const Location& location, std::string bytes) {
    auto task = std::make_shared<std::packaged_task<Result<void>()>>(
        [this, location, bytes = std::move(bytes)]() -> Result<void> {
          const auto written = transfers.client.put(location, bytes);
          return written.ok() ? Result<void>() : Result<void>(written.error());
        });
    {
      const std::lock_guard lock(mutex);
      sending.insert_or_assign(to_string(location), task->get_future().share());
    }
    transfers.workers.submit([task] { (*task)(); });
  }

  Result<void> arrived(const std::string& path) {
    std::shared_future<Result<void>> future;
    {
      const std::lock_guard lock(mutex);
      const auto found = sending.find(path);
      if (found == sending.end())
        return {};
      future = found->second;
    }
    Result<void> outcome = future.get();
    if (outcome.ok()) {
      const std::lock_guard lock(mutex);
      const auto found = sending.find(path);
      if (found != sending.end() && found->second.wait_for(std::chrono::seconds(0)) == std::future_status::ready &&
          found->second.get().ok())
        sending.erase(found);
    }
    return outcome;
  }

  // Waits for all, whatever becomes of them: who needs one asks for it.
  void all_arrived() {
    std::vector<std::string> paths;
    {
      const std::lock_guard lock(mutex);
      for (const auto& [path, future] : sending)
        paths.push_back(path);
    }
    for (const std::string& path : paths)
      static_cast<void>(arrived(path));
  }

  void forget(const std::string& path) {
    static_cast<void>(arrived(path));
    const std::lock_guard lock(mutex);
    sending.erase(path);
  }

  Result<Location> object(const std::string& path) {
    Location location = SHOPLAKE_TRY(parse_location(path));
    if (location.key.empty())
      return make_error(ErrorKind::usage, "io.is_directory", path + " is a whole bucket", "Name an object in it.");
    return location;
  }

  // Whether any object's name begins with this folder's.
  Result<bool> has_below(const Location& folder) {
    ListOptions options;
    options.prefix = folder.key.empty() ? "" : folder.key + "/";
    options.page_size = 1;
    options.first_page_only = true;
    const Listing listing = SHOPLAKE_TRY(transfers.client.list(folder.bucket, options));
    return !listing.objects.empty();
  }
};

S3Env::S3Env(io::Env& below, Client& client, S3EnvOptions options)
    : below_(below), client_(client), options_(options), state_(std::make_unique<State>(below, client, options)) {}

S3Env::~S3Env() = default;

Result<std::unique_ptr<io::WritableFile>> S3Env::create_file(const std::string& path) {
  if (!is_s3(path))
    return below_.create_file(path);
  Location location = SHOPLAKE_TRY(state_->object(path));
  state_->forget(to_string(location));
  return make_object_writer(state_->transfers, std::move(location), [this](const Location& where, std::string bytes) {
    state_->send_later(where, std::move(bytes));
  });
}

Result<std::unique_ptr<io::WritableFile>> S3Env::append_file(const std::string& path) {
  if (!is_s3(path))
    return below_.append_file(path);
  const Location location = SHOPLAKE_TRY(state_->object(path));
  return std::unique_ptr<io::WritableFile>(
      std::make_unique<CompleteObject>(path, [this, name = to_string(location)] { return state_->arrived(name); }));
}

Result<std::unique_ptr<io::RandomAccessFile>> S3Env::open_file(const std::string& path) {
  if (!is_s3(path))
    return below_.open_file(path);
  const Location location = SHOPLAKE_TRY(state_->object(path));
  SHOPLAKE_TRY(state_->arrived(to_string(location)));
  return open_object(state_->transfers, location);
}

Result<bool> S3Env::exists(const std::string& path) {
  if (!is_s3(path))
    return below_.exists(path);
  const Location location = SHOPLAKE_TRY(parse_location(path));
  if (location.key.empty())
    return true;
  SHOPLAKE_TRY(state_->arrived(to_string(location)));
  const auto found = client_.head(location);
  if (found.ok())
    return true;
  if (found.error().kind != ErrorKind::not_found)
    return found.error();
  return is_directory(path);
}

Result<bool> S3Env::is_directory(const std::string& path) {
  if (!is_s3(path))
    return below_.is_directory(path);
  const Location location = SHOPLAKE_TRY(parse_location(path));
  if (location.key.empty())
    return true;
  state_->all_arrived();
  return state_->has_below(location);
}

Result<std::uint64_t> S3Env::file_size(const std::string& path) {
  if (!is_s3(path))
    return below_.file_size(path);
  const Location location = SHOPLAKE_TRY(state_->object(path));
  SHOPLAKE_TRY(state_->arrived(to_string(location)));
  return SHOPLAKE_TRY(client_.head(location)).size_bytes;
}

Result<std::vector<io::DirectoryEntry>> S3Env::list_directory(const std::string& path) {
  if (!is_s3(path))
    return below_.list_directory(path);
  const Location location = SHOPLAKE_TRY(parse_location(path));
  state_->all_arrived();
  ListOptions options;
  options.prefix = location.key.empty() ? "" : location.key + "/";
  options.delimiter = "/";
  const Listing listing = SHOPLAKE_TRY(client_.list(location.bucket, options));
  std::vector<io::DirectoryEntry> entries;
  for (const ListedObject& object : listing.objects) {
    if (object.key.size() > options.prefix.size())  // a placeholder that other tools make is the folder itself
      entries.push_back(
          {object.key.substr(options.prefix.size()), false, object.size_bytes, object.modified_micros, object.etag});
  }
  for (const std::string& prefix : listing.prefixes)
    entries.push_back({prefix.substr(options.prefix.size(), prefix.size() - options.prefix.size() - 1), true});
  std::ranges::sort(entries, {}, &io::DirectoryEntry::name);
  return entries;
}

Result<std::vector<io::DirectoryEntry>> S3Env::list_tree(const std::string& path, const std::string& prefix) {
  if (!is_s3(path))
    return below_.list_tree(path, prefix);
  const Location location = SHOPLAKE_TRY(parse_location(path));
  state_->all_arrived();
  const std::string folder = location.key.empty() ? "" : location.key + "/";
  ListOptions options;
  options.prefix = folder + prefix;
  std::vector<io::DirectoryEntry> files;
  for (ListedObject& object : SHOPLAKE_TRY(client_.list(location.bucket, options)).objects) {
    if (!object.key.ends_with('/'))  // placeholders of folders
      files.push_back(
          {object.key.substr(folder.size()), false, object.size_bytes, object.modified_micros, std::move(object.etag)});
  }
  return files;
}

Result<void> S3Env::create_directories(const std::string& path) {
  return is_s3(path) ? Result<void>() : below_.create_directories(path);
}

Result<void> S3Env::remove_file(const std::string& path) {
  if (!is_s3(path))
    return below_.remove_file(path);
  const Location location = SHOPLAKE_TRY(state_->object(path));
  state_->forget(to_string(location));
  return client_.remove(location);
}

void S3Env::remove_files_quietly(const std::vector<std::string>& paths) {
  std::vector<std::string> local;
  std::map<std::string, std::vector<std::string>> keys;  // by bucket
  for (const std::string& path : paths) {
    if (!is_s3(path)) {
      local.push_back(path);
      continue;
    }
    const auto location = state_->object(path);
    if (!location.ok())
      continue;
    state_->forget(to_string(*location));
    keys[location->bucket].push_back(location->key);
  }
  below_.remove_files_quietly(local);
  for (const auto& [bucket, of_bucket] : keys)
    static_cast<void>(client_.remove_many(bucket, of_bucket));
}

Result<void> S3Env::remove_tree(const std::string& path) {
  if (!is_s3(path))
    return below_.remove_tree(path);
  const Location location = SHOPLAKE_TRY(state_->object(path));
  state_->all_arrived();
  ListOptions options;
  options.prefix = location.key + "/";
  std::vector<std::string> keys{location.key};
  for (const ListedObject& object : SHOPLAKE_TRY(client_.list(location.bucket, options)).objects)
    keys.push_back(object.key);
  return client_.remove_many(location.bucket, keys);
}

Result<void> S3Env::rename(const std::string& from, const std::string& to) {
  if (!is_s3(from) && !is_s3(to))
    return below_.rename(from, to);
  return refused(is_s3(to) ? to : from, "it cannot be renamed; publish() is what moves files to a store");
}

Result<void> S3Env::sync_directory(const std::string& path) {
  return is_s3(path) ? Result<void>() : below_.sync_directory(path);
}

Result<void> S3Env::publish(const std::string& from, const std::string& to) {
  if (!is_s3(to))
    return is_s3(from) ? Result<void>(refused(from, "it cannot be moved to this machine's disk"))
                       : below_.publish(from, to);
  const Location target = SHOPLAKE_TRY(state_->object(to));
  state_->forget(to_string(target));
  if (is_s3(from)) {
    const Location source = SHOPLAKE_TRY(state_->object(from));
    SHOPLAKE_TRY(state_->arrived(to_string(source)));
    SHOPLAKE_TRY(client_.copy(source, target));
    return client_.remove(source);
  }
  SHOPLAKE_TRY(upload_file(state_->transfers, from, target));
  return below_.remove_file(from);
}

std::string S3Env::staging_directory(const std::string& path) {
  return is_s3(path) ? options_.staging_directory : below_.staging_directory(path);
}

Result<std::unique_ptr<io::FileLock>> S3Env::lock_file(const std::string& path) {
  if (!is_s3(path))
    return below_.lock_file(path);
  return refused(path, "it cannot be locked");
}

Result<void> S3Env::write_file(const std::string& path, std::string_view bytes) {
  if (!is_s3(path))
    return below_.write_file(path, bytes);
  const auto file = SHOPLAKE_TRY(create_file(path));
  SHOPLAKE_TRY(file->append(bytes));
  return file->sync();
}

}  // namespace shoplake::s3
