#include "wal/segment.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/result.h"
#include "wal/crc32c.h"

namespace shoplake::wal {
namespace {

static_assert(std::endian::native == std::endian::little, "segments are little-endian and copied as they are");

constexpr std::string_view kMagic("SHOPWAL\0", 8);
constexpr std::uint32_t kVersion = 1;
constexpr std::string_view kSuffix = ".wal";
constexpr std::uint8_t kTypeEvent = 1;

template <typename Integer>
Integer load(const char* from) {
  Integer value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

template <typename Integer>
void store(char* to, Integer value) {
  std::memcpy(to, &value, sizeof(value));
}

// Positions within a segment's header.
namespace header_at {
constexpr std::size_t kVersion = 8;
constexpr std::size_t kSequence = 12;
constexpr std::size_t kFirst = 16;
constexpr std::size_t kCreatedAt = 24;
constexpr std::size_t kSalt = 32;
constexpr std::size_t kReserved = 36;
constexpr std::size_t kChecksum = 44;
}  // namespace header_at

// Positions within a record's header.
namespace record_at {
constexpr std::size_t kHeaderChecksum = 0;
constexpr std::size_t kBodyChecksum = 4;
constexpr std::size_t kOffset = 8;
constexpr std::size_t kReceivedAt = 16;
constexpr std::size_t kPayloadBytes = 24;
constexpr std::size_t kStreamBytes = 28;
constexpr std::size_t kType = 29;
constexpr std::size_t kReserved = 30;
}  // namespace record_at

std::uint32_t header_checksum(const char* record, std::uint32_t salt) {
  return extend_crc32c(salt, {record + record_at::kBodyChecksum, kRecordHeaderBytes - record_at::kBodyChecksum});
}

struct RecordHeader {
  std::uint32_t body_checksum = 0;
  Offset offset = 0;
  std::int64_t received_at_micros = 0;
  std::size_t payload_bytes = 0;
  std::size_t stream_bytes = 0;

  std::size_t total_bytes() const { return encoded_bytes(stream_bytes, payload_bytes); }
};

// The header at the begin of `bytes` (at least kRecordHeaderBytes), if it is one. The cheap tests come first because
// the search behind damage asks this of every byte.
std::optional<RecordHeader> parse_record_header(const char* bytes, std::uint32_t salt) {
  if (load<std::uint8_t>(bytes + record_at::kType) != kTypeEvent ||
      load<std::uint16_t>(bytes + record_at::kReserved) != 0) {
    return std::nullopt;
  }
  RecordHeader header;
  header.stream_bytes = load<std::uint8_t>(bytes + record_at::kStreamBytes);
  header.payload_bytes = load<std::uint32_t>(bytes + record_at::kPayloadBytes);
  if (header.stream_bytes == 0 || header.payload_bytes > kPayloadBytesMax) {
    return std::nullopt;
  }
  if (load<std::uint32_t>(bytes + record_at::kHeaderChecksum) != header_checksum(bytes, salt)) {
    return std::nullopt;
  }
  header.body_checksum = load<std::uint32_t>(bytes + record_at::kBodyChecksum);
  header.offset = load<Offset>(bytes + record_at::kOffset);
  header.received_at_micros = load<std::int64_t>(bytes + record_at::kReceivedAt);
  return header;
}

bool is_body_intact(const RecordHeader& header, const char* record, std::uint32_t salt) {
  return header.body_checksum ==
         extend_crc32c(salt, {record + kRecordHeaderBytes, header.stream_bytes + header.payload_bytes});
}

template <typename Integer>
bool parse_digits(std::string_view text, int base, Integer& value) {
  const auto [stopped, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && stopped == text.data() + text.size();
}

}  // namespace

std::string segment_name(const SegmentHeader& header) {
  return fmt::format("{:020}-{:08}-{:08x}{}", header.first, header.sequence, header.salt, kSuffix);
}

std::optional<SegmentHeader> parse_segment_name(std::string_view name) {
  SegmentHeader header;
  if (name.size() < 38 + kSuffix.size() || !name.ends_with(kSuffix)) {
    return std::nullopt;
  }
  name.remove_suffix(kSuffix.size());
  const std::size_t first_dash = name.find('-');
  const std::size_t last_dash = name.rfind('-');
  if (first_dash == std::string_view::npos || last_dash == first_dash ||
      !parse_digits(name.substr(0, first_dash), 10, header.first) ||
      !parse_digits(name.substr(first_dash + 1, last_dash - first_dash - 1), 10, header.sequence) ||
      !parse_digits(name.substr(last_dash + 1), 16, header.salt)) {
    return std::nullopt;
  }
  return header;
}

std::string encode_segment_header(const SegmentHeader& header) {
  std::string bytes(kSegmentHeaderBytes, '\0');
  kMagic.copy(bytes.data(), kMagic.size());
  store(bytes.data() + header_at::kVersion, kVersion);
  store(bytes.data() + header_at::kSequence, header.sequence);
  store(bytes.data() + header_at::kFirst, header.first);
  store(bytes.data() + header_at::kCreatedAt, header.created_at_micros);
  store(bytes.data() + header_at::kSalt, header.salt);
  static_assert(header_at::kReserved == header_at::kSalt + sizeof(header.salt));
  store(bytes.data() + header_at::kChecksum, extend_crc32c(0, {bytes.data(), header_at::kChecksum}));
  return bytes;
}

std::optional<SegmentHeader> decode_segment_header(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes || !bytes.starts_with(kMagic) ||
      load<std::uint32_t>(bytes.data() + header_at::kVersion) != kVersion ||
      load<std::uint32_t>(bytes.data() + header_at::kChecksum) !=
          extend_crc32c(0, bytes.substr(0, header_at::kChecksum))) {
    return std::nullopt;
  }
  SegmentHeader header;
  header.sequence = load<std::uint32_t>(bytes.data() + header_at::kSequence);
  header.first = load<Offset>(bytes.data() + header_at::kFirst);
  header.created_at_micros = load<std::int64_t>(bytes.data() + header_at::kCreatedAt);
  header.salt = load<std::uint32_t>(bytes.data() + header_at::kSalt);
  return header;
}

std::size_t encoded_bytes(std::size_t stream_bytes, std::size_t payload_bytes) {
  return kRecordHeaderBytes + stream_bytes + payload_bytes;
}

void encode_record(std::string_view stream, std::int64_t received_at_micros, std::string_view payload,
                   std::string& out) {
  SHOPLAKE_CHECK(!stream.empty() && stream.size() <= kStreamNameBytesMax && payload.size() <= kPayloadBytesMax);
  char header[kRecordHeaderBytes] = {};
  store(header + record_at::kReceivedAt, received_at_micros);
  store(header + record_at::kPayloadBytes, static_cast<std::uint32_t>(payload.size()));
  store(header + record_at::kStreamBytes, static_cast<std::uint8_t>(stream.size()));
  store(header + record_at::kType, kTypeEvent);
  out.append(header, sizeof(header));
  out.append(stream);
  out.append(payload);
}

Offset seal_records(char* bytes, std::size_t size, Offset first, std::uint32_t salt) {
  std::size_t position = 0;
  while (position < size) {
    char* record = bytes + position;
    const std::size_t body_bytes = load<std::uint8_t>(record + record_at::kStreamBytes) +
                                   std::size_t{load<std::uint32_t>(record + record_at::kPayloadBytes)};
    store(record + record_at::kOffset, first++);
    store(record + record_at::kBodyChecksum, extend_crc32c(salt, {record + kRecordHeaderBytes, body_bytes}));
    store(record + record_at::kHeaderChecksum, header_checksum(record, salt));
    position += kRecordHeaderBytes + body_bytes;
  }
  SHOPLAKE_CHECK(position == size);
  return first;
}

RecordScanner::Found RecordScanner::next() {
  const auto whole_needed = std::numeric_limits<std::size_t>::max();
  const std::size_t begin = position_;
  for (std::size_t at = begin; at < bytes_.size();) {
    if (bytes_.size() - at < kRecordHeaderBytes) {
      if (!options_.is_whole) {
        needed_ = at == begin ? at + kRecordHeaderBytes : whole_needed;
        return Found::need_more;
      }
      break;
    }
    const char* start = bytes_.data() + at;
    const auto header = parse_record_header(start, options_.salt);
    if (!header || header->offset < options_.expected) {
      ++at;
      continue;
    }
    if (header->offset >= options_.end) {
      break;
    }
    if (header->total_bytes() > bytes_.size() - at) {
      if (!options_.is_whole) {
        needed_ = at == begin ? at + header->total_bytes() : whole_needed;
        return Found::need_more;
      }
      ++at;  // torn, or damaged without the checksum noticing
      continue;
    }
    if (!is_body_intact(*header, start, options_.salt)) {
      at += header->total_bytes();
      continue;
    }
    if (at > begin) {
      damage_begin_ = begin;
      position_ = at;
      return Found::damage;
    }
    record_ = {header->offset,
               {start + kRecordHeaderBytes, header->stream_bytes},
               header->received_at_micros,
               {start + kRecordHeaderBytes + header->stream_bytes, header->payload_bytes}};
    position_ = at + header->total_bytes();
    options_.expected = header->offset + 1;
    return Found::record;
  }
  if (!options_.is_whole) {
    needed_ = begin < bytes_.size() ? whole_needed : begin + kRecordHeaderBytes;
    return Found::need_more;
  }
  tail_begin_ = begin;
  position_ = bytes_.size();
  return Found::end;
}

Segment read_segment(std::string_view bytes, std::string_view name, Offset end) {
  Segment segment;
  segment.header = decode_segment_header(bytes);
  segment.is_header_damaged = !segment.header;
  if (!segment.header) {
    segment.header = parse_segment_name(name);
  }
  if (!segment.header || bytes.size() < kSegmentHeaderBytes) {
    segment.tail_bytes = bytes.size();
    return segment;
  }
  const std::string_view records = bytes.substr(kSegmentHeaderBytes);
  Offset expected = segment.header->first;
  std::string reason;
  RecordScanner scanner(records, {segment.header->salt, expected, end, true});
  const auto lose_until = [&](Offset found) {
    if (expected < found) {
      segment.lost.push_back({expected, found, reason.empty() ? "missing" : reason});
    }
    reason.clear();
  };
  while (true) {
    switch (scanner.next()) {
      case RecordScanner::Found::record:
        lose_until(scanner.record().offset);
        segment.records.push_back(scanner.record());
        expected = scanner.record().offset + 1;
        break;
      case RecordScanner::Found::damage:
        segment.bytes_damaged += scanner.position() - scanner.damage_begin();
        reason = fmt::format("damaged bytes {} to {}", kSegmentHeaderBytes + scanner.damage_begin(),
                             kSegmentHeaderBytes + scanner.position());
        break;
      case RecordScanner::Found::need_more:
      case RecordScanner::Found::end:
        segment.tail_bytes = scanner.tail_bytes();
        if (end != std::numeric_limits<Offset>::max()) {
          reason = fmt::format("damaged bytes {} to {}", bytes.size() - segment.tail_bytes, bytes.size());
          lose_until(end);
        }
        return segment;
    }
  }
}

}  // namespace shoplake::wal
