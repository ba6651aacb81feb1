// The blocks of the dashboard as data: what each figure means and the SQL it comes from. Kept apart from the code that
// serves them, because an analyst reads it.
//
// In a statement, $from, $to, $previous_from, $previous_to are DATE literals, $event is a string literal, and
// $channels(x) is a condition on the channel x (TRUE without a channel filter).
#pragma once

#include <span>
#include <string_view>

namespace shoplake::serve {

struct Definition {
  std::string_view term;
  std::string_view text;
};

struct BlockDefinition {
  std::string_view name;
  std::span<const std::string_view> tables;  // must exist; the answer is empty otherwise
  std::string_view sql;
  std::span<const std::string_view>
      tables_of_slice;  // with a channel filter, if the block has another statement for it
  std::string_view sql_of_slice;
  std::span<const Definition> definitions;
};

std::span<const BlockDefinition> block_definitions();

// The first and last day of the marts, the channels and the conversion events that occur.
std::span<const std::string_view> tables_of_choices();
std::string_view sql_of_days();
std::string_view sql_of_channels();
std::string_view sql_of_events();

}  // namespace shoplake::serve
