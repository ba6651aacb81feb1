// JsonPartition: finds a record's partition before the record is read, since it decides where the fields go. Internal
// to the JSON reader. Belongs to one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "contract/contract.h"
#include "transform/json_cursor.h"
#include "transform/json_leaves.h"
#include "transform/layout.h"
#include "transform/record_builder.h"

namespace shoplake::transform {

class JsonPartition {
 public:
  JsonPartition(const contract::Contract& contract, const Layout& layout);

  // The partition of the record at the cursor, which stays there, from the field that is looked for at its top level;
  // valid until the next call. `leaves` remembers a moment that had to be read. False, with the cursor's rejection:
  // there is no such field, or its value does not fit.
  bool find(JsonCursor& cursor, JsonLeaves& leaves, std::string_view& partition);

 private:
  bool is_key(const JsonCursor& cursor, const std::uint32_t* at) const;
  bool of_time(JsonCursor& cursor, JsonLeaves& leaves, const Node& field, std::string_view& partition);
  bool of_text(JsonCursor& cursor, const Node& field, std::string_view& partition);

  const Layout& layout_;
  std::int16_t field_;              // node of the field that the partition is, or follows from; -1: none
  std::vector<std::string> names_;  // its own and its other places
  PartitionDays day_names_;
  std::string text_;
};

}  // namespace shoplake::transform
