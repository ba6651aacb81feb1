// A shoplake home: $SHOPLAKE_HOME (default ./shoplake-data), its shoplake.yml and the folders in it. Layout: DESIGN "Zones":
//   shoplake.yml  lake/{raw,processed,curated,quarantine,tmp,…}  state.sqlite  wal/
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "io/env.h"

namespace shoplake::app {

struct Home {
  std::string directory;      // absolute
  std::string lake_root;      // absolute; <home>/lake by default
  std::string control_plane;  // <home>/state.sqlite
  std::string temporary_directory;  // <lake>/tmp
  std::string project_directory;    // the dbt project; the installation's by default
  std::string datasets_directory;   // contracts; the installation's by default
  std::uint64_t memory_limit_bytes = 0;
  int threads = 0;
};

// Reads shoplake.yml if there is one and creates the folders. Unknown keys are an error that names the line.
base::Result<Home> open_home(io::Env& env);

}  // namespace shoplake::app
