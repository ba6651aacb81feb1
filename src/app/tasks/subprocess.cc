#include "app/tasks/subprocess.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

namespace shoplake::app {

using base::ErrorKind;
using base::Result;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds kLookAgain{100};  // for the end of a process that keeps its streams open
constexpr char kSearchPath[] = "/usr/local/bin:/usr/bin:/bin";

base::Error failed(std::string_view what) {
  return base::make_error(ErrorKind::environment, "subprocess.failed",
                          fmt::format("a program cannot be run: {}: {}", what, std::strerror(errno)), "Try again.");
}

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() { close(); }
  int get() const { return number_; }
  bool is_open() const { return number_ >= 0; }
  void close() {
    if (number_ >= 0)
      ::close(std::exchange(number_, -1));
  }

 private:
  int number_ = -1;
};

struct Pipe {
  Descriptor read, write;
  static Result<Pipe> make() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
      return failed("pipe");
    return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
  }
};

// The path of the program: as given if it has a '/', else the first one of PATH.
Result<std::string> program_path(const SubprocessOptions& options) {
  const std::string& name = options.command.front();
  if (name.find('/') != std::string::npos)
    return name;
  const auto path = options.environment.find("PATH");
  std::string_view folders = path == options.environment.end() ? std::string_view(kSearchPath) : path->second;
  while (!folders.empty()) {
    const auto colon = std::min(folders.find(':'), folders.size());
    const std::string candidate = fmt::format("{}/{}", folders.substr(0, colon), name);
    if (colon > 0 && access(candidate.c_str(), X_OK) == 0 && !std::filesystem::is_directory(candidate))
      return candidate;
    folders.remove_prefix(std::min(colon + 1, folders.size()));
  }
  return base::make_error(ErrorKind::usage, "subprocess.cannot_start", fmt::format("there is no program {}", name),
                          "Give its path, or install it.");
}

// Writing to a program that does not read ends in EPIPE, not in a signal, for this thread.
class NoBrokenPipeSignal {
 public:
  NoBrokenPipeSignal() {
    sigemptyset(&signal_);
    sigaddset(&signal_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &signal_, &before_);
  }
  ~NoBrokenPipeSignal() {
    const timespec at_once{};
    while (sigtimedwait(&signal_, nullptr, &at_once) == SIGPIPE) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t signal_, before_;
};

// The last bytes of a stream.
class Tail {
 public:
  explicit Tail(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  void add(std::string_view bytes) {
    text_ += bytes;
    if (text_.size() > 2 * bytes_max_)
      cut();
  }
  std::string take() {
    if (text_.size() > bytes_max_)
      cut();
    return std::move(text_);
  }
  bool is_cut() const { return is_cut_; }

 private:
  void cut() {
    text_.erase(0, text_.size() - bytes_max_);
    is_cut_ = true;
  }
  std::size_t bytes_max_;
  std::string text_;
  bool is_cut_ = false;
};

// Everything the child needs, made before fork(): between fork() and exec() nothing may allocate.
struct ChildPlan {
  std::string program;
  std::vector<char*> arguments, environment;
  const char* directory = nullptr;
  int input = -1, output = -1, error = -1, status = -1;
  pid_t parent = 0;
};

[[noreturn]] void become(const ChildPlan& plan) {
  const auto give_up = [&] {
    const int reason = errno;
    [[maybe_unused]] const auto written = ::write(plan.status, &reason, sizeof reason);
    _exit(127);
  };
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != plan.parent)
    _exit(127);  // it died in between
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  if (dup2(plan.input, 0) < 0 || dup2(plan.output, 1) < 0 || dup2(plan.error, 2) < 0)
    give_up();
  if (plan.directory != nullptr && chdir(plan.directory) != 0)
    give_up();
  execve(plan.program.c_str(), plan.arguments.data(), plan.environment.data());
  give_up();
  _exit(127);
}

class Child {
 public:
  explicit Child(const SubprocessOptions& options)
      : options_(options), output_(options.output_bytes_max), error_(options.output_bytes_max) {}
  ~Child() {
    if (pid_ > 0 && !status_) {
      kill_group(SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }

  Result<void> start() {
    ChildPlan plan;
    plan.program = SHOPLAKE_TRY(program_path(options_));
    std::vector<std::string> texts;
    for (const auto& [name, value] : options_.environment)
      texts.push_back(name + "=" + value);
    for (const std::string& each : options_.command)
      plan.arguments.push_back(const_cast<char*>(each.c_str()));
    for (std::string& each : texts)
      plan.environment.push_back(each.data());
    plan.arguments.push_back(nullptr);
    plan.environment.push_back(nullptr);
    if (!options_.directory.empty())
      plan.directory = options_.directory.c_str();
    Pipe input = SHOPLAKE_TRY(Pipe::make()), output = SHOPLAKE_TRY(Pipe::make()), error = SHOPLAKE_TRY(Pipe::make()),
         status = SHOPLAKE_TRY(Pipe::make());
    plan.input = input.read.get();
    plan.output = output.write.get();
    plan.error = error.write.get();
    plan.status = status.write.get();
    plan.parent = getpid();
    begun_ = Clock::now();
    pid_ = fork();
    if (pid_ < 0)
      return failed("fork");
    if (pid_ == 0)
      become(plan);
    status.write.close();
    int reason = 0;
    if (::read(status.read.get(), &reason, sizeof reason) == sizeof reason) {
      waitpid(pid_, nullptr, 0);
      pid_ = -1;
      return base::make_error(ErrorKind::usage, "subprocess.cannot_start",
                              fmt::format("{} cannot be run: {}", plan.program, std::strerror(reason)),
                              "Check the path, the folder and the permissions.");
    }
    input_ = std::move(input.write);
    streams_ = {std::move(output.read), std::move(error.read)};
    fcntl(input_.get(), F_SETFL, O_NONBLOCK);
    return {};
  }

  Result<SubprocessOutcome> finish(const std::stop_token& stop) {
    const std::stop_callback wake(stop, [this] { [[maybe_unused]] const auto n = ::write(wake_.write.get(), "", 1); });
    while (!is_over()) {
      limit_time(stop);
      exchange();
      look_for_end();
    }
    outcome_.output = output_.take();
    outcome_.error = error_.take();
    outcome_.is_truncated = output_.is_cut() || error_.is_cut();
    outcome_.duration = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun_);
    outcome_.exit_code = WIFEXITED(*status_) ? WEXITSTATUS(*status_) : 128 + WTERMSIG(*status_);
    return std::move(outcome_);
  }

  Result<void> prepare() {
    wake_ = SHOPLAKE_TRY(Pipe::make());
    return {};
  }

 private:
  bool is_over() const { return status_.has_value(); }

  void kill_group(int signal) const {
    if (pid_ > 0)
      ::kill(-pid_, signal);
  }

  void limit_time(const std::stop_token& stop) {
    const auto now = Clock::now();
    if (!terminated_ && stop.stop_requested())
      outcome_.is_stopped = true;
    if (!terminated_ && options_.timeout.count() > 0 && now - begun_ >= options_.timeout)
      outcome_.is_timed_out = true;
    if (!terminated_ && (outcome_.is_stopped || outcome_.is_timed_out)) {
      terminated_ = now;
      kill_group(SIGTERM);
    } else if (terminated_ && now - *terminated_ >= options_.grace) {
      kill_group(SIGKILL);
    }
  }

  std::chrono::milliseconds patience() const {
    std::chrono::milliseconds wait = kLookAgain;
    if (!terminated_ && options_.timeout.count() > 0) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(begun_ + options_.timeout - Clock::now());
      wait = std::clamp(left, std::chrono::milliseconds(0), wait);
    }
    return wait;
  }

  // What can be read and written now, or after a moment.
  void exchange() {
    std::array<pollfd, 4> polled{{{streams_[0].get(), POLLIN, 0},
                                  {streams_[1].get(), POLLIN, 0},
                                  {input_.get(), POLLOUT, 0},
                                  {terminated_ ? -1 : wake_.read.get(), POLLIN, 0}}};
    if (::poll(polled.data(), polled.size(), static_cast<int>(patience().count())) <= 0)
      return;
    take(streams_[0], polled[0].revents, output_);
    take(streams_[1], polled[1].revents, error_);
    if (polled[2].revents != 0)
      give();
  }

  static void take(Descriptor& stream, short events, Tail& tail) {
    if (events == 0 || !stream.is_open())
      return;
    std::array<char, 16 * 1024> buffer;
    const auto count = ::read(stream.get(), buffer.data(), buffer.size());
    if (count > 0)
      tail.add({buffer.data(), static_cast<std::size_t>(count)});
    else if (count == 0 || errno != EINTR)
      stream.close();
  }

  void give() {
    const auto count = given_ < options_.input.size()
                           ? ::write(input_.get(), options_.input.data() + given_, options_.input.size() - given_)
                           : 0;
    if (count > 0)
      given_ += static_cast<std::size_t>(count);
    if (given_ == options_.input.size() || (count < 0 && errno != EAGAIN && errno != EINTR))
      input_.close();
  }

  void look_for_end() {
    siginfo_t info{};
    if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != pid_)
      return;
    kill_group(SIGKILL);  // what it left running; while it is not waited for, its group's number is nobody else's
    int status = 0;
    waitpid(pid_, &status, 0);
    status_ = status;
    // What it wrote before it ended.
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      pollfd rest{streams_[i].get(), POLLIN, 0};
      while (streams_[i].is_open() && ::poll(&rest, 1, 0) > 0) {
        take(streams_[i], rest.revents, i == 0 ? output_ : error_);
        rest.fd = streams_[i].get();
      }
    }
  }

  const SubprocessOptions& options_;
  pid_t pid_ = -1;
  Clock::time_point begun_;
  Pipe wake_;
  Descriptor input_;
  std::array<Descriptor, 2> streams_;
  std::size_t given_ = 0;
  Tail output_, error_;
  std::optional<Clock::time_point> terminated_;
  std::optional<int> status_;
  SubprocessOutcome outcome_;
};

}  // namespace

Result<SubprocessOutcome> run_subprocess(const SubprocessOptions& options, const std::stop_token& stop) {
  const NoBrokenPipeSignal guard;
  Child child(options);
  SHOPLAKE_TRY(child.prepare());
  SHOPLAKE_TRY(child.start());
  return child.finish(stop);
}

}  // namespace shoplake::app
