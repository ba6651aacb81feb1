#include "contract/moment_format.h"

#include <gtest/gtest.h>

#include "base/moment.h"

namespace shoplake::contract {
namespace {

TEST(MomentFormatTest, ReadsWhatFollowsTheFormat) {
  struct Case {
    std::string_view format;
    std::string_view text;
    std::string_view moment;  // empty: none
  };
  const Case cases[] = {
      {"%Y-%m-%d %H:%M:%S", "2010-12-01 08:26:00", "2010-12-01T08:26:00Z"},
      {"%d/%m/%Y %H:%M", "1/12/2010 8:26", "2010-12-01T08:26:00Z"},
      {"%d/%m/%Y %H:%M", "31/02/2010 8:26", ""},
      {"%d/%m/%Y %H:%M", "01/12/2010 08:26:00", ""},
      {"%d/%m/%Y %H:%M", "01-12-2010 08:26", ""},
      {"%d/%m/%Y %H:%M", "01/12/2010 24:00", ""},
      {"%d.%m.%y", "01.12.10", "2010-12-01T00:00:00Z"},
      {"%d.%m.%y", "01.12.69", "1969-12-01T00:00:00Z"},
      {"%d-%b-%Y", "01-DEC-2010", "2010-12-01T00:00:00Z"},
      {"%m/%d/%Y %I:%M %p", "12/1/2010 12:05 am", "2010-12-01T00:05:00Z"},
      {"%m/%d/%Y %I:%M %p", "12/1/2010 12:05 PM", "2010-12-01T12:05:00Z"},
      {"%m/%d/%Y %I:%M %p", "12/1/2010 13:05 PM", ""},
      {"%Y%m%dT%H%M%S.%f%z", "20101201T082600.25+0100", "2010-12-01T07:26:00.250000Z"},
      {"%Y-%m-%d%z", "2010-12-01Z", "2010-12-01T00:00:00Z"},
      {"%s", "1291191960", "2010-12-01T08:26:00Z"},
      {"%s", "12911919600000", ""},
      {"%Y-%m-%d 100%%", "2010-12-01 100%", "2010-12-01T00:00:00Z"},
      {"%Y-%m-%d", "0000-12-01", ""},
      {"%Y-%m-%d", "", ""},
  };
  for (const Case& c : cases) {
    const auto format = MomentFormat::parse(c.format);
    ASSERT_TRUE(format.ok()) << base::to_string(format.error());
    const auto micros = format->micros(c.text);
    EXPECT_EQ(micros ? base::timestamp_text(*micros) : "", c.moment) << c.format << " " << c.text;
  }
}

TEST(MomentFormatTest, RefusesFormatsThatNameNoMoment) {
  for (const char* wrong : {"%H:%M", "%Y-%m", "%Q", "%", "%Y-%m-%d %Y", "%Y-%m-%d %I:%M", "%d/%m"})
    EXPECT_EQ(MomentFormat::parse(wrong).error().code, "contract.format") << wrong;
}

}  // namespace
}  // namespace shoplake::contract
