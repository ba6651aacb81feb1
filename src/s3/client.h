// Client: the operations of an S3-compatible object store, each signed, tried again where that is safe and may help,
// and checked: an answer that is shorter than it says, or an error in a body of status 200, is a failure. Source:
// https://docs.aws.amazon.com/AmazonS3/latest/API/Welcome.html
//
// Tried again (retry.h): no connection, a broken or silent one, a truncated answer, statuses 429, 500, 502, 503, 504,
// and 408 or RequestTimeout; ExpiredToken once with new keys. All operations here may be repeated without harm: a PUT
// writes the same bytes, and where the outcome of a conditional PUT or of completing an upload is unknown, the object
// is looked at.
//
// Bodies are covered by the signature (x-amz-content-sha256), so a store that checks it takes no other bytes.
//
// Errors: io.not_found (not_found); s3.no_such_bucket, s3.access_denied, s3.wrong_region, s3.clock_skew, s3.unavailable
// (environment; the last after all attempts, with the last reason), s3.precondition_failed (already_exists),
// s3.not_supported (environment: the store does not know the operation), s3.failed, s3.bad_answer (environment).
//
// Thread safe.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aws/credentials.h"
#include "aws/signature.h"
#include "base/result.h"
#include "http/transport.h"
#include "s3/location.h"
#include "s3/retry.h"

namespace shoplake::s3 {

using base::Result;

struct ClientOptions {
  std::string endpoint;  // "https://s3.eu-central-1.amazonaws.com", "http://127.0.0.1:9000"
  std::string region = "us-east-1";
  bool path_style = false;  // http://host/bucket/key instead of http://bucket.host/key
  bool encrypts = false;    // asks for SSE-S3: x-amz-server-side-encryption: AES256
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::seconds stall_timeout{20};
  RetryOptions retry;
  Pause pause = real_pause();
};

struct ObjectInfo {
  std::uint64_t size_bytes = 0;
  std::string etag;  // with its quotes
};

struct Piece {
  std::string bytes;
  ObjectInfo object;  // the whole one
};

struct ListedObject {
  std::string key;
  std::uint64_t size_bytes = 0;
  std::int64_t modified_micros = 0;  // since 1970; 0 if the store does not tell
  std::string etag = {};
};
struct ListOptions {
  std::string prefix;
  std::string delimiter;  // "/": only what is directly below, with `prefixes` for the rest
  int page_size = 1000;   // at most 1000
  bool first_page_only = false;
};
struct Listing {
  std::vector<ListedObject> objects;  // sorted by key
  std::vector<std::string> prefixes;  // with the delimiter at their end
};

struct PutOptions {
  bool only_if_absent = false;  // If-None-Match: *
};

struct UploadedPart {
  int number = 0;  // from 1
  std::string etag;
};

struct PendingUpload {
  std::string key;
  std::string upload_id;
};

// What a Client's requests came to since it was made.
struct RequestCounts {
  std::int64_t requests = 0;
  std::int64_t retries = 0;   // attempts after the first of each
  std::int64_t failures = 0;  // requests given up as s3.unavailable
  std::int64_t sent_bytes = 0;
  std::int64_t received_bytes = 0;
};

class Client {
 public:
  Client(io::Env& env, http::Transport& transport, aws::CredentialChain& credentials, ClientOptions options);

  const ClientOptions& options() const { return options_; }
  io::Env& env() const { return env_; }
  RequestCounts counts() const;

  Result<ObjectInfo> head(const Location& location);
  // Up to `size` bytes from `offset`; fewer only at the end. An `etag` that is no longer the object's is an error.
  Result<Piece> get(const Location& location, std::uint64_t offset, std::uint64_t size, const std::string& etag = {});
  // s3.precondition_failed if the object must be absent and another one is there; one of these very bytes counts as
  // written.
  Result<ObjectInfo> put(const Location& location, std::string_view bytes, const PutOptions& options = {});
  Result<void> copy(const Location& from, const Location& to);
  Result<void> remove(const Location& location);                                              // fine if absent
  Result<void> remove_many(const std::string& bucket, const std::vector<std::string>& keys);  // fine if absent
  Result<Listing> list(const std::string& bucket, const ListOptions& options);

  // An upload in parts of at least kPartBytesMin each but the last. What is neither completed nor aborted stays,
  // unseen, until a lifecycle rule takes it away.
  static constexpr std::uint64_t kPartBytesMin = 5ULL << 20;
  static constexpr int kPartsMax = 10'000;
  Result<std::string> begin_upload(const Location& location);
  Result<UploadedPart> put_part(const Location& location, const std::string& upload_id, int number,
                                std::string_view bytes);
  Result<void> complete_upload(const Location& location, const std::string& upload_id,
                               const std::vector<UploadedPart>& parts);
  Result<void> abort_upload(const Location& location, const std::string& upload_id);
  Result<std::vector<PendingUpload>> list_uploads(const std::string& bucket, const std::string& prefix);

  // The bucket's lifecycle configuration as XML; empty if it has none.
  Result<std::string> get_lifecycle(const std::string& bucket);
  Result<void> put_lifecycle(const std::string& bucket, const std::string& xml);
  Result<void> head_bucket(const std::string& bucket);
  Result<void> create_bucket(const std::string& bucket);

 private:
  struct Request {
    std::string method;
    Location location;
    aws::Pairs query = {};
    aws::Pairs headers = {};  // names in lower case; all are signed
    std::string_view body = {};
    std::vector<int> accepted = {200};  // statuses that are answers
    std::uint64_t body_bytes_max = 16ULL << 20;
  };
  // What became of a request; `attempts` more than one means that an earlier one may have had its effect.
  struct Outcome {
    http::Answer answer;
    int attempts = 1;
  };

  Result<Outcome> send(const Request& request);
  Result<http::Answer> send_once(const Request& request, const aws::Credentials& credentials);
  base::Error answer_error(const Request& request, const http::Answer& answer) const;

  io::Env& env_;
  http::Transport& transport_;
  aws::CredentialChain& credentials_;
  const ClientOptions options_;
  struct Counters {
    std::atomic<std::int64_t> requests, retries, failures, sent_bytes, received_bytes;
  } counters_ = {};
};

}  // namespace shoplake::s3
