#include "s3/object_reader.h"

#include <algorithm>
#include <cstring>
#include <future>
#include <map>
#include <mutex>
#include <utility>

namespace shoplake::s3 {
namespace {

using Block = std::shared_future<Result<std::shared_ptr<const std::string>>>;

Result<std::shared_ptr<const std::string>> fetch(Client& client, const Location& location, std::uint64_t offset,
                                                 std::uint64_t size, const std::string& etag) {
  auto piece = client.get(location, offset, size, etag);
  if (piece.ok())
    return std::shared_ptr<const std::string>(std::make_shared<std::string>(std::move(piece->bytes)));
  if (piece.error().code == "s3.precondition_failed") {
    return base::make_error(base::ErrorKind::environment, "s3.changed",
                            to_string(location) + " was replaced while it was read", "Run it again.");
  }
  return std::move(piece).error();
}

// What fetching needs, apart from the reader, which may go while a block is fetched ahead.
struct Source {
  Client& client;
  const Location location;
  const ObjectInfo object;
};

class ObjectReader final : public io::RandomAccessFile {
 public:
  ObjectReader(Transfers& transfers, const Location& location, Piece first)
      : transfers_(transfers),
        source_(std::make_shared<Source>(Source{transfers.client, location, first.object})),
        first_(std::move(first.bytes)) {}

  Result<std::uint64_t> size() const override { return source_->object.size_bytes; }

  Result<std::size_t> read(std::uint64_t offset, std::size_t size, char* buffer) const override {
    std::size_t done = 0;
    while (done < size && offset + done < source_->object.size_bytes) {
      const std::uint64_t at = offset + done;
      if (at < first_.size()) {
        const std::size_t taken = std::min<std::size_t>(size - done, first_.size() - at);
        std::memcpy(buffer + done, first_.data() + at, taken);
        done += taken;
        continue;
      }
      const std::uint64_t index = (at - first_.size()) / block_bytes();
      const auto block = SHOPLAKE_TRY(take(index));
      const std::uint64_t within = at - begin_of(index);
      if (within >= block->size()) {
        return base::make_error(base::ErrorKind::environment, "s3.bad_answer",
                                to_string(source_->location) + ": a block is shorter than it should be");
      }
      const std::size_t taken = std::min<std::size_t>(size - done, block->size() - within);
      std::memcpy(buffer + done, block->data() + within, taken);
      done += taken;
    }
    return done;
  }

 private:
  std::uint64_t block_bytes() const { return transfers_.options.transfer.block_bytes; }
  std::uint64_t begin_of(std::uint64_t index) const { return first_.size() + index * block_bytes(); }

  Result<std::shared_ptr<const std::string>> take(std::uint64_t index) const {
    std::promise<Result<std::shared_ptr<const std::string>>> promise;
    Block block;
    bool is_mine = false;
    {
      const std::lock_guard lock(mutex_);
      const auto found = blocks_.find(index);
      is_mine = found == blocks_.end();
      block = is_mine ? promise.get_future().share() : found->second;
      if (is_mine)
        keep(index, block);
      if (index == last_index_ + 1 || (index == 0 && last_index_ == kNone))
        fetch_ahead(index + 1);
      last_index_ = index;
    }
    if (is_mine)
      promise.set_value(
          fetch(source_->client, source_->location, begin_of(index), block_bytes(), source_->object.etag));
    auto outcome = block.get();
    if (!outcome.ok()) {
      const std::lock_guard lock(mutex_);
      blocks_.erase(index);  // the next read tries again
    }
    return outcome;
  }

  // Under `mutex_`. Blocks far behind go first.
  void keep(std::uint64_t index, Block block) const {
    blocks_.emplace(index, std::move(block));
    if (blocks_.size() > kBlocksKept)
      blocks_.erase(blocks_.begin()->first == index ? std::prev(blocks_.end()) : blocks_.begin());
  }

  // Under `mutex_`. As far as threads are free.
  void fetch_ahead(std::uint64_t from) const {
    for (std::uint64_t index = from; index < from + kBlocksAhead && begin_of(index) < source_->object.size_bytes;
         ++index) {
      if (blocks_.contains(index))
        continue;
      auto task = std::make_shared<std::packaged_task<Result<std::shared_ptr<const std::string>>()>>(
          [source = source_, offset = begin_of(index), size = block_bytes()] {
            return fetch(source->client, source->location, offset, size, source->object.etag);
          });
      Block block = task->get_future().share();
      if (!transfers_.workers.try_submit([task] { (*task)(); }))
        return;
      keep(index, std::move(block));
    }
  }

  static constexpr std::uint64_t kNone = ~std::uint64_t{0};

  Transfers& transfers_;
  const std::shared_ptr<const Source> source_;
  const std::string first_;
  mutable std::mutex mutex_;
  mutable std::map<std::uint64_t, Block> blocks_;
  mutable std::uint64_t last_index_ = kNone;
};

}  // namespace

Result<std::unique_ptr<io::RandomAccessFile>> open_object(Transfers& transfers, const Location& location) {
  Piece first = SHOPLAKE_TRY(transfers.client.get(location, 0, transfers.options.transfer.first_read_bytes));
  return std::unique_ptr<io::RandomAccessFile>(std::make_unique<ObjectReader>(transfers, location, std::move(first)));
}

}  // namespace shoplake::s3
