// A shoplake home: $SHOPLAKE_HOME (default ./shoplake-data), its shoplake.yml and the folders in it. Layout: DESIGN
// "Zones":
//   shoplake.yml  lake/{raw,processed,curated,quarantine,tmp,…}  state.sqlite  wal/
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/collector_settings.h"
#include "app/connection_settings.h"
#include "app/object_store_settings.h"
#include "app/watch_settings.h"
#include "base/result.h"
#include "io/env.h"
#include "maintain/retention.h"

namespace shoplake::app {

struct Home {
  std::string directory;            // absolute
  std::string lake_root;            // absolute, or s3://bucket/prefix; <home>/lake by default
  std::string control_plane;        // <home>/state.sqlite
  std::string temporary_directory;  // <lake>/tmp; <home>/tmp where the lake is in an object store
  std::string project_directory;    // the dbt project; the installation's by default
  std::string datasets_directory;   // contracts; the installation's by default
  std::uint64_t memory_limit_bytes = 0;
  int threads = 0;
  std::string wal_directory;  // <home>/wal
  CollectorSettings collector;
  maintain::RetentionPolicy retention;
  ObjectStoreSettings object_store;
  WatchSettings watch;
  std::vector<Connection> connections;  // of HTTP tasks

  bool is_in_object_store() const { return lake_root.starts_with("s3://"); }
};

// Reads shoplake.yml if there is one and creates the folders. Errors: home.configuration (kind usage; unknown keys and
// bad values, with file and line), and those of Env.
base::Result<Home> open_home(io::Env& env);

// The same without creating anything.
base::Result<Home> read_home(io::Env& env);

// The folder of the home: $SHOPLAKE_HOME or ./shoplake-data, absolute.
std::string home_directory();

// Makes `directory` a home with a commented shoplake.yml, in which `lake` stands if it is not empty. Error: home.exists
// (kind already_exists) if it has one.
base::Result<Home> init_home(io::Env& env, const std::string& directory, const std::string& lake = {});

// "4GiB", "512 MB", "1.5g", "100000": bytes. Units B, KB, MB, GB, TB (powers of 1000) and KiB, MiB, GiB, TiB (of 1024);
// a bare letter is the power of 1024.
base::Result<std::uint64_t> parse_size(const std::string& text);

}  // namespace shoplake::app
