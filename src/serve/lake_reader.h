// LakeReader: the Lake of a running server, over the catalog and the embedded engine. The engine is opened by the first
// query; each table is a view over its current metadata file, made anew when the catalog names another one.
#pragma once

#include <functional>
#include <memory>

#include "catalog/catalog.h"
#include "engine/session.h"
#include "serve/dashboard.h"

namespace shoplake::serve {

class LakeReader : public Lake {
 public:
  using OpenEngine = std::function<base::Result<std::unique_ptr<engine::Database>>()>;
  LakeReader(catalog::Catalog& catalog, OpenEngine open_engine);
  ~LakeReader() override;

  base::Result<std::vector<TableVersion>> versions(std::span<const std::string> tables) override;
  base::Result<Rows> query(const std::string& sql) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::serve
