// What shoplake.yml says about the servers that HTTP tasks of flows call: the key `connections`. A connection is what
// an EventBridge connection is on AWS: how to authorize, and what each request carries besides.
//
//   connections:
//     crm:
//       basic: {user: shoplake, password: "${CRM_PASSWORD}"}      or
//       api_key: {header: X-Api-Key, value: "${CRM_KEY}"}         or
//       oauth_client_credentials:                                 or nothing of these
//         authorization_endpoint: https://auth.example.com/oauth/token
//         http_method: POST                                       GET, POST (default), PUT
//         client_parameters: {client_id: shoplake, client_secret: "${CRM_SECRET}"}
//         client_authentication: basic                            basic (a header; default), body
//         oauth_http_parameters: {headers: {}, query: {}, body: {scope: orders, audience: crm}}
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

using NamedValues = std::vector<std::pair<std::string, std::string>>;

// How a token is asked for: OAuth 2.0 with client credentials (RFC 6749 section 4.4). The names are EventBridge's.
struct OAuthClient {
  std::string authorization_endpoint;  // https://, or http:// of this machine
  std::string http_method = "POST";
  std::string client_id;
  std::string client_secret;
  bool is_in_body = false;  // where they stand: in the form, or in the header Authorization
  NamedValues headers;      // what the endpoint wants besides
  NamedValues query;
  NamedValues body;  // as a form; without grant_type it is client_credentials

  // RFC 6749 section 2.3.1: base64 of both, each form-encoded.
  std::string basic_credentials() const;
};

struct Connection {
  enum class Authorization { none, basic, api_key, oauth };

  std::string name;
  Authorization authorization = Authorization::none;
  std::string user;  // basic
  std::string password;
  std::string key_header;  // api_key
  std::string key_value;
  OAuthClient oauth;
  NamedValues headers;
  NamedValues query;
  std::vector<std::string> hosts;       // in lower case, without ports; empty: any
  std::string certificate_authorities;  // PEM file
  // What no history or log may show: the password, the key, the client's secret, and what came from the environment.
  // Tokens are no part of it: they come and go (tasks/oauth_tokens.h).
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
