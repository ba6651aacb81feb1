#include "s3/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/base64.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/moment.h"
#include "s3/xml.h"

namespace shoplake::s3 {
namespace {

using base::ErrorKind;
using base::make_error;

constexpr std::size_t kKeysPerRemoval = 1000;

std::string unhex(std::string_view hex) {
  const auto value = [](char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; };
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<char>(value(hex[i]) << 4 | value(hex[i + 1])));
  return bytes;
}

std::string unquoted(std::string_view etag) {
  while (etag.starts_with('"'))
    etag.remove_prefix(1);
  while (etag.ends_with('"'))
    etag.remove_suffix(1);
  return std::string(etag);
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  return failed == std::errc() && end == text.data() + text.size() && !text.empty()
             ? std::optional<std::uint64_t>(value)
             : std::nullopt;
}

// What a store that makes the usual entity tags (not with KMS) gives an object of these parts.
std::string multipart_etag(const std::vector<UploadedPart>& parts) {
  std::string digests;
  for (const UploadedPart& part : parts)
    digests += unhex(unquoted(part.etag));
  return fmt::format("{}-{}", base::md5_hex(digests), parts.size());
}

bool is_retried(const http::Answer& answer, std::string_view code) {
  switch (answer.status) {
    case 408:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504: return true;
    default:
      return code == "RequestTimeout" || code == "SlowDown" || code == "InternalError" || code == "OperationAborted" ||
             code == "ConditionalRequestConflict";
  }
}

// The code and message of an error's body; empty where there is none.
struct Complaint {
  std::string code, message, region;
};
Complaint complaint_of(const http::Answer& answer) {
  Complaint complaint;
  complaint.region = answer.header("x-amz-bucket-region");
  const auto parsed = parse_xml(answer.body);
  if (parsed.ok() && parsed->name == "Error") {
    complaint.code = parsed->text_of("Code");
    complaint.message = parsed->text_of("Message");
    if (complaint.region.empty())
      complaint.region = parsed->text_of("Region");
  }
  return complaint;
}

base::Error bad_answer(const Location& location, const std::string& what) {
  return make_error(ErrorKind::environment, "s3.bad_answer", to_string(location) + ": " + what);
}

}  // namespace

Client::Client(io::Env& env, http::Transport& transport, aws::CredentialChain& credentials, ClientOptions options)
    : env_(env), transport_(transport), credentials_(credentials), options_(std::move(options)) {}

RequestCounts Client::counts() const {
  return {counters_.requests, counters_.retries, counters_.failures, counters_.sent_bytes, counters_.received_bytes};
}

// ---- one request ----

Result<http::Answer> Client::send_once(const Request& request, const aws::Credentials& credentials) {
  const std::size_t scheme_end = options_.endpoint.find("://");
  const std::string scheme = options_.endpoint.substr(0, scheme_end + 3);
  std::string host = options_.endpoint.substr(scheme_end + 3);
  std::string path = "/";
  if (options_.path_style) {
    path += request.location.bucket;
    if (!request.location.key.empty())
      path += "/";
  } else {
    host = request.location.bucket + "." + host;
  }
  path += aws::uri_encode(request.location.key, true);

  const std::string stamp = aws::timestamp(env_.now_micros() / 1'000'000);
  const aws::Scope scope{stamp.substr(0, 8), options_.region, "s3"};
  const std::string body_sha256 = base::sha256_hex(request.body);
  const std::string query = aws::canonical_query(request.query);
  aws::CanonicalRequest canonical;
  canonical.method = request.method;
  canonical.path = path;
  canonical.query = query;
  canonical.payload_sha256 = body_sha256;
  canonical.headers = request.headers;
  canonical.headers.emplace_back("host", host);
  canonical.headers.emplace_back("x-amz-content-sha256", body_sha256);
  canonical.headers.emplace_back("x-amz-date", stamp);
  if (!credentials.session_token.empty())
    canonical.headers.emplace_back("x-amz-security-token", credentials.session_token);
  std::ranges::sort(canonical.headers);

  http::Call call;
  call.method = request.method;
  call.url = scheme + host + path + (query.empty() ? "" : "?" + query);
  for (const auto& header : canonical.headers) {
    if (header.first != "host")
      call.headers.push_back(header);
  }
  call.headers.emplace_back("authorization",
                            aws::authorization(canonical, credentials.access_key_id,
                                               aws::signing_key(credentials.secret_access_key, scope), stamp, scope));
  call.headers.emplace_back("user-agent", "shoplake");
  call.body = request.body;
  call.connect_timeout = options_.connect_timeout;
  call.stall_timeout = options_.stall_timeout;
  call.body_bytes_max = request.body_bytes_max;
  return transport_.send(call);
}

Result<Client::Outcome> Client::send(const Request& request) {
  bool has_renewed_keys = false;
  for (int attempt = 1;; ++attempt) {
    const aws::Credentials credentials = SHOPLAKE_TRY(credentials_.get());
    ++(attempt == 1 ? counters_.requests : counters_.retries);
    counters_.sent_bytes += static_cast<std::int64_t>(request.body.size());
    auto answer = send_once(request, credentials);
    std::string reason;
    if (answer.ok()) {
      counters_.received_bytes += static_cast<std::int64_t>(answer->body.size());
      const bool is_accepted = std::ranges::find(request.accepted, answer->status) != request.accepted.end();
      // Completing an upload, or copying, may fail after its status 200 was sent.
      const bool may_hide_error = request.method != "GET" && request.method != "HEAD" && !answer->body.empty();
      if (is_accepted && !may_hide_error)
        return Outcome{std::move(answer).value(), attempt};
      const Complaint complaint = complaint_of(*answer);
      if (is_accepted && complaint.code.empty())
        return Outcome{std::move(answer).value(), attempt};
      if (complaint.code == "ExpiredToken" && !has_renewed_keys) {
        has_renewed_keys = true;
        credentials_.forget();
        continue;
      }
      if (!is_retried(*answer, complaint.code))
        return answer_error(request, *answer);
      reason = fmt::format("the store answers {} {}", answer->status,
                           complaint.code.empty() ? http::reason_phrase(answer->status) : complaint.code);
    } else {
      const std::string& code = answer.error().code;
      if (code != "http.cannot_connect" && code != "http.timeout" && code != "http.broken" && code != "http.truncated")
        return std::move(answer).error();
      reason = answer.error().message;
    }
    if (attempt >= options_.retry.attempts_max) {
      ++counters_.failures;
      return make_error(
          ErrorKind::environment, "s3.unavailable",
          fmt::format("{} {} failed {} times, last: {}", request.method, to_string(request.location), attempt, reason),
          "Check that the object store is up and reachable, then run it again.");
    }
    const std::int64_t pause = pause_micros(options_.retry, attempt, env_);
    base::log::debug("s3.retry", {{"operation", request.method},
                                  {"object", to_string(request.location)},
                                  {"attempt", attempt},
                                  {"pause_ms", static_cast<double>(pause) / 1e3},
                                  {"reason", reason}});
    options_.pause(pause);
  }
}

base::Error Client::answer_error(const Request& request, const http::Answer& answer) const {
  const Complaint complaint = complaint_of(answer);
  const std::string where = to_string(request.location);
  const std::string said = fmt::format("{} {}: the store answers {} {}{}{}", request.method, where, answer.status,
                                       complaint.code.empty() ? http::reason_phrase(answer.status) : complaint.code,
                                       complaint.message.empty() ? "" : ": ", complaint.message);
  const std::string& code = complaint.code;
  if (code == "NoSuchBucket") {
    return make_error(ErrorKind::environment, "s3.no_such_bucket", said,
                      "Make the bucket, or correct `lake` in shoplake.yml.");
  }
  if (answer.status == 301 || answer.status == 307 || code == "AuthorizationHeaderMalformed" ||
      code == "PermanentRedirect") {
    return make_error(ErrorKind::environment, "s3.wrong_region", said,
                      complaint.region.empty() ? "Set `s3: region` of shoplake.yml to the bucket's region."
                                               : "Set `s3: region: " + complaint.region + "` in shoplake.yml.");
  }
  if (code == "RequestTimeTooSkewed") {
    return make_error(ErrorKind::environment, "s3.clock_skew", said, "Set this machine's clock.");
  }
  if (answer.status == 401 || answer.status == 403) {
    return make_error(ErrorKind::environment, "s3.access_denied", said,
                      "Check the keys (docs/s3.md says where they are looked for) and what they may do.");
  }
  if (answer.status == 404)
    return make_error(ErrorKind::not_found, "io.not_found", said, "Check the path.");
  if (answer.status == 412)
    return make_error(ErrorKind::already_exists, "s3.precondition_failed", said);
  if (answer.status == 501 || code == "NotImplemented")
    return make_error(ErrorKind::environment, "s3.not_supported", said, "This store does not know the operation.");
  return make_error(ErrorKind::environment, "s3.failed", said);
}

// ---- objects ----

Result<ObjectInfo> Client::head(const Location& location) {
  const Outcome outcome = SHOPLAKE_TRY(send({.method = "HEAD", .location = location}));
  const auto size = number(outcome.answer.header("content-length"));
  if (!size)
    return bad_answer(location, "an answer to HEAD without a Content-Length");
  return ObjectInfo{*size, std::string(outcome.answer.header("etag"))};
}

Result<Piece> Client::get(const Location& location, std::uint64_t offset, std::uint64_t size, const std::string& etag) {
  if (size == 0)
    return Piece();
  Request request{.method = "GET", .location = location};
  request.headers = {{"range", fmt::format("bytes={}-{}", offset, offset + size - 1)}};
  if (!etag.empty())
    request.headers.emplace_back("if-match", etag);
  request.accepted = {200, 206, 416};
  request.body_bytes_max = size + (64 << 10);
  Outcome outcome = SHOPLAKE_TRY(send(request));
  http::Answer& answer = outcome.answer;
  if (answer.status == 416) {  // nothing at this offset: an empty object, or its end
    const ObjectInfo object = SHOPLAKE_TRY(head(location));
    if (offset < object.size_bytes)
      return bad_answer(location, fmt::format("416 to a range that begins within its {} bytes", object.size_bytes));
    return Piece{"", object};
  }
  Piece piece;
  piece.object.etag = answer.header("etag");
  if (answer.status == 200) {  // a store that knows no ranges, or an empty object
    if (offset != 0)
      return bad_answer(location, "status 200 to a range request");
    piece.object.size_bytes = answer.body.size();
  } else {
    // "bytes 0-9/443"
    const std::string_view range = answer.header("content-range");
    const std::size_t slash = range.rfind('/');
    const auto total = slash == std::string_view::npos ? std::nullopt : number(range.substr(slash + 1));
    if (!total)
      return bad_answer(location, "status 206 without a Content-Range");
    piece.object.size_bytes = *total;
    if (offset >= *total || answer.body.size() != std::min(size, *total - offset))
      return bad_answer(location,
                        fmt::format("{} bytes came, {} were asked for of {}", answer.body.size(), size, *total));
  }
  piece.bytes = std::move(answer.body);
  return piece;
}

Result<ObjectInfo> Client::put(const Location& location, std::string_view bytes, const PutOptions& options) {
  Request request{.method = "PUT", .location = location, .body = bytes};
  if (options_.encrypts)
    request.headers.emplace_back("x-amz-server-side-encryption", "AES256");
  if (options.only_if_absent)
    request.headers.emplace_back("if-none-match", "*");
  auto outcome = send(request);
  if (outcome.ok())
    return ObjectInfo{bytes.size(), std::string(outcome->answer.header("etag"))};
  if (outcome.error().code == "s3.precondition_failed") {
    // Perhaps it was this call's own first attempt, whose answer was lost.
    const auto there = head(location);
    if (there.ok() && there->size_bytes == bytes.size() && unquoted(there->etag) == base::md5_hex(bytes))
      return *there;
  }
  return std::move(outcome).error();
}

Result<void> Client::copy(const Location& from, const Location& to) {
  Request request{.method = "PUT", .location = to};
  request.headers = {{"x-amz-copy-source", "/" + from.bucket + "/" + aws::uri_encode(from.key, true)}};
  if (options_.encrypts)
    request.headers.emplace_back("x-amz-server-side-encryption", "AES256");
  SHOPLAKE_TRY(send(request));
  return {};
}

Result<void> Client::remove(const Location& location) {
  SHOPLAKE_TRY(send({.method = "DELETE", .location = location, .accepted = {200, 204, 404}}));
  return {};
}

Result<void> Client::remove_many(const std::string& bucket, const std::vector<std::string>& keys) {
  for (std::size_t begin = 0; begin < keys.size(); begin += kKeysPerRemoval) {
    std::string body = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>";
    for (std::size_t i = begin; i < std::min(keys.size(), begin + kKeysPerRemoval); ++i)
      body += "<Object><Key>" + escape_xml(keys[i]) + "</Key></Object>";
    body += "</Delete>";
    Request request{.method = "POST", .location = {bucket, ""}, .query = {{"delete", ""}}, .body = body};
    request.headers = {{"content-md5", base::base64_encode(unhex(base::md5_hex(body)))},
                       {"content-type", "application/xml"}};
    const Outcome outcome = SHOPLAKE_TRY(send(request));
    if (outcome.answer.body.empty())
      continue;
    const Element result = SHOPLAKE_TRY(parse_xml(outcome.answer.body));
    if (const Element* failed = result.find("Error"); failed != nullptr && failed->text_of("Code") != "NoSuchKey") {
      return make_error(ErrorKind::environment, "s3.failed",
                        fmt::format("cannot remove {}: {} {}", to_string({bucket, failed->text_of("Key")}),
                                    failed->text_of("Code"), failed->text_of("Message")));
    }
  }
  return {};
}

Result<Listing> Client::list(const std::string& bucket, const ListOptions& options) {
  Listing listing;
  std::string token;
  do {
    Request request{.method = "GET", .location = {bucket, ""}};
    request.query = {{"list-type", "2"}, {"encoding-type", "url"}, {"max-keys", std::to_string(options.page_size)}};
    if (!options.prefix.empty())
      request.query.emplace_back("prefix", options.prefix);
    if (!options.delimiter.empty())
      request.query.emplace_back("delimiter", options.delimiter);
    if (!token.empty())
      request.query.emplace_back("continuation-token", token);
    const Outcome outcome = SHOPLAKE_TRY(send(request));
    const Element page = SHOPLAKE_TRY(parse_xml(outcome.answer.body));
    if (page.name != "ListBucketResult")
      return bad_answer(request.location, "the answer to a listing is <" + page.name + ">");
    // Stores that do not know the encoding say so by leaving it out.
    const bool is_encoded = page.text_of("EncodingType") == "url";
    const auto decoded = [&](const std::string& text) { return is_encoded ? http::percent_decode(text, true) : text; };
    for (const Element& entry : page.children) {
      if (entry.name == "Contents") {
        const auto size = number(entry.text_of("Size"));
        if (!size)
          return bad_answer(request.location, "an object without a size in a listing");
        listing.objects.push_back({decoded(entry.text_of("Key")), *size,
                                   base::parse_timestamp(entry.text_of("LastModified")).value_or(0),
                                   entry.text_of("ETag")});
      } else if (entry.name == "CommonPrefixes") {
        listing.prefixes.push_back(decoded(entry.text_of("Prefix")));
      }
    }
    const std::string next = page.text_of("IsTruncated") == "true" ? page.text_of("NextContinuationToken") : "";
    if (!next.empty() && next == token)
      return bad_answer(request.location, "a listing that does not get on");
    token = next;
  } while (!token.empty() && !options.first_page_only);
  std::ranges::sort(listing.objects, {}, &ListedObject::key);
  std::ranges::sort(listing.prefixes);
  return listing;
}

// ---- uploads in parts ----

Result<std::string> Client::begin_upload(const Location& location) {
  Request request{.method = "POST", .location = location, .query = {{"uploads", ""}}};
  if (options_.encrypts)
    request.headers = {{"x-amz-server-side-encryption", "AES256"}};
  const Outcome outcome = SHOPLAKE_TRY(send(request));
  const Element result = SHOPLAKE_TRY(parse_xml(outcome.answer.body));
  std::string upload_id = result.text_of("UploadId");
  if (upload_id.empty())
    return bad_answer(location, "an upload without an id");
  return upload_id;
}

Result<UploadedPart> Client::put_part(const Location& location, const std::string& upload_id, int number,
                                      std::string_view bytes) {
  const Outcome outcome = SHOPLAKE_TRY(send({.method = "PUT",
                                             .location = location,
                                             .query = {{"partNumber", std::to_string(number)}, {"uploadId", upload_id}},
                                             .body = bytes}));
  std::string etag(outcome.answer.header("etag"));
  if (etag.empty())
    return bad_answer(location, "a part without an entity tag");
  return UploadedPart{number, std::move(etag)};
}

Result<void> Client::complete_upload(const Location& location, const std::string& upload_id,
                                     const std::vector<UploadedPart>& parts) {
  std::string body = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (const UploadedPart& part : parts)
    body += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", part.number, escape_xml(part.etag));
  body += "</CompleteMultipartUpload>";
  Request request{.method = "POST", .location = location, .query = {{"uploadId", upload_id}}, .body = body};
  request.headers = {{"content-type", "application/xml"}};
  auto outcome = send(request);
  if (outcome.ok())
    return {};
  // Perhaps an attempt whose answer was lost has completed it: then the upload is gone and the object is there.
  const bool may_be_done = outcome.error().code == "io.not_found" || outcome.error().code == "s3.unavailable";
  if (may_be_done) {
    const auto there = head(location);
    if (there.ok() && unquoted(there->etag) == multipart_etag(parts))
      return {};
  }
  base::Error error = std::move(outcome).error();
  if (error.code == "io.not_found") {  // of the upload, not of a file that somebody asked for
    error.kind = ErrorKind::environment;
    error.code = "s3.failed";
    error.advice = "Something aborted the upload, perhaps a lifecycle rule; run it again.";
  }
  return error;
}

Result<void> Client::abort_upload(const Location& location, const std::string& upload_id) {
  SHOPLAKE_TRY(send(
      {.method = "DELETE", .location = location, .query = {{"uploadId", upload_id}}, .accepted = {200, 204, 404}}));
  return {};
}

Result<std::vector<PendingUpload>> Client::list_uploads(const std::string& bucket, const std::string& prefix) {
  std::vector<PendingUpload> uploads;
  std::string key_marker, id_marker;
  do {
    Request request{.method = "GET", .location = {bucket, ""}, .query = {{"uploads", ""}, {"prefix", prefix}}};
    if (!key_marker.empty()) {
      request.query.emplace_back("key-marker", key_marker);
      request.query.emplace_back("upload-id-marker", id_marker);
    }
    const Outcome outcome = SHOPLAKE_TRY(send(request));
    const Element page = SHOPLAKE_TRY(parse_xml(outcome.answer.body));
    for (const Element& entry : page.children) {
      if (entry.name == "Upload")
        uploads.push_back({entry.text_of("Key"), entry.text_of("UploadId")});
    }
    const bool goes_on = page.text_of("IsTruncated") == "true";
    const std::string next = goes_on ? page.text_of("NextKeyMarker") : "";
    if (goes_on && next == key_marker && page.text_of("NextUploadIdMarker") == id_marker)
      return bad_answer(request.location, "a listing that does not get on");
    key_marker = next;
    id_marker = page.text_of("NextUploadIdMarker");
  } while (!key_marker.empty());
  return uploads;
}

// ---- buckets ----

Result<std::string> Client::get_lifecycle(const std::string& bucket) {
  Request request{.method = "GET", .location = {bucket, ""}, .query = {{"lifecycle", ""}}, .accepted = {200, 404}};
  Outcome outcome = SHOPLAKE_TRY(send(request));
  if (outcome.answer.status == 200)
    return std::move(outcome.answer.body);
  if (complaint_of(outcome.answer).code == "NoSuchLifecycleConfiguration")
    return std::string();
  return answer_error(request, outcome.answer);
}

Result<void> Client::put_lifecycle(const std::string& bucket, const std::string& xml) {
  Request request{.method = "PUT", .location = {bucket, ""}, .query = {{"lifecycle", ""}}, .body = xml};
  request.headers = {{"content-md5", base::base64_encode(unhex(base::md5_hex(xml)))},
                     {"content-type", "application/xml"}};
  SHOPLAKE_TRY(send(request));
  return {};
}

Result<void> Client::head_bucket(const std::string& bucket) {
  SHOPLAKE_TRY(send({.method = "HEAD", .location = {bucket, ""}}));
  return {};
}

Result<void> Client::create_bucket(const std::string& bucket) {
  std::string body;
  if (options_.region != "us-east-1") {
    body = "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>" +
           escape_xml(options_.region) + "</LocationConstraint></CreateBucketConfiguration>";
  }
  SHOPLAKE_TRY(send({.method = "PUT", .location = {bucket, ""}, .body = body}));
  return {};
}

}  // namespace shoplake::s3
