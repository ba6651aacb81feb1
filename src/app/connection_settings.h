// What shoplake.yml says about the servers that HTTP tasks of flows call: the key `connections`. A connection is what
// an EventBridge connection is on AWS: how to authorize, and what each request carries besides.
//
//   connections:
//     crm:
//       basic: {user: shoplake, password: "${CRM_PASSWORD}"}      or
//       api_key: {header: X-Api-Key, value: "${CRM_KEY}"}         or neither
//       headers: {Accept-Language: de}       of each request, before those of the definition
//       query: {tenant: "${CRM_TENANT}"}
//       hosts: [api.example.com]             that may be called with it; any if absent
//       certificate_authorities: ca.pem      the only ones trusted; the machine's if absent
//
// A value ${NAME} is taken from the environment, so that secrets need not stand in the file.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace YAML {
class Node;
}

namespace shoplake::app {

struct Connection {
  enum class Authorization { none, basic, api_key };

  std::string name;
  Authorization authorization = Authorization::none;
  std::string user;  // basic
  std::string password;
  std::string key_header;  // api_key
  std::string key_value;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::pair<std::string, std::string>> query;
  std::vector<std::string> hosts;       // in lower case, without ports; empty: any
  std::string certificate_authorities;  // PEM file
  // What no history or log may show: the password, the key, and what came from the environment.
  std::vector<std::string> secrets;
};

// Reads the value of `connections`. `file` is for messages, relative paths are below `directory`. Errors
// home.configuration (usage) with file and line.
base::Result<void> read_connections(const YAML::Node& value, const std::string& file, const std::string& directory,
                                    std::vector<Connection>& connections);

// Whether `name` may be a header's name (RFC 9110, token) and `value` its value: no control characters.
bool is_header_name(std::string_view name);
bool is_header_value(std::string_view value);

}  // namespace shoplake::app
