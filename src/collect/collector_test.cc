// The endpoints through a real server on a log in memory.

#include "collect/collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libdeflate.h>
#include <openssl/hmac.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "base/digest.h"
#include "collect/firehose.h"
#include "http/client.h"
#include "io/memory_env.h"
#include "io/temporary_directory.h"

namespace shoplake::collect {
namespace {

using Json = nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class CollectorTest : public testing::Test {
 protected:
  void start() {
    wal::LogOptions log_options;
    log_options.env = &env_;
    log_options.directory = "/wal";
    log_options.queue_bytes_max = queue_bytes_max_;
    log_options.metrics = &metrics_;
    log_ = wal::Log::open(log_options).value();
    streams_ = Streams::open(io::posix_env(), folder_.file("state.sqlite"), configured_).value();
    options_.env = &io::posix_env();
    options_.log = log_.get();
    options_.streams = streams_.get();
    options_.metrics = &metrics_;
    collector_ = std::make_unique<Collector>(options_);
    http::ServerOptions server_options;
    server_options.port = 0;
    server_ = std::make_unique<http::Server>(server_options, io::posix_env(), metrics_);
    server_->route({.path = "/",
                    .handler = [](const http::Request&) { return http::text_response("dashboard"); },
                    .match = http::Route::Match::prefix});
    collector_->routes(*server_);
    ASSERT_TRUE(server_->start().ok());
    client_ = std::make_unique<http::Client>("127.0.0.1", server_->port());
  }

  http::Response firehose(const std::string& operation, const Json& body, http::Headers headers = {}) {
    return firehose_text(operation, body.dump(), std::move(headers));
  }
  http::Response firehose_text(const std::string& operation, const std::string& body, http::Headers headers = {}) {
    headers.emplace_back("X-Amz-Target", "Firehose_20150804." + operation);
    headers.emplace_back("Content-Type", "application/x-amz-json-1.1");
    return client_->send("POST", "/", headers, body).value();
  }
  http::Response post(const std::string& stream, std::string_view body, const http::Headers& headers = {}) {
    return client_->send("POST", "/v1/events/" + stream, headers, body).value();
  }
  // Of all records in the log: "stream: payload".
  std::vector<std::string> logged() {
    std::vector<std::string> all;
    for (wal::Offset at = 0; at < log_->end();) {
      const auto batch = log_->read(at, 10'000, 64 << 20).value();
      for (const auto& record : batch.records)
        all.push_back(std::string(record.stream) + ": " + std::string(record.payload));
      at = batch.next;
    }
    return all;
  }
  static Json record(std::string_view data) { return {{"Data", base::base64_encode(data)}}; }
  static std::string type_of(const http::Response& response) {
    return std::to_string(response.status) + " " + Json::parse(response.body).value("__type", "");
  }
  static std::string message_of(const http::Response& response) {
    return Json::parse(response.body).value("message", "");
  }

  io::MemoryEnv env_;
  io::TemporaryDirectory folder_;
  base::Metrics metrics_;
  std::size_t queue_bytes_max_ = 64 << 20;
  std::vector<Stream> configured_;
  CollectorOptions options_;
  std::unique_ptr<wal::Log> log_;
  std::unique_ptr<Streams> streams_;
  std::unique_ptr<Collector> collector_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<http::Client> client_;
};

// --- Firehose: records ---

TEST_F(CollectorTest, PutRecordLogsOneLine) {
  start();
  const auto response = firehose("PutRecord", {{"DeliveryStreamName", "clickstream"}, {"Record", record("{\"a\":1}")}});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "application/x-amz-json-1.1");
  EXPECT_EQ(Json::parse(response.body), (Json{{"RecordId", "00000000000000000000"}, {"Encrypted", false}}));
  EXPECT_THAT(logged(), ElementsAre("clickstream: {\"a\":1}\n"));
  EXPECT_THAT(metrics_.exposition(), HasSubstr("IncomingRecords{stream=\"clickstream\"} 1\n"));
  EXPECT_THAT(metrics_.exposition(), HasSubstr("IncomingBytes{stream=\"clickstream\"} 8\n"));
}

TEST_F(CollectorTest, PutRecordBatchAnswersAtEachPlace) {
  start();
  Json records = Json::array();
  for (int i = 0; i < 500; ++i)
    records.push_back(record("line " + std::to_string(i) + (i % 2 == 0 ? "\n" : "")));
  const auto response = firehose("PutRecordBatch", {{"DeliveryStreamName", "events"}, {"Records", records}});
  const Json answer = Json::parse(response.body);
  EXPECT_EQ(answer["FailedPutCount"], 0);
  ASSERT_EQ(answer["RequestResponses"].size(), 500u);
  EXPECT_EQ(answer["RequestResponses"][499]["RecordId"], "00000000000000000499");
  const auto lines = logged();
  ASSERT_EQ(lines.size(), 500u);
  EXPECT_EQ(lines[0], "events: line 0\n");
  EXPECT_EQ(lines[1], "events: line 1\n");
}

TEST_F(CollectorTest, APartThatDoesNotFitIsToldToComeAgain) {
  queue_bytes_max_ = 300'000;
  start();
  Json records = Json::array();
  for (int i = 0; i < 8; ++i)
    records.push_back(record(std::string(100'000, static_cast<char>('a' + i))));
  const Json answer =
      Json::parse(firehose("PutRecordBatch", {{"DeliveryStreamName", "events"}, {"Records", records}}).body);
  EXPECT_EQ(answer["FailedPutCount"], 6);
  ASSERT_EQ(answer["RequestResponses"].size(), 8u);
  EXPECT_TRUE(answer["RequestResponses"][1].contains("RecordId"));
  EXPECT_EQ(answer["RequestResponses"][2]["ErrorCode"], "ServiceUnavailableException");
  EXPECT_EQ(logged().size(), 2u);
  const auto alone =
      firehose("PutRecord", {{"DeliveryStreamName", "events"}, {"Record", record(std::string(400'000, 'x'))}});
  EXPECT_EQ(type_of(alone), "503 ServiceUnavailableException");
  EXPECT_EQ(logged().size(), 2u);
}

TEST_F(CollectorTest, RefusesWhatFirehoseRefuses) {
  start();
  const auto batch = [&](const Json& records) {
    return firehose("PutRecordBatch", {{"DeliveryStreamName", "events"}, {"Records", records}});
  };
  const Json many(501, record("x"));
  EXPECT_EQ(type_of(batch(many)), "400 ValidationException");
  EXPECT_EQ(
      message_of(batch(many)),
      "1 validation error detected: Value at 'records' failed to satisfy constraint: Member must have length less "
      "than or equal to 500");
  EXPECT_EQ(type_of(batch(Json::array())), "400 ValidationException");
  EXPECT_EQ(type_of(batch(nullptr)), "400 ValidationException");

  Json mib = Json(4, record(std::string(1'024'000, 'x')));
  mib.push_back(record(std::string((4 << 20) - 4 * 1'024'000, 'x')));
  EXPECT_EQ(batch(mib).status, 200);
  mib.push_back(record("x"));
  EXPECT_EQ(type_of(batch(mib)), "400 InvalidArgumentException");
  EXPECT_EQ(message_of(batch(mib)), "Records size exceeds 4 MB limit");

  EXPECT_EQ(batch(Json::array({record("a"), record(std::string(1'024'000, 'x'))})).status, 200);
  EXPECT_EQ(message_of(batch(Json::array({record("a"), record(std::string(1'024'001, 'x'))}))),
            "1 validation error detected: Value at 'records.2.member.data' failed to satisfy constraint: Member must "
            "have length less than or equal to 1024000");
  EXPECT_EQ(message_of(batch(Json::array({Json::object(), nullptr}))),
            "2 validation errors detected: Value null at 'records.1.member.data' failed to satisfy constraint: Member "
            "must not be null; Value null at 'records.2.member' failed to satisfy constraint: Member must not be null");
  EXPECT_EQ(batch(Json::array({record("")})).status, 200);

  EXPECT_EQ(type_of(batch(Json::array({{{"Data", "no base64!"}}}))), "400 SerializationException");
  EXPECT_EQ(type_of(batch(Json::array({{{"Data", 1}}}))), "400 SerializationException");
  EXPECT_EQ(type_of(batch("text")), "400 SerializationException");
  for (const char* body : {"", "[]", "{", "{}{}", "{\"DeliveryStreamName\":\"events\",\"Records\":[}", "\xff"})
    EXPECT_EQ(type_of(firehose_text("PutRecordBatch", body)), "400 SerializationException") << body;

  EXPECT_EQ(type_of(firehose("PutRecord", Json::object())), "400 ValidationException");
  EXPECT_EQ(type_of(firehose("PutRecord", {{"DeliveryStreamName", "a b"}, {"Record", record("x")}})),
            "400 ValidationException");
  const auto unknown = firehose("PutRecord", {{"DeliveryStreamName", "nobody"}, {"Record", record("x")}});
  EXPECT_EQ(type_of(unknown), "400 ResourceNotFoundException");
  EXPECT_EQ(message_of(unknown), "Firehose nobody under account 000000000000 not found.");
  EXPECT_EQ(type_of(firehose("PutRecord", {{"DeliveryStreamName", "dead_letters"}, {"Record", record("x")}})),
            "400 ResourceNotFoundException");
  EXPECT_EQ(type_of(firehose("DropEverything", Json::object())), "400 UnknownOperationException");
  EXPECT_EQ(type_of(client_->send("POST", "/", {}, "{}").value()), "400 UnknownOperationException");
  EXPECT_EQ(client_->send("GET", "/", {}, "").value().body, "dashboard");
  EXPECT_EQ(type_of(firehose_text("PutRecord", std::string(kFirehoseBodyBytesMax + 1, ' '))),
            "413 RequestEntityTooLargeException");
  EXPECT_THAT(metrics_.exposition(),
              HasSubstr("shoplake_collect_rejected_total{stream=\"(unknown)\",source=\"firehose\","
                        "reason=\"collect.no_such_stream\"} 2\n"));
}

// --- Firehose: streams ---

Json s3_destination() {
  return {{"RoleARN", "arn:aws:iam::123456789012:role/firehose"}, {"BucketARN", "arn:aws:s3:::a-bucket"}};
}

TEST_F(CollectorTest, StreamsAreMadeShownChangedAndRemoved) {
  start();
  Json destination = s3_destination();
  destination["Prefix"] = "orders/year=!{timestamp:yyyy}/month=!{timestamp:MM}/day=!{timestamp:dd}/";
  destination["BufferingHints"] = {{"SizeInMBs", 64}, {"IntervalInSeconds", 120}};
  destination["CompressionFormat"] = "GZIP";
  const Json request = {{"DeliveryStreamName", "orders"},
                        {"ExtendedS3DestinationConfiguration", destination},
                        {"Tags", Json::array({{{"Key", "team"}, {"Value", "shop"}}})}};
  EXPECT_EQ(Json::parse(firehose("CreateDeliveryStream", request).body)["DeliveryStreamARN"],
            "arn:aws:firehose:us-east-1:000000000000:deliverystream/orders");
  const auto again = firehose("CreateDeliveryStream", request);
  EXPECT_EQ(type_of(again), "400 ResourceInUseException");
  EXPECT_EQ(message_of(again), "Firehose orders under accountId 000000000000 already exists");

  const auto describe = [&] {
    return Json::parse(
        firehose("DescribeDeliveryStream", {{"DeliveryStreamName", "orders"}}).body)["DeliveryStreamDescription"];
  };
  Json description = describe();
  EXPECT_EQ(description["DeliveryStreamStatus"], "ACTIVE");
  EXPECT_EQ(description["DeliveryStreamType"], "DirectPut");
  EXPECT_EQ(description["VersionId"], "1");
  const Json s3 = description["Destinations"][0]["ExtendedS3DestinationDescription"];
  EXPECT_EQ(s3["Prefix"], "raw/orders/");
  EXPECT_EQ(s3["BucketARN"], "arn:aws:s3:::a-bucket");
  EXPECT_EQ(s3["CompressionFormat"], "GZIP");
  EXPECT_EQ(s3["BufferingHints"]["SizeInMBs"], 64);
  EXPECT_EQ(s3["ProcessingConfiguration"]["Enabled"], false);

  const auto update = [&](const char* version, const Json& changed) {
    return firehose("UpdateDestination", {{"DeliveryStreamName", "orders"},
                                          {"CurrentDeliveryStreamVersionId", version},
                                          {"DestinationId", "destinationId-000000000001"},
                                          {"ExtendedS3DestinationUpdate", changed}});
  };
  const Json appends = {{"ProcessingConfiguration",
                         {{"Enabled", true}, {"Processors", Json::array({{{"Type", "AppendDelimiterToRecord"}}})}}}};
  EXPECT_EQ(type_of(update("7", appends)), "400 ConcurrentModificationException");
  EXPECT_EQ(update("1", appends).body, "{}");
  description = describe();
  EXPECT_EQ(description["VersionId"], "2");
  EXPECT_EQ(description["Destinations"][0]["ExtendedS3DestinationDescription"]["ProcessingConfiguration"]["Enabled"],
            true);
  EXPECT_EQ(description["Destinations"][0]["S3DestinationDescription"]["BufferingHints"]["IntervalInSeconds"], 120);

  EXPECT_EQ(Json::parse(firehose("ListTagsForDeliveryStream", {{"DeliveryStreamName", "orders"}}).body)["Tags"],
            Json::array({{{"Key", "team"}, {"Value", "shop"}}}));
  EXPECT_EQ(Json::parse(firehose("ListDeliveryStreams", Json::object()).body),
            (Json{{"DeliveryStreamNames", {"clickstream", "events", "orders"}}, {"HasMoreDeliveryStreams", false}}));
  EXPECT_EQ(
      Json::parse(
          firehose("ListDeliveryStreams", {{"Limit", 1}, {"ExclusiveStartDeliveryStreamName", "clickstream"}}).body),
      (Json{{"DeliveryStreamNames", {"events"}}, {"HasMoreDeliveryStreams", true}}));

  EXPECT_EQ(firehose("PutRecord", {{"DeliveryStreamName", "orders"}, {"Record", record("x")}}).status, 200);
  EXPECT_THAT(logged(), ElementsAre("orders: x\n"));
  EXPECT_EQ(firehose("DeleteDeliveryStream", {{"DeliveryStreamName", "orders"}}).body, "{}");
  EXPECT_EQ(type_of(firehose("DescribeDeliveryStream", {{"DeliveryStreamName", "orders"}})),
            "400 ResourceNotFoundException");
  EXPECT_EQ(type_of(firehose("DeleteDeliveryStream", {{"DeliveryStreamName", "events"}})),
            "400 ResourceInUseException");
}

TEST_F(CollectorTest, RefusesWhatItWouldNotDo) {
  start();
  const auto create = [&](const Json& more, const char* member = "ExtendedS3DestinationConfiguration") {
    Json destination = s3_destination();
    destination.update(more);
    return firehose("CreateDeliveryStream", {{"DeliveryStreamName", "orders"}, {member, destination}});
  };
  for (const Json& more : std::vector<Json>{
           {{"CompressionFormat", "Snappy"}},
           {{"Prefix", "processed/events/"}},
           {{"Prefix", "../outside/"}},
           {{"Prefix", "a/!{firehose:random-string}/"}},
           {{"S3BackupMode", "Enabled"}},
           {{"CustomTimeZone", "Europe/Berlin"}},
           {{"BufferingHints", {{"SizeInMBs", 5}}}},
           {{"DynamicPartitioningConfiguration", {{"Enabled", true}}}},
           {{"DataFormatConversionConfiguration", {{"Enabled", true}}}},
           {{"EncryptionConfiguration", {{"KMSEncryptionConfig", {{"AWSKMSKeyARN", "arn:aws:kms:x:1:key/a"}}}}}},
           {{"ProcessingConfiguration", {{"Enabled", true}, {"Processors", Json::array({{{"Type", "Lambda"}}})}}}}}) {
    EXPECT_EQ(type_of(create(more)), "400 InvalidArgumentException") << more;
  }
  for (const Json& more : std::vector<Json>{{{"RoleARN", nullptr}},
                                            {{"BucketARN", "a-bucket"}},
                                            {{"CompressionFormat", "lzma"}},
                                            {{"BufferingHints", {{"SizeInMBs", 129}, {"IntervalInSeconds", 901}}}},
                                            {{"Prefix", std::string(1025, 'x')}}}) {
    EXPECT_EQ(type_of(create(more)), "400 ValidationException") << more;
  }
  EXPECT_EQ(type_of(create({{"Prefix", 1}})), "400 SerializationException");
  EXPECT_EQ(type_of(create(Json::object(), "RedshiftDestinationConfiguration")), "400 InvalidArgumentException");
  EXPECT_EQ(type_of(firehose("CreateDeliveryStream", {{"DeliveryStreamName", "orders"}})),
            "400 InvalidArgumentException");
  EXPECT_EQ(create({{"DataFormatConversionConfiguration", {{"Enabled", false}}}}, "S3DestinationConfiguration").status,
            200);
}

TEST_F(CollectorTest, StreamsOutliveTheProcessAndTheConfigurationWins) {
  Stream orders = default_stream("orders", "sales");
  orders.buffering_seconds = 10;
  configured_ = {orders};
  start();
  firehose("CreateDeliveryStream", {{"DeliveryStreamName", "made"}, {"S3DestinationConfiguration", s3_destination()}});
  const std::string path = folder_.file("state.sqlite");
  {
    const auto streams = Streams::open(io::posix_env(), path, {orders}).value();
    EXPECT_EQ(streams->find("orders")->version, 1);
    EXPECT_EQ(streams->find("orders")->dataset, "sales");
    EXPECT_EQ(streams->find("made")->origin, Stream::Origin::api);
    EXPECT_EQ(streams->find("made")->compression, Stream::Compression::none);
  }
  orders.live = false;
  {
    const auto streams = Streams::open(io::posix_env(), path, {orders}).value();
    EXPECT_EQ(streams->find("orders")->version, 2);
    EXPECT_FALSE(streams->find("orders")->live);
    EXPECT_EQ(streams->remove("orders").error().code, "collect.stream_configured");
  }
  const auto streams = Streams::open(io::posix_env(), path, {}).value();
  EXPECT_EQ(streams->find("orders")->origin, Stream::Origin::api);
  EXPECT_TRUE(streams->remove("orders").ok());
  for (const std::string& bad : {std::string("/outside/"), std::string("raw/../x/"), "raw/" + std::string(256, 'a')}) {
    orders.prefix = bad;
    EXPECT_EQ(Streams::open(io::posix_env(), path, {orders}).error().code, "collect.bad_prefix") << bad;
  }
  EXPECT_EQ(effective_prefix("a..b/..c", "orders").value(), "raw/a..b/..c/");
}

// --- plain ---

TEST_F(CollectorTest, TakesOneObjectAnArrayOrLines) {
  start();
  EXPECT_EQ(post("events", "{\"a\":1}").body, R"({"accepted":1,"rejected":[]})");
  EXPECT_EQ(post("events", " [ {\"b\": \"],\\\"}\"} ,{ \"c\" : [1,{}] } ] \n").body, R"({"accepted":2,"rejected":[]})");
  EXPECT_EQ(post("events", "\n{\"d\":1}\r\n\n  {\"e\":2}").body, R"({"accepted":2,"rejected":[]})");
  EXPECT_EQ(post("events", "{\n  \"f\": 1.50,\n  \"g\": [1,\n 2]\n}\n").body, R"({"accepted":1,"rejected":[]})");
  EXPECT_EQ(post("events", "[{\n\"h\": 1\n}]").body, R"({"accepted":1,"rejected":[]})");
  EXPECT_THAT(logged(), ElementsAre("events: {\"a\":1}\n", "events: {\"b\": \"],\\\"}\"}\n",
                                    "events: { \"c\" : [1,{}] }\n", "events: {\"d\":1}\n", "events: {\"e\":2}\n",
                                    "events: {\"f\":1.50,\"g\":[1,2]}\n", "events: {\"h\":1}\n"));
}

TEST_F(CollectorTest, SaysWhichEventsWereRejectedAndKeepsThem) {
  options_.limits.plain_event_bytes_max = 20;
  start();
  const auto response = post("events", "{\"a\":1}\nnonsense\n[1]\n{\"long\":\"xxxxxxxxxxxxxxxxxxxx\"}\n{\"b\":2}\n");
  EXPECT_EQ(response.status, 200);
  const Json answer = Json::parse(response.body);
  EXPECT_EQ(answer["accepted"], 2);
  std::vector<std::string> rejected;
  for (const auto& one : answer["rejected"])
    rejected.push_back(one["index"].dump() + " " + one["reason"].get<std::string>());
  EXPECT_THAT(rejected, ElementsAre("1 collect.not_json", "2 collect.not_an_object", "3 collect.too_large"));
  const auto lines = logged();
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_THAT(lines[0], StartsWith("dead_letters: {\"stream\":\"events\",\"source\":\"plain\","
                                   "\"reason\":\"collect.not_json\","));
  EXPECT_THAT(lines[0], HasSubstr("\"bytes_base64\":\"" + base::base64_encode("nonsense") + "\"}\n"));
  EXPECT_EQ(lines[3], "events: {\"a\":1}\n");
  EXPECT_EQ(lines[4], "events: {\"b\":2}\n");
  EXPECT_EQ(post("events", "nonsense").status, 400);
  EXPECT_EQ(post("events", "{\"long\":\"xxxxxxxxxxxxxxxxxxxx\"}").status, 413);
  EXPECT_EQ(post("events", "[1, 2").status, 400);
  EXPECT_EQ(post("events", "[{}] x").status, 400);
  EXPECT_EQ(post("events", "").status, 400);
  EXPECT_EQ(post("events", "[]").status, 400);
  EXPECT_EQ(post("nobody", "{}").status, 404);
  EXPECT_EQ(post("dead_letters", "{}").status, 404);
  EXPECT_EQ(post("events/more", "{}").status, 404);
}

std::string gzip(std::string_view text) { return http::gzip(text, 6); }

TEST_F(CollectorTest, InflatesGzipWithinALimit) {
  options_.limits.plain_inflated_bytes_max = 100'000;
  start();
  const http::Headers headers = {{"Content-Encoding", "gzip"}};
  EXPECT_EQ(post("events", gzip("{\"a\":1}\n") + gzip("{\"b\":2}\n"), headers).body, R"({"accepted":2,"rejected":[]})");
  EXPECT_EQ(post("events", gzip("{\"a\":\"" + std::string(200'000, 'x') + "\"}"), headers).status, 413);
  EXPECT_EQ(post("events", "{\"a\":1}", headers).status, 400);
  EXPECT_EQ(post("events", gzip("{\"a\":1}").substr(0, 20), headers).status, 400);
  EXPECT_EQ(post("events", "{}", {{"Content-Encoding", "br"}}).status, 415);
}

TEST_F(CollectorTest, AsksForAKey) {
  options_.api_keys = {"one", "two"};
  start();
  EXPECT_EQ(post("events", "{}").status, 401);
  EXPECT_EQ(post("events", "{}", {{"X-Api-Key", "three"}}).status, 401);
  EXPECT_EQ(post("events", "{}", {{"Authorization", "Basic two"}}).status, 401);
  EXPECT_EQ(post("events", "{}", {{"X-Api-Key", "two"}}).status, 200);
  EXPECT_EQ(post("events", "{}", {{"Authorization", "bearer one"}}).status, 200);
  // Keys of one kind do not leave the other door open.
  EXPECT_EQ(type_of(firehose("ListDeliveryStreams", Json::object())), "400 MissingAuthenticationTokenException");
}

// --- dead letters ---

TEST_F(CollectorTest, KeepsBodiesThatAreRefusedAsAWhole) {
  start();
  post("nobody", "{\"a\":1}");
  post("events", "[1, 2");
  post("events", "no gzip", {{"Content-Encoding", "gzip"}});
  client_->send("POST", "/g/collect?v=2&tid=G-TEST", {{"Content-Encoding", "gzip"}}, "no gzip either").value();
  firehose("PutRecordBatch", {{"DeliveryStreamName", "nobody"}, {"Records", {record("x"), record("y\n")}}});
  const std::string large(kFirehoseRecordBytesMax + 1, 'x');
  firehose("PutRecord", {{"DeliveryStreamName", "events"}, {"Record", record(large)}});
  firehose_text("PutRecord", "garbage");
  EXPECT_EQ(post("events", "{}").status, 200);  // behind all of them in the log

  std::vector<std::string> kept;
  for (const std::string& line : logged()) {
    if (!line.starts_with("dead_letters: "))
      continue;
    const Json letter = Json::parse(line.substr(line.find('{')));
    std::string bytes;
    ASSERT_TRUE(base::base64_decode(letter["bytes_base64"].get<std::string>(), bytes));
    EXPECT_EQ(letter["truncated"].get<bool>(), bytes.size() < letter["size"].get<std::size_t>()) << line;
    EXPECT_LE(bytes.size(), options_.limits.dead_letters.letter_bytes_max);
    kept.push_back(letter["stream"].get<std::string>() + " " + letter["source"].get<std::string>() + " " +
                   letter["reason"].get<std::string>() + " " + bytes.substr(0, 10));
  }
  EXPECT_THAT(kept,
              ElementsAre("nobody plain collect.no_such_stream {\"a\":1}", "events plain collect.not_json [1, 2",
                          "events plain collect.bad_gzip no gzip", "events ga4 collect.bad_gzip no gzip ei",
                          "nobody firehose collect.no_such_stream x\ny\n", " firehose ValidationException {\"Delivery",
                          " firehose SerializationException garbage"));
  EXPECT_THAT(metrics_.exposition(),
              HasSubstr("shoplake_collect_dead_letters_total{reason=\"collect.no_such_stream\"} 2\n"));
}

TEST_F(CollectorTest, KeepsNothingOfWhoHasNoKey) {
  options_.api_keys = {"one"};
  options_.access_keys = {{"id", "secret"}};
  start();
  post("events", "{}");
  post("nobody", "{}");
  firehose("PutRecord", {{"DeliveryStreamName", "nobody"}, {"Record", record("x")}});
  EXPECT_EQ(post("events", "{}", {{"X-Api-Key", "one"}}).status, 200);
  EXPECT_THAT(logged(), ElementsAre("events: {}\n"));
}

TEST_F(CollectorTest, KeepsSoMuchOfEachSourceAndCountsTheRest) {
  options_.limits.dead_letters = {.letter_bytes_max = 100, .burst_bytes_max = 800, .bytes_per_second_max = 0};
  start();
  for (int i = 0; i < 5; ++i)
    post("events", std::string(1000, 'x'));
  EXPECT_EQ(client_->send("POST", "/mp/collect?measurement_id=G-TEST", {}, "nonsense").value().status, 204);
  EXPECT_EQ(post("events", "{}").status, 200);
  std::vector<std::string> sources;
  for (const std::string& line : logged()) {
    if (line.starts_with("dead_letters: "))
      sources.push_back(Json::parse(line.substr(line.find('{')))["source"]);
  }
  EXPECT_THAT(sources, ElementsAre("plain", "plain", "ga4"));
  const std::string metrics = metrics_.exposition();
  EXPECT_THAT(metrics, HasSubstr("shoplake_collect_dead_letters_total{reason=\"collect.not_json\"} 2\n"));
  EXPECT_THAT(metrics, HasSubstr("shoplake_collect_dead_letters_dropped_total{reason=\"collect.not_json\"} 3\n"));
}

TEST_F(CollectorTest, KeepsMoreAsTimePasses) {
  options_.limits.dead_letters = {.letter_bytes_max = 100, .burst_bytes_max = 400, .bytes_per_second_max = 1'000'000};
  start();
  for (int i = 0; i < 50; ++i)
    post("events", "nonsense");
  post("events", "{}");
  EXPECT_GT(logged().size(), 2u);
}

// --- GA4 ---

TEST_F(CollectorTest, HitsBecomeRowsOfTheEventsStream) {
  start();
  const auto hit = client_
                       ->send("POST",
                              "/g/collect?v=2&tid=G-TEST&cid=1.2&sid=1790000000&sct=1&seg=1&en=page_view"
                              "&dl=https%3A%2F%2Fshop.example%2F",
                              {{"User-Agent", "Mozilla/5.0"}, {"Origin", "https://shop.example"}}, "")
                       .value();
  EXPECT_EQ(hit.status, 204);
  const auto measurement =
      client_
          ->send("POST", "/mp/collect?measurement_id=G-TEST&api_secret=s", {{"Content-Encoding", "gzip"}},
                 gzip(R"({"client_id":"1.2","events":[{"name":"purchase","params":{"value":9.5,"currency":"EUR"}}]})"))
          .value();
  EXPECT_EQ(measurement.status, 204);
  const auto lines = logged();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[0], testing::AllOf(StartsWith("events: {"), HasSubstr("\"page_view\"")));
  EXPECT_THAT(lines[1], testing::AllOf(StartsWith("events: {"), HasSubstr("\"purchase\"")));
  EXPECT_EQ(client_->send("POST", "/mp/collect?measurement_id=G-TEST", {}, "nonsense").value().status, 204);
  EXPECT_THAT(logged().back(), StartsWith("dead_letters: {\"stream\":\"events\",\"source\":\"ga4\","));
  const auto debug = client_->send("POST", "/debug/mp/collect?measurement_id=G-TEST", {}, R"({"events":[]})").value();
  EXPECT_EQ(debug.status, 200);
  EXPECT_THAT(debug.body, HasSubstr("validationMessages"));
}

// --- signatures ---

std::string hmac(std::string_view key, std::string_view text) {
  unsigned char out[32];
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
       text.size(), out, &size);
  return {reinterpret_cast<const char*>(out), size};
}

// Signed by hand, as the specification says, with the parts that a test may want otherwise.
struct Signer {
  std::string id = "AKIDEXAMPLE";
  std::string secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
  std::string stamp = "20150830T123600Z";
  std::string region = "us-east-1";
  std::string service = "firehose";

  http::Request sign(std::string body) const {
    http::Request request;
    request.method = "POST";
    request.path = "/";
    request.body = std::move(body);
    request.headers = {{"host", "firehose.example"},
                       {"x-amz-target", "Firehose_20150804.PutRecord"},
                       {"x-amz-date", stamp},
                       {"user-agent", "not  signed"}};
    const std::string names = "host;x-amz-date;x-amz-target";
    const std::string canonical = "POST\n/\n\nhost:firehose.example\nx-amz-date:" + stamp +
                                  "\nx-amz-target:Firehose_20150804.PutRecord\n\n" + names + "\n" +
                                  base::sha256_hex(request.body);
    const std::string date = stamp.substr(0, 8);
    const std::string scope = date + "/" + region + "/" + service + "/aws4_request";
    const std::string to_sign = "AWS4-HMAC-SHA256\n" + stamp + "\n" + scope + "\n" + base::sha256_hex(canonical);
    const std::string key = hmac(hmac(hmac(hmac("AWS4" + secret, date), region), service), "aws4_request");
    request.headers.emplace_back("authorization", "AWS4-HMAC-SHA256 Credential=" + id + "/" + scope +
                                                      ", SignedHeaders=" + names +
                                                      ", Signature=" + base::hex(hmac(key, to_sign)));
    return request;
  }
};

constexpr std::int64_t kSignedAtMicros = 1'440'938'160'000'000;  // 2015-08-30 12:36:00 UTC

std::string verdict(const http::Request& request, std::int64_t now_micros = kSignedAtMicros) {
  const SignatureVerifier verifier({{"OTHER", "x"}, {"AKIDEXAMPLE", Signer().secret}}, "firehose");
  const auto error = verifier.verify(request, now_micros);
  return error ? error->type + ": " + error->message : "good";
}

TEST(SignatureVerifier, TakesGoodSignaturesOnly) {
  EXPECT_EQ(verdict(Signer().sign("{}")), "good");
  Signer signer;
  signer.region = "eu-central-1";
  EXPECT_EQ(verdict(signer.sign("{}")), "good");

  http::Request changed = Signer().sign("{}");
  changed.body = "{ }";
  EXPECT_THAT(verdict(changed), StartsWith("InvalidSignatureException: The request signature we calculated does not"));
  changed = Signer().sign("{}");
  changed.headers[1].second = "Firehose_20150804.DeleteDeliveryStream";
  EXPECT_THAT(verdict(changed), StartsWith("InvalidSignatureException: The request signature"));
  changed = Signer().sign("{}");
  changed.headers.emplace_back("x-amz-content-sha256", std::string(64, '0'));
  EXPECT_THAT(verdict(changed), StartsWith("InvalidSignatureException: The request signature"));

  signer = Signer();
  signer.secret = "wrong";
  EXPECT_THAT(verdict(signer.sign("{}")), StartsWith("InvalidSignatureException: The request signature"));
  signer = Signer();
  signer.id = "NOBODY";
  EXPECT_EQ(verdict(signer.sign("{}")),
            "UnrecognizedClientException: The security token included in the request is invalid.");
  signer = Signer();
  signer.service = "kinesis";
  EXPECT_EQ(verdict(signer.sign("{}")),
            "InvalidSignatureException: Credential should be scoped to correct service: 'firehose'. ");
}

TEST(SignatureVerifier, ComparesClocks) {
  const http::Request request = Signer().sign("{}");
  constexpr std::int64_t kMinute = 60'000'000;
  EXPECT_EQ(verdict(request, kSignedAtMicros + 5 * kMinute), "good");
  EXPECT_EQ(verdict(request, kSignedAtMicros - 5 * kMinute), "good");
  EXPECT_EQ(verdict(request, kSignedAtMicros + 6 * kMinute),
            "InvalidSignatureException: Signature expired: 20150830T123600Z is now earlier than 20150830T123700Z "
            "(20150830T124200Z - 5 min.)");
  EXPECT_EQ(verdict(request, kSignedAtMicros - 6 * kMinute),
            "InvalidSignatureException: Signature not yet current: 20150830T123600Z is still later than "
            "20150830T123500Z (20150830T123000Z + 5 min.)");
}

TEST(SignatureVerifier, SaysWhatIsMissing) {
  http::Request request = Signer().sign("{}");
  const std::string good = request.headers.back().second;
  const auto with = [&](const std::string& authorization) {
    request.headers.back().second = authorization;
    return verdict(request);
  };
  EXPECT_EQ(with(""), "MissingAuthenticationTokenException: Missing Authentication Token");
  EXPECT_THAT(with("Basic dTpw"), StartsWith("IncompleteSignatureException: Unsupported AWS 'algorithm': 'Basic'."));
  EXPECT_THAT(with("AWS4-HMAC-SHA256"), StartsWith("IncompleteSignatureException: "));
  EXPECT_THAT(with("AWS4-HMAC-SHA256 Signature=a"),
              StartsWith("IncompleteSignatureException: Authorization header requires 'Credential' parameter. "
                         "Authorization header requires 'SignedHeaders' parameter. "));
  EXPECT_THAT(with("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=a"),
              StartsWith("IncompleteSignatureException: Credential must have exactly 5"));
  EXPECT_THAT(with("AWS4-HMAC-SHA256 Credential= a, SignedHeaders=host, Signature=a, nonsense"),
              HasSubstr("not a valid key=value pair (missing equal-sign)"));
  EXPECT_THAT(with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/firehose/aws4_request, "
                   "SignedHeaders=x-amz-date, Signature=a"),
              HasSubstr("'Host' or ':authority' must be a 'SignedHeader'"));
  EXPECT_THAT(with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150831/us-east-1/firehose/aws4_request, "
                   "SignedHeaders=host, Signature=a"),
              HasSubstr("Date in Credential scope does not match"));
  request.headers[2].second = "yesterday";
  EXPECT_THAT(with(good), StartsWith("IncompleteSignatureException: Authorization header requires existence of"));
}

TEST_F(CollectorTest, UnsignedRequestsAreRefusedWhereThereAreKeys) {
  options_.access_keys = {{"AKIDEXAMPLE", "secret"}};
  start();
  const auto response = firehose("PutRecord", {{"DeliveryStreamName", "events"}, {"Record", record("x")}});
  EXPECT_EQ(type_of(response), "400 MissingAuthenticationTokenException");
  EXPECT_EQ(type_of(firehose("ListDeliveryStreams", Json::object())), "400 MissingAuthenticationTokenException");
  EXPECT_EQ(post("events", "{}").status, 401);
  EXPECT_TRUE(logged().empty());
}

// --- the cases of the protocol ---

std::filesystem::path test_data() {
  const char* given = std::getenv("SHOPLAKE_TEST_DATA");
  return given != nullptr ? std::filesystem::path(given)
                          : std::filesystem::path(SHOPLAKE_SOURCE_DIR) / "../shared/data";
}

// Errors look as the cases of the JSON 1.1 protocol say a client must be able to read them.
TEST_F(CollectorTest, ErrorsHaveTheFormOfTheProtocolCases) {
  std::ifstream file(test_data() / "aws/protocol-output-json.json");
  if (!file)
    GTEST_SKIP() << "no protocol cases below " << test_data() << " (SHOPLAKE_TEST_DATA)";
  int compared = 0;
  for (const Json& suite : Json::parse(file)) {
    for (const Json& one : suite["cases"]) {
      if (one["id"] != "AwsJson11InvalidGreetingError")
        continue;
      const Json body = Json::parse(one["response"]["body"].get<std::string>());
      const auto ours = aws_error({400, body["__type"], body["Message"]});
      EXPECT_EQ(ours.status, one["response"]["status_code"]);
      EXPECT_EQ(ours.content_type, one["response"]["headers"]["Content-Type"].get<std::string>());
      EXPECT_EQ(Json::parse(ours.body)["__type"], body["__type"]);
      ++compared;
    }
  }
  EXPECT_EQ(compared, 1);
}

// Every constraint of the service's model on what producers send is the one that is checked.
TEST_F(CollectorTest, LimitsAreThoseOfTheModel) {
  std::ifstream file(test_data() / "aws/firehose-service-2.json");
  if (!file)
    GTEST_SKIP() << "no service model below " << test_data() << " (SHOPLAKE_TEST_DATA)";
  const Json shapes = Json::parse(file)["shapes"];
  EXPECT_EQ(shapes["Data"]["max"], kFirehoseRecordBytesMax);
  EXPECT_EQ(shapes["PutRecordBatchRequestEntryList"]["max"], kFirehoseBatchRecordsMax);
  EXPECT_EQ(shapes["DeliveryStreamName"]["max"], kStreamNameBytesMax);
  EXPECT_EQ(shapes["DeliveryStreamName"]["pattern"], "[a-zA-Z0-9_.-]+");
  EXPECT_EQ(shapes["SizeInMBs"]["max"], kBufferingMebibytesMax);
  EXPECT_EQ(shapes["IntervalInSeconds"]["max"], kBufferingSecondsMax);
  EXPECT_EQ(shapes["Prefix"]["max"], kPrefixBytesMax);

  // What Describe answers has every member that the model requires.
  start();
  const Json answer = Json::parse(firehose("DescribeDeliveryStream", {{"DeliveryStreamName", "events"}}).body);
  const std::function<void(const Json&, const Json&, const std::string&)> check =
      [&](const Json& value, const Json& shape, const std::string& at) {
        if (shape["type"] == "structure") {
          for (const auto& name : shape.value("required", Json::array()))
            EXPECT_TRUE(value.contains(name)) << at << " lacks " << name;
          for (const auto& [name, member] : value.items()) {
            ASSERT_TRUE(shape["members"].contains(name)) << at << " has no " << name;
            check(member, shapes[shape["members"][name]["shape"].get<std::string>()], at + "." + name);
          }
        } else if (shape["type"] == "list") {
          for (const auto& element : value)
            check(element, shapes[shape["member"]["shape"].get<std::string>()], at + "[]");
        } else if (shape.contains("enum")) {
          EXPECT_NE(std::find(shape["enum"].begin(), shape["enum"].end(), value), shape["enum"].end()) << at << value;
        }
      };
  check(answer, shapes["DescribeDeliveryStreamOutput"], "answer");
}

}  // namespace
}  // namespace shoplake::collect
