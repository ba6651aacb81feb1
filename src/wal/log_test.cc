#include "wal/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <map>
#include <set>
#include <thread>

#include "base/log.h"
#include "io/faulty_env.h"
#include "io/memory_env.h"
#include "io/temporary_directory.h"

namespace shoplake::wal {
namespace {

using io::FaultyEnv;
using io::MemoryEnv;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::chrono_literals;

constexpr std::size_t kMany = 1'000'000;

LogOptions options_of(io::Env& env, const std::string& directory = "/wal") {
  base::log::configure(base::log::Level::off, false);  // damage is meant here
  LogOptions options;
  options.env = &env;
  options.directory = directory;
  options.retry_after = 0ms;
  return options;
}

std::unique_ptr<Log> open_log(const LogOptions& options) {
  auto log = Log::open(options);
  EXPECT_TRUE(log.ok()) << to_string(log.error());
  return log.ok() ? std::move(*log) : nullptr;
}

Result<Offset> append(Log& log, const std::vector<std::string>& payloads, std::string_view stream = "events") {
  std::vector<Entry> entries;
  for (const std::string& payload : payloads) {
    entries.push_back({stream, 7, payload});
  }
  return log.append_and_wait(entries);
}

struct Content {
  std::map<Offset, std::string> payloads;
  std::vector<LostRange> lost;
  std::vector<std::pair<Offset, Offset>> lost_offsets() const {
    std::vector<std::pair<Offset, Offset>> offsets;
    for (const LostRange& range : lost) {
      offsets.emplace_back(range.first, range.end);
    }
    return offsets;
  }
};

Content read_all(const Log& log, Offset from, std::size_t records_max = kMany) {
  Content content;
  for (Offset next = from; next < log.end();) {
    auto batch = log.read(next, records_max, kMany);
    EXPECT_TRUE(batch.ok()) << to_string(batch.error());
    if (!batch.ok()) {
      break;
    }
    for (const Record& record : batch->records) {
      EXPECT_GE(record.offset, next);
      EXPECT_TRUE(content.payloads.emplace(record.offset, record.payload).second);
    }
    content.lost.insert(content.lost.end(), batch->lost.begin(), batch->lost.end());
    EXPECT_GT(batch->next, next);
    if (batch->next <= next) {
      break;
    }
    next = batch->next;
  }
  return content;
}

std::vector<std::string> segment_paths(io::Env& env, const std::string& directory = "/wal") {
  std::vector<std::string> paths;
  const auto entries = env.list_directory(directory).value();
  for (const auto& entry : entries) {
    if (parse_segment_name(entry.name)) {
      paths.push_back(io::join_path(directory, entry.name));
    }
  }
  return paths;
}

TEST(Log, GivesBackWhatWasAppended) {
  MemoryEnv env;
  auto log = open_log(options_of(env));
  EXPECT_EQ(log->begin(), 0u);
  EXPECT_EQ(log->end(), 0u);
  EXPECT_THAT(log->read(0, 10, kMany)->records, IsEmpty());
  EXPECT_EQ(append(*log, {"a", "bb"}).value(), 0u);
  const std::vector<Entry> entries{{"clickstream", -5, ""}};
  EXPECT_EQ(log->append_and_wait(entries).value(), 2u);
  EXPECT_EQ(log->end(), 3u);

  const Batch batch = log->read(0, 10, kMany).value();
  ASSERT_EQ(batch.records.size(), 3u);
  EXPECT_EQ(batch.next, 3u);
  EXPECT_EQ(batch.records[1].payload, "bb");
  EXPECT_EQ(batch.records[1].stream, "events");
  EXPECT_EQ(batch.records[1].received_at_micros, 7);
  EXPECT_EQ(batch.records[2].offset, 2u);
  EXPECT_EQ(batch.records[2].stream, "clickstream");
  EXPECT_EQ(batch.records[2].received_at_micros, -5);
  EXPECT_EQ(batch.records[2].payload, "");
  EXPECT_EQ(log->read(1, 1, kMany)->records.front().payload, "bb");
  EXPECT_EQ(log->read(3, 1, kMany)->next, 3u);
  EXPECT_EQ(log->read(100, 1, kMany)->next, 100u);
}

TEST(Log, RefusesWhatItCannotHold) {
  MemoryEnv env;
  LogOptions options = options_of(env);
  options.queue_bytes_max = 1000;
  auto log = open_log(options);
  EXPECT_EQ(append(*log, {}).error().code, "wal.bad_entry");
  EXPECT_EQ(append(*log, {"x"}, "").error().code, "wal.bad_entry");
  EXPECT_EQ(append(*log, {"x"}, std::string(256, 's')).error().code, "wal.bad_entry");
  EXPECT_EQ(append(*log, {std::string(2000, 'x')}).error().code, "wal.bad_entry");
  EXPECT_TRUE(append(*log, {"x"}, std::string(255, 's')).ok());
}

TEST(Log, IsOpenedOnce) {
  MemoryEnv env;
  auto log = open_log(options_of(env));
  const auto second = Log::open(options_of(env));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, "wal.locked");
  EXPECT_EQ(second.error().kind, base::ErrorKind::conflict);
  log.reset();
  EXPECT_TRUE(Log::open(options_of(env)).ok());
}

TEST(Log, GoesOnAfterARestart) {
  MemoryEnv env;
  for (int run = 0; run < 3; ++run) {
    auto log = open_log(options_of(env));
    EXPECT_EQ(log->end(), static_cast<Offset>(run) * 2);
    EXPECT_TRUE(append(*log, {"a" + std::to_string(run), "b" + std::to_string(run)}).ok());
  }
  auto log = open_log(options_of(env));
  EXPECT_THAT(read_all(*log, 0).payloads, ElementsAre(std::pair(0, "a0"), std::pair(1, "b0"), std::pair(2, "a1"),
                                                      std::pair(3, "b1"), std::pair(4, "a2"), std::pair(5, "b2")));
  EXPECT_EQ(segment_paths(env).size(), 3u);  // opening alone makes none
}

TEST(Log, SegmentsRollAndAreTrimmedWhole) {
  MemoryEnv env;
  LogOptions options = options_of(env);
  options.segment_bytes = 400;
  auto log = open_log(options);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(append(*log, {std::string(100, 'a' + i)}).ok());
  }
  EXPECT_EQ(segment_paths(env).size(), 10u);  // two of 138 bytes behind a header of 48
  EXPECT_EQ(log->status().segments, 10u);
  const Content content = read_all(*log, 0);
  EXPECT_EQ(content.payloads.size(), 20u);
  EXPECT_THAT(content.lost, IsEmpty());

  ASSERT_TRUE(log->trim(7).ok());
  EXPECT_EQ(log->begin(), 6u);
  ASSERT_TRUE(log->trim(1000).ok());
  EXPECT_EQ(log->begin(), 18u);  // the last one stays
  EXPECT_EQ(segment_paths(env).size(), 1u);
  EXPECT_EQ(log->status().bytes, env.file_size(segment_paths(env)[0]).value());
  EXPECT_THAT(read_all(*log, 3).lost_offsets(), ElementsAre(std::pair(3, 18)));
  EXPECT_EQ(append(*log, {"x"}).value(), 20u);

  log.reset();
  log = open_log(options);
  EXPECT_EQ(log->begin(), 18u);
  EXPECT_EQ(log->end(), 21u);
}

TEST(Log, EveryReadGoesOnWhateverItsLimits) {
  MemoryEnv env;
  LogOptions options = options_of(env);
  options.segment_bytes = 1 << 20;
  auto log = open_log(options);
  std::map<Offset, std::string> written;
  for (int i = 0; i < 300; ++i) {
    std::vector<std::string> payloads;
    for (int j = 0; j <= i % 5; ++j) {
      payloads.emplace_back(static_cast<std::size_t>((i * 977 + j * 131) % 30'000), static_cast<char>('a' + i % 26));
      written.emplace(written.size(), payloads.back());
    }
    ASSERT_TRUE(append(*log, payloads).ok());
  }
  ASSERT_TRUE(append(*log, {std::string(3 << 20, 'L')}).ok());  // larger than a segment, and than a reader's buffer
  written.emplace(written.size(), std::string(3 << 20, 'L'));
  for (const bool is_reopened : {false, true}) {
    if (is_reopened) {
      log.reset();
      log = open_log(options);
    }
    for (const std::size_t records_max : {std::size_t{1}, std::size_t{7}, kMany}) {
      for (const std::size_t bytes_max : {std::size_t{0}, std::size_t{100'000}, std::size_t{50} << 20}) {
        Offset next = 0;
        while (next < log->end()) {
          const Batch batch = log->read(next, records_max, bytes_max).value();
          ASSERT_FALSE(batch.records.empty());
          EXPECT_LE(batch.records.size(), records_max);
          for (const Record& record : batch.records) {
            ASSERT_EQ(record.offset, next);
            ASSERT_EQ(record.payload, written.at(next));
            ++next;
          }
          ASSERT_EQ(batch.next, next);
        }
        EXPECT_EQ(next, written.size());
      }
    }
    for (Offset from = written.size(); from-- > 0;) {  // the index is found from behind, too
      ASSERT_EQ(log->read(from, 1, 0)->records.at(0).payload, written.at(from));
    }
  }
}

TEST(Log, ReadersWaitForRecords) {
  MemoryEnv env;
  auto log = open_log(options_of(env));
  EXPECT_FALSE(log->wait_past(0, {}, 1ms));
  std::stop_source stop;
  std::jthread reader([&] {
    EXPECT_TRUE(log->wait_past(0, {}, 60s));
    EXPECT_EQ(log->read(0, 1, kMany)->records.at(0).payload, "x");
    EXPECT_FALSE(log->wait_past(1, stop.get_token(), 60s));
  });
  ASSERT_TRUE(append(*log, {"x"}).ok());
  stop.request_stop();
}

TEST(Log, ManySendersAndAReader) {
  const io::TemporaryDirectory folder;
  LogOptions options = options_of(io::posix_env(), folder.file("wal"));
  options.segment_bytes = 64 << 10;
  base::Metrics metrics;
  options.metrics = &metrics;
  auto log = open_log(options);
  constexpr int kSenders = 8;
  constexpr int kAppends = 200;
  std::vector<std::string> read;
  std::jthread reader([&] {
    Offset next = 0;
    while (next < kSenders * kAppends * 2) {
      ASSERT_TRUE(log->wait_past(next, {}, 60s));
      const Batch batch = log->read(next, 100, kMany).value();
      ASSERT_THAT(batch.lost, IsEmpty());
      for (const Record& record : batch.records) {
        ASSERT_EQ(record.offset, read.size());
        read.emplace_back(record.payload);
      }
      next = batch.next;
      ASSERT_TRUE(log->trim(next).ok());
    }
  });
  std::vector<std::map<Offset, std::string>> acknowledged(kSenders);
  {
    std::vector<std::jthread> senders;
    for (int sender = 0; sender < kSenders; ++sender) {
      senders.emplace_back([&, sender] {
        for (int i = 0; i < kAppends; ++i) {
          const std::vector<std::string> payloads{std::to_string(sender) + ":" + std::to_string(i), "second"};
          const auto first = append(*log, payloads);
          ASSERT_TRUE(first.ok());
          acknowledged[static_cast<std::size_t>(sender)].emplace(*first, payloads[0]);
        }
      });
    }
  }
  reader.join();
  ASSERT_EQ(read.size(), kSenders * kAppends * 2u);
  for (const auto& sender : acknowledged) {
    for (const auto& [offset, payload] : sender) {
      EXPECT_EQ(read[offset], payload);
      EXPECT_EQ(read[offset + 1], "second");
    }
  }
  EXPECT_THAT(metrics.exposition(), HasSubstr("shoplake_wal_records_total 3200"));
}

TEST(Log, FullQueueRefusesAtOnce) {
  MemoryEnv env;
  LogOptions options = options_of(env);
  options.queue_bytes_max = 10'000;
  auto log = open_log(options);
  const std::string payload(1000, 'x');
  const std::vector<Entry> entries{{"events", 1, payload}};
  std::binary_semaphore is_blocked{0};
  std::binary_semaphore may_go_on{0};
  log->append(entries, [&](Result<Offset> first) {
    EXPECT_TRUE(first.ok());
    is_blocked.release();
    may_go_on.acquire();
  });
  is_blocked.acquire();
  int accepted = 0;
  int refused = 0;
  std::atomic<int> acknowledged = 0;
  for (int i = 0; i < 20; ++i) {
    bool is_refused = false;
    log->append(entries, [&, is_inside = &is_refused, i](Result<Offset> first) {
      if (first.ok()) {
        ++acknowledged;
      } else {
        EXPECT_EQ(first.error().code, "wal.overloaded") << i;
        *is_inside = true;  // before append() returns
      }
    });
    ++(is_refused ? refused : accepted);
  }
  EXPECT_GT(accepted, 5);
  EXPECT_GT(refused, 5);
  EXPECT_LE(log->status().queue_bytes, options.queue_bytes_max);
  may_go_on.release();
  log.reset();  // writes what is queued
  EXPECT_EQ(acknowledged, accepted);
}

TEST(Log, ADamagedMiddleIsNamedAndSkipped) {
  MemoryEnv env;
  base::Metrics metrics;
  LogOptions options = options_of(env);
  options.segment_bytes = 400;
  options.metrics = &metrics;
  auto log = open_log(options);
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(append(*log, {std::string(100, 'a' + i)}).ok());
  }
  log.reset();
  const auto paths = segment_paths(env);
  ASSERT_EQ(paths.size(), 3u);
  std::string bytes = env.read_file(paths[0]).value();
  bytes[60] ^= 4;
  ASSERT_TRUE(env.write_file(paths[0], bytes).ok());
  bytes = env.read_file(paths[1]).value();
  ASSERT_TRUE(env.write_file(paths[1], bytes.substr(0, bytes.size() - 1)).ok());
  log = open_log(options);
  for (int twice = 0; twice < 2; ++twice) {
    const Content content = read_all(*log, 0);
    EXPECT_THAT(content.lost_offsets(), ElementsAre(std::pair(0, 1), std::pair(3, 4)));
    EXPECT_EQ(content.lost[0].reason, "damaged bytes 48 to 186 of " + paths[0]);
    EXPECT_EQ(content.payloads.size(), 4u);
  }
  EXPECT_EQ(log->status().records_lost, 2u);
  EXPECT_THAT(metrics.exposition(), HasSubstr("shoplake_wal_records_lost_total 2\n"));

  log.reset();  // a segment that is gone
  ASSERT_TRUE(env.remove_file(paths[1]).ok());
  log = open_log(options);
  EXPECT_THAT(read_all(*log, 0).lost_offsets(), ElementsAre(std::pair(0, 1), std::pair(2, 4)));
  EXPECT_EQ(append(*log, {"x"}).value(), 6u);
}

// Every byte of every segment, also those that recovery reads: the log opens, shows nothing wrong, and takes records
// that do not disturb the old ones.
TEST(Log, AnyDamagedByteOfTheLog) {
  MemoryEnv env;
  LogOptions options = options_of(env);
  options.segment_bytes = 300;
  std::map<Offset, std::string> written;
  {
    auto log = open_log(options);
    for (int i = 0; i < 5; ++i) {
      const std::string payload(40, static_cast<char>('a' + i));
      written.emplace(append(*log, {payload}).value(), payload);
    }
  }
  const auto paths = segment_paths(env);
  ASSERT_EQ(paths.size(), 2u);
  for (const std::string& path : paths) {
    const std::string whole = env.read_file(path).value();
    for (std::size_t at = 0; at < whole.size(); ++at) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
      ASSERT_TRUE(env.write_file(path, damaged).ok());
      auto log = open_log(options);
      const Content content = read_all(*log, 0);
      EXPECT_GE(content.payloads.size(), 4u) << path << " byte " << at;
      for (const auto& [offset, payload] : content.payloads) {
        EXPECT_EQ(payload, written.at(offset)) << path << " byte " << at;
      }
    }
    ASSERT_TRUE(env.write_file(path, whole).ok());
  }
}

TEST(Log, NoOffsetBelowAConsumersPosition) {
  MemoryEnv env;
  LogOptions options = options_of(env);
  {
    auto log = open_log(options);
    ASSERT_TRUE(append(*log, {"a", "b", "c"}).ok());
  }
  const std::string path = segment_paths(env).at(0);
  const std::string bytes = env.read_file(path).value();
  ASSERT_TRUE(env.write_file(path, bytes.substr(0, bytes.size() - 10)).ok());  // "c" was consumed, and is gone
  options.offset_min = 3;
  auto log = open_log(options);
  EXPECT_EQ(log->end(), 3u);
  EXPECT_EQ(append(*log, {"d"}).value(), 3u);
  const Content content = read_all(*log, 0);
  EXPECT_THAT(content.payloads, ElementsAre(std::pair(0, "a"), std::pair(1, "b"), std::pair(3, "d")));
  EXPECT_THAT(content.lost_offsets(), ElementsAre(std::pair(2, 3)));

  MemoryEnv empty;
  options = options_of(empty);
  options.offset_min = 50;
  const auto second = open_log(options);
  EXPECT_EQ(second->begin(), 50u);
  EXPECT_EQ(append(*second, {"x"}).value(), 50u);
}

// Sends numbered records, sending again what was not acknowledged; at the end of the power everything acknowledged must
// be there, at its offset, and nothing that was never sent.
class Sender {
 public:
  explicit Sender(MemoryEnv& memory) : memory_(memory) {}

  // As many appends as `appends`, some of several records; each is tried until it is acknowledged, or thrice.
  void send(Log& log, int appends) {
    for (int i = 0; i < appends; ++i) {
      std::vector<std::string> payloads;
      for (int j = 0; j <= i % 3; ++j) {
        payloads.push_back("event " + std::to_string(++sent_) + std::string(40, '.'));
      }
      for (int attempt = 0; attempt < 3; ++attempt) {
        all_sent_.insert(payloads.begin(), payloads.end());
        const auto first = append(log, payloads);
        if (first.ok()) {
          for (std::size_t j = 0; j < payloads.size(); ++j) {
            EXPECT_TRUE(acknowledged_.emplace(*first + j, payloads[j]).second) << "one offset twice: " << *first + j;
          }
          EXPECT_EQ(log.end(), *first + payloads.size());
          break;
        }
        EXPECT_THAT(first.error().code, testing::AnyOf("wal.failed", "wal.disk_full"));
        memory_.advance(1);
      }
    }
  }

  // Offsets may be skipped where a segment could not be read at open: `may_skip`.
  void expect_kept(const Log& log, const std::string& what, bool may_skip = false) const {
    const Content content = read_all(log, log.begin());
    if (!may_skip) {
      EXPECT_THAT(content.lost, IsEmpty()) << what;
    }
    for (const auto& [offset, payload] : acknowledged_) {
      const auto found = content.payloads.find(offset);
      ASSERT_TRUE(found != content.payloads.end()) << what << ": offset " << offset << " is gone";
      EXPECT_EQ(found->second, payload) << what;
    }
    for (const auto& [offset, payload] : content.payloads) {
      EXPECT_TRUE(all_sent_.contains(payload)) << what;
    }
  }

  std::size_t acknowledged() const { return acknowledged_.size(); }

 private:
  MemoryEnv& memory_;
  int sent_ = 0;
  std::set<std::string> all_sent_;
  std::map<Offset, std::string> acknowledged_;
};

constexpr FaultyEnv::Operation kFallible[] = {
    FaultyEnv::Operation::create, FaultyEnv::Operation::open,           FaultyEnv::Operation::read,
    FaultyEnv::Operation::write,  FaultyEnv::Operation::sync,           FaultyEnv::Operation::close,
    FaultyEnv::Operation::remove, FaultyEnv::Operation::sync_directory,
};

struct World {
  MemoryEnv memory;
  FaultyEnv env{memory};
  LogOptions options = options_of(env);
  Sender sender{memory};

  World() { options.segment_bytes = 500; }

  // Two processes' lives: the power goes at the end of each.
  void live(const std::string& what, std::optional<std::uint64_t> seed, bool may_skip = false) {
    for (int life = 0; life < 2; ++life) {
      auto log = Log::open(options);
      if (log.ok()) {
        sender.send(**log, 8);
      }
      ASSERT_TRUE(env.crash(seed).ok());
      if (log.ok()) {
        log->reset();
      }
    }
    env.heal();
    auto log = open_log(options);
    sender.expect_kept(*log, what, may_skip);
    sender.send(*log, 3);
    sender.expect_kept(*log, what + ", afterwards", may_skip);
  }
};

TEST(LogCrash, NothingAcknowledgedIsEverLost) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    World world;
    world.live("seed " + std::to_string(seed), seed == 0 ? std::nullopt : std::optional(seed));
    EXPECT_GE(world.sender.acknowledged(), 30u);
  }
}

TEST(LogCrash, AnyOperationMayFail) {
  for (const FaultyEnv::Operation operation : kFallible) {
    for (const int error_number : {EIO, ENOSPC}) {
      int operations = 0;
      {
        World world;
        world.live("no fault", std::nullopt);
        operations = world.env.count(operation);
      }
      for (int nth = 1; nth <= operations; ++nth) {
        World world;
        world.env.fail(operation, nth, error_number);
        world.live("operation " + std::to_string(static_cast<int>(operation)) + " number " + std::to_string(nth), nth,
                   operation == FaultyEnv::Operation::open || operation == FaultyEnv::Operation::read);
      }
    }
  }
}

TEST(LogCrash, AnyWriteMayBeTorn) {
  for (int nth = 1; nth <= 40; ++nth) {
    for (const std::size_t bytes : {0u, 1u, 31u, 32u, 47u, 60u, 100u}) {
      for (const bool is_crash_random : {false, true}) {
        World world;
        world.env.tear_write(nth, bytes);
        world.live("write " + std::to_string(nth) + " torn after " + std::to_string(bytes),
                   is_crash_random ? std::optional<std::uint64_t>(nth) : std::nullopt);
      }
    }
  }
}

// Several faults in a row: what replaces a given-up segment fails, too, and its removal as well.
TEST(LogCrash, FaultsOnFaults) {
  for (int sync = 1; sync <= 12; ++sync) {
    for (const FaultyEnv::Operation second :
         {FaultyEnv::Operation::create, FaultyEnv::Operation::write, FaultyEnv::Operation::sync,
          FaultyEnv::Operation::remove, FaultyEnv::Operation::sync_directory}) {
      for (int nth = 1; nth <= 4; ++nth) {
        World world;
        world.env.fail(FaultyEnv::Operation::sync, sync, EIO);
        world.env.fail(FaultyEnv::Operation::sync, sync + 1, EIO);
        world.env.fail(second, nth, EIO);
        world.env.fail(FaultyEnv::Operation::remove, 1, EIO);
        world.live("sync " + std::to_string(sync) + " and " + std::to_string(static_cast<int>(second)), sync);
      }
    }
  }
}

TEST(LogDiskFull, NoFalseAcknowledgementAndItGoesOnByItself) {
  for (std::uint64_t space = 0; space < 1500; space += 13) {
    World world;
    auto log = open_log(world.options);
    world.env.limit_space(space);
    world.sender.send(*log, 12);
    const std::size_t acknowledged = world.sender.acknowledged();
    const auto refused = append(*log, {std::string(2000, 'x')});
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, "wal.disk_full");
    EXPECT_EQ(log->status().failure->code, "wal.disk_full");
    EXPECT_LE(segment_paths(world.memory).size(), acknowledged + 1) << "a full disk fills with empty segments";
    world.sender.expect_kept(*log, "full");  // and everything is still readable
    world.env.heal();
    world.sender.send(*log, 3);
    EXPECT_GT(world.sender.acknowledged(), acknowledged);
    EXPECT_FALSE(log->status().failure);
    ASSERT_TRUE(world.env.crash().ok());
    log.reset();
    log = open_log(world.options);
    world.sender.expect_kept(*log, "space " + std::to_string(space));
  }
}

TEST(LogDiskFull, TriesAgainOnlyAfterAWhile) {
  MemoryEnv memory;
  FaultyEnv env(memory);
  LogOptions options = options_of(env);
  options.retry_after = 100ms;
  auto log = open_log(options);
  env.fail(FaultyEnv::Operation::sync, 1, EIO);
  EXPECT_EQ(append(*log, {"a"}).error().code, "wal.failed");
  const int syncs = env.count(FaultyEnv::Operation::sync);
  EXPECT_EQ(append(*log, {"a"}).error().code, "wal.failed");
  EXPECT_EQ(env.count(FaultyEnv::Operation::sync), syncs);
  memory.advance(100'000);
  EXPECT_EQ(append(*log, {"a"}).value(), 0u);
  EXPECT_EQ(read_all(*log, 0).payloads.size(), 1u);
}

// One group, one sync: a failure reaches everybody who waits for it.
TEST(LogDiskFull, EveryWaiterOfAGroupGetsTheError) {
  MemoryEnv memory;
  FaultyEnv env(memory);
  auto log = open_log(options_of(env));
  std::binary_semaphore is_blocked{0};
  std::binary_semaphore may_go_on{0};
  const std::vector<Entry> entries{{"events", 1, "x"}};
  log->append(entries, [&](Result<Offset>) {
    is_blocked.release();
    may_go_on.acquire();
  });
  is_blocked.acquire();
  std::atomic<int> failed = 0;
  for (int i = 0; i < 10; ++i) {
    log->append(entries, [&](Result<Offset> first) { failed += first.ok() ? 0 : 1; });
  }
  env.fail(FaultyEnv::Operation::sync, 1, EIO);
  const int syncs = env.count(FaultyEnv::Operation::sync);
  may_go_on.release();
  EXPECT_EQ(log->append_and_wait(entries).ok(), log->end() == 2);
  EXPECT_GE(failed, 10);
  EXPECT_LE(env.count(FaultyEnv::Operation::sync), syncs + 2);
}

}  // namespace
}  // namespace shoplake::wal
