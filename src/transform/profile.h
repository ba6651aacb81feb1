// Profile: what the records of files look like, from their begin: the fields, what their values have in common, and
// what they might be. The source of `shoplake contract init`; nothing that loads data uses it.
//
// Memory is bounded: so many records and bytes of a file are read, so many different values of a field are remembered.
// Not thread safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "contract/contract.h"
#include "io/env.h"

namespace shoplake::transform {

inline constexpr std::int64_t kProfileRecordsMax = 100'000;  // of a file
inline constexpr std::size_t kProfileBytesMax = 64ULL << 20;
inline constexpr std::size_t kProfileFieldsMax = 2'000;
inline constexpr std::size_t kProfileDistinctMax = 100'000;
inline constexpr std::size_t kProfileExamplesMax = 20;
inline constexpr int kProfileDepthMax = 8;

// What the values of one field have in common.
struct ValueProfile {
  std::int64_t values = 0;  // not NULL
  std::int64_t integers = 0;
  std::int64_t numbers = 0;    // integers, too
  std::int64_t exponents = 0;  // of numbers: written with one, or as NaN
  int integer_digits = 0;      // the most, before the point
  int scale = 0;               // the most, behind it
  std::int64_t booleans = 0;
  std::int64_t leading_zeros = 0;               // texts such as 007, which as numbers would lose them
  std::int64_t dates = 0;                       // as 2026-11-21
  std::int64_t compact_dates = 0;               // as 20261121
  std::int64_t timestamps = 0;                  // ISO 8601 with a time
  std::map<std::string, std::int64_t> formats;  // values that follow a format of contract/moment_format.h
  std::int64_t emails = 0;                      // values that are one
  std::int64_t texts_with_email = 0;
  std::int64_t addresses = 0;  // IPv4 or IPv6
  std::int64_t phones = 0;     // + and digits with separators
  std::size_t length_max = 0;  // code points
  bool is_distinct = true;     // no value came twice, of as many as are remembered
  bool is_distinct_known = true;
  std::set<std::string> examples;  // all values, while they are few
  bool has_all_examples = true;
  std::set<std::uint64_t> hashes;

  void add_text(std::string_view text);
};

struct FieldProfile {
  std::string name;
  std::int64_t records = 0;  // that have it, NULL or not
  ValueProfile values;
  std::int64_t structures = 0;
  std::int64_t lists = 0;
  std::optional<contract::Type> type;  // as a Parquet file declares it
  contract::DecimalShape decimal;
  std::vector<std::unique_ptr<FieldProfile>> fields;  // of structures
  std::unique_ptr<FieldProfile> element;              // of lists

  FieldProfile& field(std::string_view field_name);  // added if it is new
};

struct Profile {
  std::int64_t records = 0;
  std::int64_t malformed = 0;
  bool is_csv = false;
  char delimiter = '\0';
  std::string encoding;
  FieldProfile root;

  // Adds a file: CSV, JSON, NDJSON or Parquet, also gzip. Errors (kind input): profile.no_records; those of the
  // readers.
  base::Result<void> add(const io::RandomAccessFile& file, std::string_view name);
};

// A contract for the profile's records, as YAML with comments that say why and what to look at.
struct DraftOptions {
  std::string dataset;
  std::vector<std::string> files;  // for the comment at its top
};
std::string draft_contract(const Profile& profile, const DraftOptions& options);

}  // namespace shoplake::transform
