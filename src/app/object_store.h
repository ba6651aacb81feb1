// ObjectStore: all that a home whose lake is in an object store needs to reach it, wired together: keys, transport,
// client, the Env of the lake, and what the engine and the catalog's clients are told.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "app/home.h"
#include "base/result.h"
#include "engine/session.h"
#include "io/env.h"
#include "s3/client.h"

namespace shoplake::app {

class ObjectStore {
 public:
  // Nothing is sent yet. `env` is the machine's and outlives it. Errors: s3.bad_location, home.configuration, aws.*.
  static base::Result<std::unique_ptr<ObjectStore>> open(io::Env& env, const Home& home);
  ~ObjectStore();

  io::Env& env();
  s3::Client& client();
  const s3::Location& lake() const;  // the lake's root

  // For the engine's own requests: only below the lake.
  engine::ObjectStoreAccess engine_access();
  // What the Iceberg catalog tells its clients; no keys.
  std::map<std::string, std::string> client_properties() const;
  // Where the keys come from, for people. Errors: aws.*
  base::Result<std::string> credentials_source();

 private:
  struct State;
  explicit ObjectStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::app
