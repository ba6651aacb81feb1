// LakeReader: the Lake of a running server, over the catalog and the embedded engine.
//
// Queries run on a generation: views of one moment of the catalog, in a database of their own within one engine. When
// one of the tables it was made for has changed, the next query makes a new generation, and the old one ends with its
// last query; so a query never sees two moments, and an unchanged lake costs one read of the control plane. Under live,
// which commits twice a second, nearly every query makes one, so tables are read by naming their files.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "engine/session.h"
#include "serve/dashboard.h"

namespace shoplake::serve {

class LakeReader : public Lake {
 public:
  using OpenEngine = std::function<base::Result<std::unique_ptr<engine::Database>>()>;
  // `tables`: what queries will read. Changes of other tables make no new generation.
  LakeReader(catalog::Catalog& catalog, OpenEngine open_engine, std::vector<std::string> tables);
  ~LakeReader() override;

  base::Result<std::vector<TableVersion>> versions(std::span<const std::string> tables) override;
  base::Result<Rows> query(const std::string& sql) override;
  base::Result<std::optional<Contents>> contents(std::string_view table, std::string_view column) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::serve
