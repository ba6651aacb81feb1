// Service accounts, tokens, retries, pages and landing lines, against a transport that answers by script.
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <deque>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "ga4api/client.h"
#include "ga4api/run_store.h"
#include "io/memory_env.h"
#include "io/temporary_directory.h"

namespace shoplake::ga4api {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;

struct TestKey {
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key{EVP_RSA_gen(2048), &EVP_PKEY_free};
  std::string pem = [this] {
    const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
    PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &bytes);
    return std::string(bytes, static_cast<std::size_t>(size));
  }();
};
const TestKey& test_key() {
  static const TestKey key;
  return key;
}

ServiceAccount account() { return {"robot@x.iam", test_key().pem, "kid1", "https://token.test/t"}; }

std::string from_base64url(std::string text) {
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  text.append((4 - text.size() % 4) % 4, '=');
  std::string bytes;
  EXPECT_TRUE(base::base64_decode(text, bytes));
  return bytes;
}

// Gives the prepared outcomes one after another and keeps what was asked.
class ScriptedTransport final : public http::Transport {
 public:
  base::Result<http::Answer> send(const http::Call& call) override {
    urls.push_back(call.url);
    bodies.emplace_back(call.body);
    headers.push_back(call.headers);
    if (script.empty())
      return base::make_error(base::ErrorKind::internal, "test.unexpected", call.url);
    auto outcome = std::move(script.front());
    script.pop_front();
    return outcome;
  }
  void answer(int status, std::string body, http::Headers given = {}) {
    script.emplace_back(http::Answer{status, std::move(given), std::move(body)});
  }
  void fail(const char* code) { script.emplace_back(base::make_error(base::ErrorKind::environment, code, "failed")); }

  std::deque<base::Result<http::Answer>> script;
  std::vector<std::string> urls, bodies;
  std::vector<http::Headers> headers;
};

std::string page(int first, int count, int row_count, const std::string& more = "") {
  Json rows = Json::array();
  for (int row = first; row < first + count; ++row) {
    rows.push_back({{"dimensionValues", {{{"value", "20261120"}}, {{"value", "name" + std::to_string(row)}}}},
                    {"metricValues", {{{"value", std::to_string(row)}}}}});
  }
  Json json{{"dimensionHeaders", {{{"name", "date"}}, {{"name", "eventName"}}}},
            {"metricHeaders", {{{"name", "eventCount"}, {"type", "TYPE_INTEGER"}}}},
            {"rows", rows},
            {"rowCount", row_count},
            {"metadata", {{"currencyCode", "EUR"}, {"timeZone", "Europe/Berlin"}}}};
  if (!more.empty())
    json.update(Json::parse(more));
  return json.dump();
}
const ReportDefinition kEvents{"event", {"date", "eventName"}, {"eventCount"}};
constexpr char kToken[] = R"({"access_token":"tok1","expires_in":3600})";

class ClientTest : public testing::Test {
 protected:
  io::MemoryEnv env_;
  ScriptedTransport transport_;
  std::vector<milliseconds> pauses_;
  Exchange exchange_{transport_, env_, RetryOptions{}, [this](milliseconds pause) {
                       pauses_.push_back(pause);
                       return true;
                     }};
  TokenSource tokens_{account(), env_};
  Client client_{{.property = "77", .page_rows = 3}, tokens_, exchange_};
};

TEST(ServiceAccountTest, ReadsTheKeyFileAndSaysWhatIsWrongWithoutTellingIt) {
  const Json good{{"type", "service_account"}, {"client_email", "a@b"}, {"private_key", test_key().pem}};
  EXPECT_EQ(parse_service_account(good.dump(), "k.json")->token_uri, "https://oauth2.googleapis.com/token");
  const auto error_of = [&](const char* member, const Json& value) {
    Json bad = good;
    bad[member] = value;
    const auto parsed = parse_service_account(bad.dump(), "k.json");
    EXPECT_FALSE(parsed.ok()) << member;
    EXPECT_EQ(base::to_string(parsed.error()).find("PRIVATE KEY"), std::string::npos);
    return parsed.error();
  };
  EXPECT_EQ(error_of("type", "authorized_user").code, "ga4.credentials");
  EXPECT_EQ(error_of("client_email", 3).code, "ga4.credentials");
  EXPECT_EQ(error_of("private_key", test_key().pem.substr(0, 300)).code, "ga4.credentials");
  EXPECT_EQ(error_of("private_key", "").code, "ga4.credentials");
  EXPECT_EQ(error_of("token_uri", "http://example.com/token").code, "ga4.insecure_url");
  EXPECT_EQ(parse_service_account("[", "k.json").error().code, "ga4.credentials");
  io::MemoryEnv env;
  EXPECT_EQ(read_service_account(env, "").error().code, "ga4.credentials");
  EXPECT_EQ(read_service_account(env, "/none.json").error().code, "ga4.credentials");
}

TEST(ServiceAccountTest, SignsAssertionsThatVerify) {
  const std::string assertion = signed_assertion(account(), kReadOnlyScope, 1'700'000'000).value();
  const std::size_t first = assertion.find('.'), second = assertion.rfind('.');
  EXPECT_EQ(Json::parse(from_base64url(assertion.substr(0, first))),
            (Json{{"alg", "RS256"}, {"typ", "JWT"}, {"kid", "kid1"}}));
  const Json claims = Json::parse(from_base64url(assertion.substr(first + 1, second - first - 1)));
  EXPECT_EQ(claims, (Json{{"iss", "robot@x.iam"},
                          {"scope", "https://www.googleapis.com/auth/analytics.readonly"},
                          {"aud", "https://token.test/t"},
                          {"iat", 1'700'000'000},
                          {"exp", 1'700'003'600}}));
  const std::string signature = from_base64url(assertion.substr(second + 1));
  const auto verifies = [&](const std::string& text) {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, test_key().key.get());
    return EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()), signature.size(),
                            reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1;
  };
  EXPECT_TRUE(verifies(assertion.substr(0, second)));
  EXPECT_FALSE(verifies(assertion.substr(0, second - 1)));
}

TEST(ServiceAccountTest, SecretsGoOverTlsOrStayOnThisMachine) {
  for (const char* good :
       {"https://a.b", "https://a.b:8/c", "http://127.0.0.1:80", "http://localhost", "http://[::1]:9/x"})
    EXPECT_TRUE(check_url(good).ok()) << good;
  for (const char* bad : {"", "http://a.b", "ftp://a.b", "https://", "http://localhost@a.b", "http://localhost.a.b/"})
    EXPECT_EQ(check_url(bad).error().code, "ga4.insecure_url") << bad;
}

TEST_F(ClientTest, KeepsATokenUntilShortlyBeforeItsEnd) {
  transport_.answer(200, kToken);
  EXPECT_EQ(tokens_.token(exchange_).value(), "tok1");
  env_.advance((3600 - 61) * 1'000'000LL);
  EXPECT_EQ(tokens_.token(exchange_).value(), "tok1");
  EXPECT_EQ(transport_.urls.size(), 1U);
  env_.advance(2'000'000);
  transport_.answer(200, R"({"access_token":"tok2","expires_in":3600})");
  EXPECT_EQ(tokens_.token(exchange_).value(), "tok2");
  tokens_.invalidate();
  transport_.answer(400, R"({"error":"invalid_grant","error_description":"Invalid JWT Signature."})");
  const auto refused = tokens_.token(exchange_);
  EXPECT_EQ(refused.error().code, "ga4.token_refused");
  EXPECT_NE(refused.error().message.find("invalid_grant: Invalid JWT Signature."), std::string::npos);
  transport_.answer(200, R"({"access_token":"a\r\nX-Evil: b"})");
  for (int again = 0; again < 4; ++again)
    transport_.answer(200, "{}");
  EXPECT_EQ(tokens_.token(exchange_).error().code, "ga4.invalid_answer");
}

TEST_F(ClientTest, ReadsAllPagesInOneOrder) {
  transport_.answer(200, kToken);
  transport_.answer(200, page(0, 3, 7));
  transport_.answer(200, page(3, 3, 7));
  transport_.answer(200, page(6, 1, 7, R"({"metadata":{"subjectToThresholding":true,"timeZone":"X"}})"));
  const Report report = client_.read(kEvents, "2026-11-20").value();
  EXPECT_EQ(report.rows, 7);
  EXPECT_EQ(std::ranges::count(report.lines, '\n'), 7);
  EXPECT_TRUE(report.flags.is_thresholded);
  EXPECT_EQ(report.lines.substr(0, report.lines.find('\n')),
            R"({"property":"77","report":"event","date":"20261120","eventName":"name0","eventCount":0,)"
            R"("currencyCode":"EUR","timeZone":"Europe/Berlin","is_sampled":false,"subjectToThresholding":false,)"
            R"("dataLossFromOtherRow":false})");
  EXPECT_EQ(transport_.urls[1], "https://analyticsdata.googleapis.com/v1beta/properties/77:runReport");
  const Json second = Json::parse(transport_.bodies[2]);
  EXPECT_EQ(second["offset"], "3");
  EXPECT_EQ(second["limit"], "3");
  EXPECT_EQ(second["orderBys"].size(), 2U);
  EXPECT_EQ(second["dateRanges"][0], (Json{{"startDate", "2026-11-20"}, {"endDate", "2026-11-20"}}));
  EXPECT_EQ(transport_.headers[1][0].second, "Bearer tok1");
}

TEST_F(ClientTest, RepeatsWhatPassesWithJitteredPausesThatDouble) {
  transport_.answer(200, kToken);
  transport_.answer(500, "");
  transport_.fail("http.truncated");
  transport_.answer(200, page(0, 2, 2).substr(0, 40));
  transport_.answer(429,
                    R"({"error":{"status":"RESOURCE_EXHAUSTED","message":"Exhausted concurrent requests quota."}})",
                    {{"retry-after", "9"}});
  transport_.answer(200, page(0, 2, 2));
  EXPECT_EQ(client_.read(kEvents, "2026-11-20").value().rows, 2);
  ASSERT_EQ(pauses_.size(), 4U);
  EXPECT_EQ(exchange_.retries(), 4);
  EXPECT_LE(pauses_[0].count(), 1000);
  EXPECT_LE(pauses_[2].count(), 4000);
  EXPECT_GE(pauses_[3].count(), 9000);
}

TEST_F(ClientTest, GivesUpWithTheApisOwnWords) {
  struct Case {
    int status;
    const char* body;
    const char* code;
    std::size_t requests;
  };
  const char* const exhausted =
      R"({"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"Exhausted property tokens per hour."}})";
  const Case cases[] = {
      {403, R"({"error":{"status":"PERMISSION_DENIED","message":"no access"}})", "ga4.forbidden", 1},
      {400, R"({"error":{"status":"INVALID_ARGUMENT","message":"no such metric"}})", "ga4.bad_request", 1},
      {404, "", "ga4.no_such_property", 1},
      {429, exhausted, "ga4.quota_exhausted", 1},
      {418, "<html>", "ga4.unavailable", 1},
      {503, "", "ga4.unavailable", 5}};
  transport_.answer(200, kToken);
  for (const Case& each : cases) {
    const std::size_t before = transport_.urls.size();
    for (std::size_t request = 0; request < each.requests; ++request)
      transport_.answer(each.status, each.body);
    const auto failed = client_.read(kEvents, "2026-11-20");
    EXPECT_EQ(failed.error().code, each.code) << each.status;
    EXPECT_EQ(transport_.urls.size() - before - (before == 0 ? 1 : 0), each.requests) << each.status;
    if (const std::string said = error_message(each.body); !said.empty()) {
      EXPECT_NE(failed.error().message.find(said), std::string::npos);
    }
  }
  // Eight server errors are what a run may cost.
  for (int request = 0; request < 5; ++request)
    transport_.answer(500, "");
  EXPECT_EQ(client_.read(kEvents, "2026-11-20").error().code, "ga4.unavailable");
  EXPECT_EQ(transport_.script.size(), 2U);
}

TEST_F(ClientTest, AsksForANewTokenOnceWhenOneIsNotAccepted) {
  transport_.answer(200, kToken);
  transport_.answer(401, "");
  transport_.answer(200, R"({"access_token":"tok2"})");
  transport_.answer(200, page(0, 1, 1));
  EXPECT_EQ(client_.read(kEvents, "2026-11-20").value().rows, 1);
  EXPECT_EQ(transport_.headers.back()[0].second, "Bearer tok2");
  transport_.answer(401, "");
  transport_.answer(200, kToken);
  transport_.answer(401, "");
  EXPECT_EQ(client_.read(kEvents, "2026-11-20").error().code, "ga4.unauthorized");
}

TEST_F(ClientTest, StopsBeforeTokensRunOut) {
  transport_.answer(200, kToken);
  transport_.answer(200, page(0, 3, 4, R"({"propertyQuota":{"tokensPerDay":{"consumed":"12","remaining":11},
                                           "tokensPerHour":{"consumed":12,"remaining":900}}})"));
  const auto stopped = client_.read(kEvents, "2026-11-20");
  EXPECT_EQ(stopped.error().code, "ga4.quota_exhausted");
  EXPECT_NE(stopped.error().message.find("11 tokens left of tokensPerDay"), std::string::npos);
  EXPECT_EQ(transport_.urls.size(), 2U);
  EXPECT_EQ(to_json(client_.quota()),
            R"({"tokensPerDay":{"consumed":12,"remaining":11},"tokensPerHour":{"consumed":12,"remaining":900}})");
}

TEST_F(ClientTest, ReadsAReportAnewThatChangesOnTheWay) {
  transport_.answer(200, kToken);
  transport_.answer(200, page(0, 3, 5));
  transport_.answer(200, page(3, 3, 6));
  transport_.answer(200, page(0, 3, 6));
  transport_.answer(200, page(3, 3, 6));
  const Report report = client_.read(kEvents, "2026-11-20").value();
  EXPECT_EQ(report.rows, 6);
  EXPECT_EQ(std::ranges::count(report.lines, '\n'), 6);
  for (int read = 0; read < kReadsMax; ++read) {
    transport_.answer(200, page(0, 3, 5));
    transport_.answer(200, page(3, 0, 5));
  }
  EXPECT_EQ(client_.read(kEvents, "2026-11-20").error().code, "ga4.inconsistent_report");
  transport_.answer(200, page(0, 3, kReportRowsMax + 1));
  EXPECT_EQ(client_.read(kEvents, "2026-11-20").error().code, "ga4.too_many_rows");
}

TEST(ReportTest, TellsWhatIsNoReport) {
  const LandingContext context{"77", "2026-11-20"};
  EXPECT_EQ(parse_page("{}", kEvents, context).value().rows, 0);  // a day without rows
  Json wrong_day = Json::parse(page(0, 1, 1));
  wrong_day["rows"][0]["dimensionValues"][0]["value"] = "20261119";
  Json other_metric = Json::parse(page(0, 1, 1));
  other_metric["metricHeaders"][0]["name"] = "sessions";
  Json short_row = Json::parse(page(0, 1, 1));
  short_row["rows"][0]["dimensionValues"].erase(1);
  Json long_row = Json::parse(page(0, 1, 1));
  long_row["rows"][0]["metricValues"].push_back({{"value", "1"}});
  for (const std::string& body : {std::string(), std::string("[]"), std::string("{\"rows\":[1]}"), wrong_day.dump(),
                                  other_metric.dump(), short_row.dump(), long_row.dump()})
    EXPECT_EQ(parse_page(body, kEvents, context).error().code, "ga4.invalid_answer") << body;
}

TEST(ReportTest, KeepsOddValuesAsTheyAre) {
  Json odd = Json::parse(page(0, 1, 1));
  odd["rows"][0]["dimensionValues"][1]["value"] = "a\"b\\c\n\u00e9 (other)";
  odd["rows"][0]["metricValues"][0]["value"] = "12.5e3";
  odd["metadata"]["samplingMetadatas"] = {{{"samplesReadCount", "500"}, {"samplingSpaceSize", "1000"}}};
  odd["metadata"]["dataLossFromOtherRow"] = true;
  ReportPage read = parse_page(odd.dump(), kEvents, {"77", "2026-11-20"}).value();
  const Json line = Json::parse(read.lines);
  EXPECT_EQ(line["eventName"], "a\"b\\c\n\u00e9 (other)");
  EXPECT_EQ(line["eventCount"], 12500);
  EXPECT_EQ(line["samplesReadCount"], 500);
  EXPECT_EQ(line["samplingSpaceSize"], 1000);
  EXPECT_TRUE(line["is_sampled"] && line["dataLossFromOtherRow"]);
  odd["rows"][0]["metricValues"][0]["value"] = "007,NaN";
  EXPECT_EQ(Json::parse(parse_page(odd.dump(), kEvents, {"77", "2026-11-20"})->lines)["eventCount"], "007,NaN");
}

TEST(ReportTest, NamesLandingFilesByDayAndTime) {
  EXPECT_EQ(landing_name("2026-11-20", 1'763'791'502'000'000), "ga4_events_2026-11-20_060502.json");
  EXPECT_EQ(parse_property("properties/123").value(), "123");
  for (const char* bad : {"", "G-123", "properties/", "12 3", "properties/1/x"})
    EXPECT_EQ(parse_property(bad).error().code, "ga4.bad_property") << bad;
  for (const ReportDefinition& definition : daily_reports()) {
    EXPECT_EQ(definition.dimensions.front(), "date");
    EXPECT_LE(definition.dimensions.size(), 9U);
    EXPECT_LE(definition.metrics.size(), 10U);
  }
}

TEST(RunStoreTest, KeepsTheLastRuns) {
  const io::TemporaryDirectory folder(io::TemporaryDirectory::fast_parent());
  const auto database = io::Database::open(folder.file("state.sqlite")).value();
  ga4api::Run run;
  run.property = "77";
  run.quota_json = "{}";
  run.flags.is_sampled = true;
  for (int number = 0; number < 3; ++number) {
    run.id = std::to_string(number);
    run.began_at_micros = number;
    run.rows = number * 10;
    ASSERT_TRUE(record_run(*database, run).ok());
  }
  const std::vector<ga4api::Run> runs = list_runs(*database, 2).value();
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs[0].id, "2");
  EXPECT_EQ(runs[0].rows, 20);
  EXPECT_TRUE(runs[0].flags.is_sampled);
}

}  // namespace
}  // namespace shoplake::ga4api
