// An operation of Firehose on streams: its name, a line feed, the JSON of its request.

#include "collect/firehose_control.h"

#include <simdjson.h>

#include "base/result.h"
#include "collect/streams.h"
#include "io/env.h"
#include "io/temporary_directory.h"
#include "targets.h"

namespace shoplake::fuzz {

namespace {

constexpr std::size_t kStreamsKept = 8;

struct Registry {
  io::TemporaryDirectory directory;
  std::unique_ptr<collect::Streams> streams;

  Registry() {
    auto opened = collect::Streams::open(io::posix_env(), directory.file("state.sqlite"), {});
    SHOPLAKE_CHECK(opened.ok());
    streams = std::move(opened).value();
  }
};

// No step of the path leads elsewhere, and delivery can make a folder of each.
bool stays_inside(std::string_view prefix) {
  while (!prefix.empty()) {
    const std::string_view step = prefix.substr(0, prefix.find('/'));
    if (step.empty() || step == "." || step == ".." || step.size() > 255)
      return false;
    prefix.remove_prefix(step.size() + 1);
  }
  return true;
}

}  // namespace

int fuzz_firehose_control(std::string_view bytes) {
  static Registry registry;
  const std::size_t end = bytes.find('\n');
  const std::string_view operation = bytes.substr(0, end);
  if (end == std::string_view::npos || !collect::is_control_operation(operation)) {
    return 0;
  }
  const http::Response response = collect::control(*registry.streams, "us-east-1", operation, bytes.substr(end + 1));
  SHOPLAKE_CHECK(response.status == 200 || (response.status >= 400 && response.status < 500));
  simdjson::dom::parser parser;
  simdjson::dom::object answer;
  SHOPLAKE_CHECK(response.body.empty() || parser.parse(response.body).get(answer) == simdjson::SUCCESS);
  for (const auto& stream : registry.streams->list()) {
    SHOPLAKE_CHECK(collect::is_stream_name(stream->name));
    SHOPLAKE_CHECK(stream->prefix.starts_with("raw/") && stream->prefix.ends_with('/'));
    SHOPLAKE_CHECK(stays_inside(stream->prefix));
    SHOPLAKE_CHECK(stream->buffering_seconds >= 0 && stream->buffering_seconds <= collect::kBufferingSecondsMax);
    if (registry.streams->list().size() > kStreamsKept && stream->origin == collect::Stream::Origin::api) {
      SHOPLAKE_CHECK(registry.streams->remove(stream->name).ok());
    }
  }
  return 0;
}

}  // namespace shoplake::fuzz
