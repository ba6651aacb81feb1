#include "deliver/deliverer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>

#include "base/digest.h"
#include "base/log.h"
#include "deliver/object_writer.h"
#include "io/faulty_env.h"
#include "io/inflate.h"
#include "io/memory_env.h"
#include "io/temporary_directory.h"
#include "wal/consumers.h"

namespace shoplake::deliver {
namespace {

using io::FaultyEnv;
using io::MemoryEnv;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using namespace std::chrono_literals;

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kStart = 1'795'239'960 * kSecond;  // 2026-11-21 05:46:00 UTC

// A home whose disk can fail and lose its power; the control plane is on a real one and loses nothing.
class World {
 public:
  World() {
    base::log::configure(base::log::Level::off, false);  // failures are meant here
    EXPECT_TRUE(memory.create_directories("/lake/tmp").ok());
  }

  void open() {
    wal::LogOptions log_options;
    log_options.env = &env;
    log_options.directory = "/wal";
    log_options.segment_bytes = 2000;
    log_options.retry_after = 0ms;
    auto opened = wal::Log::open(log_options);
    ASSERT_TRUE(opened.ok()) << to_string(opened.error());
    log = std::move(*opened);
    open_deliverer();
  }

  void open_deliverer() {
    DelivererOptions options;
    options.env = &env;
    options.log = log.get();
    options.control_plane = folder.file("state.sqlite");
    options.lake_root = "/lake";
    options.temporary_directory = "/lake/tmp";
    options.for_stream = [this](std::string_view stream) {
      const auto found = streams.find(stream);
      return found == streams.end() ? defaults : found->second;
    };
    options.on_object = [this](const DeliveredObject& object) { announced.push_back(object.object); };
    options.metrics = &metrics;
    options.buffer_bytes_max = buffer_bytes_max;
    auto opened = Deliverer::open(options);
    ASSERT_TRUE(opened.ok()) << to_string(opened.error());
    deliverer = std::move(*opened);
  }

  void close() {
    deliverer.reset();
    log.reset();
  }

  bool send(std::string_view stream, const std::vector<std::string>& lines) {
    std::vector<wal::Entry> entries;
    std::vector<std::string> payloads;
    for (const std::string& line : lines) {
      payloads.push_back(line + "\n");
    }
    for (const std::string& payload : payloads) {
      entries.push_back({stream, memory.now_micros(), payload});
    }
    const auto first = log->append_and_wait(entries);
    if (first.ok()) {
      for (const std::string& payload : payloads) {
        acknowledged[std::string(stream)] += payload;
      }
    }
    return first.ok();
  }

  std::string content(const std::string& object) {
    const std::string path = "/lake/" + object;
    if (!object.ends_with(".gz")) {
      return memory.read_file(path).value();
    }
    const auto file = memory.open_file(path).value();
    io::Inflater inflater(*file, object);
    std::string text;
    std::vector<char> buffer(100'000);
    while (true) {
      const auto got = inflater.read(buffer.data(), buffer.size());
      EXPECT_TRUE(got.ok()) << to_string(got.error());
      if (!got.ok() || *got == 0) {
        return text;
      }
      text.append(buffer.data(), *got);
    }
  }

  std::vector<DeliveredObject> registered(const ObjectFilter& filter = {}) {
    return list_delivered(*io::Database::open(folder.file("state.sqlite")).value(), filter).value();
  }

  void list_files(const std::string& folder_path, std::vector<std::string>& files) {
    const auto entries = memory.list_directory(folder_path).value();
    for (const auto& entry : entries) {
      const std::string path = io::join_path(folder_path, entry.name);
      if (entry.is_directory) {
        list_files(path, files);
      } else {
        files.push_back(path.substr(std::string("/lake/").size()));
      }
    }
  }

  // Everything acknowledged is in the registered objects, once and in order (between them may be what was not
  // acknowledged), and there is no other file in the lake.
  void expect_all_delivered(const std::string& what, bool may_have_more = false) {
    std::map<std::string, std::string> found;
    std::vector<std::string> names;
    for (const DeliveredObject& object : registered()) {
      names.push_back(object.object);
      const std::string bytes = memory.read_file("/lake/" + object.object).value_or("");
      EXPECT_EQ(base::md5_hex(bytes), object.md5) << what;
      EXPECT_EQ(bytes.size(), object.bytes) << what;
      const std::string text = content(object.object);
      EXPECT_EQ(text.size(), object.payload_bytes) << what;
      EXPECT_EQ(std::ranges::count(text, '\n'), static_cast<std::ptrdiff_t>(object.records)) << what;
      found[object.stream] += text;
    }
    std::vector<std::string> files;
    list_files("/lake", files);
    std::ranges::sort(names);
    std::ranges::sort(files);
    EXPECT_EQ(files, names) << what;
    if (!may_have_more) {
      EXPECT_EQ(found, acknowledged) << what;
      return;
    }
    for (const auto& [stream, sent] : acknowledged) {
      std::set<std::string> lines;
      std::istringstream in(found[stream]);
      for (std::string line; std::getline(in, line);) {
        EXPECT_TRUE(lines.insert(line).second) << what << ": twice: " << line;
      }
      std::istringstream wanted(sent);
      for (std::string line; std::getline(wanted, line);) {
        EXPECT_TRUE(lines.contains(line)) << what << ": not delivered: " << line;
      }
    }
  }

  io::TemporaryDirectory folder{io::TemporaryDirectory::fast_parent()};
  MemoryEnv memory{kStart};
  FaultyEnv env{memory};
  base::Metrics metrics;
  DeliveryOptions defaults;
  std::map<std::string, DeliveryOptions, std::less<>> streams;
  std::uint64_t buffer_bytes_max = 64 << 20;
  std::vector<std::string> announced;
  std::map<std::string, std::string> acknowledged;
  std::unique_ptr<wal::Log> log;
  std::unique_ptr<Deliverer> deliverer;
};

TEST(ObjectName, IsFirehosesWithTheOffset) {
  EXPECT_EQ(object_name({"raw/events/", "events", kStart + 1, 1234, Compression::gzip}),
            "raw/events/year=2026/month=11/day=21/events-1-2026-11-21-05-46-00-00000000000000001234.gz");
  EXPECT_EQ(object_name({"x/", "e", -1, 0, Compression::none}),
            "x/year=1969/month=12/day=31/e-1-1969-12-31-23-59-59-00000000000000000000");
  EXPECT_TRUE(is_safe_prefix("raw/a b/c=d/"));
  for (const char* bad : {"", "/", "raw", "/raw/", "raw//x/", "raw/../x/", "./", "raw/\n/"}) {
    EXPECT_FALSE(is_safe_prefix(bad)) << bad;
  }
}

TEST(ObjectWriter, MembersMakeOneFile) {
  MemoryEnv env;
  Compressor compressor;
  std::string payloads;
  std::string object;
  {
    ObjectWriter writer(Compression::gzip, compressor);
    for (int i = 0; i < 30'000; ++i) {
      const std::string line = "line " + std::to_string(i) + std::string(static_cast<std::size_t>(i % 300), 'x') + "\n";
      payloads += line;
      writer.append(line);
    }
    EXPECT_GT(payloads.size(), 4 * kMemberBytes);
    EXPECT_EQ(writer.payload_bytes(), payloads.size());
    EXPECT_LT(writer.held_bytes(), payloads.size());
    object = writer.finish();
  }
  ASSERT_TRUE(env.write_file("/x", object).ok());
  const auto file = env.open_file("/x").value();
  io::Inflater inflater(*file, "x");
  std::string text(payloads.size() + 1, '\0');
  std::size_t size = 0;
  while (const std::size_t got = inflater.read(text.data() + size, text.size() - size).value()) {
    size += got;
  }
  text.resize(size);
  EXPECT_TRUE(text == payloads);
  ObjectWriter empty(Compression::gzip, compressor);
  EXPECT_FALSE(empty.finish().empty());  // a gzip file of nothing
}

TEST(Deliverer, CutsByTime) {
  World world;
  world.open();
  ASSERT_TRUE(world.send("events", {"a", "b"}));
  ASSERT_TRUE(world.deliverer->run_round().ok());
  EXPECT_THAT(world.registered(), IsEmpty());
  world.memory.advance(59 * kSecond);
  ASSERT_TRUE(world.send("events", {"c"}));
  ASSERT_TRUE(world.deliverer->run_round().ok());
  EXPECT_THAT(world.registered(), IsEmpty());
  const auto open_status = world.deliverer->status();
  ASSERT_THAT(open_status.streams, SizeIs(1));
  EXPECT_EQ(open_status.streams[0].open_records, 3u);
  EXPECT_EQ(open_status.streams[0].oldest_received_at_micros, kStart);
  EXPECT_EQ(open_status.consumed, 0u);
  EXPECT_EQ(open_status.next, 3u);
  EXPECT_THAT(world.metrics.exposition(), HasSubstr("DeliveryToS3_DataFreshness{stream=\"events\"} 59"));

  world.memory.advance(kSecond);
  ASSERT_TRUE(world.deliverer->run_round().ok());
  const auto objects = world.registered();
  ASSERT_THAT(objects, SizeIs(1));
  EXPECT_EQ(objects[0].object,
            "raw/events/year=2026/month=11/day=21/events-1-2026-11-21-05-46-00-00000000000000000000.gz");
  EXPECT_EQ(objects[0].first, 0u);
  EXPECT_EQ(objects[0].last, 2u);
  EXPECT_EQ(objects[0].records, 3u);
  EXPECT_EQ(objects[0].last_received_at_micros, kStart + 59 * kSecond);
  EXPECT_EQ(objects[0].delivered_at_micros, kStart + 60 * kSecond);
  world.expect_all_delivered("by time");
  EXPECT_THAT(world.announced, ElementsAre(objects[0].object));
  EXPECT_EQ(world.deliverer->status().consumed, 3u);
  const std::string exposition = world.metrics.exposition();
  EXPECT_THAT(exposition, HasSubstr("DeliveryToS3_Success{stream=\"events\"} 1"));
  EXPECT_THAT(exposition, HasSubstr("DeliveryToS3_Records{stream=\"events\"} 3"));
  EXPECT_THAT(exposition, HasSubstr("DeliveryToS3_Bytes{stream=\"events\"} 6"));
  EXPECT_THAT(exposition, HasSubstr("DeliveryToS3_DataFreshness{stream=\"events\"} 0"));

  EXPECT_THAT(world.registered({"clickstream", {}, {}}), IsEmpty());
  EXPECT_THAT(world.registered({"events", kStart + 59 * kSecond, {}}), SizeIs(1));
  EXPECT_THAT(world.registered({"events", kStart + 60 * kSecond, {}}), IsEmpty());
  EXPECT_THAT(world.registered({"events", {}, kStart}), IsEmpty());
}

TEST(Deliverer, CutsBySizeAndByEachStreamsOptions) {
  World world;
  world.streams["small"] = {
      .prefix = "raw/other/place/", .interval = 900s, .bytes = 10, .compression = Compression::none};
  world.streams["never"] = {.is_delivered = false};
  world.open();
  ASSERT_TRUE(world.send("never", {"x"}));
  ASSERT_TRUE(world.send("small", {"aaaa", "bbbb", "cccc"}));
  ASSERT_TRUE(world.send("events", {"e"}));
  ASSERT_TRUE(world.deliverer->run_round().ok());
  const auto objects = world.registered();
  ASSERT_THAT(objects, SizeIs(1));
  EXPECT_EQ(objects[0].object,
            "raw/other/place/year=2026/month=11/day=21/small-1-2026-11-21-05-46-00-00000000000000000001");
  EXPECT_EQ(world.content(objects[0].object), "aaaa\nbbbb\n");
  EXPECT_EQ(world.deliverer->status().consumed, 3u);  // "cccc" and "e" are open
  world.memory.advance(60 * kSecond);
  ASSERT_TRUE(world.deliverer->run_round().ok());
  EXPECT_THAT(world.registered(), SizeIs(2));
  EXPECT_EQ(world.deliverer->status().consumed, 3u);
  world.deliverer->flush();
  ASSERT_TRUE(world.deliverer->run_round().ok());
  world.acknowledged.erase("never");
  world.expect_all_delivered("flushed");
  EXPECT_EQ(world.deliverer->status().consumed, 5u);
  ASSERT_TRUE(world.send("never", {"y"}));
  world.memory.advance(10 * kSecond);
  ASSERT_TRUE(world.deliverer->run_round().ok());
  EXPECT_EQ(world.deliverer->status().consumed, 6u);  // the log is not kept for it
}

// Time also cuts what is read late, as after a restart: by the records' own times.
TEST(Deliverer, CatchingUpCutsByTheRecordsTimes) {
  World world;
  world.open();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(world.send("events", {std::to_string(i)}));
    world.memory.advance(30 * kSecond);
  }
  ASSERT_TRUE(world.deliverer->run_round().ok());
  const auto objects = world.registered();
  ASSERT_THAT(objects, SizeIs(5));
  for (const auto& object : objects) {
    EXPECT_EQ(object.records, 2u);
  }
  world.expect_all_delivered("caught up");
}

TEST(Deliverer, RestartsWithoutRepeatingAStream) {
  World world;
  world.streams["slow"] = {.interval = 900s};
  world.open();
  for (int life = 0; life < 5; ++life) {
    ASSERT_TRUE(world.send("slow", {"s" + std::to_string(life)}));
    ASSERT_TRUE(world.send("events", {"e" + std::to_string(life)}));
    ASSERT_TRUE(world.deliverer->run_round().ok());
    world.memory.advance(60 * kSecond);
    ASSERT_TRUE(world.deliverer->run_round().ok());
    EXPECT_THAT(world.registered({"events", {}, {}}), SizeIs(life + 1));
    world.close();
    world.open();
  }
  EXPECT_EQ(world.deliverer->status().consumed, 0u);
  world.memory.advance(900 * kSecond);
  ASSERT_TRUE(world.deliverer->run_round().ok());
  world.expect_all_delivered("after five lives");
  EXPECT_EQ(world.registered({"slow", {}, {}}).at(0).records, 5u);
  EXPECT_EQ(world.deliverer->status().consumed, 10u);
}

TEST(Deliverer, TheLogIsTrimmedBehindAllConsumers) {
  World world;
  world.defaults.bytes = 1;
  world.open();
  {
    const auto database = io::Database::open(world.folder.file("state.sqlite")).value();
    ASSERT_TRUE(wal::ensure_consumer(*database, "live", 10, 0).ok());
  }
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(world.send("events", {std::string(400, 'x')}));
  }
  ASSERT_TRUE(world.deliverer->run_round().ok());
  EXPECT_EQ(world.deliverer->status().consumed, 40u);
  EXPECT_GT(world.log->begin(), 0u);
  EXPECT_LE(world.log->begin(), 10u);
}

// Killed after the object was written and before it was registered: the same name and the same bytes again, although
// settings, time and the log have moved on.
TEST(Deliverer, AnObjectWrittenTwiceIsTheSame) {
  World world;
  world.open();
  ASSERT_TRUE(world.send("events", {"a", "b"}));
  ASSERT_TRUE(world.send("other", {"x"}));
  ASSERT_TRUE(world.deliverer->run_round().ok());
  world.memory.advance(60 * kSecond);
  for (int i = 1; i <= 3; ++i) {
    world.env.fail(FaultyEnv::Operation::sync_directory, i, EIO);  // after the rename; of both objects
  }
  ASSERT_TRUE(world.deliverer->run_round().ok());
  ASSERT_THAT(world.registered(), IsEmpty());
  std::vector<std::string> files;
  world.list_files("/lake/raw", files);
  ASSERT_THAT(files, SizeIs(2));
  std::map<std::string, std::string> before;
  for (const std::string& file : files) {
    before[file] = world.memory.read_file("/lake/" + file).value();
  }
  world.env.heal();
  world.close();

  world.defaults = {.prefix = "raw/elsewhere/", .interval = 5s, .bytes = 3, .compression = Compression::none};
  world.memory.advance(7 * 24 * 3600 * kSecond);
  world.open();
  ASSERT_TRUE(world.send("events", {"c", "d", "e"}));
  ASSERT_TRUE(world.deliverer->run_round().ok());
  const auto objects = world.registered();
  ASSERT_THAT(objects, SizeIs(3));  // "e" is open
  for (const auto& [file, bytes] : before) {
    EXPECT_EQ(world.memory.read_file("/lake/" + file).value(), bytes);
  }
  world.memory.advance(5 * kSecond);
  ASSERT_TRUE(world.deliverer->run_round().ok());
  world.expect_all_delivered("redone");
}

TEST(Deliverer, FailuresAreRetriedWithGrowingPausesAndThenRedirected) {
  World world;
  world.open();
  ASSERT_TRUE(world.send("events", {"a"}));
  ASSERT_TRUE(world.send("fine", {"f"}));
  // A file stands where the object's folder should be.
  ASSERT_TRUE(world.memory.create_directories("/lake/raw").ok());
  ASSERT_TRUE(world.memory.write_file("/lake/raw/events", "in the way").ok());
  world.memory.advance(60 * kSecond);
  int rounds = 0;
  while (world.registered({"events", {}, {}}).empty()) {
    ASSERT_TRUE(world.deliverer->run_round().ok());
    EXPECT_THAT(world.registered({"fine", {}, {}}), SizeIs(1));  // nobody else waits for it
    world.memory.advance(30 * kSecond);
    ASSERT_LT(++rounds, 4000);
    if (rounds == 100) {
      EXPECT_THAT(world.deliverer->status().last_error, HasSubstr("/lake/raw/events"));
    }
  }
  EXPECT_GE(rounds, 2880);  // a day of rounds
  const auto object = world.registered({"events", {}, {}}).at(0);
  EXPECT_TRUE(object.is_error);
  EXPECT_EQ(object.object,
            "raw_errors/events/year=2026/month=11/day=21/events-1-2026-11-21-05-46-00-00000000000000000000.gz");
  EXPECT_THAT(world.announced, SizeIs(1));
  ASSERT_TRUE(world.memory.remove_file("/lake/raw/events").ok());
  world.expect_all_delivered("redirected");
}

TEST(Deliverer, MemoryIsBoundedWhileTheDiskFails) {
  World world;
  world.buffer_bytes_max = 100'000;
  world.defaults.bytes = 10'000;
  world.defaults.compression = Compression::none;
  world.open();
  for (int i = 0; i < 10; ++i) {
    for (int j = 0; j < 20; ++j) {
      ASSERT_TRUE(world.send("stream" + std::to_string(i), {std::string(2000, static_cast<char>('a' + j))}));
    }
  }
  ASSERT_TRUE(world.memory.write_file("/lake/raw", "in the way").ok());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(world.deliverer->run_round().ok());
    world.memory.advance(100 * kSecond);
  }
  std::uint64_t waiting = 0;
  std::uint64_t open_bytes = 0;
  for (const auto& stream : world.deliverer->status().streams) {
    waiting += stream.waiting;
    open_bytes += stream.open_bytes;
  }
  EXPECT_LE(waiting * 10'000 + open_bytes, 200'000u);
  EXPECT_LT(world.deliverer->status().next, 200u);
  ASSERT_TRUE(world.memory.remove_file("/lake/raw").ok());
  for (int i = 0; i < 10; ++i) {
    world.memory.advance(100 * kSecond);
    ASSERT_TRUE(world.deliverer->run_round().ok());
  }
  world.expect_all_delivered("afterwards");
}

TEST(Deliverer, ARecordedCutWhoseRecordsAreLost) {
  World world;
  world.open();
  ASSERT_TRUE(world.send("events", {"a"}));
  world.memory.advance(60 * kSecond);
  world.env.fail(FaultyEnv::Operation::rename, 1, EIO);
  ASSERT_TRUE(world.deliverer->run_round().ok());
  world.close();
  const auto entries = world.memory.list_directory("/wal").value();
  for (const auto& entry : entries) {
    if (wal::parse_segment_name(entry.name)) {
      const std::string path = "/wal/" + entry.name;
      ASSERT_TRUE(world.memory.write_file(path, std::string(entry.size_bytes, 'X')).ok());
    }
  }
  world.open();
  ASSERT_TRUE(world.log->end() == 0);
  world.acknowledged.clear();
  ASSERT_TRUE(world.send("other", {"b"}));
  ASSERT_TRUE(world.deliverer->run_round().ok());
  world.memory.advance(60 * kSecond);
  ASSERT_TRUE(world.deliverer->run_round().ok());
  world.expect_all_delivered("the rest");
}

// Streams with different options, faults and power cuts; rounds go on until all is delivered.
void live(World& world, std::optional<std::uint64_t> seed, const std::string& what) {
  world.defaults = {.interval = 30s, .bytes = 60};
  world.streams["slow"] = {.interval = 200s, .compression = Compression::none};
  int line = 0;
  for (int life = 0; life < 3; ++life) {
    world.deliverer.reset();
    world.log.reset();
    world.open();
    if (testing::Test::HasFatalFailure()) {
      return;
    }
    for (int i = 0; i < 6; ++i) {
      world.send(i % 2 == 0 ? "events" : "clickstream",
                 {"line " + std::to_string(++line), "line " + std::to_string(++line)});
      world.send("slow", {"line " + std::to_string(++line)});
      static_cast<void>(world.deliverer->run_round());
      world.memory.advance(20 * kSecond);
    }
    ASSERT_TRUE(world.env.crash(seed).ok());
  }
  world.env.heal();
  world.close();
  world.open();
  for (int i = 0; i < 10; ++i) {
    world.memory.advance(100 * kSecond);
    ASSERT_TRUE(world.deliverer->run_round().ok()) << what;
  }
  world.expect_all_delivered(what, true);
}

TEST(DelivererCrash, NothingIsLostOrRepeated) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    World world;
    live(world, seed == 0 ? std::nullopt : std::optional(seed), "seed " + std::to_string(seed));
  }
}

TEST(DelivererCrash, AnyOperationMayFail) {
  for (const FaultyEnv::Operation operation :
       {FaultyEnv::Operation::create, FaultyEnv::Operation::write, FaultyEnv::Operation::sync,
        FaultyEnv::Operation::close, FaultyEnv::Operation::rename, FaultyEnv::Operation::sync_directory,
        FaultyEnv::Operation::open, FaultyEnv::Operation::read}) {
    int operations = 0;
    {
      World world;
      live(world, std::nullopt, "no fault");
      operations = world.env.count(operation);
    }
    for (int nth = 1; nth <= operations; ++nth) {
      World world;
      world.env.fail(operation, nth, nth % 2 == 0 ? ENOSPC : EIO);
      live(world, nth, "operation " + std::to_string(static_cast<int>(operation)) + " number " + std::to_string(nth));
      if (HasFailure()) {
        return;
      }
    }
  }
}

TEST(Deliverer, RunsOnItsOwnThread) {
  io::TemporaryDirectory folder;
  wal::LogOptions log_options;
  log_options.env = &io::posix_env();
  log_options.directory = folder.file("wal");
  const auto log = wal::Log::open(log_options).value();
  std::mutex mutex;
  std::condition_variable delivered;
  std::vector<DeliveredObject> objects;
  DelivererOptions options;
  options.env = &io::posix_env();
  options.log = log.get();
  options.control_plane = folder.file("state.sqlite");
  options.lake_root = folder.file("lake");
  options.temporary_directory = folder.file("lake/tmp");
  options.for_stream = [](std::string_view) { return DeliveryOptions{.bytes = 100'000}; };
  options.on_object = [&](const DeliveredObject& object) {
    const std::lock_guard lock(mutex);
    objects.push_back(object);
    delivered.notify_all();
  };
  const auto deliverer = Deliverer::open(options).value();
  deliverer->start();
  const std::string payload = std::string(999, 'x') + "\n";
  const std::vector<wal::Entry> entries(10, wal::Entry{"events", io::posix_env().now_micros(), payload});
  for (int i = 0; i < 25; ++i) {
    ASSERT_TRUE(log->append_and_wait(entries).ok());
  }
  std::unique_lock lock(mutex);
  ASSERT_TRUE(delivered.wait_for(lock, 60s, [&] { return objects.size() == 2; }));
  lock.unlock();
  deliverer->flush();
  lock.lock();
  ASSERT_TRUE(delivered.wait_for(lock, 60s, [&] { return objects.size() == 3; }));
  EXPECT_EQ(objects[0].records, 100u);
  EXPECT_EQ(objects[2].records, 50u);
  EXPECT_EQ(objects[2].last, 249u);
  lock.unlock();
  deliverer->stop();
  EXPECT_EQ(deliverer->status().consumed, 250u);
  deliverer->start();  // and again
  deliverer->stop();
}

}  // namespace
}  // namespace shoplake::deliver
