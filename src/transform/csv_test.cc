// CSV end to end: bytes and a contract in, Parquet and dead letters read back by Arrow.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "transform/transform_case.h"

namespace shoplake::transform {
namespace {

using testing::ElementsAre;

constexpr std::string_view kFields = R"yaml(
fields:
  - {name: id, type: string, also: [Id, ID], required: true, max_length: 8}
  - {name: quantity, type: long, also: [Quantity], min: -100, max: 100}
  - {name: price, type: "decimal(9,2)", min: 0}
  - {name: ratio, type: double, max: 1}
  - {name: sold_at, type: timestamp, required: true}
  - {name: due, type: date, format: "%d.%m.%Y"}
  - {name: paid, type: boolean}
  - {name: size, type: string, values: [S, M, L]}
  - {name: code, type: string, pattern: "[A-Z]{2}[0-9]*"}
  - {name: email, type: string, pii: direct, treatment: drop}
  - {name: note, type: string, pii: direct, treatment: mask}
computed:
  day: date(sold_at)
  total: price * quantity
)yaml";

std::string contract_text(std::string_view more) {
  return "dataset: sales\ntable: processed.sales\npartition_by: none\nunknown_fields: {keep_in: _extra}\n" +
         std::string(more) + std::string(kFields);
}

class CsvTest : public TransformCase {
 protected:
  CsvTest() : TransformCase(contract_text("")) {}

  void use(std::string_view more) { TransformCase::use(contract_text(more)); }

  Result<TransformResult> run(const std::string& bytes, const std::string& name = "in.csv") {
    std::ofstream(directory_.file(name), std::ios::binary) << bytes;
    const TransformOptions given = options("raw/sales/in");
    const auto file = given.env->open_file(directory_.file(name));
    return transform(**file, name, given);
  }

  // The rows' own columns, and those of the unknown fields.
  std::vector<std::string> rows(const std::string& bytes, const std::string& name = "in.csv") {
    auto result = run(bytes, name);
    EXPECT_TRUE(result.ok()) << base::to_string(result.error());
    if (!result.ok())
      return {};
    result_ = std::move(result).value();
    return TransformCase::rows(result_.files, std::string(kSourceObjectColumn));
  }
  // "reason@line+offset: message" of each rejected record.
  std::vector<std::string> rejects() const {
    std::vector<std::string> out;
    for (const DataFile& data : result_.quarantine_files) {
      auto file = arrow::io::ReadableFile::Open(data.path).ValueOrDie();
      auto reader = parquet::arrow::OpenFile(file, arrow::default_memory_pool()).ValueOrDie();
      auto table = reader->ReadTable().ValueOrDie()->CombineChunks().ValueOrDie();
      const auto cell = [&](const char* column, std::int64_t row) {
        return table->GetColumnByName(column)->GetScalar(row).ValueOrDie()->ToString();
      };
      for (std::int64_t row = 0; row < table->num_rows(); ++row)
        out.push_back(cell("reason_code", row) + "@" + cell("line", row) + "+" + cell("byte_offset", row) + ": " +
                      cell("message", row));
    }
    return out;
  }

  TransformResult result_;
};

TEST_F(CsvTest, ColumnsAreMatchedByNameWhereverTheyStand) {
  const auto expected = ElementsAre(
      R"({"id":"a","quantity":3,"price":2.50,"sold_at":2010-12-01 08:26:00.000000Z,"day":2010-12-01,"total":7.50})");
  EXPECT_THAT(rows("id,quantity,price,sold_at\na,3,2.5,2010-12-01 08:26:00\n"), expected);
  EXPECT_THAT(rows("sold_at,price,Id,Quantity\n2010-12-01 08:26:00,2.5,a,3\n"), expected);
  EXPECT_THAT(result_.missing_columns, ElementsAre("ratio", "due", "paid", "size", "code", "note"));
  EXPECT_EQ(result_.delimiter, ',');
  EXPECT_EQ(result_.encoding, "ascii");
}

TEST_F(CsvTest, TheFormOfTheFileDoesNotMatter) {
  const auto expected =
      ElementsAre("{\"id\":\"a\",\"sold_at\":2010-12-01 00:00:00.000000Z,\"note\":\"x \xC3\xA9\",\"day\":2010-12-01}");
  const std::string body = "id,sold_at,note\na,2010-12-01,x \xC3\xA9\n";
  EXPECT_THAT(rows(body), expected);
  EXPECT_THAT(rows("\xEF\xBB\xBF" + body), expected) << "byte order mark";
  EXPECT_THAT(rows("id,sold_at,note\r\na,2010-12-01,x \xC3\xA9\r\n"), expected) << "CRLF";
  EXPECT_THAT(rows("id,sold_at,note\ra,2010-12-01,x \xC3\xA9\r"), expected) << "CR";
  EXPECT_THAT(rows("\n\nid,sold_at,note\n\na,2010-12-01,x \xC3\xA9"), expected) << "blank lines, no last line end";
  EXPECT_THAT(rows("\"id\",\"sold_at\",\"note\"\n\"a\",\"2010-12-01\",\"x \xC3\xA9\"\n"), expected) << "quotes";
  EXPECT_THAT(rows(" id , sold_at ,note\na, 2010-12-01 ,x \xC3\xA9\n"), expected) << "spaces";
  for (const char* delimiter : {";", "\t", "|"}) {
    std::string other = body;
    for (char& c : other)
      c = c == ',' ? *delimiter : c;
    EXPECT_THAT(rows(other), expected) << delimiter;
    EXPECT_EQ(result_.delimiter, *delimiter);
  }
  EXPECT_EQ(result_.encoding, "utf-8");
  EXPECT_THAT(rows("id,sold_at,note\na,2010-12-01,x \xE9\n"), expected) << "windows-1252";
  EXPECT_EQ(result_.encoding, "windows-1252");
  EXPECT_THAT(rows(gzip(body), "in.csv.gz"), expected);
  EXPECT_THAT(rows(body, "in"), expected) << "found by the header";
  EXPECT_THAT(rows(body, "in.txt"), expected);
}

TEST_F(CsvTest, TextsAreKeptAsTheyAre) {
  EXPECT_THAT(rows("id,sold_at,note\na,2010-12-01, padded \nb,2010-12-01,\"say \"\"hi\"\", or\nnot\"\n"
                   "c,2010-12-01,\"\"\nd,2010-12-01,\ne,2010-12-01,5\" nails\n"),
              ElementsAre(testing::HasSubstr(R"("note":" padded ")"), testing::HasSubstr("say \"hi\", or\nnot"),
                          testing::Not(testing::HasSubstr("note")), testing::Not(testing::HasSubstr("note")),
                          testing::HasSubstr("5\" nails")));
}

TEST_F(CsvTest, WhatTheContractDoesNotNameIsKept) {
  EXPECT_THAT(rows("id,sold_at,colour,size of it,email\na,2010-12-01,red,,x@example.com\nb,2010-12-01,,\"4\"\"\",\n"),
              ElementsAre(testing::HasSubstr(R"("_extra":"{"colour":"red"}")"),
                          testing::HasSubstr(R"("_extra":"{"size of it":"4\""}")")));
  ASSERT_EQ(result_.drift.size(), 2U);
  EXPECT_EQ(result_.drift[0].path, "colour");
  EXPECT_EQ(result_.drift[0].count, 1);
  EXPECT_THAT(rows("id,sold_at,colour\na,2010-12-01,x@example.com\n"), ElementsAre(testing::HasSubstr("[email]")));
}

TEST_F(CsvTest, RecordsThatBreakTheContractAreRejectedWithTheirPlace) {
  const std::string header = "id,quantity,price,ratio,sold_at,due,paid,size,code\n";
  EXPECT_THAT(rows(header + "a,1,1,0.5,2010-12-01,1.12.2010,TRUE,M,AB1\n" +  //
                   ",1,1,,2010-12-01,,,,\n" +                                // line 3
                   "a,1.5,1,,2010-12-01,,,,\n" +                             //
                   "a,101,1,,2010-12-01,,,,\n" +                             //
                   "a,1,1.005,,2010-12-01,,,,\n" +                           //
                   "a,1,-0.01,,2010-12-01,,,,\n" +                           // 7
                   "a,1,\"1,000.00\",,2010-12-01,,,,\n" +                    //
                   "a,1,1,2,2010-12-01,,,,\n" +                              //
                   "a,1,1,inf,2010-12-01,,,,\n" +                            //
                   "a,1,1,,yesterday,,,,\n" +                                // 11
                   "a,1,1,,,,,,\n" +                                         //
                   "a,1,1,,2010-12-01,2010-12-01,,,\n" +                     //
                   "a,1,1,,2010-12-01,,yes,,\n" +                            //
                   "a,1,1,,2010-12-01,,,XL,\n" +                             // 15
                   "a,1,1,,2010-12-01,,,,ab\n" +                             //
                   "abcdefghi,1,1,,2010-12-01,,,,\n" +                       //
                   "a,1,1,,2010-12-01,,,\n" +                                //
                   "a,1,1,,2010-12-01,,,,,\n" +                              // 19
                   "\"a\"b,1,1,,2010-12-01,,,,\n" +                          //
                   std::string("a\0,1,1,,2010-12-01,,,,\n", 23) +            //
                   "b,17.0,+1,,2010-12-01,,,,\n" +                           //
                   "c,007,1e1,,1291161600,,0,,\n" +                          // 23
                   "\"d,1\n"),
              ElementsAre(testing::StartsWith(R"({"id":"a","quantity":1,"price":1.00,"ratio":0.5,)"),
                          testing::StartsWith(R"({"id":"b","quantity":17,"price":1.00,)"),
                          testing::StartsWith(R"({"id":"c","quantity":7,"price":10.00,)")));
  EXPECT_THAT(rejects(),
              ElementsAre("contract.missing_field@3+93: id is missing",
                          "contract.wrong_type@4+114: quantity must be long, but is a text that does not fit",
                          testing::HasSubstr("out_of_range@5+138: quantity is 101, not within -100 and 100"),
                          testing::HasSubstr("wrong_type@6+162: price must be decimal(9,2)"),
                          testing::HasSubstr("out_of_range@7+188: price is -0.01, less than 0.00"),
                          testing::HasSubstr("wrong_type@8"), testing::HasSubstr("out_of_range@9"),
                          testing::HasSubstr("wrong_type@10"), testing::HasSubstr("invalid_timestamp@11"),
                          testing::HasSubstr("missing_field@12"),
                          testing::HasSubstr("is \"2010-12-01\", not a day as %d.%m.%Y"),
                          testing::HasSubstr("paid must be boolean"),
                          testing::HasSubstr("size is none of the 3 values that are allowed"),
                          testing::HasSubstr("code does not match [A-Z]{2}[0-9]*"),
                          testing::HasSubstr("id has 9 characters"), testing::HasSubstr("csv.ragged_row@18"),
                          testing::HasSubstr("has 10 cells, the header has 9"), testing::HasSubstr("csv.malformed@20"),
                          testing::HasSubstr("csv.nul_byte@21"), testing::HasSubstr("csv.malformed@24")));
}

TEST_F(CsvTest, SeparatorsAndNullsAreDeclaredNotGuessed) {
  use("csv: {decimal_point: ',', thousands_separator: '.', nulls: ['NULL', '-']}\n");
  EXPECT_THAT(
      rows("id;quantity;price;ratio;sold_at\na;-1;1.234,50;0,5;2010-12-01\nb;NULL;-;;2010-12-01\n\"-\";;;;2010-12-"
           "01\n"),
      ElementsAre(testing::StartsWith(R"({"id":"a","quantity":-1,"price":1234.50,"ratio":0.5)"),
                  testing::StartsWith(R"({"id":"b","sold_at")"), testing::StartsWith(R"({"id":"-","sold_at")")));
  EXPECT_THAT(rows("id;price;sold_at\na;1234.50;2010-12-01\n"), ElementsAre());
  EXPECT_THAT(rejects(), ElementsAre(testing::HasSubstr("price must be decimal(9,2)")));
}

TEST_F(CsvTest, ADamagedRecordOfUtf8IsRejectedAlone) {
  EXPECT_THAT(rows("id,sold_at,note\na,2010-12-01,\xC3\xA9\xC3\xA9\nb,2010-12-01,\xE9\n"), testing::SizeIs(1));
  EXPECT_THAT(rejects(), ElementsAre(testing::HasSubstr("csv.invalid_utf8@3")));
  use("csv: {encoding: utf-8}\n");
  EXPECT_THAT(rows("id,sold_at,note\nb,2010-12-01,\xE9\n"), testing::SizeIs(0));
  use("csv: {encoding: latin-1}\n");
  EXPECT_THAT(rows("id,sold_at,note\nb,2010-12-01,\x80\xC3\xA9\n"),
              ElementsAre(testing::HasSubstr("\xC2\x80\xC3\x83\xC2\xA9")));
  use("csv: {encoding: windows-1252}\n");
  EXPECT_THAT(rows("id,sold_at,note\nb,2010-12-01,\x80\n"), ElementsAre(testing::HasSubstr("\xE2\x82\xAC")));
}

TEST_F(CsvTest, FilesThatAreNoneOfTheDatasetAreRejectedAsAWhole) {
  const auto code = [&](const std::string& bytes, const std::string& name = "in.csv") {
    const auto result = run(bytes, name);
    EXPECT_FALSE(result.ok()) << bytes;
    EXPECT_TRUE(result.ok() || result.error().kind == base::ErrorKind::input);
    return result.ok() ? "" : result.error().code;
  };
  EXPECT_EQ(code(""), "csv.empty");
  EXPECT_EQ(code("a,b\n1,2\n"), "csv.no_header");
  EXPECT_EQ(code("id,quantity\na,2\n"), "csv.missing_column");
  EXPECT_EQ(code("id,sold_at,id\na,2010-12-01,b\n"), "csv.duplicate_column");
  EXPECT_EQ(code("\"id,sold_at\na,2010-12-01\n"), "csv.header");
  EXPECT_EQ(code("\"id\"x,sold_at\na,2010-12-01\n"), "csv.header");
  EXPECT_EQ(code(std::string("id,sold_at,\0\na,2010-12-01,\n", 27)), "csv.not_text");
  EXPECT_EQ(code("\xFF\xFEi\0d\0"), "transform.utf16");
  EXPECT_EQ(code("{\"id\": 1}\n"), "transform.not_csv");
  EXPECT_EQ(code("PK\x03\x04xx"), "transform.archive");
  EXPECT_EQ(code(gzip("id,sold_at\na,2010-12-01\n").substr(0, 30), "in.csv.gz"), "io.gzip_truncated");
}

TEST_F(CsvTest, WithoutAHeaderColumnsAreTheFieldsInTheirOrder) {
  use("csv: {header: false, delimiter: '|'}\n");
  EXPECT_THAT(rows("a|3|2.5||2010-12-01||||||\n"), ElementsAre(testing::StartsWith(R"({"id":"a","quantity":3)")));
}

TEST_F(CsvTest, KeysThatComeAgainAreRejectedWhereTheContractSaysSo) {
  use("key: [id, sold_at]\non_duplicate_key: reject\n");
  EXPECT_THAT(rows("id,sold_at\na,2010-12-01\nb,2010-12-01\na,2010-12-02\na,2010-12-01 00:00\n"), testing::SizeIs(3));
  EXPECT_THAT(rejects(), ElementsAre(testing::HasSubstr("contract.duplicate_key@5")));
}

TEST_F(CsvTest, RecordsLargerThanTheLimitArePassedOver) {
  use("record_bytes_max: 100\n");
  const std::string large(3'000'000, 'x');
  EXPECT_THAT(rows("id,sold_at,note\na,2010-12-01,x\nb,2010-12-01,\"" + large + "\n,\"\"\"\nc,2010-12-01,y\n" +
                   "d,2010-12-01," + std::string(200, 'z') + "\ne,2010-12-01,\n"),
              ElementsAre(testing::StartsWith(R"({"id":"a")"), testing::StartsWith(R"({"id":"c")"),
                          testing::StartsWith(R"({"id":"e")")));
  EXPECT_THAT(rejects(),
              ElementsAre(testing::HasSubstr("record.too_large@3"), testing::HasSubstr("record.too_large@6")));
}

TEST_F(CsvTest, ManyBlocksKeepLinesAndOffsets) {
  std::string bytes = "id,quantity,sold_at,note\n";
  std::vector<std::size_t> wrong;
  for (int row = 0; row < 100'000; ++row) {
    if (row % 9'973 == 5)
      wrong.push_back(bytes.size());
    bytes += "r,";
    bytes += row % 9'973 == 5 ? "x" : std::to_string(row % 100);
    bytes += ",2010-12-01,\"two\nlines\"\n";
  }
  EXPECT_EQ(rows(bytes).size(), 100'000 - wrong.size());
  const auto found = rejects();
  ASSERT_EQ(found.size(), wrong.size());
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    const std::size_t row = i * 9'973 + 5;
    EXPECT_THAT(found[i], testing::StartsWith("contract.wrong_type@" + std::to_string(2 + 2 * row) + "+" +
                                              std::to_string(wrong[i]) + ":"));
  }
}

}  // namespace
}  // namespace shoplake::transform
