#include "catalog/rest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/temporary_directory.h"

namespace shoplake::catalog {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class RestTest : public testing::Test {
 protected:
  RestTest() {
    auto opened = Catalog::open({&io::posix_env(), folder_.file("lake"), folder_.file("state.sqlite")});
    EXPECT_TRUE(opened.ok());
    catalog_ = std::move(opened).value();
    rest_ = std::make_unique<RestCatalog>(*catalog_);
  }

  struct Answer {
    int status;
    json body;
    std::map<std::string, std::string> headers;
    std::string type() const {
      return body.contains("error") ? body["error"]["type"].get<std::string>() : std::string();
    }
  };

  Answer call(const std::string& method, const std::string& path, const json& body = nullptr,
              std::map<std::string, std::string> query = {}, std::map<std::string, std::string> headers = {}) {
    RestRequest request{method, "/v1/" + path, std::move(query), std::move(headers), body.is_null() ? "" : body.dump()};
    const RestResponse response = rest_->handle(request);
    Answer answer{response.status, response.body.empty() ? json::object() : json::parse(response.body),
                  response.headers};
    if (answer.body.contains("error")) {
      EXPECT_EQ(answer.body["error"]["code"], response.status);
    }
    return answer;
  }

  static json schema() {
    return json::parse(
        R"({"type":"struct","schema-id":0,"fields":[{"id":7,"name":"id","required":true,"type":"long"},{"id":9,"name":"at","required":false,"type":"timestamptz"}]})");
  }

  Answer create(const std::string& name, json more = json::object()) {
    more["name"] = name;
    if (!more.contains("schema")) {
      more["schema"] = schema();
    }
    return call("POST", "namespaces/marts/tables", more);
  }

  static json snapshot_update(std::int64_t id, std::int64_t sequence, const std::optional<std::int64_t>& parent) {
    json snapshot = {{"snapshot-id", id},
                     {"sequence-number", sequence},
                     {"timestamp-ms", 1},
                     {"manifest-list", "/lake/snap.avro"},
                     {"summary", {{"operation", "append"}}},
                     {"schema-id", 0}};
    if (parent) {
      snapshot["parent-snapshot-id"] = *parent;
    }
    return {{"action", "add-snapshot"}, {"snapshot", snapshot}};
  }
  static json main_at(std::int64_t id) {
    return {{"action", "set-snapshot-ref"}, {"ref-name", "main"}, {"type", "branch"}, {"snapshot-id", id}};
  }

  io::TemporaryDirectory folder_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<RestCatalog> rest_;
};

TEST_F(RestTest, ConfigListsItsEndpoints) {
  const auto answer = call("GET", "config");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body["endpoints"], testing::Contains("POST /v1/{prefix}/transactions/commit"));
  EXPECT_EQ(answer.headers.at("Content-Type"), "application/json");
}

TEST_F(RestTest, UnknownPathsAndMethods) {
  EXPECT_EQ(call("GET", "nothing").status, 404);
  EXPECT_EQ(call("PATCH", "namespaces").status, 406);
  EXPECT_EQ(call("GET", "namespaces/marts/whatever").status, 404);
  EXPECT_EQ(call("GET", "some-prefix/namespaces/marts").status, 200) << "a prefix is accepted";
}

TEST_F(RestTest, NamespacesNestAndPage) {
  EXPECT_EQ(call("POST", "namespaces", {{"namespace", {"a.b", "c"}}, {"properties", {{"owner", "x"}}}}).status, 200);
  EXPECT_EQ(call("POST", "namespaces", {{"namespace", {"a.b", "c"}}}).type(), "AlreadyExistsException");
  EXPECT_EQ(call("GET", "namespaces/a.b%1Fc").body["properties"]["owner"], "x");
  EXPECT_EQ(call("HEAD", "namespaces/a.b%1Fc").status, 204);
  EXPECT_EQ(call("HEAD", "namespaces/a.b%1Fd").status, 404);
  EXPECT_THAT(call("GET", "namespaces").body["namespaces"], testing::Contains(json::array({"a.b"})));
  EXPECT_EQ(call("GET", "namespaces", nullptr, {{"parent", "a.b"}}).body["namespaces"],
            json::parse(R"([["a.b","c"]])"));
  EXPECT_EQ(call("GET", "namespaces", nullptr, {{"parent", "nowhere"}}).type(), "NoSuchNamespaceException");
  std::vector<std::string> names;
  std::string token;
  do {
    const auto page = call("GET", "namespaces", nullptr, {{"pageToken", token}, {"pageSize", "3"}});
    for (const auto& name : page.body["namespaces"]) {
      names.push_back(name[0]);
    }
    token = page.body["next-page-token"].is_null() ? "" : page.body["next-page-token"].get<std::string>();
  } while (!token.empty());
  EXPECT_EQ(names.size(), 8);
  EXPECT_EQ(call("GET", "namespaces", nullptr, {{"pageToken", "forged"}}).status, 400);
  EXPECT_EQ(call("DELETE", "namespaces/a.b%1Fc").status, 204);
}

TEST_F(RestTest, NamespaceProperties) {
  const auto answer = call("POST", "namespaces/marts/properties", {{"removals", {"gone"}}, {"updates", {{"a", "1"}}}});
  EXPECT_EQ(answer.body, json::parse(R"({"updated":["a"],"removed":[],"missing":["gone"]})"));
  EXPECT_EQ(call("POST", "namespaces/marts/properties", {{"removals", {"a"}}, {"updates", {{"a", "1"}}}}).status, 422);
  EXPECT_EQ(call("POST", "namespaces/nowhere/properties", {{"updates", {{"a", "1"}}}}).status, 404);
}

TEST_F(RestTest, CreatesLoadsAndDropsTables) {
  const auto created = create(
      "t",
      {{"partition-spec", {{"fields", json::array({{{"source-id", 9}, {"transform", "day"}, {"name", "at_day"}}})}}},
       {"properties", {{"k", "v"}}}});
  ASSERT_EQ(created.status, 200) << created.body;
  const json& metadata = created.body["metadata"];
  EXPECT_EQ(metadata["schemas"][0]["fields"][0]["id"], 1);
  EXPECT_EQ(metadata["partition-specs"][0]["fields"][0]["source-id"], 2);
  EXPECT_EQ(metadata["partition-specs"][0]["fields"][0]["field-id"], 1000);
  EXPECT_EQ(metadata["properties"]["k"], "v");
  EXPECT_TRUE(std::filesystem::exists(created.body["metadata-location"].get<std::string>()));
  EXPECT_EQ(create("t").type(), "AlreadyExistsException");
  const auto loaded = call("GET", "namespaces/marts/tables/t");
  EXPECT_EQ(loaded.body["metadata"], metadata);
  EXPECT_EQ(
      call("GET", "namespaces/marts/tables/t", nullptr, {}, {{"if-none-match", loaded.headers.at("ETag")}}).status,
      304);
  EXPECT_EQ(call("HEAD", "namespaces/marts/tables/t").status, 204);
  EXPECT_EQ(call("GET", "namespaces/marts/tables").body["identifiers"][0]["name"], "t");
  EXPECT_EQ(call("POST", "namespaces/marts/tables/t/metrics", json::object()).status, 204);
  EXPECT_EQ(call("DELETE", "namespaces/marts").type(), "NamespaceNotEmptyException");
  EXPECT_EQ(call("POST", "tables/rename",
                 {{"source", {{"namespace", {"marts"}}, {"name", "t"}}},
                  {"destination", {{"namespace", {"staging"}}, {"name", "u"}}}})
                .status,
            204);
  EXPECT_EQ(call("GET", "namespaces/marts/tables/t").type(), "NoSuchTableException");
  EXPECT_EQ(call("DELETE", "namespaces/staging/tables/u", nullptr, {{"purgeRequested", "true"}}).status, 204);
  EXPECT_FALSE(std::filesystem::exists(metadata["location"].get<std::string>()));
  EXPECT_EQ(call("DELETE", "namespaces/staging/tables/u").status, 404);
  EXPECT_EQ(call("GET", "namespaces/nowhere/tables").type(), "NoSuchNamespaceException");
}

TEST_F(RestTest, RefusesWhatMakesNoTable) {
  EXPECT_EQ(call("POST", "namespaces/marts/tables", "no object").status, 400);
  EXPECT_EQ(call("POST", "namespaces/marts/tables", {{"schema", schema()}}).status, 400);
  EXPECT_EQ(call("POST", "namespaces/marts/register", {{"metadata-location", "x"}}).status, 400);
  EXPECT_EQ(call("POST", "namespaces/marts/views", {{"schema", schema()}}).status, 400);
  EXPECT_EQ(create("").status, 400);
  EXPECT_EQ(
      create("x",
             {{"schema",
               {{"type", "struct"}, {"fields", {{{"id", 1}, {"name", "a"}, {"type", "money"}, {"required", false}}}}}}})
          .status,
      400);
  EXPECT_EQ(create("x", {{"location", "/etc/passwd"}}).status, 400);
  EXPECT_EQ(create("x", {{"location", folder_.file("lake/../../outside")}}).status, 400);
  EXPECT_EQ(create("x", {{"location", "s3://bucket/x"}}).status, 400);
  EXPECT_EQ(create("x", {{"partition-spec",
                          {{"fields", json::array({{{"source-id", 7}, {"transform", "hour"}, {"name", "h"}}})}}}})
                .status,
            400)
      << "hour of a long";
  EXPECT_EQ(call("POST", "namespaces/nowhere/tables", {{"name", "x"}, {"schema", schema()}}).type(),
            "NoSuchNamespaceException");
  const RestResponse broken = rest_->handle({"POST", "/v1/namespaces", {}, {}, "{\"namespace\": [\"a\""});
  EXPECT_EQ(broken.status, 400);
}

TEST_F(RestTest, StagedCreationBecomesATableAtCommit) {
  const auto staged = create("s", {{"stage-create", true}});
  ASSERT_EQ(staged.status, 200);
  EXPECT_FALSE(staged.body.contains("metadata-location"));
  const std::string location = staged.body["metadata"]["location"];
  EXPECT_TRUE(std::filesystem::is_directory(location + "/metadata"));
  EXPECT_TRUE(std::filesystem::is_directory(location + "/data"));
  EXPECT_EQ(call("GET", "namespaces/marts/tables/s").status, 404);
  const json& metadata = staged.body["metadata"];
  const json updates = {{{"action", "assign-uuid"}, {"uuid", metadata["table-uuid"]}},
                        {{"action", "upgrade-format-version"}, {"format-version", 2}},
                        {{"action", "add-schema"}, {"schema", metadata["schemas"][0]}, {"last-column-id", 2}},
                        {{"action", "set-current-schema"}, {"schema-id", -1}},
                        {{"action", "add-spec"}, {"spec", metadata["partition-specs"][0]}},
                        {{"action", "set-default-spec"}, {"spec-id", -1}},
                        {{"action", "add-sort-order"}, {"sort-order", metadata["sort-orders"][0]}},
                        {{"action", "set-default-sort-order"}, {"sort-order-id", -1}},
                        {{"action", "set-location"}, {"location", location}},
                        snapshot_update(11, 1, {}),
                        main_at(11)};
  const json commit = {{"requirements", {{{"type", "assert-create"}}}}, {"updates", updates}};
  const auto committed = call("POST", "namespaces/marts/tables/s", commit);
  ASSERT_EQ(committed.status, 200) << committed.body;
  EXPECT_EQ(committed.body["metadata"]["table-uuid"], metadata["table-uuid"]);
  EXPECT_EQ(committed.body["metadata"]["current-snapshot-id"], 11);
  EXPECT_EQ(call("POST", "namespaces/marts/tables/s", commit).type(), "CommitFailedException");
}

TEST_F(RestTest, RequirementsAreChecked) {
  const std::string uuid = create("t").body["metadata"]["table-uuid"];
  const auto commit = [&](json requirement, json updates = json::array()) {
    return call("POST", "namespaces/marts/tables/t",
                {{"requirements", json::array({std::move(requirement)})}, {"updates", std::move(updates)}});
  };
  EXPECT_EQ(commit({{"type", "assert-table-uuid"}, {"uuid", uuid}}).status, 200);
  EXPECT_EQ(commit({{"type", "assert-table-uuid"}, {"uuid", "other"}}).type(), "CommitFailedException");
  EXPECT_EQ(commit({{"type", "assert-ref-snapshot-id"}, {"ref", "main"}, {"snapshot-id", nullptr}},
                   {snapshot_update(11, 1, {}), main_at(11)})
                .status,
            200);
  EXPECT_EQ(commit({{"type", "assert-ref-snapshot-id"}, {"ref", "main"}, {"snapshot-id", nullptr}}).status, 409);
  EXPECT_EQ(commit({{"type", "assert-ref-snapshot-id"}, {"ref", "main"}, {"snapshot-id", 11}},
                   {snapshot_update(12, 2, 11), main_at(12)})
                .status,
            200);
  EXPECT_EQ(commit({{"type", "assert-ref-snapshot-id"}, {"ref", "main"}, {"snapshot-id", 11}},
                   {snapshot_update(13, 3, 11), main_at(13)})
                .status,
            409);
  EXPECT_EQ(commit({{"type", "assert-ref-snapshot-id"}, {"ref", "main"}, {"snapshot-id", 12}},
                   {snapshot_update(14, 2, 12), main_at(14)})
                .status,
            409)
      << "sequence number taken";
  for (const auto& [type, key] :
       std::map<std::string, std::string>{{"assert-last-assigned-field-id", "last-assigned-field-id"},
                                          {"assert-current-schema-id", "current-schema-id"},
                                          {"assert-last-assigned-partition-id", "last-assigned-partition-id"},
                                          {"assert-default-spec-id", "default-spec-id"},
                                          {"assert-default-sort-order-id", "default-sort-order-id"}}) {
    const int actual = type == "assert-last-assigned-field-id"       ? 2
                       : type == "assert-last-assigned-partition-id" ? 999
                                                                     : 0;
    EXPECT_EQ(commit({{"type", type}, {key, actual}}).status, 200) << type;
    EXPECT_EQ(commit({{"type", type}, {key, 77}}).status, 409) << type;
    EXPECT_EQ(commit({{"type", type}}).status, 400) << type;
  }
  const auto unknown = commit({{"type", "assert-weather"}});
  EXPECT_EQ(unknown.type(), "BadRequestException");
  EXPECT_THAT(unknown.body["error"]["message"], HasSubstr("assert-weather"));
}

TEST_F(RestTest, UpdatesChangeTheTable) {
  create("t");
  const auto commit = [&](json updates) {
    return call("POST", "namespaces/marts/tables/t",
                {{"requirements", json::array()}, {"updates", std::move(updates)}});
  };
  json wider = schema();
  wider["fields"][0]["id"] = 1;
  wider["fields"][1]["id"] = 2;
  wider["fields"].push_back({{"id", 3}, {"name", "more"}, {"required", false}, {"type", "string"}});
  wider["schema-id"] = 1;
  auto answer =
      commit({{{"action", "add-schema"}, {"schema", wider}}, {{"action", "set-current-schema"}, {"schema-id", -1}}});
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.body["metadata"]["current-schema-id"], 1);
  EXPECT_EQ(answer.body["metadata"]["last-column-id"], 3);
  answer =
      commit({{{"action", "add-spec"},
               {"spec", {{"fields", json::array({{{"source-id", 3}, {"transform", "bucket[4]"}, {"name", "b"}}})}}}},
              {{"action", "set-default-spec"}, {"spec-id", -1}}});
  EXPECT_EQ(answer.body["metadata"]["last-partition-id"], 1000);
  answer = commit({{{"action", "add-sort-order"},
                    {"sort-order",
                     {{"order-id", 1},
                      {"fields", json::array({{{"source-id", 1},
                                               {"transform", "identity"},
                                               {"direction", "asc"},
                                               {"null-order", "nulls-first"}}})}}}},
                   {{"action", "set-default-sort-order"}, {"sort-order-id", -1}}});
  EXPECT_EQ(answer.body["metadata"]["default-sort-order-id"], 1);
  answer = commit({{{"action", "set-properties"}, {"updates", {{"a", "1"}, {"b", "2"}}}},
                   {{"action", "remove-properties"}, {"removals", {"a"}}}});
  EXPECT_EQ(answer.body["metadata"]["properties"], json::parse(R"({"b":"2"})"));
  commit({snapshot_update(1, 1, {}), main_at(1)});
  answer = commit({snapshot_update(2, 2, 1),
                   main_at(2),
                   {{"action", "set-snapshot-ref"}, {"ref-name", "keep"}, {"type", "tag"}, {"snapshot-id", 1}}});
  EXPECT_EQ(answer.body["metadata"]["snapshot-log"].size(), 2);
  EXPECT_EQ(
      call("GET", "namespaces/marts/tables/t", nullptr, {{"snapshots", "refs"}}).body["metadata"]["snapshots"].size(),
      2);
  answer = commit({{{"action", "remove-snapshot-ref"}, {"ref-name", "keep"}},
                   {{"action", "remove-snapshots"}, {"snapshot-ids", {1}}}});
  EXPECT_EQ(answer.body["metadata"]["snapshots"].size(), 1);
  answer = commit({{{"action", "set-statistics"},
                    {"statistics",
                     {{"snapshot-id", 2},
                      {"statistics-path", "/s"},
                      {"file-size-in-bytes", 1},
                      {"file-footer-size-in-bytes", 1},
                      {"blob-metadata", json::array()}}}}});
  EXPECT_EQ(answer.body["metadata"]["statistics"].size(), 1);
  EXPECT_EQ(commit({{{"action", "remove-statistics"}, {"snapshot-id", 2}}}).body["metadata"]["statistics"].size(), 0);
  EXPECT_EQ(
      commit({{{"action", "remove-partition-specs"}, {"spec-ids", {0}}}}).body["metadata"]["partition-specs"].size(),
      1);
  EXPECT_EQ(commit({{{"action", "remove-partition-specs"}, {"spec-ids", {1}}}}).status, 400) << "in use";
  EXPECT_EQ(commit({{{"action", "remove-schemas"}, {"schema-ids", {0}}}}).body["metadata"]["schemas"].size(), 1);
  answer = commit({{{"action", "dance"}}});
  EXPECT_EQ(answer.type(), "BadRequestException");
  EXPECT_THAT(answer.body["error"]["message"], HasSubstr("dance"));
  EXPECT_EQ(commit({{{"action", "set-location"}, {"location", "/etc"}}}).status, 400);
  EXPECT_EQ(commit({{{"action", "set-current-schema"}, {"schema-id", 44}}}).status, 400);
  EXPECT_EQ(commit({{{"action", "assign-uuid"}, {"uuid", "0"}}}).status, 400);
  EXPECT_EQ(commit({{{"action", "upgrade-format-version"}, {"format-version", 1}}}).status, 400);
}

TEST_F(RestTest, TransactionsAreAllOrNothing) {
  create("a");
  create("b");
  const auto change = [&](const std::string& name, const json& requirement) {
    return json{{"identifier", {{"namespace", {"marts"}}, {"name", name}}},
                {"requirements", json::array({requirement})},
                {"updates", {snapshot_update(5, 1, {}), main_at(5)}}};
  };
  const json absent = {{"type", "assert-ref-snapshot-id"}, {"ref", "main"}, {"snapshot-id", nullptr}};
  const json wrong = {{"type", "assert-current-schema-id"}, {"current-schema-id", 9}};
  EXPECT_EQ(call("POST", "transactions/commit", {{"table-changes", {change("a", absent), change("b", wrong)}}}).status,
            409);
  EXPECT_EQ(call("GET", "namespaces/marts/tables/a").body["metadata"]["snapshots"].size(), 0);
  EXPECT_EQ(call("POST", "transactions/commit", {{"table-changes", {change("a", absent), change("b", absent)}}}).status,
            204);
  EXPECT_EQ(call("GET", "namespaces/marts/tables/a").body["metadata"]["current-snapshot-id"], 5);
  EXPECT_EQ(call("GET", "namespaces/marts/tables/b").body["metadata"]["current-snapshot-id"], 5);
  EXPECT_EQ(
      call("POST", "transactions/commit", {{"table-changes", {change("nowhere", absent), change("a", absent)}}}).status,
      404);
  EXPECT_EQ(call("POST", "transactions/commit", {{"table-changes", {change("a", absent), change("a", absent)}}}).status,
            400);
}

TEST_F(RestTest, RegistersAnExistingTable) {
  const std::string location = create("t").body["metadata-location"];
  call("DELETE", "namespaces/marts/tables/t");
  EXPECT_EQ(call("POST", "namespaces/staging/register", {{"name", "again"}, {"metadata-location", location}}).status,
            200);
  EXPECT_EQ(call("GET", "namespaces/staging/tables/again").body["metadata-location"], location);
  EXPECT_EQ(call("POST", "namespaces/staging/register", {{"name", "again"}, {"metadata-location", location}}).status,
            409);
  EXPECT_EQ(call("POST", "namespaces/staging/register", {{"name", "x"}, {"metadata-location", "/etc/passwd"}}).status,
            400);
  EXPECT_EQ(call("POST", "namespaces/staging/register", {{"name", "x"}, {"metadata-location", location + "x"}}).status,
            400);
}

TEST_F(RestTest, Views) {
  const json version = {{"version-id", 1},
                        {"timestamp-ms", 1},
                        {"schema-id", 0},
                        {"summary", json::object()},
                        {"default-namespace", {"marts"}},
                        {"representations",
                         {{{"type", "sql"}, {"sql", "SELECT spark"}, {"dialect", "spark"}},
                          {{"type", "sql"}, {"sql", "select 1"}, {"dialect", "duckdb"}}}}};
  const auto created =
      call("POST", "namespaces/marts/views",
           {{"name", "v"}, {"schema", schema()}, {"view-version", version}, {"properties", {{"a", "b"}}}});
  ASSERT_EQ(created.status, 200) << created.body;
  EXPECT_EQ(catalog_->load_view({{{"marts"}}, "v"})->sql, "select 1");
  EXPECT_EQ(call("GET", "namespaces/marts/views/v").body["metadata"], created.body["metadata"]);
  EXPECT_EQ(call("HEAD", "namespaces/marts/views/v").status, 204);
  EXPECT_EQ(call("GET", "namespaces/marts/views").body["identifiers"].size(), 1);
  EXPECT_EQ(call("GET", "namespaces/marts/tables").body["identifiers"].size(), 0);
  EXPECT_EQ(create("v").type(), "AlreadyExistsException");
  json second = version;
  second["representations"] = {{{"type", "sql"}, {"sql", "select 2"}, {"dialect", "duckdb"}}};
  const std::string uuid = created.body["metadata"]["view-uuid"];
  const auto replaced = call("POST", "namespaces/marts/views/v",
                             {{"requirements", {{{"type", "assert-view-uuid"}, {"uuid", uuid}}}},
                              {"updates",
                               {{{"action", "add-view-version"}, {"view-version", second}},
                                {{"action", "set-current-view-version"}, {"view-version-id", -1}}}}});
  ASSERT_EQ(replaced.status, 200) << replaced.body;
  EXPECT_EQ(replaced.body["metadata"]["current-version-id"], 2);
  EXPECT_EQ(catalog_->load_view({{{"marts"}}, "v"})->sql, "select 2");
  EXPECT_EQ(call("POST", "namespaces/marts/views/v",
                 {{"requirements", {{{"type", "assert-view-uuid"}, {"uuid", "x"}}}}, {"updates", json::array()}})
                .status,
            409);
  EXPECT_EQ(call("POST", "namespaces/marts/views/v", {{"updates", {{{"action", "dance"}}}}}).status, 400);
  EXPECT_EQ(call("POST", "views/rename",
                 {{"source", {{"namespace", {"marts"}}, {"name", "v"}}},
                  {"destination", {{"namespace", {"staging"}}, {"name", "w"}}}})
                .status,
            204);
  EXPECT_EQ(call("DELETE", "namespaces/staging/views/w").status, 204);
  EXPECT_EQ(call("GET", "namespaces/staging/views/w").type(), "NoSuchViewException");
}

TEST_F(RestTest, MalformedBodiesNeverCrash) {
  create("t");
  const std::string good =
      json{{"requirements", {{{"type", "assert-ref-snapshot-id"}, {"ref", "main"}, {"snapshot-id", nullptr}}}},
           {"updates",
            {snapshot_update(5, 1, {}),
             main_at(5),
             {{"action", "add-schema"}, {"schema", schema()}},
             {{"action", "add-spec"}, {"spec", {{"fields", json::array()}}}},
             {{"action", "set-properties"}, {"updates", {{"a", "b"}}}}}}}
          .dump();
  for (std::size_t position = 0; position < good.size(); ++position) {
    for (const char byte : {'0', '"', '{', ']', 'x'}) {
      std::string damaged = good;
      damaged[position] = byte;
      const RestResponse response = rest_->handle({"POST", "/v1/namespaces/marts/tables/absent", {}, {}, damaged});
      EXPECT_GE(response.status, 400);
    }
  }
  // The same against a table that exists, with members of wrong types.
  const json whole = json::parse(good);
  const json wrong[] = {nullptr, 7, "text", json::array({1}), json::object({{"a", 1}})};
  const json flat = whole.flatten();
  for (const auto& [key, value] : flat.items()) {
    for (const json& other : wrong) {
      json damaged = whole;
      damaged[json::json_pointer(key)] = other;
      EXPECT_NE(rest_->handle({"POST", "/v1/namespaces/marts/tables/t", {}, {}, damaged.dump()}).status, 500)
          << damaged;
    }
  }
}

}  // namespace
}  // namespace shoplake::catalog
