// The bodies of PutRecord and PutRecordBatch: parsed, decoded and checked. Internal to collect/firehose.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "collect/sigv4.h"

namespace shoplake::collect {

// Records one after another in one buffer. After each stands a '\n' that belongs to it if the stream appends
// delimiters and the record does not end with one already.
struct PutRequest {
  std::string stream;
  std::string bytes;
  struct Place {
    std::size_t begin = 0;
    std::size_t size = 0;
    bool ends_line = false;  // ends with '\n' by itself
  };
  std::vector<Place> places;

  std::string_view record(std::size_t index, bool with_delimiter) const;
};

enum class PutOperation { record, batch };

// Gives `body` room for the parser and leaves it as it is. The errors are SerializationException for what is no such
// JSON, ValidationException for what breaks the model's constraints, InvalidArgumentException for a batch over 4 MiB.
std::variant<PutRequest, AwsError> parse_put(PutOperation operation, std::string& body);

}  // namespace shoplake::collect
