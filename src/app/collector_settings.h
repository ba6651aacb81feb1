// What shoplake.yml says about collecting: the keys `collector` and `streams`.
//
//   collector:
//     access_keys: [{id: AKIA…, secret: …}]     SigV4 keys of the Firehose API
//     api_keys: […]                             of POST /v1/events/<stream>
//     api_secrets: […]                          of the Measurement Protocol
//     tls: {certificate: server.pem, key: server.key}
//     time_zone: Europe/Berlin                  of the property: which day an event belongs to
//   streams:
//     orders: {dataset: orders, live: off, buffering: {seconds: 60, mebibytes: 5}, prefix: raw/orders/}
//
// A value ${NAME} is taken from the environment, so that secrets need not stand in the file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "collect/sigv4.h"
#include "collect/streams.h"

namespace YAML {
class Node;
}

namespace shoplake::app {

struct CollectorSettings {
  bool enabled = true;
  std::vector<collect::AccessKey> access_keys;
  std::vector<std::string> api_keys;
  std::vector<std::string> api_secrets;
  std::string tls_certificate;  // absolute paths, both or none
  std::string tls_key;
  std::string time_zone = "UTC";  // IANA name, of the property
  std::vector<collect::Stream> streams;
};

// Reads the value of `collector` or `streams`. `file` is for messages, relative paths are below `directory`. Errors
// home.configuration (usage) with file and line.
base::Result<void> read_collector(const YAML::Node& value, const std::string& file, const std::string& directory,
                                  CollectorSettings& settings);
base::Result<void> read_streams(const YAML::Node& value, const std::string& file, CollectorSettings& settings);

}  // namespace shoplake::app
