#include "live/cold_rows.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <utility>

namespace shoplake::live {
namespace {

// An entry: the lower bits of a hash over the number of a row. Its upper bits are the bucket.
constexpr int kBits = 40;  // of a hash that are looked at
constexpr int kRowBits = 20;
constexpr std::size_t kEntryBytes = 6;
constexpr std::size_t kRunRowsMax = std::size_t{1} << kRowBits;
constexpr int kBucketBitsMin = kBits - (8 * static_cast<int>(kEntryBytes) - kRowBits);
constexpr int kBucketBitsMax = 20;
constexpr std::size_t kEntriesAtATime = 1024;  // that are read of a key of many rows
constexpr std::uint32_t kGone = std::numeric_limits<std::uint32_t>::max();

static_assert(kBucketBitsMin == 12);

std::uint64_t looked_at(std::uint64_t hash) {
  return (hash & ((std::uint64_t{1} << ColdRows::kHashBits) - 1)) >> (ColdRows::kHashBits - kBits);
}

// The rows of a run by the hash of one key.
class Index {
 public:
  Index(const SpillPlace& spill, const std::vector<std::uint64_t>& hashes)  // 40 bits each, in order of the rows
      : bucket_bits_(std::clamp(static_cast<int>(std::bit_width(hashes.size() / 8)), kBucketBitsMin, kBucketBitsMax)),
        begins_(count_buckets(hashes)),
        entries_(spill, make_entries(hashes)) {}

  // `buffer` is the caller's, for what is read.
  template <typename Call>
  Result<void> find(std::uint64_t hash, std::vector<std::uint8_t>& buffer, const Call& call) const {
    const std::uint64_t wanted = rest(hash);
    const std::size_t number = bucket(hash);
    for (std::size_t at = begins_[number]; at < begins_[number + 1]; at += kEntriesAtATime) {
      const std::size_t count = std::min<std::size_t>(begins_[number + 1] - at, kEntriesAtATime);
      const auto read = SHOPLAKE_TRY(entries_.read(at * kEntryBytes, count * kEntryBytes, buffer));
      for (std::size_t index = 0; index < count; ++index) {
        const std::uint64_t entry = get(read, index);
        if (entry >> kRowBits == wanted)
          call(static_cast<std::uint32_t>(entry & (kRunRowsMax - 1)));
      }
    }
    return {};
  }

  // The hash of each row.
  Result<std::vector<std::uint64_t>> hashes() const {
    std::vector<std::uint8_t> buffer;
    const auto read = SHOPLAKE_TRY(entries_.read(0, entries_.size(), buffer));
    std::vector<std::uint64_t> hashes(entries_.size() / kEntryBytes);
    for (std::size_t number = 0; number + 1 < begins_.size(); ++number) {
      for (std::size_t at = begins_[number]; at < begins_[number + 1]; ++at) {
        const std::uint64_t entry = get(read, at);
        hashes[entry & (kRunRowsMax - 1)] =
            static_cast<std::uint64_t>(number) << (kBits - bucket_bits_) | entry >> kRowBits;
      }
    }
    return hashes;
  }

  std::size_t memory_bytes() const { return entries_.memory_bytes() + begins_.capacity() * sizeof(begins_[0]); }

 private:
  std::vector<std::uint32_t> count_buckets(const std::vector<std::uint64_t>& hashes) const {
    std::vector<std::uint32_t> begins((std::size_t{1} << bucket_bits_) + 1, 0);
    for (const std::uint64_t hash : hashes)
      ++begins[bucket(hash) + 1];
    std::partial_sum(begins.begin(), begins.end(), begins.begin());
    return begins;
  }

  std::vector<std::uint8_t> make_entries(const std::vector<std::uint64_t>& hashes) const {
    std::vector<std::uint8_t> entries(hashes.size() * kEntryBytes);
    std::vector<std::uint32_t> next(begins_.begin(), begins_.end() - 1);
    for (std::size_t row = 0; row < hashes.size(); ++row) {
      const std::uint64_t entry = rest(hashes[row]) << kRowBits | row;
      const std::size_t at = next[bucket(hashes[row])]++;
      for (std::size_t byte = 0; byte < kEntryBytes; ++byte)
        entries[at * kEntryBytes + byte] = static_cast<std::uint8_t>(entry >> (8 * byte));
    }
    return entries;
  }

  std::size_t bucket(std::uint64_t hash) const { return hash >> (kBits - bucket_bits_); }
  std::uint64_t rest(std::uint64_t hash) const { return hash & ((std::uint64_t{1} << (kBits - bucket_bits_)) - 1); }
  static std::uint64_t get(std::span<const std::uint8_t> entries, std::size_t at) {
    std::uint64_t entry = 0;
    for (std::size_t byte = 0; byte < kEntryBytes; ++byte)
      entry |= std::uint64_t{entries[at * kEntryBytes + byte]} << (8 * byte);
    return entry;
  }

  int bucket_bits_;
  std::vector<std::uint32_t> begins_;  // of each bucket; one more
  SpilledBytes entries_;
};

}  // namespace

// Rows that are to be a run, in order of their places.
struct ColdRows::Gathered {
  std::vector<Place> places;
  std::vector<std::vector<std::uint64_t>> hashes;  // by key, 40 bits each

  void sort() {
    if (std::is_sorted(places.begin(), places.end()))
      return;
    std::vector<std::uint32_t> order(places.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return places[a] < places[b]; });
    const auto reorder = [&](auto& values) {
      auto sorted = values;
      for (std::size_t index = 0; index < order.size(); ++index)
        sorted[index] = values[order[index]];
      values = std::move(sorted);
    };
    reorder(places);
    for (auto& of_key : hashes)
      reorder(of_key);
  }
};

class ColdRows::Run {
 public:
  Run(const SpillPlace& spill, Gathered gathered) : cold_(gathered.places.size()) {
    positions_.reserve(gathered.places.size());
    for (const Place& place : gathered.places) {
      if (stretches_.empty() || stretches_.back().file != place.file)
        stretches_.push_back({static_cast<std::uint32_t>(positions_.size()), place.file});
      positions_.push_back(narrow(place.position));
    }
    for (auto& of_key : gathered.hashes) {
      indexes_.emplace_back(spill, of_key);
      of_key = std::vector<std::uint64_t>();
    }
  }

  std::size_t cold() const { return cold_; }

  Result<void> find(std::size_t key, std::uint64_t hash, std::uint32_t run, std::vector<std::uint8_t>& buffer,
                    std::vector<Row>& into) const {
    return indexes_[key].find(hash, buffer, [&](std::uint32_t row) {
      if (positions_[row] != kGone)
        into.push_back({{file_of(row), positions_[row]}, run, row});
    });
  }

  void take(std::uint32_t row) {
    const std::uint32_t position = std::exchange(positions_[row], kGone);
    cold_ -= position != kGone ? 1 : 0;
  }

  void move(std::int32_t file, std::int32_t into, std::span<const std::pair<std::int64_t, std::int64_t>> positions) {
    for (std::size_t number = 0; number < stretches_.size(); ++number) {
      if (stretches_[number].file != file)
        continue;
      stretches_[number].file = into;
      for (std::uint32_t row = stretches_[number].begin; row < end_of(number); ++row) {
        if (positions_[row] == kGone)
          continue;
        const auto found = std::lower_bound(positions.begin(), positions.end(), std::int64_t{positions_[row]},
                                            [](const auto& one, std::int64_t old) { return one.first < old; });
        if (found != positions.end() && found->first == std::int64_t{positions_[row]})
          positions_[row] = narrow(found->second);
        else
          take(row);
      }
    }
  }

  void list_files(std::vector<std::int32_t>& files) const {
    for (std::size_t number = 0; number < stretches_.size(); ++number) {
      const auto begin = positions_.begin() + stretches_[number].begin;
      const auto end = positions_.begin() + end_of(number);
      if (std::any_of(begin, end, [](std::uint32_t position) { return position != kGone; }))
        files.push_back(stretches_[number].file);
    }
  }

  // Appends the rows that are cold.
  Result<void> pour(Gathered& into) const {
    for (std::size_t number = 0; number < stretches_.size(); ++number) {
      for (std::uint32_t row = stretches_[number].begin; row < end_of(number); ++row) {
        if (positions_[row] != kGone)
          into.places.push_back({stretches_[number].file, positions_[row]});
      }
    }
    for (std::size_t key = 0; key < indexes_.size(); ++key) {
      const std::vector<std::uint64_t> hashes = SHOPLAKE_TRY(indexes_[key].hashes());
      for (std::size_t row = 0; row < hashes.size(); ++row) {
        if (positions_[row] != kGone)
          into.hashes[key].push_back(hashes[row]);
      }
    }
    return {};
  }

  std::size_t memory_bytes() const {
    std::size_t bytes = positions_.capacity() * sizeof(positions_[0]) + stretches_.capacity() * sizeof(stretches_[0]);
    for (const Index& index : indexes_)
      bytes += index.memory_bytes();
    return bytes;
  }

 private:
  // Rows from `begin` to the next stretch lie in one file.
  struct Stretch {
    std::uint32_t begin;
    std::int32_t file;
  };

  static std::uint32_t narrow(std::int64_t position) {
    SHOPLAKE_CHECK(position >= 0 && position < std::int64_t{kGone});
    return static_cast<std::uint32_t>(position);
  }

  std::uint32_t end_of(std::size_t stretch) const {
    return stretch + 1 < stretches_.size() ? stretches_[stretch + 1].begin
                                           : static_cast<std::uint32_t>(positions_.size());
  }

  std::int32_t file_of(std::uint32_t row) const {
    const auto after = std::upper_bound(stretches_.begin(), stretches_.end(), row,
                                        [](std::uint32_t wanted, const Stretch& one) { return wanted < one.begin; });
    return std::prev(after)->file;
  }

  std::size_t cold_;
  std::vector<Stretch> stretches_;
  std::vector<std::uint32_t> positions_;  // kGone: not cold any more
  std::vector<Index> indexes_;            // of each key
};

ColdRows::ColdRows(std::size_t keys, SpillPlace spill) : keys_(keys), spill_(std::move(spill)) {}
ColdRows::ColdRows(ColdRows&&) noexcept = default;
ColdRows& ColdRows::operator=(ColdRows&&) noexcept = default;
ColdRows::~ColdRows() = default;

Result<void> ColdRows::add(const std::vector<Place>& places, const std::vector<std::vector<std::uint64_t>>& hashes) {
  SHOPLAKE_CHECK(hashes.size() == keys_);
  for (std::size_t begin = 0; begin < places.size(); begin += kRunRowsMax) {
    const std::size_t end = std::min(begin + kRunRowsMax, places.size());
    Gathered gathered;
    gathered.places.assign(places.begin() + begin, places.begin() + end);
    for (const auto& of_key : hashes) {
      SHOPLAKE_CHECK(of_key.size() == places.size());
      auto& into = gathered.hashes.emplace_back();
      into.reserve(end - begin);
      for (std::size_t row = begin; row < end; ++row)
        into.push_back(looked_at(of_key[row]));
    }
    SHOPLAKE_TRY(add_run(std::move(gathered)));
  }
  return {};
}

Result<void> ColdRows::add_run(Gathered gathered) {
  while (!runs_.empty() && runs_.back().cold() <= gathered.places.size() &&
         runs_.back().cold() + gathered.places.size() <= kRunRowsMax) {
    SHOPLAKE_TRY(runs_.back().pour(gathered));
    runs_.pop_back();
  }
  gathered.sort();
  runs_.emplace_back(spill_, std::move(gathered));
  return {};
}

Result<void> ColdRows::find(std::size_t key, std::span<const std::uint64_t> hashes, std::vector<Row>& found) const {
  std::vector<std::uint8_t> buffer;
  for (std::size_t run = 0; run < runs_.size(); ++run) {
    for (const std::uint64_t hash : hashes)
      SHOPLAKE_TRY(runs_[run].find(key, looked_at(hash), static_cast<std::uint32_t>(run), buffer, found));
  }
  return {};
}

void ColdRows::take(std::span<const Row> rows) {
  for (const Row& row : rows)
    runs_[row.run].take(row.number);
}

void ColdRows::move(std::int32_t file, std::int32_t into,
                    std::span<const std::pair<std::int64_t, std::int64_t>> positions) {
  for (Run& run : runs_)
    run.move(file, into, positions);
  std::erase_if(runs_, [](const Run& run) { return run.cold() == 0; });
}

std::vector<std::int32_t> ColdRows::files() const {
  std::vector<std::int32_t> files;
  for (const Run& run : runs_)
    run.list_files(files);
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  return files;
}

std::size_t ColdRows::count() const {
  std::size_t count = 0;
  for (const Run& run : runs_)
    count += run.cold();
  return count;
}

std::size_t ColdRows::memory_bytes() const {
  std::size_t bytes = 0;
  for (const Run& run : runs_)
    bytes += run.memory_bytes();
  return bytes;
}

}  // namespace shoplake::live
