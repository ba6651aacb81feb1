#include "wal/segment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "wal/crc32c.h"

namespace shoplake::wal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr SegmentHeader kHeader{
    .first = 1000, .created_at_micros = 1'700'000'000'000'000, .sequence = 3, .salt = 0x5f3a9c01};

struct Written {
  std::string stream;
  std::string payload;
};

std::vector<Written> some_records() {
  std::vector<Written> written;
  for (int i = 0; i < 6; ++i) {
    written.push_back({i % 2 == 0 ? "events" : "clickstream", std::string(static_cast<std::size_t>(i) * 7, 'a' + i)});
  }
  return written;
}

std::string segment_of(const std::vector<Written>& written) {
  std::string records;
  std::int64_t received = 10;
  for (const Written& record : written) {
    encode_record(record.stream, received++, record.payload, records);
  }
  EXPECT_EQ(seal_records(records.data(), records.size(), kHeader.first, kHeader.salt), kHeader.first + written.size());
  return encode_segment_header(kHeader) + records;
}

// Whatever was found is what was written, and with the lost ranges it is all of it up to `end`.
void expect_only_truth(const Segment& found, const std::vector<Written>& written, Offset end, const std::string& what) {
  std::vector<bool> seen(end - kHeader.first, false);
  for (const Record& record : found.records) {
    ASSERT_GE(record.offset, kHeader.first) << what;
    ASSERT_LT(record.offset, end) << what;
    const std::size_t i = record.offset - kHeader.first;
    EXPECT_FALSE(seen[i]) << what;
    seen[i] = true;
    EXPECT_EQ(record.stream, written[i].stream) << what;
    EXPECT_EQ(record.payload, written[i].payload) << what;
    EXPECT_EQ(record.received_at_micros, 10 + static_cast<std::int64_t>(i)) << what;
  }
  for (const LostRange& lost : found.lost) {
    for (Offset offset = lost.first; offset < lost.end; ++offset) {
      EXPECT_FALSE(seen[offset - kHeader.first]) << what;
      seen[offset - kHeader.first] = true;
    }
  }
  EXPECT_THAT(seen, testing::Each(true)) << what;
}

TEST(Crc32c, AgreesWithTheStandardAndWithItself) {
  EXPECT_EQ(extend_crc32c(0, "123456789"), 0xE3069283u);
  EXPECT_EQ(extend_crc32c(0, std::string(32, '\0')), 0x8A9136AAu);  // RFC 3720, B.4
  EXPECT_EQ(extend_crc32c(0, std::string(32, '\xff')), 0x62A8AB43u);
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(extend_crc32c(7, bytes), extend_crc32c_by_tables(7, bytes)) << i;
    EXPECT_EQ(extend_crc32c(extend_crc32c(7, bytes), "tail"), extend_crc32c(7, bytes + "tail"));
    bytes.push_back(static_cast<char>(i * 37));
  }
}

TEST(SegmentName, SaysWhatTheHeaderSays) {
  EXPECT_EQ(segment_name(kHeader), "00000000000000001000-00000003-5f3a9c01.wal");
  const auto parsed = parse_segment_name(segment_name(kHeader));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->first, kHeader.first);
  EXPECT_EQ(parsed->sequence, kHeader.sequence);
  EXPECT_EQ(parsed->salt, kHeader.salt);
  const auto greatest = SegmentHeader{~0ull, 0, ~0u, ~0u};
  EXPECT_EQ(parse_segment_name(segment_name(greatest))->first, ~0ull);
  for (const char* name :
       {"", "lock", "x.wal", "00000000000000001000-00000003-5f3a9c01", "0000000000000000100x-00000003-5f3a9c01.wal",
        "00000000000000001000-00000003-5f3a9cg1.wal", "00000000000000001000_00000003_5f3a9c01.wal",
        "99999999999999999999-00000003-5f3a9c01.wal"}) {
    EXPECT_FALSE(parse_segment_name(name)) << name;
  }
}

TEST(SegmentHeader, IsReadBackAndKnowsDamage) {
  const std::string bytes = encode_segment_header(kHeader);
  ASSERT_EQ(bytes.size(), kSegmentHeaderBytes);
  EXPECT_EQ(decode_segment_header(bytes)->created_at_micros, kHeader.created_at_micros);
  EXPECT_FALSE(decode_segment_header(bytes.substr(0, 47)));
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(decode_segment_header(damaged)) << bit;
  }
}

TEST(Segment, IsReadBack) {
  const auto written = some_records();
  const std::string bytes = segment_of(written);
  const Segment found = read_segment(bytes, "");
  ASSERT_TRUE(found.header);
  EXPECT_FALSE(found.is_header_damaged);
  EXPECT_EQ(found.header->first, 1000u);
  EXPECT_EQ(found.records.size(), 6u);
  EXPECT_EQ(found.tail_bytes, 0u);
  expect_only_truth(found, written, 1006, "whole");
}

TEST(Segment, OfNothing) {
  EXPECT_FALSE(read_segment("", "").header);
  EXPECT_EQ(read_segment("x", segment_name(kHeader)).header->first, 1000u);
  EXPECT_THAT(read_segment(encode_segment_header(kHeader), "").records, IsEmpty());
}

// A flipped bit loses at most the record that it is in.
TEST(Segment, AnyFlippedBitLosesItsRecordOnly) {
  const auto written = some_records();
  const std::string whole = segment_of(written);
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    const Segment found = read_segment(damaged, segment_name(kHeader), 1006);
    expect_only_truth(found, written, 1006, "bit " + std::to_string(bit));
    EXPECT_EQ(found.records.size(), bit < kSegmentHeaderBytes * 8 ? 6u : 5u) << bit;
    EXPECT_EQ(found.is_header_damaged, bit < kSegmentHeaderBytes * 8);
  }
}

TEST(Segment, CutAnywhereKeepsWhatIsWhole) {
  const auto written = some_records();
  const std::string whole = segment_of(written);
  std::size_t last = 0;
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    const Segment found = read_segment(std::string_view(whole).substr(0, size), segment_name(kHeader));
    expect_only_truth(found, written, 1000 + found.records.size(), "size " + std::to_string(size));
    EXPECT_THAT(found.lost, IsEmpty());
    EXPECT_GE(found.records.size(), last);
    last = found.records.size();
  }
  EXPECT_EQ(last, 6u);
}

TEST(Segment, OverwrittenStretchesLoseOnlyWhatTheyTouch) {
  const auto written = some_records();
  const std::string whole = segment_of(written);
  for (const char fill : {'\0', '\x01', '\xff'}) {
    for (std::size_t begin = 0; begin < whole.size(); ++begin) {
      for (const std::size_t size : {2u, 33u, 100u}) {
        std::string damaged = whole;
        for (std::size_t i = begin; i < std::min(begin + size, whole.size()); ++i) {
          damaged[i] = fill;
        }
        expect_only_truth(read_segment(damaged, segment_name(kHeader), 1006), written, 1006, std::to_string(begin));
      }
    }
  }
}

TEST(Segment, DamageIsNamedWithItsOffsetsAndBytes) {
  std::string bytes = segment_of({{"events", "aaaa"}, {"events", "bbbb"}, {"events", "cccc"}});
  bytes[kSegmentHeaderBytes + 42 + 5] ^= 1;
  const Segment found = read_segment(bytes, "");
  ASSERT_EQ(found.lost.size(), 1u);
  EXPECT_EQ(found.lost[0].first, 1001u);
  EXPECT_EQ(found.lost[0].end, 1002u);
  EXPECT_EQ(found.lost[0].reason, "damaged bytes 90 to 132");
  EXPECT_EQ(found.bytes_damaged, 42u);
}

// What a sender puts into a payload is never taken for a record, even right behind damage.
TEST(Segment, APayloadCannotPassForARecord) {
  std::string forged;
  encode_record("events", 1, "forged", forged);
  seal_records(forged.data(), forged.size(), 1001, 0);  // the sender does not know the salt
  std::string bytes = segment_of({{"events", forged}, {"events", "honest"}});
  bytes[kSegmentHeaderBytes] ^= 1;
  const Segment found = read_segment(bytes, "");
  ASSERT_EQ(found.records.size(), 1u);
  EXPECT_EQ(found.records[0].payload, "honest");
}

TEST(Segment, WhatTheNextSegmentBeginsWithDoesNotCount) {
  const auto written = some_records();
  const Segment found = read_segment(segment_of(written), "", 1004);
  EXPECT_EQ(found.records.size(), 4u);
  EXPECT_THAT(found.lost, IsEmpty());
}

// As a reader sees it that has a part of the segment in its buffer.
TEST(RecordScanner, SaysHowManyBytesItNeeds) {
  std::string bytes;
  encode_record("events", 1, std::string(100, 'x'), bytes);
  seal_records(bytes.data(), bytes.size(), 0, 9);
  RecordScanner few(std::string_view(bytes).substr(0, 10), {.salt = 9, .is_whole = false});
  EXPECT_EQ(few.next(), RecordScanner::Found::need_more);
  EXPECT_EQ(few.needed(), kRecordHeaderBytes);
  RecordScanner more(std::string_view(bytes).substr(0, 50), {.salt = 9, .is_whole = false});
  EXPECT_EQ(more.next(), RecordScanner::Found::need_more);
  EXPECT_EQ(more.needed(), bytes.size());
  RecordScanner enough(bytes, {.salt = 9, .is_whole = false});
  EXPECT_EQ(enough.next(), RecordScanner::Found::record);
  EXPECT_EQ(enough.position(), bytes.size());
}

}  // namespace
}  // namespace shoplake::wal
