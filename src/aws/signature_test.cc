#include "aws/signature.h"

#include <gtest/gtest.h>

namespace shoplake::aws {
namespace {

constexpr char kSecret[] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
constexpr char kEmptySha256[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// The examples of https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
class S3Examples : public testing::Test {
 protected:
  std::string sign(CanonicalRequest request) {
    request.payload_sha256 = request.payload_sha256.empty() ? std::string_view(kEmptySha256) : request.payload_sha256;
    return signature(request, signing_key(kSecret, scope_), "20130524T000000Z", scope_);
  }
  Scope scope_{"20130524", "us-east-1", "s3"};
};

TEST_F(S3Examples, GetObject) {
  EXPECT_EQ(sign({.method = "GET",
                  .path = "/test.txt",
                  .query = "",
                  .headers = {{"host", "examplebucket.s3.amazonaws.com"},
                              {"range", "bytes=0-9"},
                              {"x-amz-content-sha256", kEmptySha256},
                              {"x-amz-date", "20130524T000000Z"}},
                  .payload_sha256 = {}}),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST_F(S3Examples, PutObject) {
  constexpr char kPayload[] = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
  const std::string path = uri_encode("/test$file.text", true);
  EXPECT_EQ(sign({.method = "PUT",
                  .path = path,
                  .query = "",
                  .headers = {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                              {"host", "examplebucket.s3.amazonaws.com"},
                              {"x-amz-content-sha256", kPayload},
                              {"x-amz-date", "20130524T000000Z"},
                              {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                  .payload_sha256 = kPayload}),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST_F(S3Examples, ListObjects) {
  const std::string query = canonical_query({{"prefix", "J"}, {"max-keys", "2"}});
  EXPECT_EQ(query, "max-keys=2&prefix=J");
  EXPECT_EQ(sign({.method = "GET",
                  .path = "/",
                  .query = query,
                  .headers = {{"host", "examplebucket.s3.amazonaws.com"},
                              {"x-amz-content-sha256", kEmptySha256},
                              {"x-amz-date", "20130524T000000Z"}},
                  .payload_sha256 = {}}),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(Signature, SpellsPartsCanonically) {
  EXPECT_EQ(uri_encode("a b/ü~+"), "a%20b%2F%C3%BC~%2B");
  EXPECT_EQ(uri_encode("a b/c", true), "a%20b/c");
  EXPECT_EQ(canonical_query({{"b", "2"}, {"a", "x y"}, {"a", ""}, {"uploads", ""}}), "a=&a=x%20y&b=2&uploads=");
  EXPECT_EQ(canonical_value("  a   b\t"), "a b");
  EXPECT_EQ(timestamp(1'794'719'700), "20261115T051500Z");
  EXPECT_EQ(parse_timestamp("20261115T051500Z"), 1'794'719'700);
  for (const char* bad : {"", "20261115", "20261315T051500Z", "2026111ZT051500Z", "20261115T051500+"})
    EXPECT_FALSE(parse_timestamp(bad)) << bad;
}

}  // namespace
}  // namespace shoplake::aws
