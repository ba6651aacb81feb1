// HTTP tasks of flows: the request that parameters and connection make, and what becomes of the answer.
#include "app/tasks/http_task.h"

#include <functional>
#include <nlohmann/json.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/tasks/http_request.h"
#include "io/memory_env.h"

namespace shoplake::app {
namespace {

using flow::Json;
using testing::HasSubstr;
using testing::Not;

// What was sent, as text, and the answer to it.
struct Exchange {
  std::string request;
  std::function<base::Result<http::Answer>(const http::Call&)> answer = [](const http::Call&) {
    return http::Answer{200, {{"content-type", "application/json"}}, R"({"ok":true})"};
  };
};

class FakeTransport : public http::Transport {
 public:
  explicit FakeTransport(Exchange& exchange) : exchange_(exchange) {}
  base::Result<http::Answer> send(const http::Call& call) override {
    exchange_.request = call.method + " " + call.url + "\n";
    for (const auto& [name, value] : call.headers)
      exchange_.request += name + ": " + value + "\n";
    exchange_.request += "\n" + std::string(call.body);
    return exchange_.answer(call);
  }

 private:
  Exchange& exchange_;
};

class HttpTaskTest : public testing::Test {
 protected:
  HttpTaskTest() {
    Connection key{.name = "key", .authorization = Connection::Authorization::api_key};
    key.key_header = "X-Api-Key";
    key.key_value = "s3cret-key";
    key.headers = {{"X-Tenant", "shop"}};
    key.query = {{"tenant", "shop & sons"}};
    key.secrets = {"s3cret-key"};
    Connection basic{.name = "basic", .authorization = Connection::Authorization::basic};
    basic.user = "me";
    basic.password = "pass word";
    basic.hosts = {"api.example.com"};
    connections_ = {key, basic, Connection{.name = "open"}};
  }

  Json parameters(Json more = Json::object(), const char* connection = "open") {
    Json all{{"ApiEndpoint", "https://api.example.com/v1/orders"},
             {"Method", "GET"},
             {"Authentication", {{"ConnectionArn", connection}}}};
    if (more.is_object())
      all.update(more);
    return all;
  }
  flow::TaskOutcome run(const Json& input, bool is_resumed = false) {
    HttpTask task(connections_, std::make_unique<FakeTransport>(exchange_), clock_);
    exchange_.request.clear();
    return task.run({.resource = "arn:aws:states:::http:invoke", .input = &input, .id = "1", .is_resumed = is_resumed});
  }
  Json output(const Json& input) {
    const auto outcome = run(input);
    const auto* value = std::get_if<std::shared_ptr<const Json>>(&outcome);
    EXPECT_NE(value, nullptr) << (value ? "" : std::get<flow::StateFailure>(outcome).cause.value_or(""));
    return value ? **value : Json();
  }
  struct Failure {
    std::string error, cause;
  };
  Failure failure(const Json& input, bool is_resumed = false) {
    const auto outcome = run(input, is_resumed);
    const auto* failed = std::get_if<flow::StateFailure>(&outcome);
    EXPECT_NE(failed, nullptr) << input;
    return failed ? Failure{failed->error.value_or(""), failed->cause.value_or("")} : Failure{};
  }
  void answer(int status, std::string type, std::string body) {
    exchange_.answer = [=](const http::Call&) { return http::Answer{status, {{"content-type", type}}, body}; };
  }

  Exchange exchange_;
  io::MemoryEnv clock_;
  std::vector<Connection> connections_;
};

TEST_F(HttpTaskTest, SendsWhatTheParametersSay) {
  const Json answer = output(parameters({{"Method", "POST"},
                                         {"Headers", {{"Accept", "text/html"}, {"X-Many", {"a", "b"}}}},
                                         {"QueryParameters", {{"a b", "ü&"}, {"n", {1, 2}}}},
                                         {"RequestBody", {{"name", "é"}}}}));
  EXPECT_EQ(exchange_.request,
            "POST https://api.example.com/v1/orders?a%20b=%C3%BC%26&n=1&n=2\nAccept: text/html\nX-Many: a,b\n"
            "Content-Type: application/json; charset=UTF-8\nUser-Agent: shoplake\nRange: bytes=0-262144\n\n"
            R"({"name":"é"})");
  EXPECT_EQ(
      answer.dump(),
      R"({"Headers":{"content-type":["application/json"]},"ResponseBody":{"ok":true},"StatusCode":200,"StatusText":"OK"})");
}

TEST_F(HttpTaskTest, AConnectionAuthorizesAndItsHeadersAndParametersCount) {
  output(parameters({{"Headers", {{"x-api-key", "mine"}, {"x-tenant", "other"}}},
                     {"QueryParameters", {{"tenant", "other"}, {"a", 1}}}},
                    "arn:aws:events:eu-central-1:111111111111:connection/key/81210c42"));
  EXPECT_THAT(exchange_.request, HasSubstr("/orders?a=1&tenant=shop%20%26%20sons\n"));
  EXPECT_THAT(exchange_.request, HasSubstr("X-Api-Key: s3cret-key\n"));
  EXPECT_THAT(exchange_.request, HasSubstr("X-Tenant: shop\n"));
  EXPECT_THAT(exchange_.request, Not(HasSubstr("other")));
  output(parameters({}, "basic"));
  EXPECT_THAT(exchange_.request, HasSubstr("Authorization: Basic bWU6cGFzcyB3b3Jk\n"));
  const auto denied = failure(parameters({{"ApiEndpoint", "https://api.example.com.evil.example/"}}, "basic"));
  EXPECT_EQ(denied.error, "Events.ConnectionResource.AccessDenied");
  EXPECT_EQ(exchange_.request, "");
  const auto absent = failure(parameters({}, "crm"));
  EXPECT_EQ(absent.error, "Events.ConnectionResource.ResourceNotFound");
  EXPECT_THAT(absent.cause, HasSubstr("`connections` in shoplake.yml, such as crm: {"));
}

TEST_F(HttpTaskTest, FormsAreEncodedWithEachFormatOfArrays) {
  const Json body{{"a", {"x y", 2}}, {"b", {{"c", true}, {"d e", nullptr}}}, {"f", "1+1=2"}};
  EXPECT_EQ(form_encoded(body, ArrayFormat::indices), "a[0]=x%20y&a[1]=2&b[c]=true&b[d%20e]=&f=1%2B1%3D2");
  EXPECT_EQ(form_encoded(body, ArrayFormat::repeat), "a=x%20y&a=2&b[c]=true&b[d%20e]=&f=1%2B1%3D2");
  EXPECT_EQ(form_encoded(body, ArrayFormat::commas), "a=x%20y,2&b[c]=true&b[d%20e]=&f=1%2B1%3D2");
  EXPECT_EQ(form_encoded(body, ArrayFormat::brackets), "a[]=x%20y&a[]=2&b[c]=true&b[d%20e]=&f=1%2B1%3D2");
  output(parameters(
      {{"Method", "POST"},
       {"RequestBody", {{"a", {1, 2}}}},
       {"Transform",
        {{"RequestBodyEncoding", "URL_ENCODED"}, {"RequestEncodingOptions", {{"ArrayFormat", "REPEAT"}}}}}}));
  EXPECT_THAT(exchange_.request, HasSubstr("Content-Type: application/x-www-form-urlencoded\n"));
  EXPECT_THAT(exchange_.request, testing::EndsWith("\n\na=1&a=2"));
}

TEST_F(HttpTaskTest, ParametersThatCannotBeSentAreRefused) {
  const std::vector<std::pair<Json, const char*>> cases = {
      {{{"ApiEndpoint", "http://api.example.com/"}}, "without TLS"},
      {{{"ApiEndpoint", "ftp://api.example.com/"}}, "https://"},
      {{{"ApiEndpoint", "https://me:pw@api.example.com/"}}, "plain address"},
      {{{"ApiEndpoint", "https:///path"}}, "plain address"},
      {{{"ApiEndpoint", "https://a.example/\r\nX: y"}}, "percent-encoded"},
      {{{"Method", "TRACE"}}, "Method is"},
      {{{"Headers", {{"Authorization", "Bearer x"}}}}, "may not be set"},
      {{{"Headers", {{"Host", "x"}}}}, "may not be set"},
      {{{"Headers", {{"X-Amz-Date", "x"}}}}, "may not be set"},
      {{{"Headers", {{"A b", "x"}}}}, "no name of a header"},
      {{{"Headers", {{"A", "x\r\nB: c"}}}}, "one line"},
      {{{"Headers", "A: b"}}, "no object"},
      {{{"QueryParameters", {{"a", {{"b", 1}}}}}}, "the value of a"},
      {{{"Transform", {{"RequestBodyEncoding", "XML"}}}, {"RequestBody", 1}}, "RequestBodyEncoding"},
      {{{"Transform", {{"RequestEncodingOptions", {{"ArrayFormat", "NONE"}}}}}, {"RequestBody", 1}}, "ArrayFormat"},
      {{{"Transform", {{"RequestBodyEncoding", "URL_ENCODED"}}}, {"RequestBody", "a=b"}}, "no object"},
      {{{"RequestBody", std::string(kHttpBodyBytesMax + 1, 'x')}}, "more than 262144"},
      {{{"Authentication", nullptr}}, "ConnectionArn is missing"},
  };
  for (const auto& [more, words] : cases) {
    const auto failed = failure(parameters(more));
    EXPECT_EQ(failed.error, "States.Runtime") << more;
    EXPECT_THAT(failed.cause, HasSubstr(words));
    EXPECT_EQ(exchange_.request, "") << more;
  }
  output(parameters({{"ApiEndpoint", "http://127.0.0.1:8080/x"}}));
  output(parameters({{"ApiEndpoint", "http://[::1]:8080/x"}}));
}

TEST_F(HttpTaskTest, AnswersAreJsonOrTextOrAnError) {
  answer(200, "text/plain", R"({"a":1})");
  EXPECT_EQ(output(parameters())["ResponseBody"], R"({"a":1})");
  answer(201, "application/problem+json; charset=utf-8", R"({"a":1})");
  EXPECT_EQ(output(parameters())["ResponseBody"]["a"], 1);
  answer(200, "application/json", R"({"a":)");
  EXPECT_EQ(output(parameters())["ResponseBody"], R"({"a":)");
  answer(200, "application/json", std::string(100'000, '['));
  EXPECT_TRUE(output(parameters())["ResponseBody"].is_string());
  answer(204, "", "");
  EXPECT_EQ(output(parameters())["StatusText"], "No Content");
  answer(404, "application/json", R"({"error":"no such order"})");
  EXPECT_EQ(failure(parameters()).error, "States.Http.StatusCode.404");
  EXPECT_EQ(failure(parameters()).cause, R"({"error":"no such order"})");
  answer(302, "", "");
  EXPECT_EQ(failure(parameters()).error, "States.Http.StatusCode.302");
  answer(200, "image/png", "x");
  EXPECT_EQ(failure(parameters()).error, "States.Runtime");
  answer(200, "text/plain", "\xff\xfe");
  EXPECT_EQ(failure(parameters()).error, "States.Runtime");
}

TEST_F(HttpTaskTest, NoAnswerIsASocketErrorAndTooMuchALimit) {
  const auto broken = [this](const char* code) {
    exchange_.answer = [code](const http::Call& call) -> base::Result<http::Answer> {
      return base::make_error(base::ErrorKind::environment, code, call.url + ": key s3cret-key, no route");
    };
  };
  broken("http.timeout");
  const auto failed = failure(parameters({}, "key"));
  EXPECT_EQ(failed.error, "States.Http.Socket");
  EXPECT_THAT(failed.cause, HasSubstr("***, no route"));
  EXPECT_THAT(failed.cause, Not(HasSubstr("s3cret")));
  broken("http.too_large");
  EXPECT_EQ(failure(parameters()).error, "States.DataLimitExceeded");
}

TEST_F(HttpTaskTest, SecretsThatComeBackAreNotShown) {
  exchange_.answer = [](const http::Call&) {
    return http::Answer{200,
                        {{"content-type", "application/json"}, {"x-echo", "key=s3cret-key"}},
                        R"({"headers":{"X-Api-Key":"s3cret-key"}})"};
  };
  EXPECT_EQ(
      output(parameters({}, "key")).dump(),
      R"({"Headers":{"content-type":["application/json"],"x-echo":["key=***"]},"ResponseBody":{"headers":{"X-Api-Key":"***"}},"StatusCode":200,"StatusText":"OK"})");
}

TEST_F(HttpTaskTest, AfterACrashOnlyWhatMayBeSentTwiceIs) {
  for (const char* method : {"POST", "PATCH"}) {
    EXPECT_EQ(failure(parameters({{"Method", method}}), true).error, "States.TaskFailed");
    EXPECT_EQ(exchange_.request, "");
  }
  for (const char* method : {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}) {
    run(parameters({{"Method", method}}), true);
    EXPECT_THAT(exchange_.request, testing::StartsWith(method));
  }
}

}  // namespace
}  // namespace shoplake::app
