// JsonReader: JSON records into a RecordBuilder, by contract.
//
// simdjson finds the structure of a whole run of records at once (its stage 1: UTF-8, strings, structural characters);
// a walker of our own follows the contract over those positions. Keys are guessed from the record before, texts are
// views of the input, nothing is allocated for a record. The walker checks the full JSON grammar (RFC 8259), also of
// fields that the contract does not name: a malformed record never loads in part.
//
// Coercions (docs/formats/contract.md): long from a number or text that is integral; double from a number or numeric
// text, "NaN", "Infinity", "-Infinity"; string from a number or boolean, by its spelling; boolean from true, false and
// their texts; timestamp and date as base/moment.h reads them. null and absent are NULL; of a field that is dropped
// any value is passed over. Anything else rejects the record. Not thread safe.
//
// A span may hold several records, as senders and Firehose put them together: objects one after another with or without
// white space between them, or in arrays of objects. Each is accepted or rejected by itself. What cannot be told apart
// from the record before it (a brace too many) is rejected with it, up to the end of the line.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "contract/contract.h"
#include "transform/drift.h"
#include "transform/record_builder.h"
#include "transform/record_span.h"
#include "transform/rejection.h"

namespace shoplake::transform {

class JsonReader {
 public:
  using OnRejection = std::function<void(const RecordSpan& span, const Rejection& rejection)>;

  // Days and times as text: in the formats that the contract declares, or always as base/moment.h has them.
  enum class Moments { declared, standard };

  JsonReader(const contract::Contract& contract, RecordBuilder& builder, Drift& drift,
             Moments moments = Moments::declared);
  ~JsonReader();

  // Reads the records of a block in order; `first_line` is the number of the block's first line.
  void read(const char* block, const std::vector<RecordSpan>& records, std::int64_t first_line,
            const OnRejection& on_rejection);
  std::int64_t accepted() const;
  std::int64_t duplicates() const;  // that the builder's filter left out

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::transform
