#include "http/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoplake::http {
namespace {

Request with_header(std::string name, std::string value) {
  Request request;
  request.headers.emplace_back(std::move(name), std::move(value));
  return request;
}

TEST(Request, DecodesParameters) {
  Request request;
  request.query = "from=2026-11-01&channel=Paid+Search&channel=%C3%A4%26b&flag&&bad=%zz%4";
  EXPECT_EQ(request.parameter("from"), "2026-11-01");
  EXPECT_EQ(request.parameter("channel"), "Paid Search");
  EXPECT_EQ(request.parameter("flag"), "");
  EXPECT_EQ(request.parameter("bad"), "%zz%4");
  EXPECT_EQ(request.parameter("absent"), std::nullopt);
  EXPECT_THAT(request.parameters(), testing::SizeIs(5));
}

TEST(AcceptsGzip, FollowsWeights) {
  EXPECT_FALSE(accepts_gzip(Request()));
  EXPECT_TRUE(accepts_gzip(with_header("accept-encoding", "deflate, GZIP;q=0.5, br")));
  EXPECT_FALSE(accepts_gzip(with_header("accept-encoding", "gzip;q=0, *")));
  EXPECT_FALSE(accepts_gzip(with_header("accept-encoding", "gzip; q=0.000")));
  EXPECT_TRUE(accepts_gzip(with_header("accept-encoding", "*")));
  EXPECT_FALSE(accepts_gzip(with_header("accept-encoding", "identity")));
}

TEST(MatchesEtag, ComparesEachTag) {
  EXPECT_TRUE(matches_etag(with_header("if-none-match", "\"a\", W/\"b\""), "\"b\""));
  EXPECT_TRUE(matches_etag(with_header("if-none-match", "*"), "\"b\""));
  EXPECT_FALSE(matches_etag(with_header("if-none-match", "\"a\""), "\"b\""));
}

TEST(ErrorResponse, QuotesAnyBytes) {
  const Response response = error_response(base::make_error(base::ErrorKind::not_found, "a.b", "no \"x\xff\"", "look"));
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.body,
            "{\"error\":{\"code\":\"a.b\",\"message\":\"no \\\"x\xef\xbf\xbd\\\"\",\"advice\":\"look\"}}");
}

}  // namespace
}  // namespace shoplake::http
