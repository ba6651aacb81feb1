// Key lookups: how the rows that a predicate is true of are found among many without reading these.
//
// A predicate of a live model usually says `columns IN (SELECT …)`: the rows of the keys that a batch touches. For each
// such list of columns a table of hot rows has one more column, 44 bits of their hash. A lookup compares these 4 bytes
// a row, and the predicate is asked only about rows with the hash of a key. So its cost hardly grows with the number of
// rows, and a hash that is shared by two keys costs a row that is read in vain, nothing else.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/catalog.h"
#include "engine/session.h"

namespace shoplake::live {

using base::Result;

// `columns IN (query)`.
struct KeyTerm {
  std::vector<std::string> columns;
  std::string query;
};

// Terms of which at least one is true of every row that the predicate is true of. Empty: it names no keys (`true`, a
// comparison, NOT IN, EXISTS). Error engine.sql: it is no predicate.
Result<std::vector<KeyTerm>> key_terms(engine::Session& session, const std::string& predicate);

// The hash columns of one table.
class KeyColumns {
 public:
  explicit KeyColumns(const catalog::Schema* schema) : schema_(schema) {}

  // Makes sure that there is one for these columns. False: the table lacks one of them.
  bool add(const std::vector<std::string>& columns);
  // Its number, from 0, and its name; there is one.
  std::size_t number(const std::vector<std::string>& columns) const;
  const std::string& name(const std::vector<std::string>& columns) const { return keys_[number(columns)].name; }
  std::size_t count() const { return keys_.size(); }

  std::string definitions() const;  // `, "_shoplake_key_0" BIGINT, …` or nothing
  std::string names() const;        // `, "_shoplake_key_0", …`
  std::string values() const;       // `, <hash of the columns>, …`
  // The distinct hashes of the keys of a term, in one column "key".
  std::string keys(const KeyTerm& term) const;

 private:
  struct Key {
    std::vector<std::string> columns;
    std::string name;
  };
  const catalog::Schema* schema_;
  std::vector<Key> keys_;
};

}  // namespace shoplake::live
