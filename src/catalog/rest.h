// The Iceberg REST catalog: what other engines (PyIceberg, Spark, Trino, DuckDB) speak. Plain requests in, plain
// responses out; an HTTP server hosts it. Source: Iceberg REST OpenAPI; the paths served are those that GET /v1/config
// lists.
//
// Every answer but 204 is JSON; errors are {"error": {"message", "type", "code"}} with the specification's types.
// Tables must lie below the lake root: a location elsewhere is refused.
//
// Thread safe. No authentication: the server binds loopback only, or stands behind something that asks.
#pragma once

#include <map>
#include <string>

#include "catalog/catalog.h"

namespace shoplake::catalog {

struct RestRequest {
  std::string method;  // "GET"
  std::string path;    // as sent, percent-encoded, without the query: "/v1/namespaces/a%1Fb/tables"
  std::map<std::string, std::string> query;    // decoded
  std::map<std::string, std::string> headers;  // names in lower case; "if-none-match" is looked at
  std::string body;
};

struct RestResponse {
  int status = 200;
  std::map<std::string, std::string> headers;  // Content-Type, ETag, Retry-After
  std::string body;                            // empty for 204, 304 and HEAD
};

class RestCatalog {
 public:
  // The catalog must outlive it.
  explicit RestCatalog(Catalog& catalog) : catalog_(catalog) {}

  // Never throws and never fails: what goes wrong is in the response.
  RestResponse handle(const RestRequest& request);

 private:
  friend class RestCall;
  CatalogState& state() { return *catalog_.state_; }
  Catalog& catalog_;
};

}  // namespace shoplake::catalog
