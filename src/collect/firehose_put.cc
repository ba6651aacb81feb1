#include "collect/firehose_put.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <optional>
#include <utility>

#include "base/base64.h"
#include "collect/firehose.h"
#include "collect/streams.h"

namespace shoplake::collect {
namespace {

constexpr std::size_t kKeptParserBytesMax = 1 << 20;

AwsError serialization(std::string message) { return {400, "SerializationException", std::move(message)}; }

// Collects what is wrong, as Firehose lists it.
class Violations {
 public:
  void add(std::string what) {
    if (++count_ <= kListedMax)
      text_.append(text_.empty() ? "" : "; ").append(what);
  }
  std::optional<AwsError> error() const {
    if (count_ == 0)
      return std::nullopt;
    return AwsError{400, "ValidationException",
                    fmt::format("{} validation error{} detected: {}", count_, count_ == 1 ? "" : "s", text_)};
  }

 private:
  static constexpr std::size_t kListedMax = 10;
  std::size_t count_ = 0;
  std::string text_;
};

class PutParser {
 public:
  PutParser(PutOperation operation, std::string& body) : operation_(operation), body_(body) {}

  std::variant<PutRequest, AwsError> parse() {
    body_.reserve(body_.size() + simdjson::SIMDJSON_PADDING);
    request_.bytes.reserve(base::base64_decoded_bytes_max(body_.size()));
    // Parsers keep the memory of the largest document; a large one gets a parser of its own.
    thread_local simdjson::dom::parser kept;
    simdjson::dom::parser own;
    simdjson::dom::parser& parser = body_.size() <= kKeptParserBytesMax ? kept : own;
    simdjson::dom::object document;
    if (const auto error = parser.parse(body_.data(), body_.size(), false).get(document)) {
      fail(serialization(
          fmt::format("the body is no JSON object that can be read: {}", simdjson::error_message(error))));
    } else {
      read_document(document);
    }
    if (failed_)
      return *failed_;
    check();
    if (auto error = violations_.error())
      return *error;
    if (operation_ == PutOperation::batch && decoded_bytes_ > kFirehoseBatchBytesMax)
      return AwsError{400, "InvalidArgumentException", "Records size exceeds 4 MB limit"};
    return std::move(request_);
  }

 private:
  void fail(AwsError error) {
    if (!failed_)
      failed_ = std::move(error);
  }

  // A member that is null is one that is not there; of several, the last counts.
  void read_document(const simdjson::dom::object& document) {
    for (const auto& [key, value] : document) {
      if (value.is_null())
        continue;
      if (key == "DeliveryStreamName") {
        std::string_view name;
        if (value.get(name) != simdjson::SUCCESS)
          return fail(serialization("DeliveryStreamName is no string"));
        request_.stream = name;
        has_stream_ = true;
      } else if (key == "Record" && operation_ == PutOperation::record) {
        request_.places.clear();
        has_records_ = true;
        read_record(value);
      } else if (key == "Records" && operation_ == PutOperation::batch) {
        request_.places.clear();
        has_records_ = true;
        simdjson::dom::array records;
        if (value.get(records) != simdjson::SUCCESS)
          return fail(serialization("Records is no list"));
        for (const auto& record : records)
          read_record(record);
      }
    }
  }

  // How messages name the record that is being read.
  std::string path() const {
    return operation_ == PutOperation::record ? "record" : fmt::format("records.{}.member", request_.places.size() + 1);
  }

  void read_record(const simdjson::dom::element& value) {
    PutRequest::Place place;
    place.begin = request_.bytes.size();
    if (value.is_null()) {
      violations_.add(fmt::format("Value null at '{}' failed to satisfy constraint: Member must not be null", path()));
      request_.places.push_back(place);
      return;
    }
    simdjson::dom::object record;
    if (value.get(record) != simdjson::SUCCESS)
      return fail(serialization(fmt::format("{} is no structure", path())));
    bool has_data = false;
    for (const auto& [key, member] : record) {
      if (key != "Data" || member.is_null())
        continue;
      std::string_view data;
      if (member.get(data) != simdjson::SUCCESS)
        return fail(serialization(fmt::format("{}.data is no base64 text", path())));
      request_.bytes.resize(place.begin);
      if (!base::base64_decode(data, request_.bytes))
        return fail(serialization(fmt::format("{}.data is not valid base64", path())));
      has_data = true;
    }
    place.size = request_.bytes.size() - place.begin;
    place.ends_line = place.size > 0 && request_.bytes.back() == '\n';
    if (!place.ends_line)
      request_.bytes.push_back('\n');
    decoded_bytes_ += place.size;
    if (!has_data) {
      violations_.add(
          fmt::format("Value null at '{}.data' failed to satisfy constraint: Member must not be null", path()));
    } else if (place.size > kFirehoseRecordBytesMax) {
      violations_.add(fmt::format(
          "Value at '{}.data' failed to satisfy constraint: Member must have length less than or equal to {}", path(),
          kFirehoseRecordBytesMax));
    }
    request_.places.push_back(place);
  }

  void check() {
    if (!has_stream_) {
      violations_.add("Value null at 'deliveryStreamName' failed to satisfy constraint: Member must not be null");
    } else if (!is_stream_name(request_.stream)) {
      const std::string shown = request_.stream.substr(0, 2 * kStreamNameBytesMax);
      violations_.add(fmt::format("Value '{}' at 'deliveryStreamName' failed to satisfy constraint: {}", shown,
                                  request_.stream.empty() ? "Member must have length greater than or equal to 1"
                                  : request_.stream.size() > kStreamNameBytesMax
                                      ? "Member must have length less than or equal to 64"
                                      : "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"));
    }
    if (!has_records_) {
      violations_.add(fmt::format("Value null at '{}' failed to satisfy constraint: Member must not be null",
                                  operation_ == PutOperation::batch ? "records" : "record"));
    } else if (operation_ == PutOperation::batch &&
               (request_.places.empty() || request_.places.size() > kFirehoseBatchRecordsMax)) {
      violations_.add(fmt::format("Value at 'records' failed to satisfy constraint: Member must have length {}",
                                  request_.places.empty()
                                      ? std::string("greater than or equal to 1")
                                      : fmt::format("less than or equal to {}", kFirehoseBatchRecordsMax)));
    }
  }

  const PutOperation operation_;
  std::string& body_;
  PutRequest request_;
  Violations violations_;
  std::optional<AwsError> failed_;
  std::size_t decoded_bytes_ = 0;
  bool has_stream_ = false;
  bool has_records_ = false;
};

}  // namespace

std::string_view PutRequest::record(std::size_t index, bool with_delimiter) const {
  const Place& place = places[index];
  return std::string_view(bytes).substr(place.begin, place.size + (with_delimiter && !place.ends_line ? 1 : 0));
}

std::variant<PutRequest, AwsError> parse_put(PutOperation operation, std::string& body) {
  return PutParser(operation, body).parse();
}

}  // namespace shoplake::collect
