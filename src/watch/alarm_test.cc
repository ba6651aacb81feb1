#include "watch/alarm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoplake::watch {
namespace {

using testing::HasSubstr;

// Datapoints as the documentation writes them: X breaching, 0 not, - missing; the newest last.
std::vector<std::optional<double>> datapoints(std::string_view drawing) {
  std::vector<std::optional<double>> newest_first;
  for (auto it = drawing.rbegin(); it != drawing.rend(); ++it) {
    if (*it != ' ')
      newest_first.push_back(*it == '-' ? std::nullopt : std::optional(*it == 'X' ? 10.0 : 1.0));
  }
  return newest_first;
}

std::string outcome(const char* drawing, int of, int needed, MissingData treatment) {
  Alarm alarm;
  alarm.evaluation_periods = of;
  alarm.datapoints_to_alarm = needed;
  alarm.threshold = 5;
  alarm.missing_data = treatment;
  const Evaluation evaluation = evaluate(alarm, datapoints(drawing));
  return evaluation.state ? std::string(name(*evaluation.state)) : "retained";
}

struct Row {
  const char* drawing;
  int needed;
  const char* missing;
  const char* ignore;
  const char* breaching;
  const char* not_breaching;
};

class EvaluationTable : public testing::TestWithParam<Row> {};

TEST_P(EvaluationTable, IsThatOfCloudWatch) {
  const Row& row = GetParam();
  EXPECT_EQ(outcome(row.drawing, 3, row.needed, MissingData::missing), row.missing);
  EXPECT_EQ(outcome(row.drawing, 3, row.needed, MissingData::ignore), row.ignore);
  EXPECT_EQ(outcome(row.drawing, 3, row.needed, MissingData::breaching), row.breaching);
  EXPECT_EQ(outcome(row.drawing, 3, row.needed, MissingData::not_breaching), row.not_breaching);
}

// The two tables of "Configuring how CloudWatch alarms treat missing data": N = 3, a range of 5.
INSTANTIATE_TEST_SUITE_P(ThreeOfThree, EvaluationTable,
                         testing::Values(Row{"0 - X - X", 3, "OK", "OK", "OK", "OK"},
                                         Row{"- - - - 0", 3, "OK", "OK", "OK", "OK"},
                                         Row{"- - - - -", 3, "INSUFFICIENT_DATA", "retained", "ALARM", "OK"},
                                         Row{"0 X X - X", 3, "ALARM", "ALARM", "ALARM", "ALARM"},
                                         Row{"- - X - -", 3, "ALARM", "retained", "ALARM", "OK"}));
INSTANTIATE_TEST_SUITE_P(TwoOfThree, EvaluationTable,
                         testing::Values(Row{"0 - X - X", 2, "ALARM", "ALARM", "ALARM", "ALARM"},
                                         Row{"0 0 X 0 X", 2, "ALARM", "ALARM", "ALARM", "ALARM"},
                                         Row{"0 - X - -", 2, "OK", "OK", "ALARM", "OK"},
                                         Row{"- - - - 0", 2, "OK", "OK", "ALARM", "OK"},
                                         Row{"- - - X -", 2, "ALARM", "retained", "ALARM", "OK"}));
// What the text beside them says: one breaching datapoint alone is not enough while it is new.
INSTANTIATE_TEST_SUITE_P(Premature, EvaluationTable,
                         testing::Values(Row{"- - - - X", 3, "OK", "OK", "ALARM", "OK"},
                                         Row{"- - - X -", 3, "OK", "OK", "ALARM", "OK"},
                                         Row{"- - - X 0", 3, "OK", "OK", "OK", "OK"},
                                         Row{"X X X X 0", 3, "OK", "OK", "OK", "OK"},
                                         Row{"X X 0 X X", 3, "OK", "OK", "OK", "OK"}));

// What lies before the alarm began is unknown, if it is missing, and matters only where missing is breaching.
struct BeganRow {
  const char* drawing;
  int watched;
  int needed;
  const char* breaching;
};

class BeganTable : public testing::TestWithParam<BeganRow> {};

TEST_P(BeganTable, IsNotHeldAgainstWhatWasNotThere) {
  const BeganRow& row = GetParam();
  Alarm alarm;
  alarm.evaluation_periods = 3;
  alarm.datapoints_to_alarm = row.needed;
  alarm.threshold = 5;
  alarm.missing_data = MissingData::breaching;
  EXPECT_EQ(evaluate(alarm, datapoints(row.drawing), row.watched).state, parse_alarm_state(row.breaching));
  for (const MissingData other : {MissingData::missing, MissingData::ignore, MissingData::not_breaching}) {
    alarm.missing_data = other;
    EXPECT_EQ(evaluate(alarm, datapoints(row.drawing), row.watched).state,
              evaluate(alarm, datapoints(row.drawing)).state);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, BeganTable,
    testing::Values(BeganRow{"- - - - -", 0, 1, "INSUFFICIENT_DATA"}, BeganRow{"- - - - -", 0, 3, "INSUFFICIENT_DATA"},
                    BeganRow{"- - - - -", 1, 1, "ALARM"}, BeganRow{"- - - - -", 1, 2, "INSUFFICIENT_DATA"},
                    BeganRow{"- - - - -", 2, 3, "INSUFFICIENT_DATA"}, BeganRow{"- - - - -", 3, 3, "ALARM"},
                    BeganRow{"- - - - 0", 1, 1, "INSUFFICIENT_DATA"}, BeganRow{"- - - - 0", 1, 2, "INSUFFICIENT_DATA"},
                    BeganRow{"- - - - 0", 1, 3, "OK"}, BeganRow{"- - - - X", 1, 1, "ALARM"},
                    BeganRow{"- - - - X", 1, 3, "INSUFFICIENT_DATA"}, BeganRow{"- - - 0 0", 2, 2, "OK"},
                    BeganRow{"- - - 0 X", 2, 2, "INSUFFICIENT_DATA"}, BeganRow{"- - - X -", 2, 2, "ALARM"},
                    BeganRow{"- - - X X", 2, 3, "INSUFFICIENT_DATA"}, BeganRow{"- - X X X", 3, 3, "ALARM"},
                    BeganRow{"- - 0 - -", 3, 3, "OK"}, BeganRow{"- - 0 - -", 3, 2, "ALARM"},
                    // Somebody else had looked at the same metric before.
                    BeganRow{"X X X X -", 1, 3, "ALARM"}, BeganRow{"0 0 0 0 -", 1, 1, "OK"}));

TEST(Evaluation, SaysWhatIsFromBeforeItsBegin) {
  Alarm alarm;
  alarm.evaluation_periods = alarm.datapoints_to_alarm = 6;
  alarm.threshold = 5;
  alarm.missing_data = MissingData::breaching;
  EXPECT_EQ(
      evaluate(alarm, datapoints("- - - - - - X -"), 2).reason,
      "2 of 6 datapoints > 5, 6 are needed: 10; 1 missing, taken as breaching; 4 are from before the alarm began");
}

TEST(Evaluation, ComparesAsSaid) {
  Alarm alarm;
  alarm.threshold = 5;
  const auto breaching = [&](Comparison comparison, double value) {
    alarm.comparison = comparison;
    return is_breaching(alarm, value);
  };
  EXPECT_FALSE(breaching(Comparison::greater, 5));
  EXPECT_TRUE(breaching(Comparison::greater_or_equal, 5));
  EXPECT_FALSE(breaching(Comparison::less, 5));
  EXPECT_TRUE(breaching(Comparison::less_or_equal, 5));
  EXPECT_TRUE(breaching(Comparison::less, 4.9));
  EXPECT_TRUE(breaching(Comparison::greater, 5.1));
}

TEST(Evaluation, GivesItsReason) {
  Alarm alarm;
  alarm.evaluation_periods = 3;
  alarm.datapoints_to_alarm = 2;
  alarm.threshold = 5;
  EXPECT_EQ(evaluate(alarm, datapoints("0 0 X 0 X")).reason, "2 of 3 datapoints > 5, 2 are needed: 10, 1, 10");
  alarm.missing_data = MissingData::breaching;
  EXPECT_THAT(evaluate(alarm, datapoints("- - - - 0")).reason, HasSubstr("2 missing, taken as breaching"));
}

constexpr char kWhole[] = R"(alarms:
  - name: pipeline-down
    description: Nothing is counted.
    metric: shoplake_pipeline_up
    dimensions: {stage: live}
    statistic: Minimum
    period: 60
    evaluation_periods: 5
    datapoints_to_alarm: 4
    comparison: LessThanThreshold
    threshold: 1
    missing_data: breaching
    topic: arn:aws:sns:eu-central-1:123456789012:pipeline-notifications
    notify: [ALARM]
)";

TEST(AlarmFile, IsRead) {
  const auto alarms = parse_alarms(kWhole, "a.yml");
  ASSERT_TRUE(alarms.ok()) << to_string(alarms.error());
  ASSERT_EQ(alarms->size(), 1u);
  const Alarm& alarm = alarms->front();
  EXPECT_EQ(alarm.name, "pipeline-down");
  EXPECT_EQ(alarm.dimensions.at("stage"), "live");
  EXPECT_EQ(alarm.datapoints_to_alarm, 4);
  EXPECT_EQ(alarm.missing_data, MissingData::breaching);
  EXPECT_EQ(alarm.topic, "pipeline-notifications");
  EXPECT_EQ(alarm.notify, std::set{AlarmState::alarm});
  EXPECT_EQ(alarm.place, "a.yml:2");
  EXPECT_EQ(condition_text(alarm), "Minimum of shoplake_pipeline_up{stage=\"live\"} in 1 min < 1, 4 of 5 times");
}

TEST(AlarmFile, MistakesHaveAPlace) {
  const auto mistake = [](const std::string& from, const std::string& to) {
    std::string text = kWhole;
    text.replace(text.find(from), from.size(), to);
    const auto alarms = parse_alarms(text, "a.yml");
    return alarms.ok() ? "" : alarms.error().message + " " + alarms.error().advice;
  };
  EXPECT_THAT(mistake("threshold: 1", "treshold: 1"),
              HasSubstr("a.yml:11:5: an alarm has no key \"treshold\" Did you mean threshold?"));
  EXPECT_THAT(mistake("    threshold: 1\n", ""), HasSubstr("needs the key threshold"));
  EXPECT_THAT(mistake("threshold: 1", "threshold: high"), HasSubstr("\"high\" is no number"));
  EXPECT_THAT(mistake("period: 60", "period: 45"), HasSubstr("a.yml:7:13: period is 10, 20, 30 or a multiple of 60"));
  EXPECT_THAT(mistake("evaluation_periods: 5", "evaluation_periods: 1500"), HasSubstr("more than 1 days"));
  EXPECT_THAT(mistake("datapoints_to_alarm: 4", "datapoints_to_alarm: 6"), HasSubstr("whole number from 1 to 5"));
  EXPECT_THAT(mistake("Minimum", "p99"), HasSubstr("Known are Average, Sum, Minimum, Maximum, SampleCount."));
  EXPECT_THAT(mistake("[ALARM]", "[RED]"), HasSubstr("a state is ALARM, OK or INSUFFICIENT_DATA"));
  EXPECT_THAT(mistake("name: pipeline-down", "name: pipeline down"), HasSubstr("is no name"));
  EXPECT_THAT(mistake("alarms:", "alarm:"), HasSubstr("one key, alarms"));
  EXPECT_THAT(mistake("alarms:", "alarms: ["), HasSubstr("a.yml:"));
}

}  // namespace
}  // namespace shoplake::watch
