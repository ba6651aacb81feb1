// The dashboard's files, read once at start and served from memory: pages put into their common frame (page.h), strong
// entity tags, gzip if the client takes it,
// and a Content-Security-Policy that lets a page load nothing but its own origin's files. Immutable after load();
// thread safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"
#include "http/message.h"
#include "io/env.h"

namespace shoplake::serve {

class Assets {
 public:
  // All files below `directory`, by their path there; "/" is index.html. Names that begin with "." or "_" are not
  // served. Errors (environment): serve.no_assets without index.html, serve.bad_page.
  static base::Result<std::unique_ptr<Assets>> load(io::Env& env, const std::string& directory);
  ~Assets();

  // 200, 304 or 404.
  http::Response respond(const http::Request& request) const;

 private:
  struct File;
  Assets();
  base::Result<void> load_directory(io::Env& env, const std::string& directory, const std::string& prefix, int depth);
  base::Result<void> add(const std::string& path, std::string bytes);
  std::string frame_;
  std::map<std::string, std::unique_ptr<File>, std::less<>> files_;  // by "/path"
};

}  // namespace shoplake::serve
