// Transform end to end: texts in, Parquet read back by Arrow. Files lie in a folder of their own.

#include "transform/transform.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include "io/faulty_env.h"
#include "transform/transform_case.h"

namespace shoplake::transform {
namespace {

std::string contract_text() {
  return R"(
dataset: things
table: processed.things
partition_by: event_date
event_identity: canonical
client_event_id: [insert_id]
unknown_fields: {keep_in: _extra, treatment: mask}
fields:
  - {name: event_date, type: string, format: yyyymmdd, required: true}
  - {name: event_timestamp, type: long, required: true, min: 0}
  - {name: event_name, type: string, required: true}
  - {name: user_pseudo_id, type: string}
  - {name: stream_id, type: string}
)" + std::string(kEventParams) +
         R"(  - name: device
    type: struct
    fields:
      - {name: category, type: string}
      - name: web
        type: struct
        fields:
          - {name: browser, type: string}
          - {name: is_mobile, type: boolean}
  - name: items
    type: list
    fields:
      - {name: id, type: string}
      - {name: price, type: double}
      - name: labels
        type: list
        element: {type: string}
  - {name: is_active, type: boolean}
  - {name: secret, type: string, pii: direct, treatment: drop}
)";
}

class TransformTest : public TransformCase {
 protected:
  TransformTest() : TransformCase(contract_text()) {}

  Result<TransformResult> run(const std::string& bytes, const std::string& name = "in.ndjson", io::Env* env = nullptr) {
    std::ofstream(directory_.file(name), std::ios::binary) << bytes;
    io::Env& used = env != nullptr ? *env : io::posix_env();
    const TransformOptions given = options("raw/things/in", "data", used);
    const auto file = used.open_file(directory_.file(name));
    if (!file.ok())
      return file.error();
    return transform(**file, name, given);
  }

  std::int64_t files_on_disk() {
    std::int64_t count = 0;
    for (const char* folder : {"data", "quarantine"}) {
      for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_.file(folder)))
        count += entry.is_regular_file();
    }
    return count;
  }
};

std::string event(std::string_view more) {
  return R"({"event_date":"20260101","event_timestamp":1,"event_name":"e")" + std::string(more) + "}";
}

TEST_F(TransformTest, CoercesByTheContract) {
  struct Case {
    std::string_view given;
    std::string_view stored;
  };
  const Case cases[] = {
      {R"(,"stream_id":2100450278)", R"(,"stream_id":"2100450278")"},
      {R"(,"stream_id":true)", R"(,"stream_id":"true")"},
      {R"(,"stream_id":1.50)", R"(,"stream_id":"1.50")"},
      {R"(,"stream_id":null)", ""},
      {R"(,"stream_id":"a\u00e9\n\"\\\ud83d\ude00")", ",\"stream_id\":\"a\u00e9\n\"\\\U0001F600\""},
      {R"(,"event_params":[])", R"(,"event_params":[])"},
      {R"(,"event_params":null)", ""},
      {R"(,"event_params":[null,{"key":"k","value":null},{}])", R"(,"event_params":[null,{"key":"k"},{}])"},
      {R"(,"event_params":[{"value":{"int_value":"12"}},{"value":{"int_value":12.0}},{"value":{"int_value":-1e3}}])",
       R"(,"event_params":[{"value":{"int_value":12}},{"value":{"int_value":12}},{"value":{"int_value":-1000}}])"},
      {R"(,"event_params":[{"value":{"int_value":9223372036854775807}},{"value":{"int_value":"-9223372036854775808"}}])",
       R"(,"event_params":[{"value":{"int_value":9223372036854775807}},{"value":{"int_value":-9223372036854775808}}])"},
      {R"(,"event_params":[{"value":{"double_value":3}},{"value":{"double_value":"2.5"}},{"value":{"double_value":"NaN"}},{"value":{"double_value":"-Infinity"}}])",
       R"(,"event_params":[{"value":{"double_value":3}},{"value":{"double_value":2.5}},{"value":{"double_value":nan}},{"value":{"double_value":-inf}}])"},
      {R"(,"event_params":[{"value":{"string_value":"https://x.example/?m=jo%40example.com&n=ann+b@c.example.de."}}])",
       R"(,"event_params":[{"value":{"string_value":"https://x.example/?m=[email]&n=[email]."}}])"},
      {R"(,"device":{})", R"(,"device":{})"},
      {R"(,"device":{"web":{"is_mobile":"true"},"category":"desktop"})",
       R"(,"device":{"category":"desktop","web":{"is_mobile":true}})"},
      {R"(,"items":[{"labels":["a",null,"b"]},{"labels":[]},{"id":"x","price":1,"labels":["c"]},null])",
       R"(,"items":[{"labels":["a",null,"b"]},{"labels":[]},{"id":"x","price":1,"labels":["c"]},null])"},
      {R"( , "is_active" : false , "secret":"gone")", R"(,"is_active":false)"},
      {R"(,"is\u005factive":true)", R"(,"is_active":true)"},
  };
  std::string input;
  for (const Case& c : cases)
    input += event(c.given) + "\n";
  const auto result = run(input);
  ASSERT_TRUE(result.ok()) << base::to_string(result.error());
  const auto stored = rows(*result);
  ASSERT_EQ(stored.size(), std::size(cases));
  for (std::size_t i = 0; i < stored.size(); ++i)
    EXPECT_EQ(stored[i], event(cases[i].stored)) << cases[i].given;
}

TEST_F(TransformTest, RejectsWithReasonAndPlace) {
  struct Case {
    std::string record;
    std::string_view reason;
    std::string_view message;
  };
  const Case cases[] = {
      {R"([1,2])", reason::kNotAnObject, "the record is an array, not an object"},
      {R"("x")", reason::kNotAnObject, "the record is a string, not an object"},
      {R"({})", reason::kMissingField, "event_date is missing"},
      {R"({"event_date":null})", reason::kMissingField, "event_date is missing"},
      {R"({"event_date":"20260230","event_timestamp":1,"event_name":"e"})", reason::kInvalidDate,
       "event_date is not a day as YYYYMMDD"},
      {R"({"event_date":"2026-01-01","event_timestamp":1,"event_name":"e"})", reason::kInvalidDate,
       "event_date is not a day as YYYYMMDD"},
      {R"({"event_date":"20260101","event_name":"e"})", reason::kMissingField, "event_timestamp is missing"},
      {R"({"event_date":"20260101","event_timestamp":null,"event_name":"e"})", reason::kMissingField,
       "event_timestamp is missing"},
      {event(R"(,"event_params":[{"value":{"int_value":1.5}}])"), reason::kWrongType,
       "event_params[].value.int_value must be long, but is a number that does not fit"},
      {event(R"(,"event_params":[{"value":{"int_value":9223372036854775808}}])"), reason::kWrongType,
       "event_params[].value.int_value must be long"},
      {event(R"(,"event_params":[{"value":{"small":-6}}])"), reason::kOutOfRange,
       "event_params[].value.small is -6, not within -5 and 5"},
      {event(R"(,"event_params":[{"value":{"small":"5"}},{"value":{"small":"6.0"}}])"), reason::kOutOfRange,
       "event_params[].value.small is 6, not within -5 and 5"},
      {R"({"event_date":"20260101","event_timestamp":-1,"event_name":"e"})", reason::kOutOfRange,
       "event_timestamp is -1, less than 0"},
      {event(R"(,"event_params":{})"), reason::kWrongType, "event_params must be list, but is an object"},
      {event(R"(,"device":[])"), reason::kWrongType, "device must be struct, but is an array"},
      {event(R"(,"stream_id":{"a":1})"), reason::kWrongType, "stream_id must be string, but is an object"},
      {event(R"(,"is_active":1)"), reason::kWrongType, "is_active must be boolean"},
      {event(R"(,"stream_id":"a","stream_id":"b")"), reason::kDuplicateField, "stream_id is given twice"},
      {event(R"(,"device":{"category":"a"},"device":{})"), reason::kDuplicateField, "device is given twice"},
      {event(R"(,"items":[],"items":[])"), reason::kDuplicateField, "items is given twice"},
      {event(R"(,"stream_id":"a" "x":1)"), reason::kMalformed, "a comma or } is expected"},
      {event(R"(,"stream_id":nul)"), reason::kMalformed, "a value is not JSON"},
      {event(R"(,"event_params":[{"value":{"int_value":012}}])"), reason::kMalformed, "a value is not JSON"},
      {event(R"(,"unknown":[1,])"), reason::kMalformed, "a value is expected"},
      {event(R"(,"unknown":"\x")"), reason::kMalformed, "a string has an invalid escape"},
      {event(R"(,"stream_id":"\ud800")"), reason::kMalformed, "a string has an invalid escape"},
      {event("") + "x", reason::kMalformed, "something follows the object"},
      {event(",\"stream_id\":\"a\tb\""), reason::kMalformed, "a control character that is not escaped"},
      {event(",\"stream_id\":\"\xff\""), reason::kInvalidUtf8, "not valid UTF-8"},
      {R"({"event_date":"20260101)", reason::kMalformed, "a string is not closed"},
      {event(R"(,"items":[{"id":"a","labels":["b","c")"), reason::kMalformed, "a comma or ] is expected"},
  };
  std::string input;
  std::vector<std::string> good;
  for (const Case& c : cases) {
    const std::string before =
        event(R"(,"items":[{"id":"i","labels":["l"]}],"stream_id":")" + std::to_string(good.size()) + "\"");
    input += before + "\n" + c.record + "\n\n";
    good.push_back(
        event(R"(,"stream_id":")" + std::to_string(good.size()) + R"(","items":[{"id":"i","labels":["l"]}])"));
  }
  const auto result = run(input);
  ASSERT_TRUE(result.ok()) << base::to_string(result.error());
  EXPECT_EQ(rows(*result), good);  // nothing of a rejected record stays behind
  ASSERT_EQ(result->rejected, static_cast<std::int64_t>(std::size(cases)));
  ASSERT_EQ(result->quarantine_files.size(), 1U);
  const auto letters = rows_of(result->quarantine_files[0].path, "quarantined_at");
  ASSERT_EQ(letters.size(), std::size(cases));
  std::size_t offset = 0;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    const std::string expected_begin =
        R"({"dataset":"things","reason_code":")" + std::string(cases[i].reason) + R"(","message":")";
    EXPECT_EQ(letters[i].substr(0, expected_begin.size()), expected_begin) << cases[i].record << "\n" << letters[i];
    EXPECT_NE(letters[i].find(cases[i].message), std::string::npos) << cases[i].record << "\n" << letters[i];
    offset = input.find(cases[i].record + "\n\n", offset);
    EXPECT_NE(
        letters[i].find("\"line\":" + std::to_string(3 * i + 2) + ",\"byte_offset\":" + std::to_string(offset) + ","),
        std::string::npos)
        << letters[i];
  }
}

TEST_F(TransformTest, KeepsUnknownFieldsAndReportsDrift) {
  const auto result = run(
      event(
          R"(,"new":{"a": [1, 2.50, "x\u0040y.example"]},"mail":"jo@example.com","device":{"gpu":"g"},"items":[{},{"sku":1e400}])") +
      "\n" + event(R"(,"new":null)") + "\n");
  ASSERT_TRUE(result.ok()) << base::to_string(result.error());
  EXPECT_EQ(
      rows(*result, "_shoplake_event_id"),
      (std::vector<std::string>{
          event(
              R"(,"device":{},"items":[{},{}],"_extra":"{"new":{"a":[1,2.50,"[email]"]},"mail":"[email]","device.gpu":"g","items[1].sku":1e400}")"),
          event(R"(,"_extra":"{"new":null}")")}));
  std::vector<std::string> drift;
  for (const Drift::Entry& entry : result->drift)
    drift.push_back(entry.path + " " + entry.type + " " + std::to_string(entry.count));
  EXPECT_EQ(drift, (std::vector<std::string>{"device.gpu string 1", "items[].sku number 1", "mail string 1",
                                             "new null 1", "new object 1"}));
}

TEST_F(TransformTest, ReadsArraysAndDocuments) {
  const std::vector<std::string> expected = {event(R"(,"stream_id":"a, ]}")"), event(""), event(R"(,"items":[])")};
  const std::string pretty =
      "{\n  \"event_date\": \"20260101\",\n  \"event_timestamp\": 1,\n  \"event_name\": \"e\"\n}";
  const auto check = [&](const std::string& input, const std::string& name, std::size_t count, std::int64_t rejected) {
    SCOPED_TRACE(input);
    const auto result = run(input, name);
    ASSERT_TRUE(result.ok()) << base::to_string(result.error());
    EXPECT_EQ(rows(*result),
              (std::vector<std::string>(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(count))));
    EXPECT_EQ(result->rejected, rejected);
  };
  check("[" + expected[0] + " ,\n " + pretty + "," + expected[2] + "\n]\n", "in.json", 3, 0);
  check("\xEF\xBB\xBF \n[" + expected[0] + "," + expected[1] + "]", "bom.json", 2, 0);
  check(gzip("[" + expected[0] + "," + expected[1] + "]"), "in.json.gz", 2, 0);
  check("[" + expected[0] + "," + expected[1], "open.json", 2, 1);
  check("[" + expected[0] + ",," + expected[1] + "] trailing", "broken.json", 2, 1);
  check("[" + expected[0] + "]\n[" + expected[1] + "," + expected[2] + "]\n", "array_lines.json.gz", 3, 0);
  check("[" + expected[0] + "]\r\n" + expected[1] + expected[2], "mixed.json", 3, 0);
  check("[" + expected[0] + "]\n \n", "array_line.json", 1, 0);
  check("[]", "none.json", 0, 0);
  check("", "empty.json", 0, 0);
  check(" \n\n", "blank.ndjson", 0, 0);
  check(expected[0] + "\r\n" + expected[1] + "\n" + expected[2], "crlf.json", 3, 0);
  check("[1,]\n" + expected[0] + "\n", "first_bad.ndjson", 1, 1);
  const auto one = run(pretty + "\n" + pretty, "pretty.json");
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(rows(*one), (std::vector<std::string>{event(""), event("")}));
}

std::string numbered(int number) { return event(R"(,"stream_id":")" + std::to_string(number) + "\""); }

TEST_F(TransformTest, TellsRecordsOfOneLineApart) {
  struct Case {
    std::string line;
    std::vector<int> accepted;
    std::vector<std::string> rejected;  // as they stand in the line
  };
  const std::string bad = R"({"event_date":"20260101"})";
  const std::string cut = R"({"event_date":"20260101","items":[{"id":"x"})";
  const Case cases[] = {
      {numbered(1) + numbered(2) + numbered(3), {1, 2, 3}, {}},
      {numbered(1) + "  " + numbered(2), {1, 2}, {}},
      {numbered(1) + bad + numbered(2), {1, 2}, {bad}},
      {bad + bad + numbered(1), {1}, {bad, bad}},
      {numbered(1) + numbered(2) + "x", {1}, {numbered(2) + "x"}},
      {numbered(1) + "}" + numbered(2), {}, {numbered(1) + "}" + numbered(2)}},
      {numbered(1) + cut, {1}, {cut}},
      {cut + numbered(1), {}, {cut + numbered(1)}},
      {"[" + numbered(1) + "," + bad + " , " + numbered(2) + "]", {1, 2}, {bad}},
      {"[" + numbered(1) + "][" + numbered(2) + "]" + numbered(3), {1, 2, 3}, {}},
      {"[" + numbered(1) + "," + numbered(2), {1, 2}, {""}},
      {"[" + numbered(1) + ",", {1}, {""}},
      {"[" + numbered(1) + ",7," + numbered(2) + "]", {1, 2}, {"7"}},
      {"[" + numbered(1) + ",]", {1}, {"]"}},
      {"[" + numbered(1) + "]x", {1}, {"x"}},
      {"[]", {}, {"[]"}},
  };
  std::string input;
  std::vector<std::string> accepted;
  std::vector<std::string> rejected;
  for (const Case& c : cases) {
    for (const int number : c.accepted)
      accepted.push_back(numbered(number));
    std::size_t at = 0;
    for (const std::string& record : c.rejected) {
      at = record.empty() ? c.line.size() : c.line.find(record, at);
      rejected.push_back("\"line\":" + std::to_string(&c - cases + 1) +
                         ",\"byte_offset\":" + std::to_string(input.size() + at) +
                         ",\"record_bytes\":" + std::to_string(record.size()) + ",\"record\":\"" + record + "\"}");
      at += record.size();
    }
    input += c.line + "\n";
  }
  const auto result = run(input);
  ASSERT_TRUE(result.ok()) << base::to_string(result.error());
  EXPECT_EQ(rows(*result), accepted);
  ASSERT_EQ(result->quarantine_files.size(), 1U);
  const auto letters = rows_of(result->quarantine_files[0].path, "quarantined_at");
  ASSERT_EQ(letters.size(), rejected.size());
  for (std::size_t i = 0; i < letters.size(); ++i)
    EXPECT_EQ(letters[i].substr(letters[i].find("\"line\"")), rejected[i]) << letters[i];
}

// What _shoplake_line and _shoplake_ingested_at say of each row.
std::vector<std::string> places_of(const std::vector<std::string>& rows) {
  std::vector<std::string> places;
  for (const std::string& row : rows)
    places.push_back(row.substr(row.find("\"_shoplake_source_object\"")));
  return places;
}

TEST_F(TransformTest, TakesRecordsOfTheLog) {
  const std::string pretty =
      "{\n  \"event_date\": \"20260101\",\n  \"event_timestamp\": 1,\n  \"event_name\": \"e\"\n}\n";
  const std::string bad = R"({"event_date":"nie"})";
  const std::string cut = R"({"event_date":"20260101","items":[)";
  const std::string payloads[] = {
      numbered(1) + "\n",
      numbered(2) + "\n" + bad + "\n" + numbered(3),
      numbered(4) + numbered(5) + "[" + numbered(6) + ",\n" + numbered(7) + "]\n",
      pretty + pretty,
      " \n\n",
      "",
      cut + "\n" + numbered(8) + "\n",
      numbered(9) + "\n" + event(",\"stream_id\":\"\xff\"") + "\n" + numbered(10) + "\n",
      std::string(17 << 20, 'x'),
      numbered(11),
  };
  const std::int64_t far = 7'000'000'000;  // offsets may be apart more than 32 bits say
  std::vector<LogRecord> records;
  for (const std::string& payload : payloads) {
    const auto number = static_cast<std::int64_t>(records.size());
    records.push_back({payload, number < 9 ? 1000 + number : far, 1'700'000'000'000'000 + number * 1'000'000});
  }
  const auto result = run_log(records, nullptr);
  ASSERT_TRUE(result.ok()) << base::to_string(result.error());
  EXPECT_EQ(result->rows, 13);
  EXPECT_EQ(result->duplicates, 0);
  std::vector<std::string> expected;
  for (const int number : {1, 2, 3, 4, 5, 6, 7, 0, 0, 8, 9, 10, 11})
    expected.push_back(number == 0 ? event("") : numbered(number));
  EXPECT_EQ(rows(*result), expected);
  const auto places = places_of(rows(*result, "none"));
  const std::int64_t lines[] = {1000, 1001, 1001, 1002, 1002, 1002, 1002, 1003, 1003, 1006, 1007, 1007, far};
  for (std::size_t i = 0; i < std::size(lines); ++i) {
    const std::int64_t second = lines[i] == far ? 9 : lines[i] - 1000;
    const std::string prefix = R"("_shoplake_source_object":"wal/things","_shoplake_line":)" +
                               std::to_string(lines[i]) + R"(,"_shoplake_ingested_at":2023-11-14 22:13:2)" +
                               std::to_string(second);
    EXPECT_EQ(places[i].substr(0, prefix.size()), prefix);
  }
  const auto letters = rows_of(result->quarantine_files.at(0).path, "quarantined_at");
  ASSERT_EQ(letters.size(), 4U);
  const std::string letter_places[] = {
      "\"line\":1001,\"byte_offset\":" + std::to_string(numbered(2).size() + 1) + ",",
      "\"line\":1006,\"byte_offset\":0,\"record_bytes\":" + std::to_string(cut.size()) + ",",
      "\"line\":1007,\"byte_offset\":" + std::to_string(numbered(9).size() + 1) + ",",
      "\"line\":1008,\"byte_offset\":0,\"record_bytes\":" + std::to_string(17 << 20) + ",",
  };
  for (std::size_t i = 0; i < letters.size(); ++i)
    EXPECT_NE(letters[i].find(letter_places[i]), std::string::npos) << letters[i].substr(0, 300);
  // Each was received at its own moment, also the one that is too large.
  const auto moments = rows_of(result->quarantine_files.at(0).path, "none");
  ASSERT_EQ(moments.size(), 4U);
  for (std::size_t i = 0; i < moments.size(); ++i) {
    const char second = "1678"[i];
    EXPECT_NE(moments[i].find(std::string("\"line\":100") + second + ","), std::string::npos)
        << moments[i].substr(0, 300);
    EXPECT_NE(moments[i].find(std::string("\"quarantined_at\":2023-11-14 22:13:2") + second), std::string::npos)
        << moments[i].substr(0, 300);
  }
  EXPECT_TRUE(run_log({}, nullptr).ok());
}

TEST_F(TransformTest, TheFilterLeavesDuplicatesOut) {
  std::string payload = numbered(1) + numbered(2) + numbered(1) + R"({"event_date":"20260102"})" + numbered(1) +
                        numbered(3) + R"({"event_date":"20260103","event_timestamp":5,"event_name":"alone"})";
  std::set<std::string> seen;
  std::vector<std::string> asked;
  const EventFilter filter = [&](const EventKey& key) {
    EXPECT_EQ(key.event_id.size(), 64U);
    asked.push_back(std::string(key.day) + " " + std::to_string(key.timestamp));
    return key.day != "20260103" && seen.insert(std::string(key.event_id)).second;
  };
  const std::vector<LogRecord> records = {{payload, 1, 1}, {payload, 2, 2}};
  const auto result = run_log(records, filter);
  ASSERT_TRUE(result.ok()) << base::to_string(result.error());
  EXPECT_EQ(rows(*result), (std::vector<std::string>{numbered(1), numbered(2), numbered(3)}));
  EXPECT_EQ(result->rows, 3);
  EXPECT_EQ(result->duplicates, 9);
  EXPECT_EQ(result->rejected, 2);
  EXPECT_EQ(asked.size(), 12U);
  EXPECT_EQ(asked.back(), "20260103 5");
  EXPECT_EQ(result->files.size(), 1U);  // no file of a day that has only duplicates
}

TEST_F(TransformTest, PassesOverRecordsThatAreTooLarge) {
  contract_.record_bytes_max = 3'000'000;
  const std::string large = event(R"(,"stream_id":")" + std::string(4'500'000, 'x') + "\"");
  const auto result = run(event("") + "\n" + large + "\n" + event(R"(,"stream_id":"1")") + "\n" +
                          event(R"(,"stream_id":")" + std::string(2'000'000, 'y') + "\"") + "\n");
  ASSERT_TRUE(result.ok()) << base::to_string(result.error());
  EXPECT_EQ(result->rows, 3);
  EXPECT_EQ(result->rejected_by_reason, (std::map<std::string, std::int64_t>{{std::string(reason::kTooLarge), 1}}));
  const auto letters = rows_of(result->quarantine_files[0].path, "quarantined_at");
  EXPECT_NE(letters[0].find("\"line\":2,"), std::string::npos);
  EXPECT_NE(letters[0].find("\"record_bytes\":" + std::to_string(large.size())), std::string::npos);
  EXPECT_LT(letters[0].size(), kQuarantineTextBytes + 1000);
}

TEST_F(TransformTest, GzipIsWholeOrNothing) {
  std::string lines;
  for (int i = 0; i < 2'000; ++i)
    lines += event(R"(,"stream_id":")" + std::to_string(i) + "\"") + "\n";
  const std::string member = gzip(lines);
  const auto whole = run(member + gzip("") + member + std::string(100, '\0'), "in.ndjson.gz");
  ASSERT_TRUE(whole.ok()) << base::to_string(whole.error());
  EXPECT_EQ(whole->rows, 4'000);
  discard(io::posix_env(), *whole);
  for (const std::size_t size : {3UL, 10UL, 11UL, member.size() / 3, member.size() / 2, member.size() - 9,
                                 member.size() - 4, member.size() - 1, member.size() + 5}) {
    const auto cut = run((member + member).substr(0, size), "in.ndjson.gz");
    ASSERT_FALSE(cut.ok()) << size;
    EXPECT_EQ(cut.error().code, "io.gzip_truncated") << size;
    EXPECT_EQ(files_on_disk(), 0) << size;
  }
  std::string damaged = member;
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 0x10);
  const auto broken = run(damaged, "in.ndjson.gz");
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(broken.error().kind, base::ErrorKind::input);
  EXPECT_EQ(run(member + "garbage", "in.ndjson.gz").error().code, "io.gzip_corrupt");
  EXPECT_EQ(files_on_disk(), 0);
}

// Random events, also cut ones, over several partitions, sets and row groups; dictionaries overflow.
TEST_F(TransformTest, RandomEventsComeBack) {
  const std::uint32_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto chance = [&](int percent) { return static_cast<int>(random() % 100) < percent; };
  const auto text = [&] {
    return chance(70) ? "t" + std::to_string(random() % 50) : "unique" + std::to_string(random());
  };
  std::map<std::string, std::vector<std::string>> expected;
  std::string input;
  std::int64_t bad = 0;
  for (int i = 0; i < 60'000; ++i) {
    const std::string day = "2026010" + std::to_string(1 + random() % (i < 50'000 ? 1 : 4));
    std::string row = R"({"event_date":")" + day + R"(","event_timestamp":)" + std::to_string(random()) +
                      R"(,"event_name":")" + text() + "\"";
    if (chance(50))
      row += R"(,"user_pseudo_id":")" + text() + "\"";
    if (chance(80)) {
      row += R"(,"event_params":[)";
      const int count = static_cast<int>(random() % 5);
      for (int p = 0; p < count; ++p) {
        row += p > 0 ? "," : "";
        if (chance(5)) {
          row += "null";
          continue;
        }
        row += R"({"key":")" + text() + "\"";
        if (chance(90))
          row += R"(,"value":{)" +
                 (chance(50) ? R"("string_value":")" + text() + "\"" : R"("int_value":)" + std::to_string(random())) +
                 "}";
        row += "}";
      }
      row += "]";
    }
    if (chance(30))
      row += std::string(R"(,"device":{)") + (chance(50) ? R"("web":{"is_mobile":true})" : "") + "}";
    if (chance(20)) {
      row += R"(,"items":[)";
      const int count = static_cast<int>(random() % 3);
      for (int item = 0; item < count; ++item) {
        row += item > 0 ? ",{" : "{";
        if (chance(70)) {
          row += R"("labels":[)";
          const int labels = static_cast<int>(random() % 4);
          for (int label = 0; label < labels; ++label)
            row += std::string(label > 0 ? "," : "") + (chance(10) ? "null" : "\"" + text() + "\"");
          row += "]";
        }
        row += "}";
      }
      row += "]";
    }
    row += "}";
    if (chance(5)) {  // a cut record: its partition's columns must be as if it had not been
      input += row.substr(0, 1 + random() % (row.size() - 1)) + "\n";
      ++bad;
    }
    input += row + "\n";
    expected[day].push_back(std::move(row));
  }
  const auto result = run(chance(50) ? gzip(input) : input);
  ASSERT_TRUE(result.ok()) << base::to_string(result.error());
  EXPECT_EQ(result->rejected, bad);
  std::map<std::string, std::vector<std::string>> stored;
  for (const DataFile& file : result->files) {
    auto part = rows_of(file.path, "_extra");
    EXPECT_EQ(static_cast<std::int64_t>(part.size()), file.record_count);
    EXPECT_EQ(static_cast<std::int64_t>(std::filesystem::file_size(file.path)), file.file_size_bytes);
    auto& all = stored[file.partition[0].value()];
    all.insert(all.end(), part.begin(), part.end());
  }
  ASSERT_EQ(stored.size(), expected.size());
  for (const auto& [day, expected_rows] : expected) {
    ASSERT_EQ(stored[day].size(), expected_rows.size());
    for (std::size_t i = 0; i < expected_rows.size(); ++i)
      ASSERT_EQ(stored[day][i], expected_rows[i]) << day << " row " << i;
  }
}

// Days that come one after another leave little behind, whatever their number.
TEST_F(TransformTest, ColdSetsAreHandedOnOrShrunk) {
  std::int64_t open = 0;
  std::int64_t open_max = 0;
  std::vector<std::string> received;
  std::map<std::string, std::uint32_t> rows;
  std::unique_ptr<ColumnSet> spare;
  std::unique_ptr<RecordBuilder> builder;
  const auto supply = [&](bool reuse) {
    open_max = std::max(open_max, ++open);
    return reuse && spare ? std::move(spare) : std::make_unique<ColumnSet>(layout_);
  };
  const auto receive = [&](std::size_t partition, std::unique_ptr<ColumnSet> set, bool is_last) {
    const std::string& day = builder->partitions()[partition];
    rows[day] += set->rows;
    --open;
    if (is_last) {
      std::size_t held = 0;
      for (const Buffer<std::uint8_t>& levels : set->levels)
        held += levels.capacity_bytes();
      EXPECT_LT(held, 16 * (set->rows + 64) * set->levels.size()) << day;
      received.push_back(day);
      return;
    }
    set->clear();
    spare = std::move(set);
  };
  builder = std::make_unique<RecordBuilder>(layout_, contract_, supply, receive);
  const auto add = [&](const std::string& day, int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(builder->begin(day));
      ASSERT_TRUE(builder->finish({i, 0, 3'000, {}}));
    }
  };
  for (int day = 10; day < 16; ++day)
    add("202601" + std::to_string(day), 25'000);
  EXPECT_LE(open_max, 2);
  // The rest of a day that is too little to be handed on keeps no memory of the set it was built in.
  for (int day = 10; day < 16; ++day)
    add("202602" + std::to_string(day), 20'500);
  add("20260301", 41'000);
  EXPECT_LE(open_max, 8);
  builder->flush();
  EXPECT_EQ(open, 0);
  EXPECT_EQ(received.size(), 7U);
  for (const auto& [day, count] : rows)
    EXPECT_EQ(count, day < "20260201" ? 25'000U : day < "20260301" ? 20'500U : 41'000U) << day;
}

TEST_F(TransformTest, StatisticsAreTrue) {
  const auto result = run(event(R"(,"stream_id":"b","items":[{"price":1},{"price":-2}],"is_active":true)") + "\n" +
                          event(R"(,"stream_id":"ä0123456789012345678")") + "\n" + event("") + "\n");
  ASSERT_TRUE(result.ok());
  std::map<std::int32_t, ColumnStatistics> columns;
  for (const ColumnStatistics& column : result->files.at(0).columns)
    columns[column.field_id] = column;
  const auto of = [&](std::string_view path) {
    for (const Node& node : layout_.nodes) {
      if (node.path == path)
        return columns.at(node.field_id);
    }
    return ColumnStatistics();
  };
  EXPECT_EQ(of("stream_id").null_count, 1);
  EXPECT_EQ(of("stream_id").value_count, 3);
  EXPECT_EQ(of("stream_id").lower_bound, "b");
  EXPECT_EQ(of("stream_id").upper_bound,
            "ä01234567890123"
            "5");  // 16 code points, the last one raised
  EXPECT_EQ(of("event_timestamp").lower_bound, std::string("\1\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(of("items.element.price").value_count, 4);
  EXPECT_EQ(of("items.element.price").null_count, 2);
  EXPECT_FALSE(of("items.element.price").lower_bound.has_value());
  EXPECT_EQ(of("is_active").upper_bound, std::string("\1", 1));
  EXPECT_EQ(of("_shoplake_source_object").lower_bound, "raw/things/in");
}

TEST_F(TransformTest, IdentityIgnoresOrderAndMasksAndTakesTheClientsId) {
  const auto ids = [&](const std::string& input) {
    const auto result = run(input);
    EXPECT_TRUE(result.ok());
    std::vector<std::string> found;
    for (const std::string& row : rows(*result, "_shoplake_source_object")) {
      const std::size_t at = row.find("_shoplake_event_id") + 21;
      found.push_back(row.substr(at, 64));
    }
    return found;
  };
  const std::string a = R"({"key":"a","value":{"string_value":"x@example.com"}})";
  const std::string b = R"({"key":"b","value":{"int_value":1}})";
  const auto found =
      ids(event(",\"event_params\":[" + a + "," + b + "]") + "\n" + event(",\"event_params\":[" + b + "," + a + "]") +
          "\n" + event(R"(,"event_params":[{"key":"a","value":{"string_value":"y@example.com"}},)" + b + "]") + "\n" +
          event(R"(,"insert_id":"i1")") + "\n" + event(R"(,"insert_id":"i1","user_pseudo_id":"other")") + "\n" +
          event(R"(,"event_params":[{"key":"insert_id","value":{"string_value":"i1"}}])") + "\n");
  ASSERT_EQ(found.size(), 6U);
  EXPECT_EQ(found[0], found[1]);
  EXPECT_NE(found[0], found[2]);  // other events, though the masked texts are equal
  EXPECT_EQ(found[3], found[4]);
  EXPECT_EQ(found[3], found[5]);
}

TEST_F(TransformTest, DiskErrorsLeaveNothing) {
  std::string lines;
  for (int i = 0; i < 30'000; ++i)
    lines += R"({"event_date":"2026010)" + std::to_string(1 + i % 5) + R"(","event_timestamp":1,"event_name":"e"})" +
             "\n" + (i % 1000 == 0 ? "bad\n" : "");
  using Operation = io::FaultyEnv::Operation;
  for (const Operation operation : {Operation::create, Operation::write, Operation::sync, Operation::close,
                                    Operation::sync_directory, Operation::make_directory}) {
    for (int nth = 1; nth <= 3; ++nth) {
      io::FaultyEnv env(io::posix_env());
      // The folders that the test itself makes come first.
      env.fail(operation, operation == Operation::make_directory ? nth + 2 : nth, ENOSPC);
      const auto result = run(lines, "in.ndjson", &env);
      ASSERT_FALSE(result.ok()) << static_cast<int>(operation) << " " << nth;
      EXPECT_EQ(result.error().kind, base::ErrorKind::environment);
      EXPECT_EQ(files_on_disk(), 0) << static_cast<int>(operation) << " " << nth;
    }
  }
}

TEST_F(TransformTest, ReadErrorsEndTheLoad) {
  io::FaultyEnv env(io::posix_env());
  env.fail(io::FaultyEnv::Operation::read, 3, EIO);
  std::string lines;
  for (int i = 0; i < 100'000; ++i)
    lines += event("") + "\n";
  const auto result = run(lines, "in.ndjson", &env);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, base::ErrorKind::environment);
  EXPECT_EQ(files_on_disk(), 0);
}

TEST_F(TransformTest, DamagedParquetIsAnError) {
  EXPECT_EQ(run("no parquet", "in.parquet").error().code, "transform.not_parquet");
  EXPECT_EQ(run("PAR1 and then something else PAR1", "in.parquet").error().code, "transform.parquet");
  EXPECT_EQ(files_on_disk(), 0);
}

TEST_F(TransformTest, ParquetGivesTheSameTable) {
  // A file that the transform itself wrote, read as input: all its columns have the contract's names.
  std::string lines;
  for (int i = 0; i < 5'000; ++i) {
    lines += event(R"(,"stream_id":")" + std::to_string(i) + R"(","event_params":[{"key":"k","value":{"int_value":)" +
                   std::to_string(i) + R"(}}],"items":[{"price":)" + std::to_string(i) + ".5}]") +
             "\n";
  }
  const auto first = run(lines);
  ASSERT_TRUE(first.ok());
  std::ifstream file(first->files.at(0).path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto second = run(bytes, "in.parquet");
  ASSERT_TRUE(second.ok()) << base::to_string(second.error());
  EXPECT_EQ(second->rows, 5'000);
  EXPECT_EQ(rows(*second), rows(*first));
}

}  // namespace
}  // namespace shoplake::transform
