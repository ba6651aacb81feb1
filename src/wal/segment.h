// A segment of the log as bytes: header, records, and how to find the next readable record behind damage. Pure
// functions over memory; they take any bytes and never read beyond them. Format: docs/formats/wal.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shoplake::wal {

using Offset = std::uint64_t;

inline constexpr std::size_t kSegmentHeaderBytes = 48;
inline constexpr std::size_t kRecordHeaderBytes = 32;
inline constexpr std::size_t kStreamNameBytesMax = 255;
inline constexpr std::size_t kPayloadBytesMax = 32 << 20;

// A durable record. The views belong to whoever holds the bytes.
struct Record {
  Offset offset = 0;
  std::string_view stream;
  std::int64_t received_at_micros = 0;
  std::string_view payload;
};

// Offsets [first, end) whose records cannot be read.
struct LostRange {
  Offset first = 0;
  Offset end = 0;
  std::string reason;  // "damaged bytes 4096 to 8192 of 00000000000000001234-00000001-5f3a9c01.wal"
};

struct SegmentHeader {
  Offset first = 0;  // of its first record
  std::int64_t created_at_micros = 0;
  std::uint32_t sequence = 0;  // greater than that of every earlier segment
  std::uint32_t salt = 0;      // random; begins every checksum, so that no payload can pass for a record
};

// "<first, 20 digits>-<sequence, 8 digits>-<salt, 8 hexadecimal digits>.wal": sorted by name is sorted by age. The name
// holds what is needed to read a segment whose header is damaged.
std::string segment_name(const SegmentHeader& header);
// Without created_at_micros. Nothing if that is not a segment's name.
std::optional<SegmentHeader> parse_segment_name(std::string_view name);

std::string encode_segment_header(const SegmentHeader& header);
// Nothing if the bytes are too few or damaged, or of an unknown version.
std::optional<SegmentHeader> decode_segment_header(std::string_view bytes);

// Appends the record to `out` without its offset and checksums, which seal_records() fills in.
void encode_record(std::string_view stream, std::int64_t received_at_micros, std::string_view payload,
                   std::string& out);
std::size_t encoded_bytes(std::size_t stream_bytes, std::size_t payload_bytes);
// Numbers the encoded records from `first` on and computes their checksums. Returns the offset behind the last one.
Offset seal_records(char* bytes, std::size_t size, Offset first, std::uint32_t salt);

// Finds records in bytes of a segment (not necessarily from its beginning, but from the beginning of a record).
class RecordScanner {
 public:
  enum class Found {
    record,    // record() is the next one
    damage,    // the bytes [damage_begin(), position()) are no record; go on
    end,       // no more bytes, or nothing readable in the rest (tail_bytes() of it)
    need_more  // a record begins at position() and its end, at needed(), is beyond the bytes; only if !is_whole
  };

  struct Options {
    std::uint32_t salt = 0;
    Offset expected = 0;                              // records below it are damage
    Offset end = std::numeric_limits<Offset>::max();  // records from it on do not count: the scan ends
    bool is_whole = true;                             // the bytes go to the end of what counts
  };

  RecordScanner(std::string_view bytes, const Options& options) : bytes_(bytes), options_(options) {}

  Found next();
  const Record& record() const { return record_; }
  std::size_t position() const { return position_; }  // of the next byte to look at
  std::size_t damage_begin() const { return damage_begin_; }
  std::size_t needed() const { return needed_; }
  std::size_t tail_bytes() const { return bytes_.size() - tail_begin_; }

 private:
  std::string_view bytes_;
  Options options_;
  Record record_;
  std::size_t position_ = 0;
  std::size_t damage_begin_ = 0;
  std::size_t needed_ = 0;
  std::size_t tail_begin_ = 0;
};

// A whole segment file.
struct Segment {
  std::optional<SegmentHeader> header;  // from its header, or from its name if that is damaged; nothing: unreadable
  bool is_header_damaged = false;
  std::vector<Record> records;  // views of `bytes`
  std::vector<LostRange> lost;
  std::uint64_t bytes_damaged = 0;  // not read as records, without the tail
  std::uint64_t tail_bytes = 0;     // behind the last readable record: a torn write, or damage
};

// `name` may be empty. `end` is the first offset of the next segment, if there is one.
Segment read_segment(std::string_view bytes, std::string_view name, Offset end = std::numeric_limits<Offset>::max());

}  // namespace shoplake::wal
