// CsvSource: a CSV file as blocks of whole records with the places of their fields, inflated where it is gzip.
//
// What the contract does not declare is found out and reported: the delimiter (of , ; tab | the one under which the
// most columns of the first record are named by the contract), line ends (of the first record), and the encoding:
// UTF-8, or windows-1252 if the first block that is not ASCII has more bytes that are no UTF-8 than characters that
// are. Bytes stay as they are; who reads a text converts it.
//
// A record larger than the limit is reported with its begin and passed over. Memory is bounded by that limit. Belongs
// to one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "contract/contract.h"
#include "io/env.h"
#include "transform/block_source.h"
#include "transform/buffer.h"
#include "transform/csv_tokenizer.h"

namespace shoplake::transform {

struct CsvBlock {
  Buffer<char> bytes;  // CsvTokenizer::kPadding more are readable
  CsvTokens tokens;
  std::vector<OversizedRecord> oversized;
  std::uint64_t first_offset = 0;  // of the block's first byte, in the inflated input
  std::int64_t first_line = 1;
  std::uint64_t input_bytes = 0;  // of the file that were read when the block was made
  contract::CsvOptions::Encoding encoding = contract::CsvOptions::Encoding::utf8;  // never automatic
  bool is_valid = true;  // all its bytes are text of the encoding
};

// What a file turned out to be.
struct CsvFormat {
  CsvDialect dialect;
  contract::CsvOptions::Encoding encoding = contract::CsvOptions::Encoding::automatic;  // automatic: only ASCII so far
  std::vector<std::string> columns;  // names in the header; without a header those of the contract's fields
};

// "utf-8", "windows-1252", "latin-1", "ascii".
std::string_view name(contract::CsvOptions::Encoding encoding);

// Appends the text in UTF-8. Bytes that windows-1252 leaves open are the control characters of Latin-1.
void append_utf8(std::string_view text, contract::CsvOptions::Encoding encoding, std::string& out);
// The same into `out`, which has room for three times the text; returns the size.
std::size_t to_utf8(std::string_view text, contract::CsvOptions::Encoding encoding, char* out);

class CsvSource {
 public:
  // Both must outlive it.
  CsvSource(const io::RandomAccessFile& file, std::string_view name, const contract::Contract& contract);
  ~CsvSource();

  // Reads the begin of the file: the format, and the header, which no block holds. Once, before next().
  // Errors (kind input): csv.empty, csv.not_text (NUL bytes), csv.header (not closed, too large), csv.no_header (the
  // contract names none of its columns), csv.duplicate_column, csv.nested_column, csv.missing_column (a required field
  // has no column); of the file and of io::Inflater.
  base::Result<CsvFormat> open();
  // Fills the block anew. False at the end of the input. Errors: of the file and of io::Inflater.
  base::Result<bool> next(CsvBlock& block);

  std::uint64_t inflated_bytes() const;             // so far
  contract::CsvOptions::Encoding encoding() const;  // as far as it is known

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::transform
