#include "app/app.h"

#include <utility>

#include "app/lake_claim.h"

namespace shoplake::app {

base::Result<std::unique_ptr<App>> App::open(io::Env& env) {
  Home home = SHOPLAKE_TRY(open_home(env));
  std::unique_ptr<ObjectStore> store;
  if (home.is_in_object_store()) {
    store = SHOPLAKE_TRY(ObjectStore::open(env, home));
    SHOPLAKE_TRY(claim_lake(env, *store, home));
  }
  return std::unique_ptr<App>(new App(env, std::move(home), find_installation(), std::move(store)));
}

App::App(io::Env& env, Home home, Installation installation, std::unique_ptr<ObjectStore> store)
    : env_(env), home_(std::move(home)), installation_(std::move(installation)), store_(std::move(store)) {}

App::~App() = default;

base::Result<catalog::Catalog*> App::catalog() {
  if (!catalog_) {
    catalog::CatalogOptions options{&env(), home_.lake_root, home_.control_plane, {}};
    if (store_) {
      options.client_properties = store_->client_properties();
    }
    catalog_ = SHOPLAKE_TRY(catalog::Catalog::open(options));
  }
  return catalog_.get();
}

engine::DatabaseOptions App::engine_options() {
  engine::DatabaseOptions options;
  options.extension_directory = installation_.extension_directory;
  options.temporary_directory = home_.temporary_directory;
  options.memory_limit_bytes = home_.memory_limit_bytes;
  options.threads = home_.threads;
  if (store_) {
    options.object_store = store_->engine_access();
  }
  return options;
}

base::Result<std::unique_ptr<engine::Database>> App::open_engine() { return engine::Database::open(engine_options()); }

}  // namespace shoplake::app
