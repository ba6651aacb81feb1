#include "catalog/rest.h"

#include <algorithm>
#include <charconv>

#include "base/log.h"
#include "catalog/metadata_update.h"
#include "catalog/rest_call.h"

namespace shoplake::catalog {

using base::ErrorKind;
using base::make_error;
using nlohmann::json;

namespace {

constexpr std::size_t kPageSizeDefault = 1000;

constexpr const char* kEndpoints[] = {
    "GET /v1/{prefix}/namespaces",
    "POST /v1/{prefix}/namespaces",
    "GET /v1/{prefix}/namespaces/{namespace}",
    "HEAD /v1/{prefix}/namespaces/{namespace}",
    "DELETE /v1/{prefix}/namespaces/{namespace}",
    "POST /v1/{prefix}/namespaces/{namespace}/properties",
    "GET /v1/{prefix}/namespaces/{namespace}/tables",
    "POST /v1/{prefix}/namespaces/{namespace}/tables",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/register",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/metrics",
    "POST /v1/{prefix}/tables/rename",
    "POST /v1/{prefix}/transactions/commit",
    "GET /v1/{prefix}/namespaces/{namespace}/views",
    "POST /v1/{prefix}/namespaces/{namespace}/views",
    "GET /v1/{prefix}/namespaces/{namespace}/views/{view}",
    "HEAD /v1/{prefix}/namespaces/{namespace}/views/{view}",
    "POST /v1/{prefix}/namespaces/{namespace}/views/{view}",
    "DELETE /v1/{prefix}/namespaces/{namespace}/views/{view}",
    "POST /v1/{prefix}/views/rename",
};

std::string percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t index = 0; index < text.size(); ++index) {
    unsigned value = 0;
    if (text[index] == '%' && index + 2 < text.size() &&
        std::from_chars(text.data() + index + 1, text.data() + index + 3, value, 16).ptr == text.data() + index + 3) {
      decoded.push_back(static_cast<char>(value));
      index += 2;
    } else {
      decoded.push_back(text[index]);
    }
  }
  return decoded;
}

struct Problem {
  int status;
  const char* type;
};

Problem problem_of(const base::Error& error) {
  static const std::map<std::string, Problem, std::less<>> kByCode = {
      {"catalog.no_such_table", {404, "NoSuchTableException"}},
      {"catalog.no_such_view", {404, "NoSuchViewException"}},
      {"catalog.no_such_namespace", {404, "NoSuchNamespaceException"}},
      {"catalog.table_exists", {409, "AlreadyExistsException"}},
      {"catalog.view_exists", {409, "AlreadyExistsException"}},
      {"catalog.namespace_exists", {409, "AlreadyExistsException"}},
      {"catalog.namespace_not_empty", {409, "NamespaceNotEmptyException"}},
      {"catalog.requirement_failed", {409, "CommitFailedException"}},
      {"catalog.commit_conflict", {409, "CommitFailedException"}},
      {"catalog.unprocessable", {422, "UnprocessableEntityException"}},
      {"catalog.unsupported_operation", {406, "UnsupportedOperationException"}},
      {"catalog.no_such_path", {404, "NoSuchEndpointException"}},
      {"sqlite.busy", {503, "SlowDownException"}},
  };
  if (const auto known = kByCode.find(error.code); known != kByCode.end()) {
    return known->second;
  }
  switch (error.kind) {
    case ErrorKind::usage:
    case ErrorKind::input: return {400, "BadRequestException"};
    case ErrorKind::not_found: return {404, "NotFoundException"};
    case ErrorKind::already_exists: return {409, "AlreadyExistsException"};
    case ErrorKind::conflict: return {409, "CommitFailedException"};
    case ErrorKind::unknown_outcome: return {500, "CommitStateUnknownException"};
    default: return {500, "InternalServerError"};
  }
}

RestResponse error_response(const base::Error& error) {
  const Problem problem = problem_of(error);
  if (problem.status >= 500) {
    base::log::warning("catalog.request_failed", {{"code", error.code}, {"message", error.message}});
  }
  std::string message = error.message;
  if (!error.advice.empty()) {
    message.append(". ").append(error.advice);
  }
  RestResponse response = json_response(
      {{"error", {{"message", message}, {"type", problem.type}, {"code", problem.status}}}}, problem.status);
  if (problem.status == 503) {
    response.headers["Retry-After"] = "1";
  }
  return response;
}

}  // namespace

base::Error bad_request(const std::string& what) { return make_error(ErrorKind::input, "catalog.bad_request", what); }

RestResponse json_response(const json& value, int status) {
  RestResponse response;
  response.status = status;
  response.headers["Content-Type"] = "application/json";
  response.body = dump_json(value);
  return response;
}

RestResponse no_content() {
  RestResponse response;
  response.status = 204;
  return response;
}

Result<std::string> text_member(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) {
    return bad_request("\"" + std::string(key) + "\" is missing or not a string");
  }
  return found->get<std::string>();
}

Result<Properties> properties_member(const json& object, const char* key) {
  Properties properties;
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) {
    return properties;
  }
  if (!found->is_object()) {
    return bad_request("\"" + std::string(key) + "\" is not an object");
  }
  for (const auto& [name, value] : found->items()) {
    if (!value.is_string()) {
      return bad_request("\"" + name + "\" in \"" + key + "\" is not a string");
    }
    properties[name] = value.get<std::string>();
  }
  return properties;
}

namespace {

Result<Namespace> namespace_member(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array() || found->empty()) {
    return bad_request("\"" + std::string(key) + "\" is missing or not a list of names");
  }
  Namespace name_space;
  for (const json& level : *found) {
    if (!level.is_string()) {
      return bad_request("\"" + std::string(key) + "\" holds something that is not a name");
    }
    name_space.levels.push_back(level.get<std::string>());
  }
  SHOPLAKE_TRY(check_namespace(name_space));
  return name_space;
}

}  // namespace

Result<TableIdentifier> identifier_member(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_object()) {
    return bad_request("\"" + std::string(key) + "\" is missing or not an object");
  }
  TableIdentifier identifier;
  identifier.name_space = SHOPLAKE_TRY(namespace_member(*found, "namespace"));
  identifier.name = SHOPLAKE_TRY(text_member(*found, "name"));
  SHOPLAKE_TRY(check_identifier(identifier));
  return identifier;
}

RestResponse RestCatalog::handle(const RestRequest& request) {
  const bool is_head = request.method == "HEAD";
  RestResponse response;
  try {
    auto result = RestCall(*this, request).run();
    response = result.ok() ? std::move(result).value() : error_response(result.error());
  } catch (const std::exception& error) {
    // A member of a type that no check expected.
    response = error_response(bad_request(std::string("the request cannot be understood: ") + error.what()));
  }
  if (is_head) {
    response.body.clear();
  }
  return response;
}

Result<RestResponse> RestCall::run() {
  std::string_view rest = request_.path;
  while (!rest.empty()) {
    const std::size_t slash = rest.find('/');
    if (slash != 0) {
      segments_.push_back(percent_decoded(rest.substr(0, slash)));
    }
    if (slash == std::string_view::npos) {
      break;
    }
    rest.remove_prefix(slash + 1);
  }
  if (!segments_.empty() && segments_[0] == "v1") {
    segments_.erase(segments_.begin());
    static const std::vector<std::string> kRoots = {"config", "namespaces", "tables", "views", "transactions", "oauth"};
    // What /v1/config gives has no prefix, but clients may be configured with one: there is only this catalog.
    if (segments_.size() > 1 && std::find(kRoots.begin(), kRoots.end(), segments_[0]) == kRoots.end()) {
      segments_.erase(segments_.begin());
    }
    return route();
  }
  return make_error(ErrorKind::not_found, "catalog.no_such_path", "there is nothing at " + request_.path);
}

Result<RestResponse> RestCall::route() {
  const std::size_t count = segments_.size();
  const auto segment = [&](std::size_t index) -> std::string_view {
    return index < count ? std::string_view(segments_[index]) : std::string_view();
  };
  bool known_path = true;

  if (count == 1 && segment(0) == "config") {
    if (is("GET")) {
      return config();
    }
  } else if (count == 1 && segment(0) == "namespaces") {
    if (is("GET")) {
      return list_namespaces();
    }
    if (is("POST")) {
      return create_namespace();
    }
  } else if (count == 2 && segment(0) == "namespaces") {
    const Namespace name_space = SHOPLAKE_TRY(namespace_at(1));
    if (is("GET") || is("HEAD")) {
      return load_namespace(name_space);
    }
    if (is("DELETE")) {
      SHOPLAKE_TRY(catalog_.drop_namespace(name_space));
      return no_content();
    }
  } else if (count == 3 && segment(0) == "namespaces") {
    const Namespace name_space = SHOPLAKE_TRY(namespace_at(1));
    if (segment(2) == "properties" && is("POST")) {
      return update_namespace(name_space);
    }
    if (segment(2) == "tables" && is("GET")) {
      return list_relations_of(name_space, Relation::Kind::table);
    }
    if (segment(2) == "tables" && is("POST")) {
      return create_table(name_space);
    }
    if (segment(2) == "register" && is("POST")) {
      return register_table(name_space);
    }
    if (segment(2) == "views" && is("GET")) {
      return list_relations_of(name_space, Relation::Kind::view);
    }
    if (segment(2) == "views" && is("POST")) {
      return create_view(name_space);
    }
    known_path =
        segment(2) == "properties" || segment(2) == "tables" || segment(2) == "register" || segment(2) == "views";
  } else if (count == 4 && segment(0) == "namespaces" && segment(2) == "tables") {
    const TableIdentifier table = SHOPLAKE_TRY(identifier_at(1));
    if (is("GET") || is("HEAD")) {
      return load_table(table);
    }
    if (is("POST")) {
      return commit_table(table);
    }
    if (is("DELETE")) {
      const std::string purge = query("purgeRequested");  // PyIceberg spells it True
      SHOPLAKE_TRY(purge == "true" || purge == "True" ? catalog_.purge_table(table) : catalog_.drop_table(table));
      return no_content();
    }
  } else if (count == 5 && segment(0) == "namespaces" && segment(2) == "tables" && segment(4) == "metrics") {
    if (is("POST")) {
      return no_content();  // reports of what a client scanned; nothing here needs them
    }
  } else if (count == 4 && segment(0) == "namespaces" && segment(2) == "views") {
    const TableIdentifier view = SHOPLAKE_TRY(identifier_at(1));
    if (is("GET") || is("HEAD")) {
      return load_view(view);
    }
    if (is("POST")) {
      return replace_view(view);
    }
    if (is("DELETE")) {
      SHOPLAKE_TRY(catalog_.drop_view(view));
      return no_content();
    }
  } else if (count == 2 && segment(0) == "tables" && segment(1) == "rename") {
    if (is("POST")) {
      return rename(Relation::Kind::table);
    }
  } else if (count == 2 && segment(0) == "views" && segment(1) == "rename") {
    if (is("POST")) {
      return rename(Relation::Kind::view);
    }
  } else if (count == 2 && segment(0) == "transactions" && segment(1) == "commit") {
    if (is("POST")) {
      return commit_transaction();
    }
  } else {
    known_path = false;
  }
  if (!known_path) {
    return make_error(ErrorKind::not_found, "catalog.no_such_path", "the catalog has no endpoint " + request_.path,
                      "GET /v1/config lists the endpoints.");
  }
  return make_error(ErrorKind::usage, "catalog.unsupported_operation",
                    request_.method + " " + request_.path + " is not supported", "GET /v1/config lists the endpoints.");
}

Result<json> RestCall::body() const {
  json value = json::parse(request_.body, nullptr, false);
  if (value.is_discarded() || !value.is_object()) {
    return bad_request("the request's body is not a JSON object");
  }
  return value;
}

Result<Namespace> RestCall::namespace_at(std::size_t segment) const {
  Namespace name_space = decode_namespace(segments_[segment]);
  SHOPLAKE_TRY(check_namespace(name_space));
  return name_space;
}

Result<TableIdentifier> RestCall::identifier_at(std::size_t segment) const {
  TableIdentifier identifier{SHOPLAKE_TRY(namespace_at(segment)), segments_[segment + 2]};
  SHOPLAKE_TRY(check_identifier(identifier));
  return identifier;
}

std::string RestCall::query(const char* name) const {
  const auto found = request_.query.find(name);
  return found == request_.query.end() ? std::string() : found->second;
}

Result<RestResponse> RestCall::config() const {
  return json_response(
      {{"defaults", json(state_.options.client_properties)}, {"overrides", json::object()}, {"endpoints", kEndpoints}});
}

Result<RestResponse> RestCall::page(const char* key, std::vector<std::pair<std::string, json>> items) const {
  std::sort(items.begin(), items.end(), [](const auto& left, const auto& right) { return left.first < right.first; });
  json list = json::array();
  json next = nullptr;
  if (!request_.query.contains("pageToken")) {
    for (auto& [name, item] : items) {
      list.push_back(std::move(item));
    }
  } else {
    std::size_t size = kPageSizeDefault;
    if (const std::string text = query("pageSize"); !text.empty()) {
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
      if (error != std::errc() || end != text.data() + text.size() || size == 0) {
        return bad_request("\"pageSize\" is not a positive number");
      }
    }
    // A token is the last name of the page before, so that names that come and go meanwhile disturb nothing.
    const std::string token = query("pageToken");
    auto first = items.begin();
    if (!token.empty()) {
      if (token[0] != 'n') {
        return bad_request("\"pageToken\" was not given out by this catalog");
      }
      first = std::upper_bound(items.begin(), items.end(), token.substr(1),
                               [](const std::string& name, const auto& item) { return name < item.first; });
    }
    const auto left = static_cast<std::size_t>(items.end() - first);
    const auto last = first + static_cast<std::ptrdiff_t>(std::min(size, left));
    for (auto item = first; item != last; ++item) {
      list.push_back(item->second);
    }
    if (last != items.end()) {
      next = "n" + (last - 1)->first;
    }
  }
  json answer = {{key, std::move(list)}};
  if (request_.query.contains("pageToken")) {
    answer["next-page-token"] = std::move(next);
  }
  return json_response(answer);
}

Result<RestResponse> RestCall::list_namespaces() {
  Namespace parent;
  if (const std::string text = query("parent"); !text.empty()) {
    parent = decode_namespace(text);
  }
  const auto all = SHOPLAKE_TRY(catalog_.list_namespaces());
  std::map<std::string, json> children;
  bool parent_exists = parent.levels.empty();
  for (const Namespace& name_space : all) {
    const bool is_below = name_space.levels.size() >= parent.levels.size() &&
                          std::equal(parent.levels.begin(), parent.levels.end(), name_space.levels.begin());
    if (!is_below) {
      continue;
    }
    parent_exists = true;
    if (name_space.levels.size() > parent.levels.size()) {
      Namespace child;
      child.levels.assign(name_space.levels.begin(),
                          name_space.levels.begin() + static_cast<std::ptrdiff_t>(parent.levels.size()) + 1);
      children[encode_namespace(child)] = child.levels;
    }
  }
  if (!parent_exists) {
    return no_such_namespace(parent);
  }
  return page("namespaces", {children.begin(), children.end()});
}

Result<RestResponse> RestCall::create_namespace() {
  const json request = SHOPLAKE_TRY(body());
  const Namespace name_space = SHOPLAKE_TRY(namespace_member(request, "namespace"));
  const Properties properties = SHOPLAKE_TRY(properties_member(request, "properties"));
  SHOPLAKE_TRY(catalog_.create_namespace(name_space, properties));
  return json_response({{"namespace", name_space.levels}, {"properties", properties}});
}

Result<RestResponse> RestCall::load_namespace(const Namespace& name_space) {
  const Properties properties = SHOPLAKE_TRY(catalog_.load_namespace(name_space));
  return is("HEAD") ? no_content() : json_response({{"namespace", name_space.levels}, {"properties", properties}});
}

Result<RestResponse> RestCall::update_namespace(const Namespace& name_space) {
  const json request = SHOPLAKE_TRY(body());
  const Properties updates = SHOPLAKE_TRY(properties_member(request, "updates"));
  std::vector<std::string> removals;
  if (request.contains("removals") && !request["removals"].is_null()) {
    if (!request["removals"].is_array()) {
      return bad_request("\"removals\" is not a list");
    }
    for (const json& name : request["removals"]) {
      if (!name.is_string()) {
        return bad_request("\"removals\" holds something that is not a name");
      }
      removals.push_back(name.get<std::string>());
    }
  }
  json updated = json::array();
  json removed = json::array();
  json missing = json::array();
  const Properties before = SHOPLAKE_TRY(catalog_.load_namespace(name_space));
  for (const std::string& name : removals) {
    if (updates.contains(name)) {
      return make_error(ErrorKind::input, "catalog.unprocessable",
                        "property \"" + name + "\" is both to be set and to be removed");
    }
    (before.contains(name) ? removed : missing).push_back(name);
  }
  for (const auto& [name, value] : updates) {
    updated.push_back(name);
  }
  SHOPLAKE_TRY(catalog_.update_namespace(name_space, removals, updates));
  return json_response(
      {{"updated", std::move(updated)}, {"removed", std::move(removed)}, {"missing", std::move(missing)}});
}

}  // namespace shoplake::catalog
