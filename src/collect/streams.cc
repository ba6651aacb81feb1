#include "collect/streams.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/log.h"

namespace shoplake::collect {
namespace {

using base::ErrorKind;
using base::Result;

// Columns are added at the end; `version` of the row is what Firehose calls VersionId.
constexpr std::string_view kSchema = R"sql(
create table if not exists collect_streams (
  name text primary key,
  dataset text not null,
  origin text not null,
  live integer not null,
  buffering_seconds integer not null,
  buffering_mebibytes integer not null,
  prefix text not null,
  error_prefix text not null,
  compression text not null,
  append_delimiter integer not null,
  bucket_arn text not null,
  role_arn text not null,
  tags text not null,
  created_at_micros integer not null,
  updated_at_micros integer not null,
  version integer not null
) strict
)sql";

constexpr std::string_view kColumns =
    "name, dataset, origin, live, buffering_seconds, buffering_mebibytes, prefix, error_prefix, compression, "
    "append_delimiter, bucket_arn, role_arn, tags, created_at_micros, updated_at_micros, version";

// What delivery appends to every prefix, as Firehose's expressions say it.
constexpr std::string_view kDateFolders = "year=!{timestamp:yyyy}/month=!{timestamp:MM}/day=!{timestamp:dd}/";
constexpr std::array<std::string_view, 6> kOtherZones = {"processed/",     "curated/", "quarantine/",
                                                         "query-results/", "tmp/",     "raw_errors/"};

constexpr std::size_t kFolderNameBytesMax = 255;

base::Error bad_prefix(std::string_view given, std::string_view why) {
  return base::make_error(ErrorKind::usage, "collect.bad_prefix", fmt::format("the prefix \"{}\" {}", given, why),
                          fmt::format("Use a folder below raw/, without the date folders or with {}.", kDateFolders));
}

// A relative folder of the lake: no way out of it, no empty step, none that no file system takes.
Result<std::string> checked_folder(std::string_view given, std::string folder) {
  if (!folder.ends_with('/'))
    folder += '/';
  if (folder.size() > kPrefixBytesMax)
    return bad_prefix(given, fmt::format("is longer than {} bytes", kPrefixBytesMax));
  if (std::ranges::any_of(folder, [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
    return bad_prefix(given, "has control characters");
  for (std::size_t at = 0; at < folder.size();) {
    const std::size_t end = folder.find('/', at);
    const std::string_view step = std::string_view(folder).substr(at, end - at);
    if (step.empty() || step == "." || step == "..")
      return bad_prefix(given, "has an empty step, \".\" or \"..\"");
    if (step.size() > kFolderNameBytesMax)
      return bad_prefix(given, fmt::format("has a step of more than {} bytes", kFolderNameBytesMax));
    at = end + 1;
  }
  return folder;
}

Result<void> check(const Stream& stream) {
  const auto bad = [&](std::string_view why) {
    return base::make_error(ErrorKind::usage, "collect.bad_stream", fmt::format("stream \"{}\": {}", stream.name, why));
  };
  if (!is_stream_name(stream.name))
    return bad("a name has 1 to 64 letters, digits, '_', '.' and '-'");
  if (stream.name == "dead_letters")
    return bad("the name is taken by what could not be received");
  if (stream.buffering_seconds < 0 || stream.buffering_seconds > kBufferingSecondsMax)
    return bad(fmt::format("buffering is 0 to {} seconds", kBufferingSecondsMax));
  if (stream.buffering_mebibytes < 1 || stream.buffering_mebibytes > kBufferingMebibytesMax)
    return bad(fmt::format("buffering is 1 to {} MiB", kBufferingMebibytesMax));
  SHOPLAKE_TRY(checked_folder(stream.prefix, stream.prefix));
  SHOPLAKE_TRY(checked_folder(stream.error_prefix, stream.error_prefix));
  return {};
}

// What a configuration may change of a stream that is there already.
bool is_configured_as(const Stream& there, const Stream& wanted) {
  return there.origin == wanted.origin && there.dataset == wanted.dataset && there.live == wanted.live &&
         there.buffering_seconds == wanted.buffering_seconds &&
         there.buffering_mebibytes == wanted.buffering_mebibytes && there.prefix == wanted.prefix &&
         there.error_prefix == wanted.error_prefix && there.compression == wanted.compression &&
         there.append_delimiter == wanted.append_delimiter;
}

base::Error no_such_stream(std::string_view name) {
  return base::make_error(ErrorKind::not_found, "collect.no_such_stream", fmt::format("there is no stream {}", name));
}

base::Error configured(std::string_view name) {
  return base::make_error(ErrorKind::usage, "collect.stream_configured",
                          fmt::format("the stream {} is one of the configuration", name),
                          "Change it under `streams` of shoplake.yml.");
}

}  // namespace

std::string stream_arn(std::string_view region, std::string_view name) {
  return fmt::format("arn:aws:firehose:{}:{}:deliverystream/{}", region, kAccountId, name);
}

bool is_stream_name(std::string_view name) {
  return !name.empty() && name.size() <= kStreamNameBytesMax &&
         std::ranges::all_of(name, [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '.' || c == '-'; });
}

Result<std::string> effective_prefix(std::string_view given, std::string_view name) {
  std::string_view rest = given;
  if (rest.ends_with(kDateFolders))
    rest.remove_suffix(kDateFolders.size());
  if (rest.find("!{") != std::string_view::npos)
    return bad_prefix(given, "has expressions other than those of the date folders");
  if (rest.empty())
    return fmt::format("raw/{}/", name);
  for (const std::string_view zone : kOtherZones) {
    if (rest.starts_with(zone))
      return bad_prefix(given, "is in a zone of the lake that is not for raw objects");
  }
  return checked_folder(given, rest.starts_with("raw/") ? std::string(rest) : fmt::format("raw/{}", rest));
}

Stream default_stream(std::string_view name, std::string_view dataset) {
  Stream stream;
  stream.name = name;
  stream.dataset = dataset.empty() ? name : dataset;
  stream.prefix = fmt::format("raw/{}/", name);
  stream.error_prefix = fmt::format("raw_errors/{}/", name);
  stream.bucket_arn = "arn:aws:s3:::shoplake";
  stream.role_arn = fmt::format("arn:aws:iam::{}:role/shoplake", kAccountId);
  return stream;
}

Result<std::unique_ptr<Streams>> Streams::open(io::Env& env, const std::string& database_path,
                                               const std::vector<Stream>& configured_streams) {
  auto database = SHOPLAKE_TRY(io::Database::open(database_path));
  SHOPLAKE_TRY(database->execute(kSchema));
  std::unique_ptr<Streams> streams(new Streams(env, std::move(database)));
  SHOPLAKE_TRY(streams->load());

  std::map<std::string, Stream> wanted;
  for (const char* name : {"events", "clickstream"})
    wanted[name] = default_stream(name);
  for (const Stream& stream : configured_streams)
    wanted[stream.name] = stream;
  std::vector<Stream> changed;
  for (auto& [name, stream] : wanted) {
    SHOPLAKE_TRY(check(stream));
    stream.origin = Stream::Origin::configuration;
    stream.created_at_micros = stream.updated_at_micros = env.now_micros();
    if (const auto there = streams->find(name)) {
      if (is_configured_as(*there, stream))
        continue;
      stream.created_at_micros = there->created_at_micros;
      stream.version = there->version + 1;
      stream.tags = there->tags;
    }
    changed.push_back(stream);
  }
  for (const auto& stream : streams->list()) {
    if (stream->origin == Stream::Origin::configuration && !wanted.contains(stream->name)) {
      Stream released = *stream;
      released.origin = Stream::Origin::api;
      changed.push_back(std::move(released));
    }
  }
  if (!changed.empty()) {
    auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*streams->database_));
    for (const Stream& stream : changed)
      SHOPLAKE_TRY(streams->store(stream));
    SHOPLAKE_TRY(transaction.commit());
    SHOPLAKE_TRY(streams->load());
  }
  return streams;
}

Result<void> Streams::load() {
  auto rows = SHOPLAKE_TRY(database_->prepare(fmt::format("select {} from collect_streams", kColumns)));
  std::map<std::string, std::shared_ptr<const Stream>, std::less<>> read;
  while (SHOPLAKE_TRY(rows.step())) {
    Stream stream;
    stream.name = rows.text(0);
    stream.dataset = rows.text(1);
    stream.origin = rows.text(2) == "api" ? Stream::Origin::api : Stream::Origin::configuration;
    stream.live = rows.integer(3) != 0;
    stream.buffering_seconds = static_cast<int>(rows.integer(4));
    stream.buffering_mebibytes = static_cast<int>(rows.integer(5));
    stream.prefix = rows.text(6);
    stream.error_prefix = rows.text(7);
    stream.compression = rows.text(8) == "none" ? Stream::Compression::none : Stream::Compression::gzip;
    stream.append_delimiter = rows.integer(9) != 0;
    stream.bucket_arn = rows.text(10);
    stream.role_arn = rows.text(11);
    const auto tags = nlohmann::json::parse(rows.text(12), nullptr, false);
    if (tags.is_object()) {
      for (const auto& [key, value] : tags.items())
        stream.tags[key] = value.is_string() ? value.get<std::string>() : "";
    }
    stream.created_at_micros = rows.integer(13);
    stream.updated_at_micros = rows.integer(14);
    stream.version = rows.integer(15);
    read[stream.name] = std::make_shared<const Stream>(stream);
  }
  const std::unique_lock lock(mutex_);
  streams_ = std::move(read);
  return {};
}

Result<void> Streams::store(const Stream& stream) {
  auto insert = SHOPLAKE_TRY(database_->prepare(
      fmt::format("insert or replace into collect_streams ({}) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, "
                  "?12, ?13, ?14, ?15, ?16)",
                  kColumns)));
  insert.bind(1, stream.name).bind(2, stream.dataset);
  insert.bind(3, stream.origin == Stream::Origin::api ? "api" : "configuration");
  insert.bind(4, stream.live ? 1 : 0).bind(5, stream.buffering_seconds).bind(6, stream.buffering_mebibytes);
  insert.bind(7, stream.prefix).bind(8, stream.error_prefix);
  insert.bind(9, stream.compression == Stream::Compression::none ? "none" : "gzip");
  insert.bind(10, stream.append_delimiter ? 1 : 0).bind(11, stream.bucket_arn).bind(12, stream.role_arn);
  insert.bind(13, nlohmann::json(stream.tags).dump()).bind(14, stream.created_at_micros);
  insert.bind(15, stream.updated_at_micros).bind(16, stream.version);
  SHOPLAKE_TRY(insert.run());
  return {};
}

std::shared_ptr<const Stream> Streams::find(std::string_view name) const {
  const std::shared_lock lock(mutex_);
  const auto found = streams_.find(name);
  return found == streams_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<const Stream>> Streams::list() const {
  const std::shared_lock lock(mutex_);
  std::vector<std::shared_ptr<const Stream>> all;
  all.reserve(streams_.size());
  for (const auto& [name, stream] : streams_)
    all.push_back(stream);
  return all;
}

Result<void> Streams::create(Stream stream) {
  SHOPLAKE_TRY(check(stream));
  const std::scoped_lock changes(changes_);
  if (find(stream.name)) {
    return base::make_error(ErrorKind::already_exists, "collect.stream_exists",
                            fmt::format("there is a stream {} already", stream.name));
  }
  if (list().size() >= kStreamsMax) {
    return base::make_error(ErrorKind::usage, "collect.too_many_streams",
                            fmt::format("there are {} streams, and no more are allowed", kStreamsMax));
  }
  stream.origin = Stream::Origin::api;
  stream.version = 1;
  stream.created_at_micros = stream.updated_at_micros = env_.now_micros();
  SHOPLAKE_TRY(store(stream));
  base::log::info("collect.stream_created", {{"stream", stream.name}, {"dataset", stream.dataset}});
  return load();
}

Result<void> Streams::update(Stream stream, std::int64_t version) {
  SHOPLAKE_TRY(check(stream));
  const std::scoped_lock changes(changes_);
  const auto there = find(stream.name);
  if (!there)
    return no_such_stream(stream.name);
  if (there->origin == Stream::Origin::configuration)
    return configured(stream.name);
  if (there->version != version) {
    return base::make_error(ErrorKind::conflict, "collect.stream_changed",
                            fmt::format("the stream {} has version {}, not {}", stream.name, there->version, version));
  }
  stream.origin = there->origin;
  stream.created_at_micros = there->created_at_micros;
  stream.updated_at_micros = env_.now_micros();
  stream.version = version + 1;
  SHOPLAKE_TRY(store(stream));
  base::log::info("collect.stream_changed", {{"stream", stream.name}, {"version", stream.version}});
  return load();
}

Result<void> Streams::remove(std::string_view name) {
  const std::scoped_lock changes(changes_);
  const auto there = find(name);
  if (!there)
    return no_such_stream(name);
  if (there->origin == Stream::Origin::configuration)
    return configured(name);
  auto erase = SHOPLAKE_TRY(database_->prepare("delete from collect_streams where name = ?1"));
  SHOPLAKE_TRY(erase.bind(1, name).run());
  base::log::info("collect.stream_removed", {{"stream", name}});
  return load();
}

}  // namespace shoplake::collect
