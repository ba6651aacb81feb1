#include "io/faulty_env.h"

#include <algorithm>
#include <cerrno>
#include <random>
#include <utility>

#include "io/io_error.h"

namespace shoplake::io {

class FaultyWritableFile final : public WritableFile {
 public:
  FaultyWritableFile(FaultyEnv& env, std::unique_ptr<WritableFile> target, std::shared_ptr<FaultyEnv::Content> content,
                     std::string path)
      : env_(env),
        target_(std::move(target)),
        content_(std::move(content)),
        path_(std::move(path)),
        crashes_(env.crashes_) {}

  Result<void> append(std::string_view bytes) override {
    const std::lock_guard lock(env_.mutex_);
    const auto fault = env_.begin(FaultyEnv::Operation::write);
    SHOPLAKE_TRY(check_power());
    if (fault && !fault->torn_after) {
      return system_error("cannot write", path_, fault->error_number);
    }
    std::size_t size = bytes.size();
    int error_number = 0;
    if (fault) {
      size = std::min(size, *fault->torn_after);
      error_number = fault->error_number;
    }
    if (env_.space_left_ && size > *env_.space_left_) {
      size = static_cast<std::size_t>(*env_.space_left_);
      error_number = ENOSPC;
    }
    if (env_.space_left_) {
      *env_.space_left_ -= size;
    }
    content_->bytes.append(bytes.substr(0, size));
    SHOPLAKE_TRY(target_->append(bytes.substr(0, size)));
    return error_number == 0 ? Result<void>() : system_error("cannot write", path_, error_number);
  }

  Result<void> sync() override {
    const std::lock_guard lock(env_.mutex_);
    SHOPLAKE_TRY(env_.begin(FaultyEnv::Operation::sync, "cannot sync", path_));
    SHOPLAKE_TRY(check_power());
    SHOPLAKE_TRY(target_->sync());
    content_->synced = content_->bytes.size();
    return {};
  }

  Result<void> close() override {
    const std::lock_guard lock(env_.mutex_);
    SHOPLAKE_TRY(env_.begin(FaultyEnv::Operation::close, "cannot close", path_));
    SHOPLAKE_TRY(check_power());
    return target_->close();
  }

 private:
  Result<void> check_power() const {
    return env_.crashes_ == crashes_ ? Result<void>() : system_error("cannot use after the crash", path_, EIO);
  }

  FaultyEnv& env_;
  std::unique_ptr<WritableFile> target_;
  std::shared_ptr<FaultyEnv::Content> content_;
  std::string path_;
  int crashes_;
};

class FaultyRandomAccessFile final : public RandomAccessFile {
 public:
  FaultyRandomAccessFile(FaultyEnv& env, std::unique_ptr<RandomAccessFile> target, std::string path)
      : env_(env), target_(std::move(target)), path_(std::move(path)) {}

  Result<std::size_t> read(std::uint64_t offset, std::size_t size, char* buffer) const override {
    {
      const std::lock_guard lock(env_.mutex_);
      SHOPLAKE_TRY(env_.begin(FaultyEnv::Operation::read, "cannot read", path_));
    }
    return target_->read(offset, size, buffer);
  }
  Result<std::uint64_t> size() const override { return target_->size(); }

 private:
  FaultyEnv& env_;
  std::unique_ptr<RandomAccessFile> target_;
  std::string path_;
};

void FaultyEnv::fail(Operation operation, int nth, int error_number) {
  const std::lock_guard lock(mutex_);
  faults_.insert({operation, Fault{nth, error_number, std::nullopt}});
}

void FaultyEnv::tear_write(int nth, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  faults_.insert({Operation::write, Fault{nth, EIO, bytes}});
}

void FaultyEnv::limit_space(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  space_left_ = bytes;
}

void FaultyEnv::heal() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
  space_left_.reset();
}

int FaultyEnv::count(Operation operation) const {
  const std::lock_guard lock(mutex_);
  return counts_[static_cast<std::size_t>(operation)];
}

std::optional<FaultyEnv::Fault> FaultyEnv::begin(Operation operation) {
  ++counts_[static_cast<std::size_t>(operation)];
  std::optional<Fault> met;
  const auto [first, last] = faults_.equal_range(operation);
  for (auto fault = first; fault != last;) {
    if (--fault->second.operations_left == 0) {
      met = fault->second;
      fault = faults_.erase(fault);
    } else {
      ++fault;
    }
  }
  return met;
}

Result<void> FaultyEnv::begin(Operation operation, std::string_view what, const std::string& path) {
  const auto fault = begin(operation);
  return fault ? Result<void>(system_error(what, path, fault->error_number)) : Result<void>();
}

Result<void> FaultyEnv::adopt(const std::string& path) {
  if (!tracked_.insert(path).second) {
    return {};
  }
  auto bytes = target_.read_file(path);
  if (bytes.ok()) {
    auto content = std::make_shared<Content>(Content{*bytes, bytes->size()});
    live_[path] = content;
    durable_[path] = content;
    return {};
  }
  if (bytes.error().kind == base::ErrorKind::not_found) {
    return {};
  }
  tracked_.erase(path);
  return std::move(bytes).error();
}

Result<std::unique_ptr<WritableFile>> FaultyEnv::open_for_writing(const std::string& path, bool truncate) {
  const std::lock_guard lock(mutex_);
  SHOPLAKE_TRY(begin(Operation::create, "cannot create", path));
  SHOPLAKE_TRY(adopt(path));
  auto target = SHOPLAKE_TRY(truncate ? target_.create_file(path) : target_.append_file(path));
  auto& content = live_[path];
  if (!content) {
    content = std::make_shared<Content>();
  }
  if (truncate) {
    *content = Content{};
  }
  return std::unique_ptr<WritableFile>(std::make_unique<FaultyWritableFile>(*this, std::move(target), content, path));
}

Result<std::unique_ptr<WritableFile>> FaultyEnv::create_file(const std::string& path) {
  return open_for_writing(path, true);
}

Result<std::unique_ptr<WritableFile>> FaultyEnv::append_file(const std::string& path) {
  return open_for_writing(path, false);
}

Result<std::unique_ptr<RandomAccessFile>> FaultyEnv::open_file(const std::string& path) {
  const std::lock_guard lock(mutex_);
  SHOPLAKE_TRY(begin(Operation::open, "cannot open", path));
  auto target = SHOPLAKE_TRY(target_.open_file(path));
  return std::unique_ptr<RandomAccessFile>(std::make_unique<FaultyRandomAccessFile>(*this, std::move(target), path));
}

Result<std::uint64_t> FaultyEnv::file_size(const std::string& path) { return target_.file_size(path); }

Result<std::vector<DirectoryEntry>> FaultyEnv::list_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  SHOPLAKE_TRY(begin(Operation::list, "cannot list", path));
  return target_.list_directory(path);
}

Result<void> FaultyEnv::create_directories(const std::string& path) {
  const std::lock_guard lock(mutex_);
  SHOPLAKE_TRY(begin(Operation::make_directory, "cannot create the folder", path));
  return target_.create_directories(path);
}

Result<void> FaultyEnv::remove_file(const std::string& path) {
  const std::lock_guard lock(mutex_);
  SHOPLAKE_TRY(begin(Operation::remove, "cannot remove", path));
  SHOPLAKE_TRY(adopt(path));
  SHOPLAKE_TRY(target_.remove_file(path));
  live_.erase(path);
  return {};
}

Result<void> FaultyEnv::remove_tree(const std::string& path) {
  const std::lock_guard lock(mutex_);
  SHOPLAKE_TRY(begin(Operation::remove, "cannot remove", path));
  SHOPLAKE_TRY(target_.remove_tree(path));
  const auto below = [&](const auto& entry) {
    return entry.first == path || entry.first.starts_with(join_path(path, ""));
  };
  std::erase_if(live_, below);
  std::erase_if(durable_, below);
  return {};
}

Result<void> FaultyEnv::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  SHOPLAKE_TRY(begin(Operation::rename, "cannot rename " + from + " to", to));
  SHOPLAKE_TRY(adopt(from));
  SHOPLAKE_TRY(adopt(to));
  SHOPLAKE_TRY(target_.rename(from, to));
  if (auto moved = live_.extract(from); !moved.empty()) {
    live_[to] = moved.mapped();
  }
  return {};
}

Result<void> FaultyEnv::sync_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  SHOPLAKE_TRY(begin(Operation::sync_directory, "cannot sync", path));
  SHOPLAKE_TRY(target_.sync_directory(path));
  const std::string folder = path.size() > 1 && path.ends_with('/') ? path.substr(0, path.size() - 1) : path;
  for (const std::string& name : tracked_) {
    if (parent_path(name) != folder) {
      continue;
    }
    if (const auto found = live_.find(name); found != live_.end()) {
      durable_[name] = found->second;
    } else {
      durable_.erase(name);
    }
  }
  return {};
}

Result<void> FaultyEnv::crash(std::optional<std::uint64_t> seed) {
  const std::lock_guard lock(mutex_);
  ++crashes_;
  std::mt19937_64 random(seed.value_or(0));
  const auto chance = [&] { return seed.has_value() && random() % 2 == 0; };
  for (const std::string& name : tracked_) {
    const auto live = live_.find(name);
    const auto durable = durable_.find(name);
    const bool is_changed = (live == live_.end()) != (durable == durable_.end()) ||
                            (live != live_.end() && durable != durable_.end() && live->second != durable->second);
    if (is_changed && chance()) {
      if (live == live_.end()) {
        durable_.erase(durable);
      } else {
        durable_[name] = live->second;
      }
    }
  }
  std::set<Content*> cut;
  for (const auto& [name, content] : durable_) {
    if (cut.insert(content.get()).second) {
      const std::size_t unsynced = content->bytes.size() - content->synced;
      const std::size_t kept = seed && unsynced > 0 ? random() % (unsynced + 1) : 0;
      content->bytes.resize(content->synced + kept);
      content->synced = content->bytes.size();
    }
  }
  for (const std::string& name : tracked_) {
    const auto durable = durable_.find(name);
    if (durable == durable_.end()) {
      auto removed = target_.remove_file(name);
      if (!removed.ok() && removed.error().kind != base::ErrorKind::not_found) {
        return removed;
      }
      continue;
    }
    const auto file = SHOPLAKE_TRY(target_.create_file(name));
    SHOPLAKE_TRY(file->append(durable->second->bytes));
    SHOPLAKE_TRY(file->close());
  }
  // Two names of one file (a rename that half survived) are two files from here on.
  Names separate;
  for (const auto& [name, content] : durable_) {
    separate[name] = std::make_shared<Content>(*content);
  }
  durable_ = separate;
  live_ = std::move(separate);
  return {};
}

}  // namespace shoplake::io
