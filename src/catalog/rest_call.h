// One request of the REST catalog, taken apart. Internal to catalog/rest*.cc.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "catalog/rest.h"
#include "catalog/storage.h"

namespace shoplake::catalog {

base::Error bad_request(const std::string& what);

class RestCall {
 public:
  RestCall(RestCatalog& rest, const RestRequest& request)
      : catalog_(rest.catalog_), state_(rest.state()), request_(request) {}

  Result<RestResponse> run();

 private:
  using json = nlohmann::json;

  // rest.cc
  Result<RestResponse> route();
  Result<json> body() const;
  Result<Namespace> namespace_at(std::size_t segment) const;
  Result<TableIdentifier> identifier_at(std::size_t segment) const;  // namespace there, name two further
  bool is(const char* method) const { return request_.method == method; }
  std::string query(const char* name) const;

  Result<RestResponse> config() const;
  Result<RestResponse> list_namespaces();
  Result<RestResponse> create_namespace();
  Result<RestResponse> load_namespace(const Namespace& name_space);
  Result<RestResponse> update_namespace(const Namespace& name_space);
  // Cuts a sorted list of names to the page that the request asks for.
  Result<RestResponse> page(const char* key, std::vector<std::pair<std::string, json>> items) const;

  // rest_tables.cc
  Result<RestResponse> list_relations_of(const Namespace& name_space, Relation::Kind kind);
  Result<RestResponse> create_table(const Namespace& name_space);
  Result<RestResponse> load_table(const TableIdentifier& table);
  Result<RestResponse> commit_table(const TableIdentifier& table);
  Result<RestResponse> commit_transaction();
  Result<RestResponse> register_table(const Namespace& name_space);
  Result<RestResponse> rename(Relation::Kind kind);
  Result<void> apply_commit(io::Database& database, const json& request, TableDraft& draft);
  Result<std::string> checked_location(const std::string& location) const;

  // rest_views.cc
  Result<RestResponse> create_view(const Namespace& name_space);
  Result<RestResponse> load_view(const TableIdentifier& view);
  Result<RestResponse> replace_view(const TableIdentifier& view);

  Catalog& catalog_;
  CatalogState& state_;
  const RestRequest& request_;
  std::vector<std::string> segments_;  // decoded, without "v1" and the prefix
};

RestResponse json_response(const nlohmann::json& value, int status = 200);
RestResponse no_content();

// Members of a request; error catalog.bad_request names what is missing.
Result<std::string> text_member(const nlohmann::json& object, const char* key);
Result<Properties> properties_member(const nlohmann::json& object, const char* key);  // empty if absent
Result<TableIdentifier> identifier_member(const nlohmann::json& object, const char* key);

}  // namespace shoplake::catalog
