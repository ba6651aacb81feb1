#include "s3/upload.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "io/staged_folder.h"

namespace shoplake::s3 {
namespace {

// Parts keep their first size so often, then have it twice, and so on: 10,000 parts of 8 MiB would be 80 GB only.
constexpr int kPartsOfOneSize = 1000;

class ObjectWriter final : public io::WritableFile {
 public:
  ObjectWriter(Transfers& transfers, Location location, SendLater send_later)
      : transfers_(transfers), location_(std::move(location)), send_later_(std::move(send_later)) {}

  ~ObjectWriter() override {
    release_small();
    upload_.reset();
    leave_stream();
    remove_staged();
  }

  Result<void> append(std::string_view bytes) override {
    if (is_done_) {
      return base::make_error(base::ErrorKind::internal, "s3.immutable",
                              to_string(location_) + " is complete; nothing can be appended");
    }
    if (!upload_ && !staged_) {
      if (buffer_.size() + bytes.size() <= transfers_.options.transfer.part_bytes && reserve_small(bytes.size())) {
        buffer_.append(bytes);
        return {};
      }
      SHOPLAKE_TRY(leave_memory());
    }
    return staged_ ? staged_->append(bytes) : append_parts(bytes);
  }

  Result<void> sync() override {
    if (!std::exchange(is_done_, true))
      outcome_ = finish();
    return outcome_;
  }

  Result<void> close() override {
    if (is_done_ || staged_ || upload_)
      return sync();
    is_done_ = true;
    send_later_(location_, std::exchange(buffer_, {}));  // waits where too many are on their way
    release_small();
    return {};
  }

 private:
  // Sends what is left; the object is there then.
  Result<void> finish() {
    if (staged_) {
      SHOPLAKE_TRY(staged_->close());
      staged_.reset();
      auto uploaded = upload_file(transfers_, staged_path_, location_);
      remove_staged();
      return uploaded;
    }
    if (upload_) {
      if (!buffer_.empty())
        SHOPLAKE_TRY(add_part());
      SHOPLAKE_TRY(upload_->complete());
      upload_.reset();
      leave_stream();
      return {};
    }
    const auto written = transfers_.client.put(location_, buffer_);
    release_small();
    return written.ok() ? Result<void>() : Result<void>(written.error());
  }

  bool reserve_small(std::uint64_t bytes) {
    if (transfers_.small_bytes.fetch_add(bytes) + bytes > transfers_.options.transfer.small_files_bytes) {
      transfers_.small_bytes -= bytes;
      return false;
    }
    reserved_ += bytes;
    return true;
  }

  void release_small() {
    transfers_.small_bytes -= std::exchange(reserved_, 0);
    buffer_ = std::string();
  }

  void leave_stream() {
    if (std::exchange(is_stream_, false))
      --transfers_.streams;
  }

  void remove_staged() {
    staged_.reset();
    if (!staged_path_.empty())
      static_cast<void>(transfers_.local.remove_file(std::exchange(staged_path_, {})));
  }

  // The file becomes too large to be kept: it goes in parts, if not too many do, or waits on the disk.
  Result<void> leave_memory() {
    is_stream_ = ++transfers_.streams <= transfers_.options.transfer.streams_max;
    if (is_stream_) {
      upload_ = std::make_unique<PartUpload>(transfers_, location_);
      SHOPLAKE_TRY(upload_->begin());
      transfers_.small_bytes -= std::exchange(reserved_, 0);
      return {};
    }
    --transfers_.streams;
    io::Env& local = transfers_.local;
    SHOPLAKE_TRY(local.create_directories(transfers_.options.staging_directory));
    staged_path_ = io::new_staged_path(local, transfers_.options.staging_directory);
    staged_ = SHOPLAKE_TRY(local.create_file(staged_path_));
    SHOPLAKE_TRY(staged_->append(buffer_));
    release_small();
    return {};
  }

  Result<void> append_parts(std::string_view bytes) {
    SHOPLAKE_TRY(upload_->check());
    while (!bytes.empty()) {
      const std::uint64_t room = upload_->next_part_bytes() - std::min(upload_->next_part_bytes(), buffer_.size());
      const std::string_view taken = bytes.substr(0, room);
      buffer_.append(taken);
      bytes.remove_prefix(taken.size());
      if (buffer_.size() >= upload_->next_part_bytes())
        SHOPLAKE_TRY(add_part());
    }
    return {};
  }

  Result<void> add_part() {
    return upload_->add(
        [part = std::exchange(buffer_, {})]() mutable -> Result<std::string> { return std::move(part); });
  }

  Transfers& transfers_;
  const Location location_;
  const SendLater send_later_;
  std::string buffer_;
  std::uint64_t reserved_ = 0;  // of transfers_.small_bytes
  bool is_done_ = false;
  Result<void> outcome_;  // once it is done: a file that could not be sent stays so
  bool is_stream_ = false;
  std::unique_ptr<PartUpload> upload_;
  std::unique_ptr<io::WritableFile> staged_;
  std::string staged_path_;
};

Result<std::string> read_part(const io::RandomAccessFile& file, const std::string& path, std::uint64_t offset,
                              std::uint64_t size) {
  std::string bytes(size, '\0');
  const std::size_t got = SHOPLAKE_TRY(file.read(offset, size, bytes.data()));
  if (got != size) {
    return base::make_error(base::ErrorKind::environment, "io.failed",
                            path + " became shorter while it was sent to the object store");
  }
  return bytes;
}

}  // namespace

std::uint64_t part_size(std::uint64_t part_bytes, int number) {
  return part_bytes * static_cast<std::uint64_t>(1 + (number - 1) / kPartsOfOneSize);
}

PartUpload::~PartUpload() {
  static_cast<void>(collect_all());
  if (!upload_id_.empty() && !is_complete_)
    static_cast<void>(transfers_.client.abort_upload(location_, upload_id_));  // the first error is the one to tell
}

Result<void> PartUpload::begin() {
  upload_id_ = SHOPLAKE_TRY(transfers_.client.begin_upload(location_));
  return {};
}

Result<void> PartUpload::add(std::function<Result<std::string>()> make) {
  SHOPLAKE_TRY(check());
  const int number = next_number_++;
  auto task = std::make_shared<std::packaged_task<Result<UploadedPart>()>>(
      [this, number, make = std::move(make)]() -> Result<UploadedPart> {
        const auto put = [&]() -> Result<UploadedPart> {
          const std::string bytes = SHOPLAKE_TRY(make());
          return transfers_.client.put_part(location_, upload_id_, number, bytes);
        };
        auto done = put();
        if (!done.ok())
          has_failed_ = true;
        return done;
      });
  parts_.push_back(task->get_future());
  transfers_.workers.submit([task] { (*task)(); });
  return {};
}

Result<void> PartUpload::check() { return has_failed_ ? collect_all() : Result<void>(); }

Result<void> PartUpload::collect_all() {
  for (; !parts_.empty(); parts_.pop_front()) {
    auto done = parts_.front().get();
    if (done.ok())
      uploaded_.push_back(std::move(done).value());
    else if (!failure_)
      failure_ = std::move(done).error();
  }
  return failure_ ? Result<void>(*failure_) : Result<void>();
}

Result<void> PartUpload::complete() {
  SHOPLAKE_TRY(collect_all());
  // Also where the outcome is not known: what may be complete must not be aborted.
  auto completed = transfers_.client.complete_upload(location_, upload_id_, uploaded_);
  is_complete_ = completed.ok() || completed.error().code == "s3.unavailable";
  return completed;
}

Result<void> upload_file(Transfers& transfers, const std::string& path, const Location& location) {
  const std::shared_ptr<const io::RandomAccessFile> file = SHOPLAKE_TRY(transfers.local.open_file(path));
  const std::uint64_t size = SHOPLAKE_TRY(file->size());
  if (size <= transfers.options.transfer.part_bytes) {
    const std::string bytes = SHOPLAKE_TRY(read_part(*file, path, 0, size));
    SHOPLAKE_TRY(transfers.client.put(location, bytes));
    return {};
  }
  PartUpload upload(transfers, location);
  SHOPLAKE_TRY(upload.begin());
  for (std::uint64_t offset = 0; offset < size;) {
    const std::uint64_t part = std::min(upload.next_part_bytes(), size - offset);
    SHOPLAKE_TRY(upload.add([file, path, offset, part] { return read_part(*file, path, offset, part); }));
    offset += part;
  }
  return upload.complete();
}

std::unique_ptr<io::WritableFile> make_object_writer(Transfers& transfers, Location location, SendLater send_later) {
  return std::make_unique<ObjectWriter>(transfers, std::move(location), std::move(send_later));
}

}  // namespace shoplake::s3
