// Programs that are run: arguments, environment, streams, limits, ends of all kinds.
#include "app/tasks/subprocess.h"

#include <gtest/gtest.h>

#include <signal.h>

#include <thread>

namespace shoplake::app {
namespace {

SubprocessOutcome run(SubprocessOptions options, std::stop_token stop = {}) {
  auto done = run_subprocess(options, stop);
  EXPECT_TRUE(done.ok()) << (done.ok() ? "" : base::to_string(done.error()));
  return done.ok() ? *done : SubprocessOutcome{};
}
SubprocessOutcome shell(const std::string& script, SubprocessOptions options = {}) {
  options.command = {"/bin/sh", "-c", script};
  return run(std::move(options));
}

TEST(Subprocess, GivesStreamsAndExitCode) {
  const SubprocessOutcome done = shell("echo out; echo err >&2; exit 3");
  EXPECT_EQ(done.exit_code, 3);
  EXPECT_EQ(done.output, "out\n");
  EXPECT_EQ(done.error, "err\n");
  EXPECT_FALSE(done.is_truncated || done.is_timed_out || done.is_stopped);
}

TEST(Subprocess, ArgumentsAreNotTakenApart) {
  SubprocessOptions options;
  options.command = {"printf", "%s|", "a b", "$(id)", "*"};
  EXPECT_EQ(run(options).output, "a b|$(id)|*|");
}

TEST(Subprocess, HasTheEnvironmentItIsGivenAndNoOther) {
  SubprocessOptions options;
  options.environment = {{"A", "1 2"}, {"PATH", "/usr/bin:/bin"}};
  options.command = {"env"};
  EXPECT_EQ(run(options).output, "A=1 2\nPATH=/usr/bin:/bin\n");
}

TEST(Subprocess, ReadsItsInputAndWorksInItsFolder) {
  SubprocessOptions options;
  options.input = std::string(300'000, 'x');
  EXPECT_EQ(shell("wc -c", options).output, "300000\n");
  options.directory = "/usr";
  EXPECT_EQ(shell("pwd", options).output, "/usr\n");  // which does not read its input
}

TEST(Subprocess, KeepsTheEndOfLongOutput) {
  SubprocessOptions options;
  options.output_bytes_max = 1'000;
  const SubprocessOutcome done = shell("i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done", options);
  EXPECT_TRUE(done.is_truncated);
  EXPECT_EQ(done.output.size(), 1'000u);
  EXPECT_TRUE(done.output.ends_with("line 1999\n"));
}

TEST(Subprocess, IsEndedWhenItsTimeIsOver) {
  SubprocessOptions options;
  options.timeout = std::chrono::milliseconds(50);
  options.grace = std::chrono::milliseconds(50);
  const SubprocessOutcome polite = shell("sleep 60", options);
  EXPECT_TRUE(polite.is_timed_out);
  EXPECT_EQ(polite.exit_code, 128 + SIGTERM);
  const SubprocessOutcome stubborn = shell("trap '' TERM; while :; do :; done", options);
  EXPECT_TRUE(stubborn.is_timed_out);
  EXPECT_EQ(stubborn.exit_code, 128 + SIGKILL);
}

TEST(Subprocess, IsEndedWhenItIsAskedTo) {
  SubprocessOptions options;
  options.command = {"sleep", "60"};
  std::stop_source source;
  std::jthread asker([&] { source.request_stop(); });
  EXPECT_TRUE(run(options, source.get_token()).is_stopped);
}

TEST(Subprocess, LeavesNothingRunning) {
  const SubprocessOutcome done = shell("sleep 600 & echo $!");
  EXPECT_EQ(done.exit_code, 0);
  EXPECT_LT(done.duration, std::chrono::seconds(60));
}

TEST(Subprocess, SaysWhatCannotBeStarted) {
  for (const char* program : {"no-such-program-at-all", "/no/such/program", "/etc/passwd"}) {
    SubprocessOptions options;
    options.command = {program};
    const auto done = run_subprocess(options, {});
    ASSERT_FALSE(done.ok());
    EXPECT_EQ(done.error().code, "subprocess.cannot_start");
    EXPECT_NE(done.error().message.find(program), std::string::npos);
  }
}

}  // namespace
}  // namespace shoplake::app
