// Tokens of OAuth client credentials: how they are asked for, how long they are kept, what becomes of refusals.
#include "app/tasks/oauth_tokens.h"

#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/tasks/http_task.h"
#include "io/memory_env.h"

namespace shoplake::app {
namespace {

using flow::Json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr char kEndpoint[] = "https://auth.example.com/oauth/token";
constexpr std::int64_t kSecond = 1'000'000;

http::Answer json_answer(int status, const std::string& body) {
  return {status, {{"content-type", "application/json"}}, body};
}

// An authorization endpoint that gives token-1, token-2, …, and a server that takes those that are in `accepted`.
struct World {
  std::mutex mutex;
  std::vector<std::string> sent;  // "POST https://…", and who authorized how
  int issued = 0;
  int expires_in = 3600;
  std::function<std::optional<base::Result<http::Answer>>()> endpoint = [] { return std::nullopt; };
  std::function<http::Answer(const std::string& token)> server = [](const std::string&) {
    return json_answer(200, "{}");
  };
};

class WorldTransport : public http::Transport {
 public:
  explicit WorldTransport(World& world) : world_(world) {}
  base::Result<http::Answer> send(const http::Call& call) override {
    const std::scoped_lock lock(world_.mutex);
    std::string authorization;
    for (const auto& [name, value] : call.headers) {
      if (name == "Authorization")
        authorization = value;
    }
    world_.sent.push_back(call.method + " " + call.url.substr(0, call.url.find('?')) + " " + authorization);
    if (!call.url.starts_with(kEndpoint))
      return world_.server(authorization.substr(authorization.find(' ') + 1));
    if (auto answer = world_.endpoint())
      return *answer;
    return json_answer(200, Json{{"access_token", "token-" + std::to_string(++world_.issued)},
                                 {"token_type", "bearer"},
                                 {"expires_in", world_.expires_in}}
                                .dump());
  }

 private:
  World& world_;
};

Connection crm() {
  Connection connection{.name = "crm", .authorization = Connection::Authorization::oauth};
  connection.oauth.authorization_endpoint = kEndpoint;
  connection.oauth.client_id = "shop";
  connection.oauth.client_secret = "s3cret word";
  connection.secrets = {"s3cret word", "s3cret%20word", connection.oauth.basic_credentials()};
  return connection;
}

TEST(TokenRequest, IsThatOfTheStandard) {
  OAuthClient client = crm().oauth;
  const HttpRequest basic = token_request(client);
  EXPECT_EQ(basic.url, kEndpoint);
  EXPECT_EQ(basic.body, "grant_type=client_credentials");
  EXPECT_THAT(basic.headers,
              testing::Contains(std::pair<std::string, std::string>("Authorization", "Basic c2hvcDpzM2NyZXQlMjB3b3Jk")))
      << "shop:s3cret%20word";
  EXPECT_THAT(basic.headers, testing::Contains(std::pair<std::string, std::string>(
                                 "Content-Type", "application/x-www-form-urlencoded")));

  client.is_in_body = true;
  client.headers = {{"X-Tenant", "a"}};
  client.query = {{"v", "2 3"}};
  client.body = {{"grant_type", "urn:own"}, {"scope", "a b"}};
  const HttpRequest body = token_request(client);
  EXPECT_EQ(body.url, std::string(kEndpoint) + "?v=2%203");
  EXPECT_EQ(body.body, "grant_type=urn%3Aown&scope=a%20b&client_id=shop&client_secret=s3cret%20word");
  EXPECT_EQ(body.headers.front(), (std::pair<std::string, std::string>("X-Tenant", "a")));
  EXPECT_THAT(body.headers, Not(testing::Contains(testing::Pair("Authorization", testing::_))));

  OAuthClient get = crm().oauth;
  get.http_method = "GET";
  get.authorization_endpoint = std::string(kEndpoint) + "?a=1";
  EXPECT_EQ(token_request(get).url, std::string(kEndpoint) + "?a=1&grant_type=client_credentials");
  EXPECT_EQ(token_request(get).body, "");
}

class OAuthTest : public testing::Test {
 protected:
  World world_;
  io::MemoryEnv clock_;
  std::unique_ptr<http::Transport> transport_ = std::make_unique<WorldTransport>(world_);
};

// How long a token is used: until a minute before its end, or for half of a shorter life.
struct Lifetime {
  std::string answer;  // members beside access_token
  std::int64_t used_seconds;
};

TEST_F(OAuthTest, ATokenIsKeptUntilItIsAboutToExpire) {
  const std::vector<Lifetime> cases{
      {R"("expires_in":3600)", 3540}, {R"("expires_in":"600")", 540},     {R"("expires_in":121)", 61},
      {R"("expires_in":40)", 20},     {R"("token_type":"Bearer")", 3540}, {R"("expires_in":1e12)", 86'340},
      {R"("expires_in":-5)", 0},      {R"("expires_in":"soon")", 3540},
  };
  for (const Lifetime& row : cases) {
    SCOPED_TRACE(row.answer);
    OAuthTokens tokens(*transport_, clock_);
    int asked = 0;
    world_.endpoint = [&] {
      ++asked;
      return std::optional<base::Result<http::Answer>>(json_answer(200, R"({"access_token":"t",)" + row.answer + "}"));
    };
    ASSERT_TRUE(tokens.token(crm(), {}).ok());
    if (row.used_seconds > 0) {
      clock_.advance(row.used_seconds * kSecond - 1);
      ASSERT_TRUE(tokens.token(crm(), {}).ok());
      EXPECT_EQ(asked, 1);
      clock_.advance(1);
    }
    ASSERT_TRUE(tokens.token(crm(), {}).ok());
    EXPECT_EQ(asked, 2);
  }
}

TEST_F(OAuthTest, WhoNeedsOneAtTheSameTimeSharesIt) {
  OAuthTokens tokens(*transport_, clock_);
  std::vector<std::string> got(8);
  {
    std::vector<std::jthread> threads;
    for (std::string& one : got)
      threads.emplace_back([&] { one = tokens.token(crm(), {}).value(); });
  }
  EXPECT_THAT(got, testing::Each("token-1"));
  EXPECT_EQ(world_.issued, 1);
  tokens.forget(crm(), "token-0");
  EXPECT_EQ(tokens.token(crm(), {}).value(), "token-1") << "somebody else's old one";
  tokens.forget(crm(), "token-1");
  EXPECT_EQ(tokens.token(crm(), {}).value(), "token-2");
  Connection other = crm();
  other.name = "other";
  EXPECT_EQ(tokens.token(other, {}).value(), "token-3") << "each connection has its own";
}

TEST_F(OAuthTest, AnswersWithoutATokenAreErrors) {
  struct Case {
    http::Answer answer;
    const char* code;
    const char* words;
  };
  const std::vector<Case> cases{
      {json_answer(400, R"({"error":"invalid_client","error_description":"no such client"})"), "oauth.refused",
       "answers 400: invalid_client: no such client"},
      {json_answer(401, ""), "oauth.refused", "answers 401"},
      {json_answer(302, ""), "oauth.refused", "answers 302"},
      {json_answer(429, ""), "oauth.unavailable", "answers 429"},
      {json_answer(503, "<html>"), "oauth.unavailable", "answers 503"},
      {json_answer(200, ""), "oauth.bad_answer", "gives no access_token"},
      {json_answer(200, "[1]"), "oauth.bad_answer", "gives no access_token"},
      {json_answer(200, R"({"access_token":7})"), "oauth.bad_answer", "gives no access_token"},
      {json_answer(200, R"({"access_token":"a b"})"), "oauth.bad_answer", "gives no access_token"},
      {json_answer(200, R"({"access_token":"a\r\nX: y"})"), "oauth.bad_answer", "gives no access_token"},
      {json_answer(200, R"({"access_token":")" + std::string(kTokenBytesMax + 1, 'a') + "\"}"), "oauth.bad_answer",
       "gives no access_token"},
      {json_answer(200, R"({"access_token":"a","token_type":"mac"})"), "oauth.bad_answer", "of the type mac"},
  };
  for (const Case& row : cases) {
    OAuthTokens tokens(*transport_, clock_);
    world_.endpoint = [&] { return std::optional<base::Result<http::Answer>>(row.answer); };
    const auto token = tokens.token(crm(), {});
    ASSERT_FALSE(token.ok()) << row.words;
    EXPECT_EQ(token.error().code, row.code);
    EXPECT_THAT(token.error().message, HasSubstr(row.words));
    world_.endpoint = [] { return std::nullopt; };
    EXPECT_TRUE(tokens.token(crm(), {}).ok()) << "the next one asks again";
  }
}

// ── the task ───────────────────────────────────────────────────────────────────────────────────────────────────────

class OAuthTaskTest : public OAuthTest {
 protected:
  flow::TaskOutcome run(const char* method = "POST", bool is_resumed = false) {
    const Json input{{"ApiEndpoint", "https://api.example.com/orders"},
                     {"Method", method},
                     {"Authentication", {{"ConnectionArn", "crm"}}}};
    return task_.run(
        {.resource = "arn:aws:states:::http:invoke", .input = &input, .id = "1", .is_resumed = is_resumed});
  }
  std::string output() {
    const auto outcome = run();
    const auto* value = std::get_if<std::shared_ptr<const Json>>(&outcome);
    return value == nullptr ? "" : (**value)["ResponseBody"].dump();
  }
  std::pair<std::string, std::string> failure(const flow::TaskOutcome& outcome) {
    const auto* failed = std::get_if<flow::StateFailure>(&outcome);
    return failed == nullptr ? std::pair<std::string, std::string>()
                             : std::pair(failed->error.value_or(""), failed->cause.value_or(""));
  }

  HttpTask task_{{crm()}, std::make_unique<WorldTransport>(world_), clock_};
};

const std::string kAsked = "POST https://auth.example.com/oauth/token Basic c2hvcDpzM2NyZXQlMjB3b3Jk";
std::string called(int token) { return "POST https://api.example.com/orders Bearer token-" + std::to_string(token); }

TEST_F(OAuthTaskTest, OneTokenServesManyRequests) {
  run();
  run();
  EXPECT_THAT(world_.sent, ElementsAre(kAsked, called(1), called(1)));
  clock_.advance(3541 * kSecond);
  run();
  EXPECT_THAT(world_.sent, ElementsAre(kAsked, called(1), called(1), kAsked, called(2)));
}

TEST_F(OAuthTaskTest, ARefusedTokenIsAskedForAgainOnce) {
  run();  // with token-1, which is then worthless
  world_.server = [](const std::string& token) { return json_answer(token == "token-1" ? 401 : 200, "{}"); };
  EXPECT_EQ(output(), "{}");
  world_.server = [](const std::string& token) { return json_answer(token == "token-2" ? 407 : 200, "{}"); };
  EXPECT_EQ(output(), "{}");
  EXPECT_THAT(world_.sent, ElementsAre(kAsked, called(1), called(1), kAsked, called(2), called(2), kAsked, called(3)));
}

TEST_F(OAuthTaskTest, WhatIsRefusedTwiceFails) {
  world_.server = [](const std::string& token) { return json_answer(401, "you sent " + token); };
  const auto [error, cause] = failure(run());
  EXPECT_EQ(error, "States.Http.StatusCode.401");
  EXPECT_EQ(cause, "you sent ***");
  EXPECT_THAT(world_.sent, ElementsAre(kAsked, called(1), kAsked, called(2)));
  world_.server = [](const std::string&) { return json_answer(403, "no"); };
  EXPECT_EQ(failure(run()).first, "States.Http.StatusCode.403");
  EXPECT_EQ(world_.sent.size(), 6u) << "403 is no matter of the token";
}

TEST_F(OAuthTaskTest, NoSecretComesOut) {
  world_.server = [](const std::string& token) {
    return json_answer(token == "token-1" ? 401 : 200, R"({"you":"token-1 )" + token + R"( s3cret word"})");
  };
  EXPECT_EQ(output(), R"({"you":"*** *** ***"})");
  world_.endpoint = [] {
    return std::optional<base::Result<http::Answer>>(json_answer(
        400, R"({"error":"invalid_client","error_description":"Basic c2hvcDpzM2NyZXQlMjB3b3Jk, s3cret%20word"})"));
  };
  clock_.advance(86'400 * kSecond);
  const auto [error, cause] = failure(run());
  EXPECT_EQ(error, "Events.ConnectionResource.InvalidConnectionState");
  EXPECT_THAT(cause, HasSubstr("invalid_client: Basic ***, ***"));
  EXPECT_THAT(cause, HasSubstr("oauth_http_parameters"));
}

TEST_F(OAuthTaskTest, AnEndpointThatIsAwayIsNamedAsARetryKnowsIt) {
  world_.endpoint = [] { return std::optional<base::Result<http::Answer>>(json_answer(502, "")); };
  EXPECT_EQ(failure(run()).first, "States.Http.StatusCode.503");
  world_.endpoint = [] {
    return std::optional<base::Result<http::Answer>>(
        base::make_error(base::ErrorKind::environment, "http.cannot_connect", "no route, s3cret word"));
  };
  EXPECT_EQ(failure(run()), std::pair(std::string("States.Http.Socket"), std::string("no route, ***")));
}

TEST_F(OAuthTaskTest, AfterACrashNothingIsAskedFor) {
  EXPECT_EQ(failure(run("POST", true)).first, "States.TaskFailed");
  EXPECT_THAT(world_.sent, IsEmpty());
  run("GET", true);
  EXPECT_EQ(world_.sent.size(), 2u);
}

}  // namespace
}  // namespace shoplake::app
