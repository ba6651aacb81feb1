#include "s3/xml.h"

#include <gtest/gtest.h>

namespace shoplake::s3 {
namespace {

TEST(ParseXml, ReadsAnAnswer) {
  const std::string text =
      "<?xml version=\"1.0\"?>\n<!-- x --><a:List xmlns:a=\"u>v\">\n<Key>a&amp;b&#x20AC;&#10;</Key>"
      "<Empty/><Key ><![CDATA[<c>]]></Key>\n</a:List>\n";
  const Element root = parse_xml(text).value();
  EXPECT_EQ(root.name, "List");
  ASSERT_EQ(root.children.size(), 3U);
  EXPECT_EQ(root.text_of("Key"), "a&b€\n");
  EXPECT_EQ(root.children[2].text, "<c>");
  EXPECT_EQ(text.substr(root.children[2].source_begin, root.children[2].source_size), "<Key ><![CDATA[<c>]]></Key>");
  EXPECT_EQ(root.text_of("Empty"), "");
  EXPECT_EQ(root.find("None"), nullptr);
}

TEST(ParseXml, RefusesWhatIsNone) {
  for (const char* bad :
       {"", "no", "<a>", "<a></b>", "<a>&x;</a>", "<a>&amp</a>", "<a", "<a/>x", "<a><![CDATA[</a>", "<!DOCTYPE a><a/>",
        "<a>&#x110000;</a>", "<a>&#xD800;</a>", "<a>&#0;</a>", "<", "</a>", "<a b='>", "<html><br></html>"}) {
    EXPECT_EQ(parse_xml(bad).error().code, "s3.bad_answer") << bad;
  }
  std::string deep;
  for (int i = 0; i < 100'000; ++i)
    deep += "<a>";
  EXPECT_EQ(parse_xml(deep).error().code, "s3.bad_answer");
}

TEST(EscapeXml, IsReadBack) {
  const std::string text = "a<b>&\"c\r\n'";
  EXPECT_EQ(parse_xml("<a>" + escape_xml(text) + "</a>")->text, text);
}

}  // namespace
}  // namespace shoplake::s3
