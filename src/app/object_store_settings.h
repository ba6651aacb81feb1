// What shoplake.yml says about the object store that the lake is in, the key `s3`:
//
//   lake: s3://bucket/prefix
//   s3:
//     endpoint: https://s3.example.org     of a store that is not Amazon's; by default AWS_ENDPOINT_URL_S3,
//     AWS_ENDPOINT_URL region: eu-central-1                 by default AWS_REGION, AWS_DEFAULT_REGION, the profile's,
//     us-east-1 path_style: on                       https://host/bucket/key; by default on with an endpoint, off at
//     Amazon profile: shop                        of ~/.aws/credentials and ~/.aws/config access_key_id: … with
//     secret_access_key, and session_token for temporary keys sse: AES256                          asks the store to
//     encrypt (SSE-S3); `off` by default connect_timeout_seconds: 5 stall_timeout_seconds: 20            without a byte
//     attempts: 9                          of each request, the first included
#pragma once

#include <optional>
#include <string>

#include "base/result.h"

namespace YAML {
class Node;
}

namespace shoplake::app {

struct ObjectStoreSettings {
  std::string endpoint;
  std::string region;
  std::optional<bool> path_style;
  std::string profile;
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;
  bool encrypts = false;
  int connect_timeout_seconds = 5;
  int stall_timeout_seconds = 20;
  int attempts = 9;
};

// Reads the value of `s3`. `file` is for messages. Errors home.configuration (usage) with file and line.
base::Result<void> read_object_store(const YAML::Node& value, const std::string& file, ObjectStoreSettings& settings);

}  // namespace shoplake::app
