#include "app/connection_settings.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>

#include "app/setting_reader.h"
#include "aws/signature.h"
#include "base/base64.h"
#include "http/address.h"
#include "io/env.h"

namespace shoplake::app {
namespace {

using base::Result;

constexpr std::size_t kConnectionsMax = 200;
constexpr char kExample[] = "Write crm: {basic: {user: me, password: \"${CRM_PASSWORD}\"}}.";

class ConnectionReader {
 public:
  ConnectionReader(const SettingReader& reader, const std::string& directory)
      : reader_(reader), directory_(directory) {}

  Result<Connection> read(const YAML::Node& node, const std::string& name) {
    connection_.name = name;
    if (node.IsNull())
      return std::move(connection_);
    SHOPLAKE_TRY(reader_.mapping(
        node, "a connection",
        {{"basic", [this](const YAML::Node& value) { return basic(value); }},
         {"api_key", [this](const YAML::Node& value) { return api_key(value); }},
         {"oauth_client_credentials", [this](const YAML::Node& value) { return oauth(value); }},
         {"headers", [this](const YAML::Node& value) { return pairs(value, "headers", connection_.headers); }},
         {"query", [this](const YAML::Node& value) { return pairs(value, "query", connection_.query); }},
         {"hosts", [this](const YAML::Node& value) { return hosts(value); }},
         {"certificate_authorities", [this](const YAML::Node& value) -> Result<void> {
            const std::string path = SHOPLAKE_TRY(reader_.text(value, "certificate_authorities"));
            connection_.certificate_authorities = path.starts_with('/') ? path : io::join_path(directory_, path);
            return {};
          }}}));
    return std::move(connection_);
  }

 private:
  Result<void> authorize(const YAML::Node& node, Connection::Authorization authorization) {
    if (connection_.authorization != Connection::Authorization::none)
      return reader_.error(node, "a connection has one of basic, api_key and oauth_client_credentials, not two");
    connection_.authorization = authorization;
    return {};
  }

  SettingReader::Setter text(std::string& out, const char* what) const {
    return [this, &out, what](const YAML::Node& value) -> Result<void> {
      out = SHOPLAKE_TRY(reader_.text(value, what));
      return {};
    };
  }

  Result<void> basic(const YAML::Node& node) {
    SHOPLAKE_TRY(authorize(node, Connection::Authorization::basic));
    SHOPLAKE_TRY(reader_.mapping(
        node, "basic",
        {{"user", text(connection_.user, "user")}, {"password", text(connection_.password, "password")}}));
    if (connection_.user.empty() || connection_.password.empty())
      return reader_.error(node, "basic needs user and password", kExample);
    if (connection_.user.find(':') != std::string::npos)
      return reader_.error(node, "user: a colon ends the user of basic authorization");
    connection_.secrets.push_back(connection_.password);
    connection_.secrets.push_back(base::base64_encode(connection_.user + ":" + connection_.password));
    return {};
  }

  Result<void> api_key(const YAML::Node& node) {
    SHOPLAKE_TRY(authorize(node, Connection::Authorization::api_key));
    SHOPLAKE_TRY(reader_.mapping(
        node, "api_key",
        {{"header", text(connection_.key_header, "header")}, {"value", text(connection_.key_value, "value")}}));
    if (!is_header_name(connection_.key_header) || !is_header_value(connection_.key_value))
      return reader_.error(node, "api_key needs header, a header's name, and value",
                           "Write api_key: {header: X-Api-Key, value: \"${CRM_KEY}\"}.");
    connection_.secrets.push_back(connection_.key_value);
    return {};
  }

  Result<void> oauth(const YAML::Node& node) {
    SHOPLAKE_TRY(authorize(node, Connection::Authorization::oauth));
    OAuthClient& client = connection_.oauth;
    std::string place;
    SHOPLAKE_TRY(reader_.mapping(
        node, "oauth_client_credentials",
        {{"authorization_endpoint", text(client.authorization_endpoint, "authorization_endpoint")},
         {"http_method", text(client.http_method, "http_method")},
         {"client_parameters",
          [&](const YAML::Node& value) {
            return reader_.mapping(value, "client_parameters",
                                   {{"client_id", text(client.client_id, "client_id")},
                                    {"client_secret", text(client.client_secret, "client_secret")}});
          }},
         {"client_authentication", text(place, "client_authentication")},
         {"oauth_http_parameters", [&](const YAML::Node& value) {
            return reader_.mapping(
                value, "oauth_http_parameters",
                {{"headers", [&](const YAML::Node& each) { return pairs(each, "headers", client.headers); }},
                 {"query", [&](const YAML::Node& each) { return pairs(each, "query", client.query); }},
                 {"body", [&](const YAML::Node& each) { return pairs(each, "body", client.body); }}});
          }}}));
    client.is_in_body = place == "body";
    if (!place.empty() && place != "body" && place != "basic")
      return reader_.error(node, fmt::format("client_authentication is \"{}\"", place), "It is basic or body.");
    return check_oauth(node);
  }

  Result<void> check_oauth(const YAML::Node& node) {
    const OAuthClient& client = connection_.oauth;
    if (client.client_id.empty() || client.client_secret.empty())
      return reader_.error(node, "client_parameters needs client_id and client_secret",
                           "Write client_parameters: {client_id: shoplake, client_secret: \"${CRM_SECRET}\"}.");
    if (client.http_method != "GET" && client.http_method != "POST" && client.http_method != "PUT")
      return reader_.error(node, fmt::format("http_method is \"{}\"", client.http_method), "It is GET, POST or PUT.");
    if (client.http_method == "GET" && (client.is_in_body || !client.body.empty()))
      return reader_.error(node, "a GET has no body for client_authentication or oauth_http_parameters",
                           "Set http_method: POST.");
    if (!is_endpoint(client.authorization_endpoint))
      return reader_.error(node, "authorization_endpoint is no https:// address of a host and a path",
                           "http:// is only for this machine; user and password are client_parameters.");
    connection_.secrets.push_back(client.client_secret);
    connection_.secrets.push_back(aws::uri_encode(client.client_secret));
    connection_.secrets.push_back(client.basic_credentials());
    return {};
  }

  static bool is_endpoint(const std::string& url) {
    const bool is_https = url.starts_with("https://");
    if (!is_https && !url.starts_with("http://"))
      return false;
    const std::size_t begin = is_https ? 8 : 7;
    const std::string authority = url.substr(begin, url.find_first_of("/?", begin) - begin);
    const std::string host = http::host_name(authority);
    return !host.empty() && (is_https || http::is_loopback_name(host)) && authority.find('@') == std::string::npos &&
           std::ranges::all_of(url, [](unsigned char c) { return c > 0x20 && c < 0x7F && c != '#' && c != '\\'; });
  }

  Result<void> pairs(const YAML::Node& node, const std::string& what, NamedValues& out) {
    if (!node.IsMap())
      return reader_.error(node, what + " is no mapping of names to values");
    for (const auto& entry : node) {
      const std::string name = entry.first.IsScalar() ? entry.first.Scalar() : "";
      const std::string value = SHOPLAKE_TRY(reader_.text(entry.second, what + ": " + name));
      const bool is_right = what == "headers" ? is_header_name(name) && is_header_value(value) : !name.empty();
      if (!is_right)
        return reader_.error(entry.first,
                             what == "headers"
                                 ? fmt::format("headers: \"{}\" is no name of a header or its value none", name)
                                 : fmt::format("{}: a name is empty", what));
      if (entry.second.Scalar().starts_with("${"))
        connection_.secrets.push_back(value);
      out.emplace_back(name, value);
    }
    return {};
  }

  Result<void> hosts(const YAML::Node& node) {
    for (const std::string& host : SHOPLAKE_TRY(reader_.texts(node, "hosts"))) {
      if (host.find_first_of("/:@ ") != std::string::npos)
        return reader_.error(node, fmt::format("hosts: {} is no host", host), "Write api.example.com.");
      connection_.hosts.push_back(http::lower_case(host));
    }
    return {};
  }

  const SettingReader& reader_;
  const std::string& directory_;
  Connection connection_;
};

}  // namespace

Result<void> read_connections(const YAML::Node& value, const std::string& file, const std::string& directory,
                              std::vector<Connection>& connections) {
  const SettingReader reader(file);
  if (!value.IsMap())
    return reader.error(value, "connections is no mapping of names to connections", kExample);
  for (const auto& entry : value) {
    const std::string name = entry.first.IsScalar() ? entry.first.Scalar() : "";
    if (name.empty() || name.find_first_of("/: ") != std::string::npos)
      return reader.error(entry.first, fmt::format("connections: \"{}\" is no name", name));
    if (std::ranges::find(connections, name, &Connection::name) != connections.end())
      return reader.error(entry.first, fmt::format("connections: {} stands twice", name));
    if (connections.size() >= kConnectionsMax)
      return reader.error(entry.first, fmt::format("connections: more than {}", kConnectionsMax));
    connections.push_back(SHOPLAKE_TRY(ConnectionReader(reader, directory).read(entry.second, name)));
  }
  return {};
}

std::string OAuthClient::basic_credentials() const {
  return base::base64_encode(aws::uri_encode(client_id) + ":" + aws::uri_encode(client_secret));
}

bool is_header_name(std::string_view name) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::ranges::all_of(name, [&](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kMarks.find(static_cast<char>(c)) != std::string_view::npos;
  });
}

bool is_header_value(std::string_view value) {
  return std::ranges::all_of(value, [](unsigned char c) { return c == '\t' || (c >= 0x20 && c != 0x7F); });
}

}  // namespace shoplake::app
