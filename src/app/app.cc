#include "app/app.h"

#include <utility>

namespace shoplake::app {

base::Result<std::unique_ptr<App>> App::open(io::Env& env) {
  Home home = SHOPLAKE_TRY(open_home(env));
  return std::unique_ptr<App>(new App(env, std::move(home), find_installation()));
}

App::App(io::Env& env, Home home, Installation installation)
    : env_(env), home_(std::move(home)), installation_(std::move(installation)) {}

App::~App() = default;

base::Result<catalog::Catalog*> App::catalog() {
  if (!catalog_) {
    catalog_ = SHOPLAKE_TRY(catalog::Catalog::open({&env_, home_.lake_root, home_.control_plane}));
  }
  return catalog_.get();
}

engine::DatabaseOptions App::engine_options() const {
  engine::DatabaseOptions options;
  options.extension_directory = installation_.extension_directory;
  options.temporary_directory = home_.temporary_directory;
  options.memory_limit_bytes = home_.memory_limit_bytes;
  options.threads = home_.threads;
  return options;
}

base::Result<std::unique_ptr<engine::Database>> App::open_engine() { return engine::Database::open(engine_options()); }

}  // namespace shoplake::app
