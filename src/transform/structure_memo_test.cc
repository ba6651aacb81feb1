// Structures that are known by their text give what reading them gives: the same records are read once as they are and
// once with blanks that make each structure's text one of a kind.

#include "transform/structure_memo.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "transform/transform_case.h"

namespace shoplake::transform {
namespace {

std::string contract_text() {
  return R"(
dataset: visits
table: processed.visits
partition_by: event_date
event_identity: canonical
unknown_fields: {keep_in: _extra, treatment: keep}
fields:
  - {name: event_date, type: string, format: yyyymmdd, required: true}
  - {name: event_timestamp, type: long, required: true, min: 0}
  - {name: event_name, type: string, required: true}
  - {name: user_pseudo_id, type: string}
)" + std::string(kEventParams) +
         R"(  - name: device
    type: struct
    fields:
      - {name: category, type: string}
      - {name: seen, type: timestamp}
      - name: web
        type: struct
        fields:
          - {name: browser, type: string}
          - {name: is_mobile, type: boolean}
  - name: basket
    type: struct
    fields:
      - {name: total, type: double}
      - name: labels
        type: list
        element: {type: string}
)";
}

class StructureMemoTest : public TransformCase {
 protected:
  StructureMemoTest() : TransformCase(contract_text()) {}

  Result<TransformResult> read(const std::string& folder, const std::vector<std::string>& texts) {
    std::vector<LogRecord> records;
    for (const std::string& text : texts)
      records.push_back({text, static_cast<std::int64_t>(records.size()), 1});
    // Now and then an event is known already: its record is undone after it was read.
    return run_log(
        records, [](const EventKey& key) { return key.timestamp % 17 != 0; }, folder);
  }
};

// A number as blanks, to stand behind a brace.
std::string blanks_of(std::uint32_t number) {
  std::string blanks;
  for (int bit = 0; bit < 20; ++bit)
    blanks += (number >> bit & 1) != 0 ? '\t' : ' ';
  return blanks;
}

class Events {
 public:
  explicit Events(std::uint32_t seed) : random_(seed) {}

  // With "@" for what stands behind the brace of a structure.
  std::string next() {
    std::string text = R"({"event_date":"2026010)" + std::to_string(1 + below(20) / 19) + R"(","event_timestamp":)" +
                       std::to_string(++moment_) + R"(,"event_name":")" + word(5) + "\"";
    if (chance(60))
      text += R"(,"user_pseudo_id":")" + word(400) + "\"";
    text += R"(,"event_params":[)";
    const std::size_t parameters = below(6);
    for (std::size_t at = 0; at < parameters; ++at)
      text += (at > 0 ? "," : "") + parameter();
    text += "]";
    if (chance(80))
      text += R"(,"device":)" + device();
    if (chance(20))
      text += R"(,"basket":{@"total":)" + std::to_string(below(3)) + R"(,"labels":[")" + word(3) + R"("]})";
    if (chance(2))
      text += R"(,"device":{@"category":"again"})";  // twice: rejected, if it was given before
    text += chance(2) ? "" : "}";                    // cut short
    return text;
  }

 private:
  std::size_t below(std::size_t end) { return random_() % end; }
  bool chance(std::size_t percent) { return below(100) < percent; }
  std::string word(std::size_t kinds) { return "w" + std::to_string(below(kinds)); }

  std::string parameter() {
    if (chance(3))
      return "null";
    if (chance(2))
      return "{@}";
    std::string value = R"("int_value":)" + std::to_string(below(chance(50) ? 5 : 1'000'000));
    switch (below(10)) {
      case 0: value = R"("double_value":0.5)"; break;
      case 1: value = R"("string_value":")" + std::string(1 + below(2) * 1100, 'l') + "\""; break;  // in no dictionary
      case 2: value = R"("string_value":"caf\u00e9 \"ann@shop.example\"")"; break;
      case 3: value = R"("string_value":"{[\"}","colour":"unknown field")"; break;
      case 4: value = R"("small":)" + std::to_string(below(60) == 0 ? 6 : 5); break;  // 6 is rejected
      case 5: value = R"("string_value":null)"; break;
      case 6: value = R"("string_value":")" + word(30) + "\""; break;
      case 7: value = R"("string_value":")" + word(30) + R"(","int_value":"7")"; break;
      default: break;
    }
    return R"({@"key":")" + word(8) + R"(","value":{@)" + value + "}}";
  }

  std::string device() {
    switch (below(8)) {
      case 0: return "null";
      case 1: return "{@}";
      case 2: return R"({@"category":"tablet","web":null})";
      case 3: return R"({@"web":{@"is_mobile":false},"category":"desktop"})";
      case 4: return R"({@"category":"tv","maker":{"name":"acme"}})";
      case 5: return chance(5) ? R"({@"category":["no text"]})" : R"({@"seen":"2026-01-01T00:00:00Z"})";
      default: return R"({@"category":"mobile","web":{@"browser":")" + word(40) + R"(","is_mobile":true}})";
    }
  }

  std::mt19937 random_;
  std::int64_t moment_ = 0;
};

std::string with_blanks(const std::string& event, const std::string& blanks) {
  std::string text;
  for (std::size_t at = 0; at < event.size(); ++at) {
    const bool is_place = event[at] == '@' && event[at - 1] == '{';
    text += is_place ? blanks : std::string(1, event[at]);
  }
  return text;
}

TEST_F(StructureMemoTest, KnownStructuresGiveWhatReadingThemGives) {
  const std::uint32_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Events events(seed);
  std::vector<std::string> same;
  std::vector<std::string> apart;
  for (std::uint32_t number = 0; number < 30'000; ++number) {
    const std::string event = events.next();
    same.push_back(with_blanks(event, ""));
    apart.push_back(with_blanks(event, blanks_of(number)));
  }
  const auto known = read("same", same);
  const auto read_each = read("apart", apart);
  ASSERT_TRUE(known.ok()) << base::to_string(known.error());
  ASSERT_TRUE(read_each.ok()) << base::to_string(read_each.error());
  EXPECT_GT(known->rejected, 600);
  EXPECT_EQ(known->rejected_by_reason, read_each->rejected_by_reason);
  const auto known_rows = rows(*known, "_shoplake_ingested_at");
  const auto read_rows = rows(*read_each, "_shoplake_ingested_at");
  ASSERT_EQ(known_rows.size(), read_rows.size());
  EXPECT_GT(known_rows.size(), 20'000U);
  for (std::size_t row = 0; row < known_rows.size(); ++row)
    ASSERT_EQ(known_rows[row], read_rows[row]) << row;
}

// The memo beside a builder, as the JSON reader has it.
class MemoTest : public StructureMemoTest {
 protected:
  MemoTest()
      : builder_(
            layout_, contract_, [this](bool) { return std::make_unique<ColumnSet>(layout_); },
            [this](std::size_t, std::unique_ptr<ColumnSet> set, bool) { sets_.push_back(std::move(set)); }),
        memo_(builder_) {
    for (std::uint16_t node = 0; node < layout_.nodes.size(); ++node)
      nodes_[layout_.nodes[node].json_path] = node;
  }

  // Reads a device with this category; whether it was known.
  bool device(const std::string& category) {
    EXPECT_TRUE(builder_.begin("20260101"));
    const std::uint16_t device = nodes_.at("device");
    EXPECT_TRUE(builder_.open_struct(device));
    const std::string text = R"({"category":")" + category + "\"}";
    bool is_known = false;
    StructureMemo::Question question;
    if (memo_.takes(device)) {
      const StructureMemo::Structure* known = memo_.same_as_last(device, 0, text + ",");
      known = known != nullptr ? known : memo_.find(device, 0, text, question);
      if (known != nullptr) {
        EXPECT_EQ(known->positions, 5U);
        builder_.repeat(device, known->number);
        is_known = true;
      }
    }
    if (!is_known) {
      builder_.settle(device);
      EXPECT_TRUE(builder_.set_text(nodes_.at("device.category"), category));
      if (!question.text.empty())
        memo_.remember(device, question, 5);
    }
    EXPECT_TRUE(builder_.finish({0, 0, text.size(), {}}));
    expected_.push_back(category);
    return is_known;
  }

  void check_columns() {
    builder_.flush();
    const Node& category = layout_.nodes[nodes_.at("device.category")];
    std::vector<std::string> found;
    for (const auto& set : sets_) {
      for (const std::uint32_t id : set->leaves[category.leaf].ids)
        found.emplace_back(builder_.dictionaries()[category.leaf]->written(id));
    }
    EXPECT_EQ(found, expected_);
  }

  std::vector<std::unique_ptr<ColumnSet>> sets_;
  RecordBuilder builder_;
  StructureMemo memo_;
  std::map<std::string, std::uint16_t> nodes_;
  std::vector<std::string> expected_;
};

TEST_F(MemoTest, RemembersAtTheSecondSight) {
  for (const char* category : {"a", "b"}) {
    EXPECT_FALSE(device(category));
    EXPECT_FALSE(device(category));
    EXPECT_TRUE(device(category));
  }
  EXPECT_TRUE(device("a"));
  EXPECT_FALSE(device("c"));
  EXPECT_TRUE(device("b"));
  check_columns();
}

TEST_F(MemoTest, ForgetsWhenThereAreTooMany) {
  const auto name = [](std::size_t number) { return "category " + std::to_string(number); };
  for (std::size_t number = 0; number < StructureMemo::kStructuresMax; ++number) {
    for (int time = 0; time < 3; ++time)
      EXPECT_EQ(device(name(number)), time == 2) << number;
  }
  EXPECT_TRUE(device(name(7)));
  EXPECT_FALSE(device("one more"));
  EXPECT_FALSE(device("one more"));  // here it begins anew
  EXPECT_TRUE(device("one more"));
  EXPECT_FALSE(device(name(7)));
  check_columns();
}

TEST_F(MemoTest, LeavesTextsThatDoNotComeAgainAlone) {
  const std::uint16_t node = nodes_.at("device");
  std::size_t number = 0;
  while (number <= StructureMemo::kJudgedAfter)
    EXPECT_FALSE(device("only " + std::to_string(number++)));
  std::uint32_t pause = 0;
  while (!memo_.takes(node))
    ++pause;
  EXPECT_EQ(pause, StructureMemo::kPause);
  check_columns();
}

TEST_F(MemoTest, TakesNoStructuresWithLists) {
  EXPECT_TRUE(memo_.takes(nodes_.at("event_params[]")));
  EXPECT_FALSE(memo_.takes(nodes_.at("event_params[].value")));  // within one that is taken as a whole
  EXPECT_FALSE(memo_.takes(nodes_.at("device.web")));
  EXPECT_FALSE(memo_.takes(nodes_.at("basket")));
}

}  // namespace
}  // namespace shoplake::transform
