#include "s3/client.h"

#include <gtest/gtest.h>

#include <numeric>

#include "io/memory_env.h"
#include "s3/fake_store.h"

namespace shoplake::s3 {
namespace {

using Fault = FakeStore::Fault;

aws::CredentialOptions given(const std::string& secret) {
  aws::CredentialOptions options;
  options.given.access_key_id = FakeStore::kKeyId;
  options.given.secret_access_key = secret;
  return options;
}

std::optional<std::string> no_variable(const char*) { return std::nullopt; }

class ClientTest : public testing::Test {
 protected:
  ClientOptions options() {
    ClientOptions options;
    options.endpoint = "http://store:9000";
    options.path_style = true;
    options.pause = [this](std::int64_t micros) {
      pauses_.push_back(micros);
      env_.advance(micros);
    };
    return options;
  }

  io::MemoryEnv env_{1'800'000'000'000'000, 7};
  FakeStore store_;
  aws::CredentialChain keys_{env_, store_, no_variable, given(FakeStore::kSecret)};
  std::vector<std::int64_t> pauses_;
  Client client_{env_, store_, keys_, options()};
  const Location place_{"bucket", "a b/ü&+.txt"};
};

TEST_F(ClientTest, WritesReadsCopiesAndRemoves) {
  EXPECT_EQ(client_.head(place_).error().code, "io.not_found");
  EXPECT_EQ(client_.get(place_, 0, 10).error().code, "io.not_found");
  EXPECT_EQ(client_.put(place_, "0123456789")->etag, "\"781e5e245d69b566979b86e28d23f2c7\"");
  EXPECT_EQ(client_.head(place_)->size_bytes, 10U);
  EXPECT_EQ(client_.get(place_, 3, 4)->bytes, "3456");
  EXPECT_EQ(client_.get(place_, 8, 100)->bytes, "89");
  EXPECT_EQ(client_.get(place_, 8, 100)->object.size_bytes, 10U);
  EXPECT_EQ(client_.get(place_, 10, 1)->bytes, "");
  EXPECT_EQ(client_.get(place_, 0, 1, "\"other\"").error().code, "s3.precondition_failed");
  ASSERT_TRUE(client_.copy(place_, {"bucket", "copy"}).ok());
  EXPECT_EQ(client_.get({"bucket", "copy"}, 0, 99)->bytes, "0123456789");
  ASSERT_TRUE(client_.remove(place_).ok());
  ASSERT_TRUE(client_.remove(place_).ok());
  EXPECT_EQ(client_.head(place_).error().code, "io.not_found");
  ASSERT_TRUE(client_.put({"bucket", "empty"}, "").ok());
  EXPECT_EQ(client_.get({"bucket", "empty"}, 0, 10)->bytes, "");
  EXPECT_EQ(client_.put({"elsewhere", "x"}, "").error().code, "s3.no_such_bucket");
  EXPECT_TRUE(pauses_.empty());
}

TEST_F(ClientTest, ListsPageByPage) {
  store_.page_size_max = 7;
  for (int i = 0; i < 40; ++i)
    store_.objects["bucket/p/" + std::to_string(i % 4) + "/" + std::to_string(i)] = "x";
  store_.objects["bucket/p/<&> %.txt"] = "abc";
  store_.objects["bucket/q"] = "";
  const Listing all = client_.list("bucket", {.prefix = "p/", .delimiter = ""}).value();
  ASSERT_EQ(all.objects.size(), 41U);
  EXPECT_TRUE(std::ranges::is_sorted(all.objects, {}, &ListedObject::key));
  const Listing top = client_.list("bucket", {.prefix = "p/", .delimiter = "/"}).value();
  ASSERT_EQ(top.objects.size(), 1U);
  EXPECT_EQ(top.objects[0].key, "p/<&> %.txt");
  EXPECT_EQ(top.objects[0].size_bytes, 3U);
  EXPECT_EQ(top.objects[0].modified_micros, 1'795'248'930'123'000);
  EXPECT_EQ(top.objects[0].etag, "\"900150983cd24fb0d6963f7d28e17f72\"");
  EXPECT_EQ(top.prefixes, (std::vector<std::string>{"p/0/", "p/1/", "p/2/", "p/3/"}));
  std::vector<std::string> keys;
  for (const ListedObject& object : all.objects)
    keys.push_back(object.key);
  ASSERT_TRUE(client_.remove_many("bucket", keys).ok());
  EXPECT_EQ(store_.objects.size(), 1U);
}

TEST_F(ClientTest, AsksForEncryptionOnEveryWayOfWriting) {
  ClientOptions encrypting = options();
  encrypting.encrypts = true;
  Client client(env_, store_, keys_, encrypting);
  ASSERT_TRUE(client.put({"bucket", "put"}, "x").ok());
  ASSERT_TRUE(client.copy({"bucket", "put"}, {"bucket", "copy"}).ok());
  ASSERT_TRUE(client.begin_upload({"bucket", "upload"}).ok());
  for (const char* key : {"put", "copy", "upload"}) {
    const http::Headers& headers = store_.put_headers[std::string("bucket/") + key];
    EXPECT_TRUE(std::ranges::find(headers, std::pair<std::string, std::string>("x-amz-server-side-encryption",
                                                                               "AES256")) != headers.end())
        << key;
  }
}

TEST_F(ClientTest, TriesAgainWithGrowingJitteredPauses) {
  store_.fail(Fault::refused, "PUT", 1);
  store_.fail(Fault::broken_before, "PUT", 1);
  store_.fail(Fault::broken_after, "PUT", 1);
  store_.fail(Fault::unavailable, "PUT", 2);
  store_.fail(Fault::internal_error, "PUT", 2);
  store_.fail(Fault::truncated, "PUT", 1);
  ASSERT_TRUE(client_.put(place_, "x").ok());
  ASSERT_EQ(pauses_.size(), 8U);
  for (std::size_t i = 0; i < pauses_.size(); ++i)
    EXPECT_LE(pauses_[i], std::min<std::int64_t>(10'000'000, 100'000LL << i));
  EXPECT_GT(std::accumulate(pauses_.begin(), pauses_.end(), std::int64_t{0}), 1'000'000);
}

TEST_F(ClientTest, GivesUpWithTheLastReason) {
  store_.fail(Fault::unavailable, "GET", 100);
  const auto got = client_.get(place_, 0, 1);
  EXPECT_EQ(got.error().code, "s3.unavailable");
  EXPECT_EQ(got.error().kind, base::ErrorKind::environment);
  EXPECT_NE(got.error().message.find("503 SlowDown"), std::string::npos) << got.error().message;
  EXPECT_EQ(store_.requests.size(), 9U);
  store_.fail(Fault::denied, "PUT");
  EXPECT_EQ(client_.put(place_, "x").error().code, "s3.access_denied");
  EXPECT_EQ(store_.requests.size(), 10U);
  ASSERT_TRUE(client_.remove(place_).ok());
  const RequestCounts counts = client_.counts();
  EXPECT_EQ(counts.requests, 3);
  EXPECT_EQ(counts.retries, 8);
  EXPECT_EQ(counts.failures, 1);
  EXPECT_EQ(counts.sent_bytes, 1);
  EXPECT_GT(counts.received_bytes, 0);
}

TEST_F(ClientTest, AWrongKeyIsNotTriedAgain) {
  aws::CredentialChain wrong(env_, store_, no_variable, given("WRONG"));
  Client client(env_, store_, wrong, options());
  const auto put = client.put(place_, "x");
  EXPECT_EQ(put.error().code, "s3.access_denied");
  EXPECT_NE(put.error().message.find("SignatureDoesNotMatch"), std::string::npos);
  EXPECT_EQ(store_.requests.size(), 1U);
}

TEST_F(ClientTest, RenewsExpiredKeysOnce) {
  store_.fail(Fault::expired_token, "PUT", 1);
  EXPECT_TRUE(client_.put(place_, "x").ok());
  store_.fail(Fault::expired_token, "PUT", 5);
  EXPECT_EQ(client_.put(place_, "x").error().code, "s3.failed");
  EXPECT_TRUE(pauses_.empty());
}

TEST_F(ClientTest, AConditionalPutKnowsItsOwnLostSuccess) {
  store_.fail(Fault::broken_after, "PUT", 1);
  EXPECT_TRUE(client_.put(place_, "mine", {.only_if_absent = true}).ok());
  EXPECT_EQ(client_.put(place_, "other", {.only_if_absent = true}).error().code, "s3.precondition_failed");
  EXPECT_EQ(client_.get(place_, 0, 9)->bytes, "mine");
}

TEST_F(ClientTest, CompletesAnUploadWhateverBecomesOfTheAnswer) {
  for (const Fault fault : {Fault::broken_after, Fault::truncated, Fault::error_in_200, Fault::unavailable}) {
    const std::string id = client_.begin_upload(place_).value();
    std::vector<UploadedPart> parts;
    parts.push_back(client_.put_part(place_, id, 1, "one").value());
    parts.push_back(client_.put_part(place_, id, 2, "two").value());
    store_.fail(fault, "POST /bucket/a%20b/", 1);
    const auto completed = client_.complete_upload(place_, id, parts);
    EXPECT_TRUE(completed.ok()) << completed.error().message;
    EXPECT_EQ(client_.get(place_, 0, 9)->bytes, "onetwo");
    ASSERT_TRUE(client_.remove(place_).ok());
  }
  const std::string id = client_.begin_upload(place_).value();
  const UploadedPart part = client_.put_part(place_, id, 1, "one").value();
  ASSERT_TRUE(client_.abort_upload(place_, id).ok());
  EXPECT_EQ(client_.complete_upload(place_, id, {part}).error().kind, base::ErrorKind::environment);
}

TEST_F(ClientTest, AddressesBucketsByHost) {
  ClientOptions by_host = options();
  by_host.path_style = false;
  Client client(env_, store_, keys_, by_host);
  static_cast<void>(client.head(place_));
  EXPECT_EQ(store_.requests.back(), "HEAD /a%20b/%C3%BC%26%2B.txt");
}

TEST_F(ClientTest, LifecycleIsOptional) {
  EXPECT_EQ(client_.get_lifecycle("bucket").value(), "");
  ASSERT_TRUE(client_.put_lifecycle("bucket", "<LifecycleConfiguration/>").ok());
  EXPECT_EQ(client_.get_lifecycle("bucket").value(), "<LifecycleConfiguration/>");
  store_.knows_lifecycle = false;
  EXPECT_EQ(client_.put_lifecycle("bucket", "").error().code, "s3.not_supported");
}

TEST(ParseLocation, TakesBucketAndKey) {
  EXPECT_EQ(parse_location("s3://bucket")->key, "");
  EXPECT_EQ(parse_location("s3://bucket/a/b//")->key, "a/b");
  EXPECT_EQ(to_string(parse_location("s3://bucket/a").value()), "s3://bucket/a");
  for (const char* bad : {"/a", "s3:/a", "s3://", "s3://a", "s3://a b/c", "S3://bucket/x", "s3:///a"})
    EXPECT_EQ(parse_location(bad).error().code, "s3.bad_location") << bad;
}

}  // namespace
}  // namespace shoplake::s3
