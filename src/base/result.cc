#include "base/result.h"

#include <cstdio>
#include <cstdlib>

namespace shoplake::base {

std::string_view name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::failed: return "failed";
    case ErrorKind::usage: return "usage";
    case ErrorKind::input: return "input";
    case ErrorKind::not_found: return "not_found";
    case ErrorKind::already_exists: return "already_exists";
    case ErrorKind::conflict: return "conflict";
    case ErrorKind::unknown_outcome: return "unknown_outcome";
    case ErrorKind::environment: return "environment";
    case ErrorKind::cancelled: return "cancelled";
    case ErrorKind::internal: return "internal";
  }
  return "internal";
}

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::failed: return 1;
    case ErrorKind::usage:
    case ErrorKind::not_found:
    case ErrorKind::already_exists: return 2;
    case ErrorKind::input: return 3;
    case ErrorKind::conflict:
    case ErrorKind::unknown_outcome:
    case ErrorKind::environment: return 4;
    case ErrorKind::cancelled: return 130;
    case ErrorKind::internal: return 70;
  }
  return 70;
}

Error Error::within(std::string_view context) && {
  message.insert(0, ": ").insert(0, context);
  return std::move(*this);
}

std::string to_string(const Error& error) {
  std::string text = error.message;
  if (!error.code.empty()) {
    text.append(" [").append(error.code).append("]");
  }
  if (!error.advice.empty()) {
    text.append("\n").append(error.advice);
  }
  return text;
}

Error make_error(ErrorKind kind, std::string code, std::string message, std::string advice) {
  return Error{kind, std::move(code), std::move(message), std::move(advice)};
}

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "shoplake: internal error: %s does not hold at %s:%d\n", condition, file, line);
  std::abort();
}

}  // namespace shoplake::base
