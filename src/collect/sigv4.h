// AWS Signature Version 4 in the Authorization header: whether a request was signed with one of the known keys. Source:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. Errors have the types and
// words that Firehose answers with. Requests signed in their query string (presigned) are no part of Firehose's use.
//
// The body is part of the signature, so it is hashed once a request. Signing keys, which depend on the day only, are
// cached. Thread safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace shoplake::collect {

struct AccessKey {
  std::string id;
  std::string secret;
};

// An error as AWS's JSON protocols answer it.
struct AwsError {
  int status = 400;
  std::string type;  // "InvalidSignatureException"
  std::string message;
};

class SignatureVerifier {
 public:
  // How far the clocks of the signer and of this machine may be apart.
  static constexpr std::int64_t kSkewSecondsMax = 300;

  SignatureVerifier(std::vector<AccessKey> keys, std::string service);

  // Nothing if the signature is good. `now_micros` since 1970.
  std::optional<AwsError> verify(const http::Request& request, std::int64_t now_micros) const;

 private:
  using Key = std::string;  // 32 bytes
  Key signing_key(const AccessKey& key, std::string_view date, std::string_view region) const;

  static constexpr std::size_t kCachedKeysMax = 256;

  std::vector<AccessKey> keys_;
  std::string service_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, Key> cache_;  // by access key id, date and region
};

// Whether two texts are the same, in a time that depends on their length only.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace shoplake::collect
