// Numbers of the Parquet format that are written. Internal to parquet_*.cc. Source:
// https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
#pragma once

#include <cstdint>
#include <string_view>

namespace shoplake::transform {

enum Encoding : std::int32_t { kPlain = 0, kRle = 3, kRleDictionary = 8 };
enum PageType : std::int32_t { kDataPage = 0, kDictionaryPage = 2 };
inline constexpr std::int32_t kSnappy = 1;
inline constexpr std::string_view kMagic = "PAR1";  // first and last in a file

}  // namespace shoplake::transform
