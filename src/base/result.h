// Result<T>: a value or an Error, the only way a shoplake function reports failure.
//
// An Error carries a stable code that is the same in the command line, the API and the logs
// ("catalog.commit_conflict"), a kind that decides the exit code and whether a retry makes sense, and three texts: what
// happened to which object (and why: the peer's own words last), and what to do about it. Context is added where an
// error crosses a module's border.
//
// Exceptions do not cross module borders. A programmer's error is a failed SHOPLAKE_CHECK, in release builds too.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace shoplake::base {

// What a failure means for the caller. The value decides the process's exit code (exit_code()).
enum class ErrorKind {
  failed,           // the work was done and its answer is no: a test failed, a model's SQL is wrong        exit 1
  usage,            // bad arguments or configuration: nothing was tried                                    exit 2
  input,            // the given data is malformed or violates its contract                                 exit 3
  not_found,        // a named object does not exist                                                        exit 2
  already_exists,   // an object of that name exists                                                        exit 2
  conflict,         // somebody else changed it first; reading again and retrying is safe                   exit 4
  unknown_outcome,  // it may or may not have happened (connection lost after send): look before retrying   exit 4
  environment,      // disk, network, permission or peer failed; a retry may help                           exit 4
  cancelled,        // interrupted on request                                                               exit 130
  internal,         // a broken invariant of shoplake itself                                                exit 70
};

std::string_view name(ErrorKind kind);
int exit_code(ErrorKind kind);

struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string code;     // stable, "module.what", never localised
  std::string message;  // one sentence: what happened to which object, and why
  std::string advice;   // one sentence: what to do; may be empty

  // The same error seen from a caller further out: "load events.ndjson: cannot open …".
  Error within(std::string_view context) &&;
};

// "message\nadvice" for people; the code is in brackets at the end of the first line.
std::string to_string(const Error& error);

Error make_error(ErrorKind kind, std::string code, std::string message, std::string advice = {});

template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Calling value() on an error, or error() on a value, is a programmer's error.
  T& value() & { return *std::get_if<0>(&state_); }
  const T& value() const& { return *std::get_if<0>(&state_); }
  T&& value() && { return std::move(*std::get_if<0>(&state_)); }
  const Error& error() const& { return *std::get_if<1>(&state_); }
  Error&& error() && { return std::move(*std::get_if<1>(&state_)); }

  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }

  T value_or(T fallback) && { return ok() ? std::move(*this).value() : std::move(fallback); }
  Result within(std::string_view context) && {
    return ok() ? std::move(*this) : Result(std::move(*this).error().within(context));
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  void value() const {}
  const Error& error() const& { return *error_; }
  Error&& error() && { return std::move(*error_); }
  Result within(std::string_view context) && {
    return ok() ? Result() : Result(std::move(*this).error().within(context));
  }

 private:
  std::optional<Error> error_;
};

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace shoplake::base

// The value of a Result expression, or a return of its error from the enclosing function:
//   auto file = SHOPLAKE_TRY(env.open(path));
//   SHOPLAKE_TRY(file->sync());
#define SHOPLAKE_TRY(expression)                     \
  ({                                                 \
    auto shoplake_try_result = (expression);         \
    if (!shoplake_try_result.ok()) [[unlikely]] {    \
      return std::move(shoplake_try_result).error(); \
    }                                                \
    std::move(shoplake_try_result).value();          \
  })

// An invariant of shoplake itself; aborts with the place, in every build.
#define SHOPLAKE_CHECK(condition)                                     \
  do {                                                                \
    if (!(condition)) [[unlikely]] {                                  \
      ::shoplake::base::check_failed(#condition, __FILE__, __LINE__); \
    }                                                                 \
  } while (false)
