// DeadLetters: writes rejected records to data files of quarantine. Used by one thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "transform/partition_files.h"
#include "transform/record_builder.h"
#include "transform/transform.h"

namespace shoplake::transform {

struct DeadLetter {
  std::string_view reason;
  std::string_view message;
  std::int64_t line = 0;
  std::int64_t byte_offset = -1;  // -1: not known (Parquet)
  std::int64_t record_bytes = 0;
  std::string_view record;              // cut to kQuarantineTextBytes here; invalid UTF-8 is escaped as \xNN
  std::int64_t received_at_micros = 0;  // what quarantined_at says; 0: options.ingested_at_micros
};

class DeadLetters {
 public:
  explicit DeadLetters(const TransformOptions& options);
  ~DeadLetters();

  Result<void> add(const DeadLetter& letter);
  Result<std::vector<DataFile>> finish();
  std::int64_t count() const { return count_; }
  const std::map<std::string, std::int64_t>& by_reason() const { return by_reason_; }

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::int64_t count_ = 0;
  std::map<std::string, std::int64_t> by_reason_;
};

}  // namespace shoplake::transform
