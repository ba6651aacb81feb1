#include "collect/firehose.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "base/log.h"
#include "collect/firehose_control.h"
#include "collect/firehose_put.h"

namespace shoplake::collect {
namespace {

constexpr std::string_view kContentType = "application/x-amz-json-1.1";
constexpr std::string_view kSource = "firehose";

AwsError no_such_stream(std::string_view name) {
  return {400, "ResourceNotFoundException", fmt::format("Firehose {} under account {} not found.", name, kAccountId)};
}

AwsError unavailable_error(const base::Error& error) {
  return {503, "ServiceUnavailableException", is_temporary(error) ? "Slow down." : error.message};
}

// {"FailedPutCount": …, "RequestResponses": […]} of records of which the first `taken` are in the log from `first` on.
std::string batch_body(std::size_t records, std::size_t taken, wal::Offset first) {
  std::string body = fmt::format(R"({{"FailedPutCount":{},"Encrypted":false,"RequestResponses":[)", records - taken);
  body.reserve(body.size() + records * 40);
  for (std::size_t i = 0; i < records; ++i) {
    if (i > 0)
      body += ',';
    if (i < taken) {
      fmt::format_to(std::back_inserter(body), R"({{"RecordId":"{:020}"}})", first + i);
    } else {
      body += R"({"ErrorCode":"ServiceUnavailableException","ErrorMessage":"Slow down."})";
    }
  }
  body += "]}";
  return body;
}

}  // namespace

http::Response aws_response(std::string body) {
  http::Response response;
  response.content_type = kContentType;
  response.body = std::move(body);
  return response;
}

http::Response aws_error(const AwsError& error) {
  nlohmann::ordered_json body;
  body["__type"] = error.type;
  body["message"] = error.message;
  http::Response response = aws_response(body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  response.status = error.status;
  response.set("x-amzn-ErrorType", error.type);
  if (error.status == 503)
    response.set("Retry-After", "1");
  return response;
}

http::Response Firehose::refusal(int status, std::string_view code, std::string_view message) {
  const std::string text(message);
  if (status == 413)
    return aws_error({413, "RequestEntityTooLargeException", text});
  if (status >= 500)
    return aws_error({503, "ServiceUnavailableException", "Slow down."});
  return aws_error({status, "InvalidArgumentException", fmt::format("{} ({})", text, code)});
}

struct Firehose::State {
  explicit State(Options options)
      : intake(*options.intake),
        streams(*options.streams),
        region(std::move(options.region)),
        signatures_wanted(!options.open),
        on_control(std::move(options.on_control)),
        verifier(std::move(options.keys), "firehose") {}

  Intake& intake;
  Streams& streams;
  std::string region;
  bool signatures_wanted;
  std::function<void(const ControlCall&)> on_control;
  SignatureVerifier verifier;

  void put(PutOperation operation, std::string body, const http::Responder& responder);
};

namespace {

// One batch on its way into the log.
struct BatchCall {
  PutRequest request;
  std::shared_ptr<const Stream> stream;
  std::int64_t received_at_micros = 0;
  std::vector<std::string_view> payloads;
  std::size_t records = 0;
  http::Responder responder;
  PutOperation operation = PutOperation::batch;

  void answer(base::Result<wal::Offset> first, std::size_t taken) const {
    if (!first.ok()) {
      responder.answer(aws_error(unavailable_error(first.error())));
      return;
    }
    if (operation == PutOperation::record) {
      responder.answer(aws_response(fmt::format(R"({{"RecordId":"{:020}","Encrypted":false}})", *first)));
      return;
    }
    responder.answer_with(
        [records = records, taken, offset = *first] { return aws_response(batch_body(records, taken, offset)); });
  }
};

// "AKIA…" of "AWS4-HMAC-SHA256 Credential=AKIA…/20261121/us-east-1/firehose/aws4_request, …".
std::string key_id_of(const http::Request& request) {
  constexpr std::string_view kCredential = "Credential=";
  const std::string_view authorization = request.header("authorization").value_or("");
  const std::size_t begin = authorization.find(kCredential);
  if (begin == std::string_view::npos)
    return {};
  const std::string_view rest = authorization.substr(begin + kCredential.size());
  return std::string(rest.substr(0, rest.find('/')));
}

// Too much for now, or for ever at once.
bool lacks_room(const base::Error& error) { return is_temporary(error) || error.code == "wal.bad_entry"; }

// Appends all records; if the log has no room for them, the first half, and so on.
void append(Intake& intake, const std::shared_ptr<BatchCall>& call) {
  std::size_t count = call->payloads.size();
  // The log refuses for want of room before append() returns; whatever it says later is the answer.
  const auto refused = std::make_shared<bool>(true);
  while (*refused) {
    *refused = false;
    intake.append(*call->stream, std::span(call->payloads).first(count), call->received_at_micros,
                  [call, count, refused](base::Result<wal::Offset> first) {
                    if (!first.ok() && lacks_room(first.error()) && count > 1) {
                      *refused = true;
                    } else {
                      call->answer(std::move(first), count);
                    }
                  });
    count /= 2;
  }
  // The log has its copy; the call lives until the answer.
  call->request = PutRequest();
  call->payloads = {};
}

}  // namespace

void Firehose::State::put(PutOperation operation, std::string body, const http::Responder& responder) {
  const std::int64_t received_at = intake.now_micros();
  auto parsed = parse_put(operation, body);
  if (const auto* error = std::get_if<AwsError>(&parsed)) {
    intake.count_rejected(nullptr, kSource, error->type);
    intake.keep({"", kSource, error->type, error->message, body});
    responder.answer(aws_error(*error));
    return;
  }
  body = std::string();  // the records are decoded
  auto call = std::make_shared<BatchCall>(
      BatchCall{std::get<PutRequest>(std::move(parsed)), nullptr, received_at, {}, 0, responder, operation});
  call->stream = streams.find(call->request.stream);
  if (!call->stream) {
    const AwsError error = no_such_stream(call->request.stream);
    intake.count_rejected(nullptr, kSource, "collect.no_such_stream", call->request.places.size());
    intake.keep({call->request.stream, kSource, "collect.no_such_stream", error.message, call->request.bytes});
    responder.answer(aws_error(error));
    return;
  }
  call->payloads.reserve(call->request.places.size());
  for (std::size_t i = 0; i < call->request.places.size(); ++i)
    call->payloads.push_back(call->request.record(i, call->stream->append_delimiter));
  call->records = call->payloads.size();
  append(intake, call);
}

Firehose::Firehose(Options options) : state_(std::make_shared<State>(std::move(options))) {}
Firehose::~Firehose() = default;

void Firehose::handle(http::Request&& request, http::Responder responder) const {
  const auto target = request.header("x-amz-target").value_or("");
  if (!target.starts_with(kFirehoseTarget)) {
    responder.answer(
        aws_error({400, "UnknownOperationException", "X-Amz-Target names no operation of Firehose_20150804"}));
    return;
  }
  if (state_->signatures_wanted) {
    if (const auto error = state_->verifier.verify(request, state_->intake.now_micros())) {
      state_->intake.count_rejected(nullptr, kSource, error->type);
      responder.answer(aws_error(*error));
      return;
    }
  }
  const std::string operation(target.substr(kFirehoseTarget.size()));
  if (operation == "PutRecordBatch" || operation == "PutRecord") {
    state_->put(operation == "PutRecord" ? PutOperation::record : PutOperation::batch, std::move(request.body),
                responder);
  } else if (is_control_operation(operation)) {
    ControlCall call{state_->signatures_wanted ? key_id_of(request) : "", operation, std::move(request.body)};
    responder.answer_on_worker([state = state_, call = std::move(call)]() mutable {
      http::Response response = control(state->streams, state->region, call.operation, call.body);
      call.status = response.status;
      if (state->on_control)
        state->on_control(call);
      return response;
    });
  } else {
    responder.answer(aws_error({400, "UnknownOperationException", fmt::format("shoplake has no {}", operation)}));
  }
}

}  // namespace shoplake::collect
