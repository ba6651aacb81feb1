#include "s3/env.h"

#include <gtest/gtest.h>

#include "io/memory_env.h"
#include "io/staged_folder.h"
#include "io/sync_files.h"
#include "s3/fake_store.h"
#include "s3/upload.h"

namespace shoplake::s3 {
namespace {

using Fault = FakeStore::Fault;

aws::CredentialOptions given_keys() {
  aws::CredentialOptions options;
  options.given.access_key_id = FakeStore::kKeyId;
  options.given.secret_access_key = FakeStore::kSecret;
  return options;
}

std::optional<std::string> no_variable(const char*) { return std::nullopt; }

class S3EnvTest : public testing::Test {
 protected:
  static ClientOptions client_options() {
    ClientOptions options;
    options.endpoint = "http://store:9000";
    options.path_style = true;
    options.retry.attempts_max = 3;
    options.pause = [](std::int64_t) {};
    return options;
  }
  static S3EnvOptions env_options() {
    S3EnvOptions options;
    options.staging_directory = "/tmp/stages";
    options.transfer = {
        .part_bytes = 100, .streams_max = 1, .small_files_bytes = 250, .first_read_bytes = 50, .block_bytes = 40};
    return options;
  }
  static std::string text(std::size_t size) {
    std::string text;
    while (text.size() < size)
      text += std::to_string(text.size()) + ",";
    return text.substr(0, size);
  }
  std::unique_ptr<io::WritableFile> begin(const std::string& path, const std::string& bytes) {
    auto file = env_.create_file(path).value();
    EXPECT_TRUE(file->append(bytes).ok());
    return file;
  }
  std::vector<io::DirectoryEntry> stages() {
    return local_.exists("/tmp/stages").value() ? local_.list_directory("/tmp/stages").value()
                                                : std::vector<io::DirectoryEntry>();
  }

  io::MemoryEnv local_{1'800'000'000'000'000, 3};
  FakeStore store_;
  aws::CredentialChain keys_{local_, store_, no_variable, given_keys()};
  Client client_{local_, store_, keys_, client_options()};
  S3Env env_{local_, client_, env_options()};
};

TEST_F(S3EnvTest, RoutesByPath) {
  ASSERT_TRUE(env_.create_directories("/a").ok());
  ASSERT_TRUE(env_.write_file("/a/local", "l").ok());
  ASSERT_TRUE(env_.write_file("s3://bucket/a/remote", "r").ok());
  EXPECT_EQ(local_.read_file("/a/local").value(), "l");
  EXPECT_EQ(store_.objects, (std::map<std::string, std::string>{{"bucket/a/remote", "r"}}));
  EXPECT_EQ(env_.read_file("s3://bucket/a/remote").value(), "r");
  EXPECT_TRUE(env_.exists("s3://bucket/a/remote").value());
  EXPECT_TRUE(env_.exists("s3://bucket/a").value());
  EXPECT_TRUE(env_.is_directory("s3://bucket/a").value());
  EXPECT_FALSE(env_.is_directory("s3://bucket/a/remote").value());
  EXPECT_FALSE(env_.exists("s3://bucket/b").value());
  EXPECT_EQ(env_.file_size("s3://bucket/a/remote").value(), 1U);
  EXPECT_EQ(env_.open_file("s3://bucket/none").error().code, "io.not_found");
  EXPECT_TRUE(env_.create_directories("s3://bucket/new").ok());
  EXPECT_TRUE(env_.sync_directory("s3://bucket/new").ok());
  EXPECT_TRUE(env_.list_directory("s3://bucket/new").value().empty());
  EXPECT_FALSE(env_.rename("s3://bucket/a/remote", "s3://bucket/b").ok());
  EXPECT_FALSE(env_.lock_file("s3://bucket/lock").ok());
  EXPECT_EQ(env_.staging_directory("/a"), "");
  EXPECT_EQ(env_.staging_directory("s3://bucket"), "/tmp/stages");
}

TEST_F(S3EnvTest, AnObjectAppearsWholeOrNotAtAll) {
  for (const std::size_t size : {0, 99, 100, 101, 1234}) {
    const std::string path = "s3://bucket/file-" + std::to_string(size);
    {
      const auto dropped = begin(path, text(size));
      EXPECT_FALSE(store_.objects.contains("bucket/file-" + std::to_string(size)));
    }
    EXPECT_FALSE(env_.exists(path).value()) << size;
    EXPECT_TRUE(store_.uploads.empty());
    const auto file = begin(path, text(size));
    ASSERT_TRUE(file->sync().ok());
    ASSERT_TRUE(file->close().ok());
    EXPECT_FALSE(file->append("more").ok());
    EXPECT_EQ(store_.objects.at("bucket/file-" + std::to_string(size)), text(size));
    EXPECT_EQ(env_.read_file(path).value(), text(size));
  }
  EXPECT_TRUE(stages().empty());
}

TEST_F(S3EnvTest, PassesLargeFilesOnInPartsAndParksWhatDoesNotFit) {
  const auto stream = begin("s3://bucket/stream", text(350));
  EXPECT_EQ(store_.count("POST /bucket/stream?uploads"), 1);
  const auto parked = begin("s3://bucket/parked", text(350));  // the second that is large
  EXPECT_EQ(stages().size(), 1U);
  const auto small = begin("s3://bucket/small", text(90));
  const auto small2 = begin("s3://bucket/small2", text(90));
  const auto too_many = begin("s3://bucket/small3", text(90));  // 250 bytes for all that are small
  EXPECT_EQ(stages().size(), 2U);
  for (const auto* file : {&stream, &parked, &small, &small2, &too_many})
    ASSERT_TRUE((*file)->sync().ok());
  EXPECT_TRUE(stages().empty());
  EXPECT_EQ(store_.count("PUT /bucket/stream?partNumber"), 4);
  EXPECT_EQ(store_.objects["bucket/stream"], text(350));
  EXPECT_EQ(store_.objects["bucket/parked"], text(350));
  EXPECT_EQ(store_.objects["bucket/small3"], text(90));
  EXPECT_EQ(store_.count("POST /bucket/parked?uploads"), 1);
  EXPECT_EQ(store_.count("POST /bucket/small"), 0);
}

TEST_F(S3EnvTest, ClosedFilesArriveWhenTheyAreSyncedOrRead) {
  for (const char* name : {"a", "b", "c"}) {
    const auto file = begin(std::string("s3://bucket/") + name, name);
    ASSERT_TRUE(file->close().ok());
  }
  EXPECT_EQ(env_.read_file("s3://bucket/a").value(), "a");
  EXPECT_TRUE(io::sync_files(env_, {"s3://bucket/b", "s3://bucket/c"}).ok());
  EXPECT_EQ(env_.list_directory("s3://bucket")->size(), 3U);

  store_.fail(Fault::unavailable, "PUT /bucket/d", 3);
  ASSERT_TRUE(begin("s3://bucket/d", "d")->close().ok());
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(io::sync_files(env_, {"s3://bucket/b", "s3://bucket/d"}).error().code, "s3.unavailable");
  ASSERT_TRUE(env_.write_file("s3://bucket/d", "again").ok());
  EXPECT_TRUE(io::sync_files(env_, {"s3://bucket/d"}).ok());
}

TEST_F(S3EnvTest, AFailedPartIsAnErrorAndLeavesNothing) {
  store_.fail(Fault::unavailable, "partNumber=2", 3);
  auto file = begin("s3://bucket/x", text(150));
  static_cast<void>(file->append(text(150)));
  EXPECT_EQ(file->sync().error().code, "s3.unavailable");
  file.reset();
  EXPECT_TRUE(store_.uploads.empty());
  EXPECT_TRUE(store_.objects.empty());
}

// The writer may learn of it while it writes on: the error stays, nothing that comes after it is taken.
TEST_F(S3EnvTest, AFailedPartIsAnErrorOfEveryCallAfterIt) {
  store_.fail(Fault::unavailable, "partNumber=2&", 3);
  auto file = begin("s3://bucket/x", text(150));
  Result<void> appended;
  for (int more = 0; more < 10'000 && appended.ok(); ++more)
    appended = file->append(text(50));
  ASSERT_FALSE(appended.ok());
  EXPECT_EQ(file->append(text(50)).error().code, "s3.unavailable");
  for (int again = 0; again < 2; ++again)
    EXPECT_EQ(file->sync().error().code, "s3.unavailable");
  file.reset();
  EXPECT_TRUE(store_.uploads.empty());
  EXPECT_TRUE(store_.objects.empty());
}

TEST_F(S3EnvTest, AnUploadThatMayBeCompleteIsNotAborted) {
  store_.fail(Fault::broken_before, "POST /bucket/x?uploadId", 3);
  auto file = begin("s3://bucket/x", text(150));
  EXPECT_EQ(file->sync().error().code, "s3.unavailable");
  file.reset();
  EXPECT_EQ(store_.count("DELETE"), 0);
}

TEST_F(S3EnvTest, ReadsBlocksInAnyOrder) {
  const std::string bytes = text(1000);
  ASSERT_TRUE(env_.write_file("s3://bucket/x", bytes).ok());
  const auto file = env_.open_file("s3://bucket/x").value();
  EXPECT_EQ(file->size().value(), 1000U);
  std::string buffer(1000, '\0');
  for (const auto& [offset, size] : std::vector<std::pair<std::size_t, std::size_t>>{
           {0, 10}, {45, 10}, {990, 100}, {50, 40}, {89, 2}, {0, 1000}, {500, 1}, {999, 1}, {1000, 5}, {5000, 5}}) {
    const std::size_t got = file->read(offset, size, buffer.data()).value();
    EXPECT_EQ(buffer.substr(0, got), offset > 1000 ? "" : bytes.substr(offset, size)) << offset;
  }
  ASSERT_TRUE(env_.write_file("s3://bucket/x", text(999)).ok());
  EXPECT_EQ(file->read(300, 10, buffer.data()).error().code, "s3.changed");
  store_.fail(Fault::truncated, "GET /bucket/x", 2);
  EXPECT_EQ(env_.read_file("s3://bucket/x").value(), text(999));
}

TEST_F(S3EnvTest, PublishesAndRemovesTrees) {
  ASSERT_TRUE(local_.create_directories("/folder").ok());
  for (const std::size_t size : {10, 1000}) {
    ASSERT_TRUE(local_.write_file("/folder/f", text(size)).ok());
    ASSERT_TRUE(env_.publish("/folder/f", "s3://bucket/t/u/f").ok());
    EXPECT_FALSE(local_.exists("/folder/f").value());
    EXPECT_EQ(env_.read_file("s3://bucket/t/u/f").value(), text(size));
  }
  ASSERT_TRUE(env_.publish("s3://bucket/t/u/f", "s3://bucket/t/g").ok());
  EXPECT_FALSE(env_.exists("s3://bucket/t/u").value());
  ASSERT_TRUE(env_.write_file("s3://bucket/tt", "stays").ok());
  ASSERT_TRUE(env_.write_file("s3://bucket/q1", "").ok());
  ASSERT_TRUE(env_.write_file("s3://bucket/q2", "").ok());
  ASSERT_TRUE(local_.write_file("/folder/q3", "").ok());
  env_.remove_files_quietly({"s3://bucket/q1", "/folder/q3", "s3://bucket/none", "/folder/none", "s3://bucket/q2"});
  EXPECT_FALSE(local_.exists("/folder/q3").value());
  EXPECT_EQ(store_.count("POST /bucket?delete"), 1);
  ASSERT_TRUE(env_.remove_tree("s3://bucket/t").ok());
  ASSERT_TRUE(env_.remove_file("s3://bucket/none").ok());
  EXPECT_EQ(store_.objects.size(), 1U);
}

TEST_F(S3EnvTest, ListsATreeInOneRequest) {
  for (const char* key : {"t/d=1/a", "t/d=2/x/b", "t/c", "t/e/", "tt/d=1/a"})
    store_.objects[std::string("bucket/") + key] = "12";
  store_.requests.clear();
  const auto files = env_.list_tree("s3://bucket/t").value();
  ASSERT_EQ(files.size(), 3U);
  EXPECT_EQ(files[0].name, "c");
  EXPECT_EQ(files[2].name, "d=2/x/b");
  EXPECT_EQ(files[2].size_bytes, 2U);
  EXPECT_FALSE(files[2].is_directory);
  EXPECT_FALSE(files[2].entity_tag.empty());
  EXPECT_EQ(env_.list_tree("s3://bucket/t", "d=2").value().size(), 1U);
  EXPECT_EQ(env_.list_tree("s3://bucket", "t/d").value().size(), 2U);
  EXPECT_TRUE(env_.list_tree("s3://bucket/none").value().empty());
  EXPECT_EQ(store_.requests.size(), 4U);
}

TEST_F(S3EnvTest, StagesWhatOtherProgramsWrite) {
  {
    const auto folder = io::StagedFolder::open(env_, "s3://bucket/data").value();
    ASSERT_TRUE(folder->directory().starts_with("/tmp/stages/stage-"));
    std::vector<std::string> paths;
    for (int i = 0; i < 20; ++i) {
      paths.push_back(io::join_path(folder->directory(), std::to_string(i) + ".parquet"));
      ASSERT_TRUE(local_.write_file(paths.back(), text(300)).ok());
    }
    EXPECT_EQ(folder->final_path(paths[3]), "s3://bucket/data/3.parquet");
    const std::string unpublished = paths.back();
    paths.pop_back();
    ASSERT_TRUE(folder->publish(paths).ok());
  }
  EXPECT_EQ(store_.objects.size(), 19U);
  EXPECT_TRUE(stages().empty());
  ASSERT_TRUE(local_.create_directories("/plain").ok());
  const auto local = io::StagedFolder::open(env_, "/plain").value();
  EXPECT_EQ(local->directory(), "/plain");
  EXPECT_EQ(local->final_path("/plain/x"), "/plain/x");
}

TEST(PartSize, TenThousandPartsAreTheLargestObject) {
  std::uint64_t total = 0;
  for (int number = 1; number <= Client::kPartsMax; ++number)
    total += part_size(kPartBytes, number);
  EXPECT_GT(total, 400ULL << 30);
  EXPECT_EQ(part_size(kPartBytes, 1000), kPartBytes);
  EXPECT_EQ(part_size(kPartBytes, 1001), 2 * kPartBytes);
}

}  // namespace
}  // namespace shoplake::s3
