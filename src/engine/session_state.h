// What a Session holds; Database fills it. Private to engine/.
#pragma once

#include "engine/duckdb_handle.h"
#include "engine/session.h"

namespace shoplake::engine {

struct Session::State {
  ConnectionHandle connection;

  // Prepares the statements of `sql` one after another and runs all but the last; the last comes back prepared.
  Result<PreparedHandle> run_up_to_last(const std::string& sql);

  // Session::syntax_tree() without the check that it is JSON, for those who parse it.
  Result<std::string> unchecked_syntax_tree(Session& session, std::string_view sql);
};

}  // namespace shoplake::engine
