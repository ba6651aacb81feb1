#include "transform/compact_reader.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "transform/encoding.h"

namespace shoplake::transform {
namespace {

TEST(CompactReader, ReadsWhatTheWriterWrites) {
  Buffer<char> written;
  CompactWriter out(written);
  out.begin_struct();
  out.field_i32(1, -2);
  out.field_i64(40, std::int64_t{1} << 40);  // too far for the short form
  out.field_list(41, static_cast<int>(CompactType::i64), 20);
  for (int value = 0; value < 20; ++value)
    out.zigzag(value);
  out.field_bool(42, true);
  out.end_struct();
  const std::string_view text(written.data(), written.size());

  CompactReader in(text);
  EXPECT_EQ(in.field(0).id, 1);
  EXPECT_EQ(in.integer(), -2);
  EXPECT_EQ(in.field(1).id, 40);
  EXPECT_EQ(in.integer(), std::int64_t{1} << 40);
  const CompactReader::Field list = in.field(40);
  EXPECT_EQ(list.type, CompactType::list);
  EXPECT_EQ(in.skip(list.type).size(), 22u);
  EXPECT_EQ(in.field(41).type, CompactType::boolean_true);
  EXPECT_EQ(in.field(42).type, CompactType::stop);
  EXPECT_FALSE(in.failed());
  EXPECT_EQ(in.position(), text.size());
  EXPECT_EQ(CompactReader(text).skip(CompactType::structure), text);
}

// Values of every type, as the specification writes them.
TEST(CompactReader, SkipsEveryType) {
  using std::string_literals::operator""s;
  const std::string text =
      "\x11"s                   // 1: boolean true
      "\x13\x05"s               // 2: byte
      "\x17\1\2\3\4\5\6\7\10"s  // 3: double
      "\x18\x03"s +
      "abc"s +             // 4: binary
      "\x1A\x21\x01\x02"s  // 5: set of two booleans
      "\x1B\x01\x85\x01"s +
      "k\x02"s +           // 6: map of one binary to an i32
      "\x1C\x15\x02\x00"s  // 7: struct of an i32
      "\x1D"s +
      "0123456789abcdef"s +  // 8: uuid
      "\x1B\x00\x00"s;       // 9: empty map; stop
  CompactReader in(text);
  EXPECT_EQ(in.skip(CompactType::structure), text);
  EXPECT_FALSE(in.failed());
}

TEST(CompactReader, NoBytesMakeItReadBeyondTheEnd) {
  std::string nested(1000, '\x1C');  // a struct in a struct in a struct
  EXPECT_TRUE((CompactReader(nested).skip(CompactType::structure).empty()));
  for (const std::string_view text : {"", "\x15", "\x15\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "\x18\x7F",
                                      "\x19\xF8\xFF\x7F", "\x1B\xFF\xFF\xFF\x0F\x55", "\x1E", "\x05\x01\x02"}) {
    CompactReader in(text);
    EXPECT_TRUE(in.skip(CompactType::structure).empty()) << text;
    EXPECT_TRUE(in.failed()) << text;
    EXPECT_EQ(in.field(0).type, CompactType::stop) << "a failed reader has nothing more";
    EXPECT_EQ(in.integer(), 0);
  }
}

}  // namespace
}  // namespace shoplake::transform
