// Streams: the registry of what can be written to. A stream is a name under which records are received; it is bound to
// a dataset (the contract that its records follow), and says how its raw objects are delivered and whether the live
// path takes its records.
//
// The registry lives in the control plane (table collect_streams of state.sqlite), one row a stream. Streams of the
// configuration, and the two that always exist (`events`, `clickstream`), are written at every start, so that the
// configuration wins; those made through the Firehose API stay as they were made. A stream that left the configuration
// stays too, as if the API had made it: its records may not have been delivered yet.
//
// Thread safe. Reading costs a lock; changes write to SQLite and may block for as long as another process holds it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/env.h"
#include "io/sqlite.h"

namespace shoplake::collect {

// Bounds of Amazon Data Firehose.
inline constexpr std::size_t kStreamNameBytesMax = 64;
inline constexpr int kBufferingSecondsMax = 900;
inline constexpr int kBufferingMebibytesMax = 128;
inline constexpr std::size_t kPrefixBytesMax = 1024;

struct Stream {
  enum class Origin { configuration, api };
  enum class Compression { gzip, none };

  std::string name;     // 1 to 64 of [a-zA-Z0-9_.-]
  std::string dataset;  // may have no contract: then the stream lands raw only
  Origin origin = Origin::configuration;
  bool live = true;             // false: its delivered raw objects are loaded instead
  int buffering_seconds = 60;   // an object is delivered after so long …
  int buffering_mebibytes = 5;  // … or once so much has come
  std::string prefix;           // of its raw objects, relative to the lake root, ends with '/': "raw/events/"
  std::string error_prefix;     // of what cannot be delivered; "raw_errors/<name>/"
  Compression compression = Compression::gzip;
  bool append_delimiter = true;  // '\n' after a Firehose record that does not end with one

  // Only kept and shown, so that AWS tools find what they set: a lake has no bucket and no role.
  std::string bucket_arn;
  std::string role_arn;
  std::map<std::string, std::string> tags;

  std::int64_t created_at_micros = 0;
  std::int64_t updated_at_micros = 0;
  std::int64_t version = 1;  // counts changes
};

// arn:aws:firehose:<region>:000000000000:deliverystream/<name>
std::string stream_arn(std::string_view region, std::string_view name);
inline constexpr std::string_view kAccountId = "000000000000";

bool is_stream_name(std::string_view name);

// A prefix as a client gives it, as the prefix that raw objects get: below raw/, with a '/' at its end, without the
// date folders that delivery adds itself (year=!{timestamp:yyyy}/month=!{timestamp:MM}/day=!{timestamp:dd}/). Empty:
// raw/<name>/. Errors (usage) collect.bad_prefix: other expressions, "..", another zone of the lake, control
// characters.
base::Result<std::string> effective_prefix(std::string_view given, std::string_view name);

// A stream as it is if nothing else is said.
Stream default_stream(std::string_view name, std::string_view dataset = {});

class Streams {
 public:
  // `configured` beside `events` and `clickstream`, which it may define otherwise. Errors: Env's and SQLite's;
  // collect.bad_stream, collect.bad_prefix (usage).
  static base::Result<std::unique_ptr<Streams>> open(io::Env& env, const std::string& database_path,
                                                     const std::vector<Stream>& configured);

  // Null if there is none.
  std::shared_ptr<const Stream> find(std::string_view name) const;
  // By name.
  std::vector<std::shared_ptr<const Stream>> list() const;

  // Errors: collect.stream_exists (already_exists), collect.too_many_streams (usage), collect.bad_stream,
  // collect.bad_prefix (usage), SQLite's.
  base::Result<void> create(Stream stream);
  // Replaces the stream if its version is still `version`, and counts it up. Errors: collect.no_such_stream
  // (not_found), collect.stream_changed (conflict), collect.stream_configured (usage), and those of create().
  base::Result<void> update(Stream stream, std::int64_t version);
  // Records that were received stay and are delivered under the stream's defaults. Errors: collect.no_such_stream,
  // collect.stream_configured (usage): it would come back at the next start.
  base::Result<void> remove(std::string_view name);

  static constexpr std::size_t kStreamsMax = 5000;  // as Firehose allows an account

 private:
  Streams(io::Env& env, std::unique_ptr<io::Database> database) : env_(env), database_(std::move(database)) {}
  base::Result<void> load();
  base::Result<void> store(const Stream& stream);

  io::Env& env_;
  std::mutex changes_;  // guards database_, and one change at a time
  std::unique_ptr<io::Database> database_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, std::shared_ptr<const Stream>, std::less<>> streams_;
};

}  // namespace shoplake::collect
