// The composition root: one open home with what the commands share. Everything is opened on first use, so that
// `shoplake --version` costs nothing. Belongs to the thread that made it; the parts say who may use them.
#pragma once

#include <memory>
#include <string>

#include "app/home.h"
#include "app/installation.h"
#include "app/object_store.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "engine/session.h"
#include "io/env.h"

namespace shoplake::app {

class App {
 public:
  // Finds the installation and opens (or creates) the home.
  static base::Result<std::unique_ptr<App>> open(io::Env& env);
  ~App();

  // Of the home and its lake, which may be in an object store.
  io::Env& env() { return store_ ? store_->env() : env_; }
  // Nothing if the lake is on this machine.
  ObjectStore* object_store() { return store_.get(); }
  const Home& home() const { return home_; }
  const Installation& installation() const { return installation_; }

  base::Result<catalog::Catalog*> catalog();                      // one, kept
  engine::DatabaseOptions engine_options();                       // with the home's limits
  base::Result<std::unique_ptr<engine::Database>> open_engine();  // a new one each time, with the home's limits

 private:
  App(io::Env& env, Home home, Installation installation, std::unique_ptr<ObjectStore> store);
  io::Env& env_;
  Home home_;
  Installation installation_;
  std::unique_ptr<ObjectStore> store_;
  std::unique_ptr<catalog::Catalog> catalog_;
};

}  // namespace shoplake::app
