#include "aws/credentials.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "io/memory_env.h"

namespace shoplake::aws {
namespace {

constexpr std::int64_t kMinute = 60'000'000;

// Answers by URL; what it does not know does not answer.
class FakeTransport final : public http::Transport {
 public:
  Result<http::Answer> send(const http::Call& call) override {
    calls.push_back(call);
    const auto found = answers.find(call.method + " " + call.url);
    if (found == answers.end())
      return base::make_error(base::ErrorKind::environment, "http.timeout", call.url);
    return found->second;
  }
  std::map<std::string, http::Answer> answers;
  std::vector<http::Call> calls;
};

class CredentialChainTest : public testing::Test {
 protected:
  std::unique_ptr<CredentialChain> chain(CredentialOptions options = {}) {
    return std::make_unique<CredentialChain>(
        env_, transport_,
        [this](const char* name) {
          const auto found = variables_.find(name);
          return found == variables_.end() ? std::nullopt : std::optional<std::string>(found->second);
        },
        std::move(options));
  }
  void write(const std::string& path, const std::string& text) {
    ASSERT_TRUE(env_.create_directories(io::parent_path(path)).ok());
    ASSERT_TRUE(env_.write_file(path, text).ok());
  }

  io::MemoryEnv env_{1'800'000'000'000'000};
  FakeTransport transport_;
  std::map<std::string, std::string> variables_{{"HOME", "/h"}};
};

TEST_F(CredentialChainTest, PrefersWhatWasGivenThenEnvironmentThenFiles) {
  write("/h/.aws/credentials",
        "# mine\n[default]\naws_access_key_id = FILE\naws_secret_access_key=s1\n\n[other]\nAWS_ACCESS_KEY_ID=OTHER\n"
        "aws_secret_access_key = s2 \naws_session_token = t2\n");
  write("/h/.aws/config",
        "[default]\nregion = eu-north-1\n[profile configured]\naws_access_key_id = CONFIG\n"
        "aws_secret_access_key = s3\ns3 =\n  region = no\n[profile empty]\nregion=x\n");
  EXPECT_EQ(chain()->get()->access_key_id, "FILE");
  variables_["AWS_PROFILE"] = "other";
  EXPECT_EQ(chain()->get()->session_token, "t2");
  EXPECT_EQ(chain()->get()->secret_access_key, "s2");
  variables_["AWS_ACCESS_KEY_ID"] = "ENV";
  variables_["AWS_SECRET_ACCESS_KEY"] = "s";
  EXPECT_EQ(chain()->get()->access_key_id, "ENV");
  EXPECT_EQ(chain({.given = {}, .profile = "configured"})->get()->access_key_id, "CONFIG");
  EXPECT_EQ(chain({.given = {}, .profile = "empty"})->get().error().code, "aws.bad_profile");
  EXPECT_EQ(chain({.given = {"GIVEN", "s", "", 0, ""}, .profile = "other"})->get()->access_key_id, "GIVEN");
  EXPECT_TRUE(transport_.calls.empty());
}

TEST_F(CredentialChainTest, FetchesFromTheContainerAndRenewsBeforeTheyExpire) {
  const std::string url = "http://169.254.170.2/v2/role";
  variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/role";
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "Basic x";
  const auto answer = [](const std::string& id, const std::string& expires) {
    return http::Answer{
        200,
        {},
        R"({"AccessKeyId":")" + id + R"(","SecretAccessKey":"s","Token":"t","Expiration":")" + expires + R"("})"};
  };
  transport_.answers["GET " + url] = answer("ONE", "2027-01-15T09:00:00Z");  // in an hour
  const auto keys = chain();
  EXPECT_EQ(keys->get()->access_key_id, "ONE");
  EXPECT_EQ(transport_.calls.back().headers[0].second, "Basic x");
  EXPECT_EQ(transport_.calls.back().total_timeout, CredentialChain::kMetadataTimeout);
  EXPECT_TRUE(transport_.calls.back().is_direct);
  transport_.answers["GET " + url] = answer("TWO", "2027-01-15T11:00:00Z");
  env_.advance(54 * kMinute);
  EXPECT_EQ(keys->get()->access_key_id, "ONE");
  env_.advance(2 * kMinute);
  EXPECT_EQ(keys->get()->access_key_id, "TWO");
  transport_.answers.clear();
  env_.advance(120 * kMinute);  // in renewal time, but nobody answers
  EXPECT_EQ(keys->get()->access_key_id, "TWO");
  env_.advance(5 * kMinute);
  EXPECT_FALSE(keys->get().ok());
  transport_.answers["GET " + url] = {403, {}, "no"};
  EXPECT_EQ(keys->get().error().code, "aws.metadata_failed");
}

TEST_F(CredentialChainTest, FetchesFromTheMachineByToken) {
  const std::string host = "http://169.254.169.254/latest/";
  EXPECT_EQ(chain()->get().error().code, "aws.no_credentials");
  transport_.answers["PUT " + host + "api/token"] = {200, {}, "TOKEN"};
  transport_.answers["GET " + host + "meta-data/iam/security-credentials/"] = {404, {}, ""};
  EXPECT_EQ(chain()->get().error().code, "aws.no_credentials");
  transport_.answers["GET " + host + "meta-data/iam/security-credentials/"] = {200, {}, "shop\n"};
  transport_.answers["GET " + host + "meta-data/iam/security-credentials/shop"] = {
      200, {}, R"({"Code":"Success","AccessKeyId":"M","SecretAccessKey":"s","Token":"t"})"};
  EXPECT_EQ(chain()->get()->access_key_id, "M");
  EXPECT_EQ(transport_.calls.back().headers[0].second, "TOKEN");
  transport_.answers["GET " + host + "meta-data/iam/security-credentials/shop"].body = "<html>";
  EXPECT_EQ(chain()->get().error().code, "aws.metadata_failed");
  transport_.calls.clear();
  variables_["AWS_EC2_METADATA_DISABLED"] = "true";
  EXPECT_EQ(chain()->get().error().code, "aws.no_credentials");
  EXPECT_TRUE(transport_.calls.empty());
}

TEST(ParseProfile, TakesWhatItFinds) {
  EXPECT_TRUE(parse_profile("", "default").empty());
  EXPECT_TRUE(parse_profile("[", "default").empty());
  EXPECT_TRUE(parse_profile("a=b\n=\n[default", "x").empty());
  EXPECT_EQ(parse_profile("[ default ]\r\nA = b=c\r\n", "default"), (Profile{{"a", "b=c"}}));
}

}  // namespace
}  // namespace shoplake::aws
