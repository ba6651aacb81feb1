// Where the keys to AWS, or to a store that speaks its protocol, come from: the first of
//   1. keys that were given (shoplake.yml)
//   2. a profile that was given: its keys in the files of profile.h
//   3. the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
//   4. the profile AWS_PROFILE, or "default"
//   5. the container's endpoint: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or …_FULL_URI, with
//   AWS_CONTAINER_AUTHORIZATION_TOKEN
//      or …_TOKEN_FILE (ECS, EKS pod identity)
//   6. the machine's metadata service, IMDSv2 only, unless AWS_EC2_METADATA_DISABLED is true
// the order of AWS's own tools. Web identity, SSO, assumed roles and credential_process are not taken part in.
// Source: https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "aws/profile.h"
#include "base/result.h"
#include "http/transport.h"
#include "io/env.h"

namespace shoplake::aws {

struct Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;           // of temporary keys
  std::int64_t expires_at_micros = 0;  // 0: never
  std::string source;                  // for people: "environment", "profile default", …
};

struct CredentialOptions {
  Credentials given;    // used if it has an access key id
  std::string profile;  // used if it is not empty
};

// Thread safe. Keys that expire are fetched anew five minutes before; while that fails, the old ones serve until they
// expire.
class CredentialChain {
 public:
  static constexpr std::chrono::minutes kRenewBefore{5};
  // An endpoint that is not there must not hold up a command.
  static constexpr std::chrono::milliseconds kMetadataTimeout{1'000};

  CredentialChain(io::Env& env, http::Transport& transport, Environment environment, CredentialOptions options);

  // Errors: aws.no_credentials (kind usage, says where was looked), aws.bad_profile (usage), aws.metadata_failed
  // (environment).
  Result<Credentials> get();
  // The server said that they have expired: the next get() fetches others, where they come from an endpoint or a file.
  void forget();

 private:
  Result<Credentials> find();
  Result<std::optional<Credentials>> from_profile(const std::string& name);
  Result<std::optional<Credentials>> from_container();
  Result<std::optional<Credentials>> from_machine();
  Result<Credentials> parse_endpoint_answer(const http::Answer& answer, const std::string& source);

  io::Env& env_;
  http::Transport& transport_;
  const Environment environment_;
  const CredentialOptions options_;
  std::mutex mutex_;
  std::optional<Credentials> known_;
};

}  // namespace shoplake::aws
