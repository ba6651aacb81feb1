#include "collect/firehose_control.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <regex>
#include <utility>
#include <vector>

#include "base/log.h"
#include "collect/firehose.h"

namespace shoplake::collect {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;
using base::Result;

constexpr std::string_view kDestinationId = "destinationId-000000000001";
constexpr int kListDefault = 10;
constexpr int kListMax = 10'000;
constexpr std::size_t kTagsMax = 50;
constexpr int kDefaultBufferingSeconds = 300;  // Firehose's, where the request says nothing
constexpr int kDefaultBufferingMebibytes = 5;

// An operation ends by throwing one; nothing outside this file sees it.
struct Refused {
  AwsError error;
};
[[noreturn]] void refuse(std::string type, std::string message) {
  throw Refused{{400, std::move(type), std::move(message)}};
}
[[noreturn]] void invalid_argument(std::string message) { refuse("InvalidArgumentException", std::move(message)); }

// What is wrong with a request, of all its structures together.
struct Problems {
  std::vector<std::string> violations;     // of the model's constraints: they come first
  std::optional<std::string> unsupported;  // what the model allows, and shoplake does not do
};

// The members of one structure of the request, with the constraints of the service's model. What is wrong is collected,
// and refused by Request::check().
class Structure {
 public:
  Structure(const Json& json, std::string path, Problems& problems)
      : json_(json), path_(std::move(path)), problems_(problems) {}

  bool has(const char* name) const { return json_.contains(name) && !json_[name].is_null(); }

  struct Text {
    std::size_t min = 0;
    std::size_t max = 0;
    const char* pattern = nullptr;
    std::vector<std::string_view> one_of{};
    bool required = false;
  };
  std::optional<std::string> text(const char* name, const Text& rule) const {
    const std::string place = place_of(name);
    if (!has(name)) {
      if (rule.required)
        violate(fmt::format("Value null at '{}' failed to satisfy constraint: Member must not be null", place));
      return std::nullopt;
    }
    if (!json_[name].is_string())
      refuse("SerializationException", fmt::format("{} is no string", place));
    auto value = json_[name].get<std::string>();
    const auto violated = [&](const std::string& what) {
      violate(fmt::format("Value '{}' at '{}' failed to satisfy constraint: Member must {}", value.substr(0, 200),
                          place, what));
    };
    if (value.size() < rule.min) {
      violated(fmt::format("have length greater than or equal to {}", rule.min));
    } else if (rule.max > 0 && value.size() > rule.max) {
      violated(fmt::format("have length less than or equal to {}", rule.max));
    } else if (rule.pattern != nullptr && !std::regex_match(value, std::regex(rule.pattern))) {
      violated(fmt::format("satisfy regular expression pattern: {}", rule.pattern));
    } else if (!rule.one_of.empty() && std::ranges::find(rule.one_of, value) == rule.one_of.end()) {
      violated(fmt::format("satisfy enum value set: [{}]", fmt::join(rule.one_of, ", ")));
    }
    return value;
  }
  std::optional<int> number(const char* name, int min, int max) const {
    if (!has(name))
      return std::nullopt;
    if (!json_[name].is_number_integer())
      refuse("SerializationException", fmt::format("{} is no whole number", place_of(name)));
    const auto value = json_[name].get<std::int64_t>();
    if (value < min || value > max) {
      violate(
          fmt::format("Value '{}' at '{}' failed to satisfy constraint: Member must have value {} than or equal to {}",
                      value, place_of(name), value < min ? "greater" : "less", value < min ? min : max));
    }
    return static_cast<int>(std::clamp<std::int64_t>(value, min, max));
  }
  bool flag(const char* name) const {
    if (!has(name))
      return false;
    if (!json_[name].is_boolean())
      refuse("SerializationException", fmt::format("{} is no boolean", place_of(name)));
    return json_[name].get<bool>();
  }
  std::optional<Structure> structure(const char* name) const {
    if (!has(name))
      return std::nullopt;
    if (!json_[name].is_object())
      refuse("SerializationException", fmt::format("{} is no structure", place_of(name)));
    return Structure(json_[name], place_of(name), problems_);
  }
  std::vector<Structure> structures(const char* name) const {
    std::vector<Structure> all;
    if (!has(name))
      return all;
    if (!json_[name].is_array())
      refuse("SerializationException", fmt::format("{} is no list", place_of(name)));
    for (const Json& element : json_[name]) {
      if (!element.is_object())
        refuse("SerializationException", fmt::format("{} is no list of structures", place_of(name)));
      all.emplace_back(element, fmt::format("{}.{}.member", place_of(name), all.size() + 1), problems_);
    }
    return all;
  }
  void violate(std::string what) const { problems_.violations.push_back(std::move(what)); }
  void refuse_later(std::string message) const {
    if (!problems_.unsupported)
      problems_.unsupported = std::move(message);
  }
  std::string place_of(const char* name) const {
    std::string place = name;
    place[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(place[0])));
    return path_.empty() ? place : path_ + "." + place;
  }

 private:
  const Json& json_;
  std::string path_;
  Problems& problems_;
};

class Request {
 public:
  explicit Request(std::string_view body) : json_(parse(body)), root_(json_, "", problems_) {}
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  const Structure* operator->() const { return &root_; }
  const Structure& root() const { return root_; }

  std::string stream_name(const char* member = "DeliveryStreamName") const {
    return root_.text(member, {.min = 1, .max = kStreamNameBytesMax, .pattern = "[a-zA-Z0-9_.-]+", .required = true})
        .value_or("");
  }
  // Ends the operation if anything was violated.
  void check() const {
    const auto& violations = problems_.violations;
    if (!violations.empty()) {
      refuse("ValidationException", fmt::format("{} validation error{} detected: {}", violations.size(),
                                                violations.size() == 1 ? "" : "s", fmt::join(violations, "; ")));
    }
    if (problems_.unsupported)
      invalid_argument(*problems_.unsupported);
  }

 private:
  static Json parse(std::string_view body) {
    Json json = Json::parse(body, nullptr, false);
    if (!json.is_object())
      refuse("SerializationException", "the body is no JSON object");
    return json;
  }

  Json json_;
  Problems problems_;
  Structure root_;
};

// What cannot be done is refused, so that nobody believes it is done.
void check_extras(const Structure& destination) {
  const auto unsupported = [&](const char* member, const char* what) {
    destination.refuse_later(fmt::format("{}: shoplake does not support {}", destination.place_of(member), what));
  };
  if (const auto encryption = destination.structure("EncryptionConfiguration");
      encryption && encryption->has("KMSEncryptionConfig"))
    unsupported("EncryptionConfiguration", "encryption with KMS");
  for (const auto& [member, what] : {std::pair("DataFormatConversionConfiguration", "format conversion"),
                                     std::pair("DynamicPartitioningConfiguration", "dynamic partitioning")}) {
    if (const auto feature = destination.structure(member); feature && feature->flag("Enabled"))
      unsupported(member, what);
  }
  if (destination.text("S3BackupMode", {.one_of = {"Disabled", "Enabled"}}).value_or("Disabled") != "Disabled")
    unsupported("S3BackupMode", "a backup of the source records");
  if (!destination.text("FileExtension", {.max = 128}).value_or("").empty())
    unsupported("FileExtension", "a file extension of one's own");
  const std::string zone = destination.text("CustomTimeZone", {.max = 50}).value_or("");
  if (!zone.empty() && zone != "UTC")
    unsupported("CustomTimeZone", "object names in another time zone than UTC");
}

// The only processor there is appends '\n' to each record.
bool appends_delimiter(const Structure& destination, bool otherwise) {
  const auto processing = destination.structure("ProcessingConfiguration");
  if (!processing)
    return otherwise;
  const bool enabled = processing->flag("Enabled");
  bool appends = false;
  for (const Structure& processor : processing->structures("Processors")) {
    const std::string type =
        processor
            .text("Type", {.one_of = {"RecordDeAggregation", "Decompression", "CloudWatchLogProcessing", "Lambda",
                                      "MetadataExtraction", "AppendDelimiterToRecord"},
                           .required = true})
            .value_or("");
    if (enabled && type != "AppendDelimiterToRecord") {
      destination.refuse_later(fmt::format("{}: shoplake does not support the processor {}",
                                           destination.place_of("ProcessingConfiguration"), type));
    }
    for (const Structure& parameter : processor.structures("Parameters")) {
      const std::string name = parameter.text("ParameterName", {.required = true}).value_or("");
      const std::string value =
          parameter.text("ParameterValue", {.min = 1, .max = 5120, .required = true}).value_or("");
      if (enabled && name == "Delimiter" && value != "\\n" && value != "\n")
        destination.refuse_later("shoplake appends a line feed (\\n) to records, and no other delimiter");
    }
    appends = true;
  }
  return enabled && appends;
}

// A destination's members onto a stream: all of them when it is created, the given ones when it is changed.
void apply_destination(const Structure& destination, bool creates, Stream& stream) {
  if (const auto role = destination.text(
          "RoleARN",
          {.min = 1, .max = 512, .pattern = R"(arn:.*:iam::\d{12}:role/[a-zA-Z_0-9+=,.@\-_/]+)", .required = creates}))
    stream.role_arn = *role;
  if (const auto bucket = destination.text(
          "BucketARN", {.min = 1, .max = 2048, .pattern = R"(arn:.*:s3:::[\w\.\-]{1,255})", .required = creates}))
    stream.bucket_arn = *bucket;
  const auto compression =
      destination.text("CompressionFormat", {.one_of = {"UNCOMPRESSED", "GZIP", "ZIP", "Snappy", "HADOOP_SNAPPY"}});
  const auto prefix = destination.text("Prefix", {.max = kPrefixBytesMax});
  const auto error_prefix = destination.text("ErrorOutputPrefix", {.max = kPrefixBytesMax});
  if (const auto hints = destination.structure("BufferingHints")) {
    const auto size = hints->number("SizeInMBs", 1, kBufferingMebibytesMax);
    const auto interval = hints->number("IntervalInSeconds", 0, kBufferingSecondsMax);
    if (size.has_value() != interval.has_value())
      destination.refuse_later("BufferingHints: SizeInMBs and IntervalInSeconds are given together or not at all");
    if (size) {
      stream.buffering_mebibytes = *size;
      stream.buffering_seconds = *interval;
    }
  }
  check_extras(destination);
  stream.append_delimiter = appends_delimiter(destination, creates ? false : stream.append_delimiter);
  if (compression) {
    if (*compression != "UNCOMPRESSED" && *compression != "GZIP")
      destination.refuse_later(fmt::format("shoplake does not support the compression {}", *compression));
    stream.compression = *compression == "GZIP" ? Stream::Compression::gzip : Stream::Compression::none;
  }
  if (prefix) {
    auto effective = effective_prefix(*prefix, stream.name);
    if (effective.ok()) {
      stream.prefix = *std::move(effective);
    } else {
      destination.refuse_later(effective.error().message + ". " + effective.error().advice);
    }
  }
  if (error_prefix && !error_prefix->empty())
    destination.refuse_later("ErrorOutputPrefix: shoplake keeps what it cannot deliver in raw_errors/<stream>/");
}

std::optional<Structure> only_destination(const Request& request, const char* plain, const char* extended,
                                          std::string_view suffix) {
  for (const char* other : {"Redshift", "Elasticsearch", "Amazonopensearchservice", "Splunk", "HttpEndpoint",
                            "AmazonOpenSearchServerless", "Snowflake", "Iceberg"}) {
    const std::string member = fmt::format("{}Destination{}", other, suffix);
    if (request->has(member.c_str()))
      request->refuse_later(fmt::format("{}: shoplake delivers to its lake as to S3, and to nothing else", member));
  }
  const auto of_plain = request->structure(plain);
  const auto of_extended = request->structure(extended);
  if (of_plain && of_extended)
    request->refuse_later("Exactly one destination configuration is supported for a Firehose");
  return of_extended ? of_extended : of_plain;
}

// What Streams says about a change, in Firehose's words.
void succeed(const Result<void>& result, std::string_view name) {
  if (result.ok())
    return;
  const base::Error& error = result.error();
  if (error.code == "collect.no_such_stream")
    refuse("ResourceNotFoundException", fmt::format("Firehose {} under account {} not found.", name, kAccountId));
  if (error.code == "collect.stream_exists")
    refuse("ResourceInUseException", fmt::format("Firehose {} under accountId {} already exists", name, kAccountId));
  if (error.code == "collect.too_many_streams")
    refuse("LimitExceededException", error.message);
  if (error.code == "collect.stream_changed")
    refuse("ConcurrentModificationException", error.message);
  if (error.code == "collect.stream_configured")
    refuse("ResourceInUseException", error.message + ". " + error.advice);
  if (error.kind == base::ErrorKind::usage)
    invalid_argument(error.message);
  base::log::error("collect.stream_not_changed", {{"stream", name}, {"reason", base::to_string(error)}});
  throw Refused{{503, "ServiceUnavailableException", "The service is unavailable. Back off and retry the operation."}};
}

std::shared_ptr<const Stream> existing(const Streams& streams, const std::string& name) {
  auto stream = streams.find(name);
  if (!stream)
    refuse("ResourceNotFoundException", fmt::format("Firehose {} under account {} not found.", name, kAccountId));
  return stream;
}

std::map<std::string, std::string> tags_of(const Request& request) {
  std::map<std::string, std::string> tags;
  const auto given = request->structures("Tags");
  if (given.size() > kTagsMax) {
    request->violate(fmt::format(
        "Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to {}", kTagsMax));
  }
  for (const Structure& tag : given) {
    const auto key = tag.text("Key", {.min = 1, .max = 128, .required = true});
    const auto value = tag.text("Value", {.max = 256});
    if (key)
      tags[*key] = value.value_or("");
  }
  return tags;
}

OrderedJson create(Streams& streams, std::string_view region, const Request& request) {
  Stream stream = default_stream(request.stream_name());
  const std::string type =
      request
          ->text("DeliveryStreamType",
                 {.one_of = {"DirectPut", "KinesisStreamAsSource", "MSKAsSource", "DatabaseAsSource"}})
          .value_or("DirectPut");
  stream.tags = tags_of(request);
  stream.compression = Stream::Compression::none;
  stream.buffering_seconds = kDefaultBufferingSeconds;
  stream.buffering_mebibytes = kDefaultBufferingMebibytes;
  const auto destination =
      only_destination(request, "S3DestinationConfiguration", "ExtendedS3DestinationConfiguration", "Configuration");
  if (destination)
    apply_destination(*destination, true, stream);
  request.check();
  if (type != "DirectPut")
    invalid_argument(fmt::format("shoplake does not support streams of the type {}", type));
  if (request->has("DeliveryStreamEncryptionConfigurationInput"))
    invalid_argument("shoplake does not support server-side encryption of streams");
  if (!destination)
    invalid_argument("Exactly one destination configuration is supported for a Firehose");
  succeed(streams.create(stream), stream.name);
  return {{"DeliveryStreamARN", stream_arn(region, stream.name)}};
}

double epoch_seconds(std::int64_t micros) { return static_cast<double>(micros / 1000) / 1e3; }

OrderedJson describe_destination(const Stream& stream) {
  OrderedJson s3;
  s3["RoleARN"] = stream.role_arn;
  s3["BucketARN"] = stream.bucket_arn;
  s3["Prefix"] = stream.prefix;
  s3["ErrorOutputPrefix"] = stream.error_prefix;
  s3["BufferingHints"] = {{"SizeInMBs", stream.buffering_mebibytes}, {"IntervalInSeconds", stream.buffering_seconds}};
  s3["CompressionFormat"] = stream.compression == Stream::Compression::gzip ? "GZIP" : "UNCOMPRESSED";
  s3["EncryptionConfiguration"] = {{"NoEncryptionConfig", "NoEncryption"}};
  s3["CloudWatchLoggingOptions"] = {{"Enabled", false}};
  OrderedJson extended = s3;
  extended["ProcessingConfiguration"] = {{"Enabled", stream.append_delimiter}, {"Processors", OrderedJson::array()}};
  if (stream.append_delimiter) {
    extended["ProcessingConfiguration"]["Processors"].push_back(
        {{"Type", "AppendDelimiterToRecord"},
         {"Parameters", OrderedJson::array({{{"ParameterName", "Delimiter"}, {"ParameterValue", "\\n"}}})}});
  }
  extended["S3BackupMode"] = "Disabled";
  return {{"DestinationId", kDestinationId},
          {"S3DestinationDescription", std::move(s3)},
          {"ExtendedS3DestinationDescription", std::move(extended)}};
}

OrderedJson describe(const Streams& streams, std::string_view region, const Request& request) {
  const std::string name = request.stream_name();
  request->number("Limit", 1, kListMax);
  const auto after =
      request->text("ExclusiveStartDestinationId", {.min = 1, .max = 100, .pattern = "[a-zA-Z0-9-]+"}).value_or("");
  request.check();
  const auto stream = existing(streams, name);
  OrderedJson description;
  description["DeliveryStreamName"] = stream->name;
  description["DeliveryStreamARN"] = stream_arn(region, stream->name);
  description["DeliveryStreamStatus"] = "ACTIVE";
  description["DeliveryStreamEncryptionConfiguration"] = {{"Status", "DISABLED"}};
  description["DeliveryStreamType"] = "DirectPut";
  description["VersionId"] = std::to_string(stream->version);
  description["CreateTimestamp"] = epoch_seconds(stream->created_at_micros);
  description["LastUpdateTimestamp"] = epoch_seconds(stream->updated_at_micros);
  description["Destinations"] = OrderedJson::array();
  if (after != kDestinationId)
    description["Destinations"].push_back(describe_destination(*stream));
  description["HasMoreDestinations"] = false;
  return {{"DeliveryStreamDescription", std::move(description)}};
}

OrderedJson list(const Streams& streams, const Request& request) {
  const int limit = request->number("Limit", 1, kListMax).value_or(kListDefault);
  const auto type = request->text(
      "DeliveryStreamType", {.one_of = {"DirectPut", "KinesisStreamAsSource", "MSKAsSource", "DatabaseAsSource"}});
  const auto after = request
                         ->text("ExclusiveStartDeliveryStreamName",
                                {.min = 1, .max = kStreamNameBytesMax, .pattern = "[a-zA-Z0-9_.-]+"})
                         .value_or("");
  request.check();
  OrderedJson names = OrderedJson::array();
  bool more = false;
  if (type.value_or("DirectPut") == "DirectPut") {
    for (const auto& stream : streams.list()) {
      if (stream->name <= after)
        continue;
      more = names.size() == static_cast<std::size_t>(limit);
      if (more)
        break;
      names.push_back(stream->name);
    }
  }
  return {{"DeliveryStreamNames", std::move(names)}, {"HasMoreDeliveryStreams", more}};
}

OrderedJson remove(Streams& streams, const Request& request) {
  const std::string name = request.stream_name();
  request.check();
  succeed(streams.remove(name), name);
  return OrderedJson::object();
}

OrderedJson update(Streams& streams, const Request& request) {
  const std::string name = request.stream_name();
  const std::string version =
      request->text("CurrentDeliveryStreamVersionId", {.min = 1, .max = 50, .pattern = "[0-9]+", .required = true})
          .value_or("");
  const std::string destination_id =
      request->text("DestinationId", {.min = 1, .max = 100, .pattern = "[a-zA-Z0-9-]+", .required = true}).value_or("");
  request.check();
  Stream stream = *existing(streams, name);
  if (destination_id != kDestinationId)
    invalid_argument(fmt::format("Destination Id {} not found", destination_id));
  const auto destination = only_destination(request, "S3DestinationUpdate", "ExtendedS3DestinationUpdate", "Update");
  if (!destination)
    invalid_argument("Exactly one destination update is supported for a Firehose");
  apply_destination(*destination, false, stream);
  request.check();
  if (version != std::to_string(stream.version)) {
    refuse(
        "ConcurrentModificationException",
        fmt::format("Cannot update firehose: {} since the current version id: {} and specified version id: {} do not "
                    "match",
                    name, stream.version, version));
  }
  succeed(streams.update(stream, stream.version), name);
  return OrderedJson::object();
}

OrderedJson list_tags(const Streams& streams, const Request& request) {
  const std::string name = request.stream_name();
  const auto after = request->text("ExclusiveStartTagKey", {.min = 1, .max = 128}).value_or("");
  const int limit = request->number("Limit", 1, static_cast<int>(kTagsMax)).value_or(static_cast<int>(kTagsMax));
  request.check();
  OrderedJson tags = OrderedJson::array();
  bool more = false;
  const auto stream = existing(streams, name);  // held: who changes the stream meanwhile replaces it
  for (const auto& [key, value] : stream->tags) {
    if (key <= after)
      continue;
    more = tags.size() == static_cast<std::size_t>(limit);
    if (more)
      break;
    tags.push_back({{"Key", key}, {"Value", value}});
  }
  return {{"Tags", std::move(tags)}, {"HasMoreTags", more}};
}

constexpr std::array<std::string_view, 6> kOperations = {"CreateDeliveryStream",      "DeleteDeliveryStream",
                                                         "DescribeDeliveryStream",    "ListDeliveryStreams",
                                                         "ListTagsForDeliveryStream", "UpdateDestination"};

OrderedJson run(Streams& streams, std::string_view region, std::string_view operation, const Request& request) {
  if (operation == "CreateDeliveryStream")
    return create(streams, region, request);
  if (operation == "DescribeDeliveryStream")
    return describe(streams, region, request);
  if (operation == "ListDeliveryStreams")
    return list(streams, request);
  if (operation == "DeleteDeliveryStream")
    return remove(streams, request);
  if (operation == "ListTagsForDeliveryStream")
    return list_tags(streams, request);
  return update(streams, request);
}

}  // namespace

bool is_control_operation(std::string_view operation) {
  return std::ranges::find(kOperations, operation) != kOperations.end();
}

http::Response control(Streams& streams, std::string_view region, std::string_view operation, std::string_view body) {
  try {
    const Request request(body);
    return aws_response(
        run(streams, region, operation, request).dump(-1, ' ', false, OrderedJson::error_handler_t::replace));
  } catch (const Refused& refused) {
    return aws_error(refused.error);
  }
}

}  // namespace shoplake::collect
