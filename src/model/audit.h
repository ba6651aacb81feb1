// Audit: what may keep a table from being published. It is asked once a table's new rows are written and before they
// are committed (write, audit, publish); what it refuses leaves the lake as it was.
//
// Called from many threads at once, each with its own session.
#pragma once

#include <string>

#include "base/result.h"
#include "engine/session.h"
#include "model/statement_names.h"

namespace shoplake::model {

class Lake;

class Audit {
 public:
  virtual ~Audit() = default;
  // `rows`: SQL that may stand after FROM, of the table's rows as they would be. Other tables are the lake's, as the
  // invocation sees them. An error keeps the rows out and is what is told of the node.
  virtual base::Result<void> check(engine::Session& session, Lake& lake, const RelationName& table,
                                   const std::string& rows) = 0;
  // What check() asks of that table.
  struct Rules {
    std::string text;                // differs when it asks something else; empty: nothing
    bool asks_own_rows_only = true;  // the same rows get the same answer, whenever and beside whatever they are asked
  };
  virtual Rules rules(const RelationName& table) const = 0;
};

}  // namespace shoplake::model
