#include "io/io_error.h"

#include <cerrno>
#include <string>
#include <system_error>

namespace shoplake::io {
namespace {

using base::ErrorKind;

struct Class {
  ErrorKind kind;
  const char* code;
  const char* advice;
};

Class classify(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR: return {ErrorKind::not_found, "io.not_found", "Check the path."};
    case EISDIR: return {ErrorKind::usage, "io.is_directory", "Name a file; this is a folder."};
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return {ErrorKind::environment, "io.disk_full", "Free some space and run it again."};
    case EACCES:
    case EPERM:
    case EROFS: return {ErrorKind::environment, "io.permission_denied", "Check the owner and the permissions."};
    default: return {ErrorKind::environment, "io.failed", ""};
  }
}

}  // namespace

base::Error system_error(std::string_view what, std::string_view path, int error_number) {
  const Class found = classify(error_number);
  std::string message(what);
  message.append(" ").append(path).append(": ").append(std::generic_category().message(error_number));
  return base::make_error(found.kind, found.code, std::move(message), found.advice);
}

base::Error locked_error(std::string_view path) {
  return base::make_error(ErrorKind::conflict, "io.locked",
                          "cannot lock " + std::string(path) + ": another process holds the lock",
                          "Stop the other process, or wait until it is done.");
}

}  // namespace shoplake::io
