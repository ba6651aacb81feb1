// Numbers of the Parquet format that ParquetWriter uses. Internal to parquet_*.cc. Source:
// https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
#pragma once

#include <cstdint>

namespace shoplake::transform {

enum Encoding : std::int32_t { kPlain = 0, kRle = 3, kRleDictionary = 8 };
enum PageType : std::int32_t { kDataPage = 0, kDictionaryPage = 2 };
inline constexpr std::int32_t kSnappy = 1;

}  // namespace shoplake::transform
