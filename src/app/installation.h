// Where the running program finds its own files. Relocatable: everything is relative to the executable
// (<prefix>/bin/shoplake → <prefix>/lib/duckdb, <prefix>/share/shoplake/{dbt,datasets,web,flows}). Run from a build
// folder, the same layout stands there (build/<preset>/{bin,lib,share}) by links to the sources.
#pragma once

#include <string>

namespace shoplake::app {

struct Installation {
  std::string prefix;
  std::string extension_directory;  // <prefix>/lib/duckdb
  std::string share_directory;      // <prefix>/share/shoplake
};

// $SHOPLAKE_PREFIX, where set, stands for the prefix (tests, unusual packaging).
Installation find_installation();

}  // namespace shoplake::app
