#include "app/home.h"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/installation.h"
#include "io/temporary_directory.h"

namespace shoplake::app {
namespace {

using testing::HasSubstr;

class HomeTest : public testing::Test {
 protected:
  HomeTest() {
    ::setenv("SHOPLAKE_HOME", folder_.file("home").c_str(), 1);
    ::setenv("SHOPLAKE_PREFIX", "/opt/shoplake", 1);
  }
  ~HomeTest() override {
    ::unsetenv("SHOPLAKE_HOME");
    ::unsetenv("SHOPLAKE_PREFIX");
  }
  base::Result<Home> with(const std::string& configuration) {
    EXPECT_TRUE(env_.create_directories(folder_.file("home")).ok());
    EXPECT_TRUE(env_.write_file(folder_.file("home/shoplake.yml"), configuration).ok());
    return open_home(env_);
  }
  base::Error error_of(const std::string& configuration) {
    auto home = with(configuration);
    EXPECT_FALSE(home.ok()) << configuration;
    return home.ok() ? base::Error{} : std::move(home).error();
  }

  io::Env& env_ = io::posix_env();
  io::TemporaryDirectory folder_;
};

TEST_F(HomeTest, WithoutConfigurationEverythingHasADefault) {
  const Home home = open_home(env_).value();
  EXPECT_EQ(home.directory, folder_.file("home"));
  EXPECT_EQ(home.lake_root, folder_.file("home/lake"));
  EXPECT_EQ(home.control_plane, folder_.file("home/state.sqlite"));
  EXPECT_EQ(home.temporary_directory, folder_.file("home/lake/tmp"));
  EXPECT_EQ(home.project_directory, "/opt/shoplake/share/shoplake/dbt");
  EXPECT_EQ(home.datasets_directory, "/opt/shoplake/share/shoplake/datasets");
  EXPECT_EQ(home.memory_limit_bytes, 0u);
  EXPECT_TRUE(env_.is_directory(home.lake_root + "/processed").value());
  EXPECT_TRUE(env_.is_directory(home.temporary_directory).value());
}

TEST_F(HomeTest, KeysAreTakenAndPathsAreRelativeToTheHome) {
  const Home home = with(
                        "# comment\nlake: ../elsewhere/lake\nproject: /srv/dbt\ndatasets: contracts\nmemory_limit: "
                        "4GiB\nthreads: 3\n")
                        .value();
  EXPECT_EQ(home.lake_root, folder_.file("elsewhere/lake"));
  EXPECT_EQ(home.temporary_directory, folder_.file("elsewhere/lake/tmp"));
  EXPECT_EQ(home.project_directory, "/srv/dbt");
  EXPECT_EQ(home.datasets_directory, folder_.file("home/contracts"));
  EXPECT_EQ(home.memory_limit_bytes, 4ULL << 30);
  EXPECT_EQ(home.threads, 3);
  EXPECT_TRUE(with("").ok());
  EXPECT_TRUE(with("lake:\n").ok());
}

TEST_F(HomeTest, TheLakeMayBeInAnObjectStore) {
  ::setenv("SHOPLAKE_TEST_SECRET", "s3cret", 1);
  const Home home = with(
                        "lake: s3://shop/lake/\ns3:\n  endpoint: http://127.0.0.1:9000/\n  region: eu-north-1\n"
                        "  path_style: off\n  access_key_id: AKID\n  secret_access_key: ${SHOPLAKE_TEST_SECRET}\n"
                        "  sse: AES256\n  attempts: 3\n")
                        .value();
  ::unsetenv("SHOPLAKE_TEST_SECRET");
  EXPECT_TRUE(home.is_in_object_store());
  EXPECT_EQ(home.lake_root, "s3://shop/lake");
  EXPECT_EQ(home.temporary_directory, folder_.file("home/tmp"));
  EXPECT_EQ(home.object_store.endpoint, "http://127.0.0.1:9000");
  EXPECT_EQ(home.object_store.secret_access_key, "s3cret");
  EXPECT_EQ(home.object_store.path_style, false);
  EXPECT_TRUE(home.object_store.encrypts);
  EXPECT_EQ(home.object_store.attempts, 3);
  EXPECT_TRUE(env_.is_directory(home.temporary_directory).value());
  EXPECT_FALSE(env_.exists(folder_.file("home/lake")).value());

  for (const char* bad : {"lake: gs://a/b", "lake: s3://", "project: s3://a/b", "s3: {endpoint: 127.0.0.1:9000}",
                          "s3: {endpoint: http://a/b}", "s3: {sse: kms}", "s3: {access_key_id: a}", "s3: {attempts: 0}",
                          "s3: {access_key_id: a, secret_access_key: b, profile: c}", "s3: [1]", "s3: {regoin: x}"}) {
    EXPECT_EQ(error_of(bad).code, "home.configuration") << bad;
  }
}

TEST_F(HomeTest, InitWritesWhereTheLakeIs) {
  const auto elsewhere = init_home(env_, folder_.file("home"), "gs://shop/lake");
  ASSERT_FALSE(elsewhere.ok());
  EXPECT_EQ(elsewhere.error().code, "home.configuration");
  EXPECT_EQ(init_home(env_, folder_.file("other"), "s3://shop/it's").value().lake_root, "s3://shop/it's");
  EXPECT_EQ(init_home(env_, folder_.file("home"), "s3://shop/lake").value().lake_root, "s3://shop/lake");
  EXPECT_EQ(open_home(env_).value().lake_root, "s3://shop/lake");
}

TEST_F(HomeTest, BadConfigurationNamesFileLineAndWhatWasMeant) {
  const base::Error unknown = error_of("threads: 2\nmemory_limt: 4GiB\n");
  EXPECT_EQ(unknown.code, "home.configuration");
  EXPECT_EQ(unknown.kind, base::ErrorKind::usage);
  EXPECT_EQ(unknown.message, folder_.file("home/shoplake.yml") + ":2: there is no key memory_limt");
  EXPECT_EQ(unknown.advice, "Did you mean memory_limit?");
  EXPECT_THAT(error_of("colour: red\n").advice, HasSubstr("Known keys: budgets collector connections datasets lake"));
  EXPECT_THAT(error_of("\n\nthreads: many\n").message, HasSubstr(":3: threads: \"many\""));
  EXPECT_THAT(error_of("threads: 0\n").message, HasSubstr("1 to 1024"));
  EXPECT_THAT(error_of("memory_limit: lots\n").message, HasSubstr("\"lots\" is no size"));
  EXPECT_THAT(error_of("lake: gs://bucket/lake\n").message, HasSubstr("no local folder"));
  EXPECT_THAT(error_of("lake: [a, b]\n").message, HasSubstr(":1: lake is no single value"));
  EXPECT_THAT(error_of("lake: a\nlake: b\n").message, HasSubstr(":2: the key lake stands twice"));
  EXPECT_THAT(error_of("- a\n").message, HasSubstr("no mapping"));
  EXPECT_THAT(error_of("a: \"unfinished\n").message, HasSubstr("shoplake.yml:"));
}

TEST_F(HomeTest, InitWritesAConfigurationThatIsReadBack) {
  const Home home = init_home(env_, folder_.file("fresh/one")).value();
  EXPECT_EQ(home.directory, folder_.file("fresh/one"));
  EXPECT_TRUE(env_.is_directory(folder_.file("fresh/one/lake/raw")).value());
  ::setenv("SHOPLAKE_HOME", folder_.file("fresh/one").c_str(), 1);
  EXPECT_EQ(open_home(env_).value().lake_root, folder_.file("fresh/one/lake"));
  EXPECT_EQ(init_home(env_, folder_.file("fresh/one")).error().code, "home.exists");

  // The defaults it shows are right: without the comment signs it says the same, memory and threads aside.
  std::string text = env_.read_file(folder_.file("fresh/one/shoplake.yml")).value();
  for (const char* key : {"lake", "memory_limit", "threads"}) {
    const std::size_t place = text.find(std::string("\n#") + key + ":");
    ASSERT_NE(place, std::string::npos) << key;
    text.erase(place + 1, 1);
  }
  ASSERT_TRUE(env_.write_file(folder_.file("fresh/one/shoplake.yml"), text).ok());
  const Home uncommented = open_home(env_).value();
  EXPECT_EQ(uncommented.lake_root, folder_.file("fresh/one/lake"));
  EXPECT_EQ(uncommented.memory_limit_bytes, 4ULL << 30);
}

TEST(ParseSize, TakesTheUsualUnits) {
  EXPECT_EQ(parse_size("100000").value(), 100'000u);
  EXPECT_EQ(parse_size("4GiB").value(), 4ULL << 30);
  EXPECT_EQ(parse_size("4 gb").value(), 4'000'000'000u);
  EXPECT_EQ(parse_size("1.5g").value(), 3ULL << 29);
  EXPECT_EQ(parse_size("512 MiB").value(), 512ULL << 20);
  EXPECT_EQ(parse_size("7B").value(), 7u);
  for (const char* bad : {"", "GiB", "-1GiB", "0", "4XB", "4GiBs", "1e5", "inf", "99999999TiB"}) {
    EXPECT_FALSE(parse_size(bad).ok()) << bad;
  }
}

TEST_F(HomeTest, CollectorAndStreamsAreTaken) {
  ::setenv("SHOPLAKE_TEST_SECRET", "s3cret", 1);
  const Home home =
      with(
          "collector:\n"
          "  access_keys: [{id: AKIA1, secret: \"${SHOPLAKE_TEST_SECRET}\"}]\n"
          "  api_keys: [one, two]\n"
          "  time_zone: Asia/Kolkata\n"
          "  tls: {certificate: a.pem, key: /b.key}\n"
          "streams:\n"
          "  orders: {dataset: sales, live: off, buffering: {seconds: 300, mebibytes: 64}, prefix: shop/orders}\n"
          "  visits:\n")
          .value();
  ::unsetenv("SHOPLAKE_TEST_SECRET");
  ASSERT_EQ(home.collector.access_keys.size(), 1u);
  EXPECT_EQ(home.collector.access_keys[0].secret, "s3cret");
  EXPECT_EQ(home.collector.api_keys, (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(home.collector.time_zone, "Asia/Kolkata");
  EXPECT_EQ(home.collector.tls_certificate, folder_.file("home/a.pem"));
  EXPECT_EQ(home.collector.tls_key, "/b.key");
  ASSERT_EQ(home.collector.streams.size(), 2u);
  EXPECT_EQ(home.collector.streams[0].dataset, "sales");
  EXPECT_FALSE(home.collector.streams[0].live);
  EXPECT_EQ(home.collector.streams[0].buffering_mebibytes, 64);
  EXPECT_EQ(home.collector.streams[0].prefix, "raw/shop/orders/");
  EXPECT_EQ(home.collector.streams[1].prefix, "raw/visits/");
  EXPECT_EQ(home.collector.streams[1].dataset, "visits");
  EXPECT_TRUE(home.collector.streams[1].live);
}

TEST_F(HomeTest, MistakesInCollectorAndStreamsNameTheLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"collector:\n  api_key: [a]\n", "shoplake.yml:2: collector has no key api_key"},
      {"collector: on\n", "shoplake.yml:1: collector is no mapping"},
      {"collector:\n  access_keys: [{id: a}]\n", "shoplake.yml:2: an access key needs id and secret"},
      {"collector:\n  api_keys: [\"${SHOPLAKE_NO_SUCH_VARIABLE}\"]\n", "the environment has no SHOPLAKE_NO_SUCH"},
      {"collector:\n  time_zone: ../secrets\n", "\"../secrets\" is no name of a time zone"},
      {"collector:\n  tls: {key: a}\n", "tls needs certificate and key"},
      {"collector:\n  enabled: maybe\n", "neither on nor off"},
      {"streams:\n  a/b: {}\n", "shoplake.yml:2: \"a/b\" is no name of a stream"},
      {"streams:\n  a: {buffering: {seconds: 901}}\n", "no whole number from 0 to 900"},
      {"streams:\n  a: {prefix: processed/a/}\n", "shoplake.yml:2: the prefix \"processed/a/\" is in a zone"},
      {"streams:\n  a: {}\n  a: {}\n", "shoplake.yml:3: the stream a stands twice"},
      {"streams: [a]\n", "streams is no mapping"},
  };
  for (const auto& [configuration, message] : cases)
    EXPECT_THAT(error_of(configuration).message, HasSubstr(message)) << configuration;
}

}  // namespace
}  // namespace shoplake::app
