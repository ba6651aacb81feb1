#include "aws/credentials.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/moment.h"

namespace shoplake::aws {
namespace {

using base::ErrorKind;
using base::make_error;

constexpr char kContainerHost[] = "http://169.254.170.2";
constexpr char kMachineHost[] = "http://169.254.169.254";
constexpr char kRolePath[] = "/latest/meta-data/iam/security-credentials/";
constexpr std::uint64_t kAnswerBytesMax = 1 << 20;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
    text.remove_suffix(1);
  return text;
}

http::Call metadata_call(std::string method, std::string url) {
  http::Call call;
  call.method = std::move(method);
  call.url = std::move(url);
  call.connect_timeout = CredentialChain::kMetadataTimeout;
  call.total_timeout = CredentialChain::kMetadataTimeout;
  call.body_bytes_max = kAnswerBytesMax;
  call.is_direct = true;
  return call;
}

base::Error metadata_error(const std::string& source, const std::string& what) {
  return make_error(ErrorKind::environment, "aws.metadata_failed", "no keys from " + source + ": " + what,
                    "Check the role of this container or machine, or give keys another way (docs/s3.md).");
}

}  // namespace

CredentialChain::CredentialChain(io::Env& env, http::Transport& transport, Environment environment,
                                 CredentialOptions options)
    : env_(env), transport_(transport), environment_(std::move(environment)), options_(std::move(options)) {}

Result<Credentials> CredentialChain::get() {
  const std::lock_guard lock(mutex_);
  const std::int64_t now = env_.now_micros();
  if (known_ && (known_->expires_at_micros == 0 ||
                 known_->expires_at_micros - now > std::chrono::microseconds(kRenewBefore).count())) {
    return *known_;
  }
  auto found = find();
  if (!found.ok()) {
    if (known_ && known_->expires_at_micros > now)
      return *known_;
    return found;
  }
  known_ = *found;
  return found;
}

void CredentialChain::forget() {
  const std::lock_guard lock(mutex_);
  known_.reset();
}

Result<Credentials> CredentialChain::find() {
  if (!options_.given.access_key_id.empty()) {
    Credentials given = options_.given;
    given.source = "shoplake.yml";
    return given;
  }
  if (!options_.profile.empty()) {
    auto found = SHOPLAKE_TRY(from_profile(options_.profile));
    if (found)
      return *found;
    return make_error(
        ErrorKind::usage, "aws.bad_profile",
        "the profile " + options_.profile + " has no keys: aws_access_key_id and aws_secret_access_key",
        "Add them to the shared credentials file, or name another profile in shoplake.yml (s3: profile).");
  }
  if (const auto id = environment_("AWS_ACCESS_KEY_ID")) {
    if (const auto secret = environment_("AWS_SECRET_ACCESS_KEY"))
      return Credentials{*id, *secret, environment_("AWS_SESSION_TOKEN").value_or(""), 0, "environment"};
  }
  if (auto found = SHOPLAKE_TRY(from_profile(profile_name(environment_, ""))))
    return *found;
  if (auto found = SHOPLAKE_TRY(from_container()))
    return *found;
  if (auto found = SHOPLAKE_TRY(from_machine()))
    return *found;
  return make_error(ErrorKind::usage, "aws.no_credentials",
                    "there are no keys to the object store: none in shoplake.yml, the environment, the shared "
                    "credentials file, and no metadata service answers",
                    "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or `s3:` in shoplake.yml (docs/s3.md).");
}

Result<std::optional<Credentials>> CredentialChain::from_profile(const std::string& name) {
  const Profile profile = SHOPLAKE_TRY(read_profile(env_, environment_, name));
  const auto value = [&](const char* key) {
    const auto found = profile.find(key);
    return found == profile.end() ? std::string() : found->second;
  };
  Credentials found{value("aws_access_key_id"), value("aws_secret_access_key"), value("aws_session_token"), 0,
                    "profile " + name};
  if (found.access_key_id.empty() || found.secret_access_key.empty())
    return std::optional<Credentials>();
  return std::optional<Credentials>(std::move(found));
}

Result<std::optional<Credentials>> CredentialChain::from_container() {
  const auto relative = environment_("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const auto full = environment_("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (!relative && !full)
    return std::optional<Credentials>();
  http::Call call = metadata_call("GET", relative ? kContainerHost + *relative : *full);
  std::string token = environment_("AWS_CONTAINER_AUTHORIZATION_TOKEN").value_or("");
  if (const auto file = environment_("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"))
    token = trimmed(SHOPLAKE_TRY(env_.read_file(*file)));
  if (token.find_first_of("\r\n") != std::string::npos)
    return metadata_error("the container's endpoint", "its authorization token has more than one line");
  if (!token.empty())
    call.headers.emplace_back("Authorization", token);
  const http::Answer answer = SHOPLAKE_TRY(transport_.send(call));
  return std::optional<Credentials>(SHOPLAKE_TRY(parse_endpoint_answer(answer, "the container's endpoint")));
}

Result<std::optional<Credentials>> CredentialChain::from_machine() {
  if (environment_("AWS_EC2_METADATA_DISABLED").value_or("") == "true")
    return std::optional<Credentials>();
  const std::string host = environment_("AWS_EC2_METADATA_SERVICE_ENDPOINT").value_or(kMachineHost);
  const std::string source = "the machine's metadata service";
  http::Call call = metadata_call("PUT", host + "/latest/api/token");
  call.headers = {{"X-aws-ec2-metadata-token-ttl-seconds", "21600"}};
  const auto token = transport_.send(call);
  if (!token.ok() || token->status != 200)
    return std::optional<Credentials>();  // no machine of Amazon's
  const http::Headers with_token{{"X-aws-ec2-metadata-token", token->body}};
  call = metadata_call("GET", host + kRolePath);
  call.headers = with_token;
  const http::Answer role = SHOPLAKE_TRY(transport_.send(call));
  if (role.status == 404)
    return std::optional<Credentials>();  // a machine without a role
  if (role.status != 200)
    return metadata_error(source, "it answers " + std::to_string(role.status));
  const std::string name(trimmed(std::string_view(role.body).substr(0, role.body.find('\n'))));
  call = metadata_call("GET", host + kRolePath + name);
  call.headers = with_token;
  const http::Answer answer = SHOPLAKE_TRY(transport_.send(call));
  return std::optional<Credentials>(SHOPLAKE_TRY(parse_endpoint_answer(answer, source)));
}

Result<Credentials> CredentialChain::parse_endpoint_answer(const http::Answer& answer, const std::string& source) {
  if (answer.status != 200)
    return metadata_error(source, "it answers " + std::to_string(answer.status));
  const auto document = nlohmann::json::parse(answer.body, nullptr, false);
  const auto text = [&](const char* key) {
    const auto found = document.is_object() ? document.find(key) : document.end();
    return found != document.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  Credentials found{text("AccessKeyId"), text("SecretAccessKey"), text("Token"),
                    base::parse_timestamp(text("Expiration")).value_or(0), source};
  if (found.access_key_id.empty() || found.secret_access_key.empty())
    return metadata_error(source, "its answer names none");
  return found;
}

}  // namespace shoplake::aws
