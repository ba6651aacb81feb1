// JsonUnknownFields: the fields of a record that the contract does not name, kept as one JSON object (`_extra`) and
// reported as drift. They are checked by the JSON grammar like all others. Internal to the JSON reader. Belongs to one
// thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "transform/drift.h"
#include "transform/json_cursor.h"
#include "transform/record_builder.h"

namespace shoplake::transform {

class JsonUnknownFields {
 public:
  explicit JsonUnknownFields(RecordBuilder& builder) : builder_(builder) {}

  void begin_record();
  struct Field {
    std::string path;          // "event_params.value.x": for drift
    std::string indexed_path;  // "event_params[3].value.x": its name in the object
    std::string_view key;      // "x"
    bool is_top_level = false;
  };
  // Keeps the field whose value is at the cursor. False, with the cursor's rejection: it is not JSON.
  bool keep(JsonCursor& cursor, Field field);
  // Checks the value at the cursor by the grammar and forgets it.
  bool pass_over(JsonCursor& cursor);
  // Closes the JSON object of what was kept; empty if nothing was. Valid until begin_record().
  std::string_view object();
  // The record is accepted.
  void report(Drift& drift) const;

 private:
  bool copy_value(JsonCursor& cursor, int depth);
  bool copy_string(JsonCursor& cursor, std::uint32_t at);

  RecordBuilder& builder_;
  std::string object_;                                          // without the closing brace
  std::vector<std::pair<std::string, std::string_view>> seen_;  // path and type, for drift
  std::string client_event_id_;
};

}  // namespace shoplake::transform
