#include "app/object_store.h"

#include <chrono>
#include <utility>

#include "aws/credentials.h"
#include "aws/profile.h"
#include "http/transport.h"
#include "io/staged_folder.h"
#include "s3/env.h"
#include "s3/location.h"

namespace shoplake::app {

using base::Result;

namespace {

std::string first_of(std::initializer_list<std::string> candidates) {
  for (const std::string& candidate : candidates) {
    if (!candidate.empty())
      return candidate;
  }
  return {};
}

// Endpoint and region as AWS's tools find them, where shoplake.yml does not say.
Result<s3::ClientOptions> client_options(io::Env& env, const aws::Environment& environment,
                                         const ObjectStoreSettings& settings, const std::string& bucket) {
  const auto variable = [&](const char* name) { return environment(name).value_or(""); };
  const aws::Profile profile =
      SHOPLAKE_TRY(aws::read_profile(env, environment, aws::profile_name(environment, settings.profile)));
  const auto in_profile = [&](const char* name) {
    const auto found = profile.find(name);
    return found == profile.end() ? std::string() : found->second;
  };
  s3::ClientOptions options;
  options.region = first_of(
      {settings.region, variable("AWS_REGION"), variable("AWS_DEFAULT_REGION"), in_profile("region"), "us-east-1"});
  const std::string endpoint = first_of(
      {settings.endpoint, variable("AWS_ENDPOINT_URL_S3"), variable("AWS_ENDPOINT_URL"), in_profile("endpoint_url")});
  options.endpoint = first_of({endpoint, "https://s3." + options.region + ".amazonaws.com"});
  while (options.endpoint.ends_with('/'))
    options.endpoint.pop_back();
  if (!options.endpoint.starts_with("https://") && !options.endpoint.starts_with("http://")) {
    return base::make_error(base::ErrorKind::usage, "home.configuration",
                            "the object store's endpoint \"" + options.endpoint + "\" is no address",
                            "Write it as https://s3.example.org; AWS_ENDPOINT_URL may have set it.");
  }
  // A bucket with dots in its name is no host that a certificate covers.
  options.path_style = settings.path_style.value_or(!endpoint.empty() || bucket.find('.') != std::string::npos);
  options.encrypts = settings.encrypts;
  options.connect_timeout = std::chrono::seconds(settings.connect_timeout_seconds);
  options.stall_timeout = std::chrono::seconds(settings.stall_timeout_seconds);
  options.retry.attempts_max = settings.attempts;
  return options;
}

aws::CredentialOptions credential_options(const ObjectStoreSettings& settings) {
  aws::CredentialOptions options;
  options.given.access_key_id = settings.access_key_id;
  options.given.secret_access_key = settings.secret_access_key;
  options.given.session_token = settings.session_token;
  options.profile = settings.profile;
  return options;
}

}  // namespace

struct ObjectStore::State {
  State(io::Env& machine, const Home& home, s3::Location given_lake, s3::ClientOptions options)
      : lake(std::move(given_lake)),
        transport(http::make_transport()),
        keys(machine, *transport, aws::process_environment(), credential_options(home.object_store)),
        client(machine, *transport, keys, std::move(options)),
        env(machine, client, {home.temporary_directory, {}}) {}

  const s3::Location lake;
  std::unique_ptr<http::Transport> transport;
  aws::CredentialChain keys;
  s3::Client client;
  s3::S3Env env;
};

Result<std::unique_ptr<ObjectStore>> ObjectStore::open(io::Env& env, const Home& home) {
  s3::Location lake = SHOPLAKE_TRY(s3::parse_location(home.lake_root));
  s3::ClientOptions options =
      SHOPLAKE_TRY(client_options(env, aws::process_environment(), home.object_store, lake.bucket));
  io::remove_abandoned_stages(env, home.temporary_directory);
  return std::unique_ptr<ObjectStore>(
      new ObjectStore(std::make_unique<State>(env, home, std::move(lake), std::move(options))));
}

ObjectStore::ObjectStore(std::unique_ptr<State> state) : state_(std::move(state)) {}
ObjectStore::~ObjectStore() = default;

io::Env& ObjectStore::env() { return state_->env; }
s3::Client& ObjectStore::client() { return state_->client; }
const s3::Location& ObjectStore::lake() const { return state_->lake; }

engine::ObjectStoreAccess ObjectStore::engine_access() {
  const s3::ClientOptions& options = state_->client.options();
  engine::ObjectStoreAccess access;
  const std::size_t scheme_end = options.endpoint.find("://") + 3;
  access.endpoint = options.endpoint.substr(scheme_end);
  access.uses_tls = options.endpoint.starts_with("https://");
  access.region = options.region;
  access.path_style = options.path_style;
  access.scope = s3::to_string(state_->lake) + "/";
  access.retries = options.retry.attempts_max;
  access.timeout_seconds = static_cast<int>(options.stall_timeout.count());
  access.keys = [keys = &state_->keys]() -> Result<engine::ObjectStoreKeys> {
    const aws::Credentials found = SHOPLAKE_TRY(keys->get());
    return engine::ObjectStoreKeys{found.access_key_id, found.secret_access_key, found.session_token};
  };
  return access;
}

std::map<std::string, std::string> ObjectStore::client_properties() const {
  const s3::ClientOptions& options = state_->client.options();
  return {{"s3.endpoint", options.endpoint},
          {"s3.region", options.region},
          {"client.region", options.region},
          {"s3.path-style-access", options.path_style ? "true" : "false"}};
}

Result<std::string> ObjectStore::credentials_source() { return SHOPLAKE_TRY(state_->keys.get()).source; }

}  // namespace shoplake::app
