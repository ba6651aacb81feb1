// The body of PutRecord (first byte even) or PutRecordBatch (odd).

#include "collect/firehose_put.h"

#include "base/result.h"
#include "collect/firehose.h"
#include "targets.h"

namespace shoplake::fuzz {

int fuzz_firehose_put(std::string_view bytes) {
  if (bytes.empty()) {
    return 0;
  }
  const auto operation = (bytes.front() & 1) == 0 ? collect::PutOperation::record : collect::PutOperation::batch;
  bytes.remove_prefix(1);
  std::string body(bytes);
  const auto parsed = collect::parse_put(operation, body);
  if (const auto* error = std::get_if<collect::AwsError>(&parsed)) {
    SHOPLAKE_CHECK(error->status >= 400 && error->status < 600 && !error->type.empty() && !error->message.empty());
    return 0;
  }
  const auto& put = std::get<collect::PutRequest>(parsed);
  SHOPLAKE_CHECK(!put.stream.empty() && !put.places.empty() && put.places.size() <= collect::kFirehoseBatchRecordsMax);
  SHOPLAKE_CHECK(operation == collect::PutOperation::batch || put.places.size() == 1);
  std::size_t total = 0;
  for (std::size_t i = 0; i < put.places.size(); ++i) {
    const std::string_view record = put.record(i, false);
    const std::string_view line = put.record(i, true);
    total += record.size();
    SHOPLAKE_CHECK(record.size() <= collect::kFirehoseRecordBytesMax);
    SHOPLAKE_CHECK(line.ends_with('\n') && line.substr(0, record.size()) == record);
    SHOPLAKE_CHECK(line.size() == record.size() + (record.ends_with('\n') ? 0 : 1));
    SHOPLAKE_CHECK(line.data() + line.size() <= put.bytes.data() + put.bytes.size());
  }
  SHOPLAKE_CHECK(total <= collect::kFirehoseBatchBytesMax && total <= bytes.size());
  return 0;
}

}  // namespace shoplake::fuzz
