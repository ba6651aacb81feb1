// What templates see while a project is parsed.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/manifest.h"
#include "model/renderer.h"

namespace shoplake::model {

// Parsing renders with stand-ins; nothing reaches the outside.
class ParseHost : public Host {
 public:
  Result<Relation> ref(const RefCall& call) override { return Relation{"", "", call.name, "", ""}; }
  Result<Relation> source(const SourceCall& call) override { return Relation{"", call.source, call.table, "", ""}; }
  Result<Json> run_query(const std::string&) override {
    return Json{{"columns", Json::array()}, {"rows", Json::array()}};
  }
  Result<std::optional<Relation>> get_relation(const Relation&) override { return std::optional<Relation>(); }
  Result<Json> columns_in_relation(const Relation&) override { return Json(Json::array()); }
  void log(std::string_view, bool) override {}
};

}  // namespace shoplake::model
