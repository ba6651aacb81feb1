#include "http/address.h"

#include <gtest/gtest.h>

namespace shoplake::http {
namespace {

TEST(ParseHostAndPort, ReadsEveryForm) {
  const HostAndPort defaults{"127.0.0.1", 8080};
  const auto parse = [&](std::string_view text) {
    const auto parsed = parse_host_and_port(text, defaults);
    return parsed.ok() ? parsed->host + "|" + std::to_string(parsed->port) : parsed.error().code;
  };
  EXPECT_EQ(parse("0.0.0.0:80"), "0.0.0.0|80");
  EXPECT_EQ(parse(":80"), "0.0.0.0|80");
  EXPECT_EQ(parse("[::1]:80"), "::1|80");
  EXPECT_EQ(parse("[::1]"), "::1|8080");
  EXPECT_EQ(parse("lake.example"), "lake.example|8080");
  EXPECT_EQ(parse("80"), "127.0.0.1|80");
  for (const char* bad : {"", ":", "a:b", "a:70000", "::1", "[::1", "[::1]80", "a:-1"})
    EXPECT_EQ(parse(bad), "serve.bad_address") << bad;
}

TEST(IsLoopbackName, TakesNamesThatAlwaysMeanThisMachine) {
  for (const char* own : {"localhost", "LocalHost", "shop.localhost", "127.0.0.1", "127.1.2.3", "::1"})
    EXPECT_TRUE(is_loopback_name(own)) << own;
  for (const char* other : {"", "localhost.example", "127.0.0.1.example", "127.", "0.0.0.0", "::", "10.0.0.1", "lake"})
    EXPECT_FALSE(is_loopback_name(other)) << other;
}

TEST(HostName, LeavesOutPortBracketsAndLastDot) {
  EXPECT_EQ(host_name("Lake.Example.:8080"), "lake.example");
  EXPECT_EQ(host_name("[::1]:8080"), "::1");
  EXPECT_EQ(host_name("127.0.0.1"), "127.0.0.1");
  EXPECT_EQ(host_name("[::1"), "");
  EXPECT_EQ(host_name(""), "");
}

}  // namespace
}  // namespace shoplake::http
