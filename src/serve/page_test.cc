#include "serve/page.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/env.h"
#include "serve/assets.h"

namespace shoplake::serve {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr char kFrame[] = R"(<head>
<title>{{title}}</title>
<link rel="preload" href="{{preload}}">
</head>
<nav><a href="/">Figures</a>
<a href="/a.html">A</a></nav>
{{content}}
<a href="{{json}}">{{json}}</a> {{heading}}
)";
constexpr char kPage[] = R"(<!-- page
title: A & B: more
heading: A
description: d
status: s
skip: k
script: /a.js
json: /api/a
-->
<main>
{{title}}</main>

)";

std::string edited(const std::string& text, const std::string& from, const std::string& to) {
  std::string out = text;
  out.replace(out.find(from), from.size(), to);
  return out;
}

TEST(Page, StandsInTheFrame) {
  EXPECT_TRUE(is_page(kPage));
  EXPECT_FALSE(is_page("<!doctype html>"));
  const auto page = framed_page(kFrame, kPage, "/a.html");
  ASSERT_TRUE(page.ok()) << to_string(page.error());
  EXPECT_EQ(*page, R"(<head>
<title>A & B: more</title>
</head>
<nav><a href="/">Figures</a>
<a href="/a.html" aria-current="page">A</a></nav>
<main>
{{title}}</main>
<a href="/api/a">/api/a</a> A
)");
  const auto preloads = framed_page(kFrame, edited(kPage, "json:", "preload: /x.js\njson:"), "/");
  ASSERT_TRUE(preloads.ok());
  EXPECT_THAT(*preloads, HasSubstr("<link rel=\"preload\" href=\"/x.js\">\n"));
  EXPECT_THAT(*preloads, HasSubstr("<a href=\"/\" aria-current=\"page\">"));
}

TEST(Page, MistakesAreSaid) {
  const auto mistake = [](const std::string& frame, const std::string& page) {
    const auto made = framed_page(frame, page, "/");
    return made.ok() ? "" : made.error().code + ": " + made.error().message;
  };
  EXPECT_EQ(mistake(kFrame, edited(kPage, "heading: A\n", "")), "serve.bad_page: the page has no heading");
  EXPECT_THAT(mistake(kFrame, edited(kPage, "heading: A", "heding: A")), HasSubstr("\"heding: A\" is nothing"));
  EXPECT_THAT(mistake(kFrame, edited(kPage, "heading: A", "title: A")), HasSubstr("title stands twice"));
  EXPECT_THAT(mistake(kFrame, edited(kPage, "-->\n", "")), HasSubstr("does not end"));
  EXPECT_THAT(mistake(edited(kFrame, "{{json}}", "{{jsn}}"), kPage), HasSubstr("asks for jsn"));
  EXPECT_THAT(mistake(edited(kFrame, "{{content}}", ""), kPage), HasSubstr("no place for the content"));
}

TEST(Page, ThoseThatComeWithShoplakeAreWhole) {
  const auto assets = Assets::load(io::posix_env(), std::string(SHOPLAKE_SOURCE_DIR) + "/web");
  ASSERT_TRUE(assets.ok()) << to_string(assets.error());
  for (const std::string path : {"/", "/shop.html", "/pipeline.html", "/quality.html", "/alarms.html", "/cost.html"}) {
    http::Request request;
    request.method = "GET";
    request.path = path;
    const http::Response response = (*assets)->respond(request);
    ASSERT_EQ(response.status, 200) << path;
    const std::string& body = *response.shared_body;
    EXPECT_THAT(body, testing::StartsWith("<!doctype html>"));
    EXPECT_THAT(body, HasSubstr("<a href=\"" + path + "\" aria-current=\"page\">"));
    EXPECT_THAT(body, HasSubstr("<main id=\"main\""));
    EXPECT_THAT(body, Not(HasSubstr("{{")));
    EXPECT_THAT(body, testing::EndsWith("</html>\n"));
  }
  http::Request request;
  request.path = "/_frame.html";
  EXPECT_EQ((*assets)->respond(request).status, 404);
}

}  // namespace
}  // namespace shoplake::serve
