// What a Session holds; Database fills it. Private to engine/.
#pragma once

#include <memory>
#include <mutex>

#include "engine/duckdb_handle.h"
#include "engine/session.h"

namespace shoplake::engine {

// The keys to the object store as the database has them (a secret of DuckDB's), renewed when they change.
class StoreSecret {
 public:
  explicit StoreSecret(ObjectStoreAccess access) : access_(std::move(access)) {}
  // Nothing to do if the keys are the same, or after freeze().
  Result<void> renew(duckdb_connection connection);
  void freeze();

 private:
  const ObjectStoreAccess access_;
  std::mutex mutex_;
  ObjectStoreKeys known_;
  bool is_frozen_ = false;
};

struct Session::State {
  ConnectionHandle connection;
  std::shared_ptr<StoreSecret> secret;  // shared with the Database; may be null

  // Before each statement: keys to the object store may have expired.
  Result<void> renew_secret();

  // Prepares the statements of `sql` one after another and runs all but the last; the last comes back prepared.
  Result<PreparedHandle> run_up_to_last(const std::string& sql);

  // Session::syntax_tree() without the check that it is JSON, for those who parse it.
  Result<std::string> unchecked_syntax_tree(Session& session, std::string_view sql);
};

}  // namespace shoplake::engine
