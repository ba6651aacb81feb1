// The API of Amazon Data Firehose (2015-08-04, JSON 1.1), so that its clients (AWS CLI, SDKs, agents) work unmodified
// with `--endpoint-url`. Source: https://docs.aws.amazon.com/firehose/latest/APIReference/, the service's model in
// botocore, and the words of real answers where the reference does not give them.
//
// PutRecord and PutRecordBatch append to the log. A batch is one append: if the log has room for a part of it only,
// that part is taken, and the other records get ErrorCode ServiceUnavailableException, "Slow down.", at their places. A
// RecordId is the record's offset in the log, as 20 digits.
//
// CreateDeliveryStream, DescribeDeliveryStream, ListDeliveryStreams, UpdateDestination, DeleteDeliveryStream and
// ListTagsForDeliveryStream change and show the registry (collect/streams.h). What shoplake does not do (other
// destinations, encryption, Lambda, format conversion …) is refused with InvalidArgumentException, and what Describe
// shows is what happens. docs/collect.md has the list.
//
// Thread safe.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "collect/intake.h"
#include "collect/sigv4.h"
#include "collect/streams.h"
#include "http/message.h"

namespace shoplake::collect {

inline constexpr std::string_view kFirehoseTarget = "Firehose_20150804.";
inline constexpr std::size_t kFirehoseRecordBytesMax = 1'024'000;  // decoded
inline constexpr std::size_t kFirehoseBatchRecordsMax = 500;
inline constexpr std::size_t kFirehoseBatchBytesMax = 4 << 20;  // decoded
// Base64 of a whole batch, with room for the JSON around 500 records.
inline constexpr std::size_t kFirehoseBodyBytesMax = 8 << 20;

// An operation that administers streams, as it was asked for and answered.
struct ControlCall {
  std::string key_id;     // of the signature; empty: unsigned
  std::string operation;  // "CreateDeliveryStream"
  std::string body;       // the request's JSON
  int status = 0;         // of the answer
};

class Firehose {
 public:
  struct Options {
    Intake* intake = nullptr;
    Streams* streams = nullptr;
    std::string region;
    std::vector<AccessKey> keys;
    bool open = false;                                        // signatures are not looked at
    std::function<void(const ControlCall&)> on_control = {};  // after it; on a worker thread, several at once
  };
  explicit Firehose(Options options);
  ~Firehose();

  // A POST to "/".
  void handle(http::Request&& request, http::Responder responder) const;

  // How the server's own refusals look to Firehose's clients.
  static http::Response refusal(int status, std::string_view code, std::string_view message);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

http::Response aws_response(std::string body);
http::Response aws_error(const AwsError& error);

}  // namespace shoplake::collect
