// FieldParser: the fields of a contract from YAML, each checked by itself. For contract.cc.
#pragma once

#include <string>
#include <vector>

#include "contract/contract.h"
#include "contract/yaml_reader.h"

namespace shoplake::contract {

class FieldParser {
 public:
  explicit FieldParser(const YamlReader& yaml) : yaml_(yaml) {}

  Result<std::vector<Field>> parse(const YAML::Node& list) const;
  // They would leave no column.
  static bool all_dropped(const std::vector<Field>& fields);

 private:
  Result<std::vector<Field>> parse_fields(const YAML::Node& list, const std::string& parent, int depth) const;
  Result<Field> parse_field(const YAML::Node& node, const std::string& parent, int depth) const;
  Result<void> parse_body(const YAML::Node& node, const std::string& parent, int depth, Field& field) const;
  Result<void> parse_type(const YAML::Node& node, const std::string& path, Field& field) const;
  Result<void> parse_format(const YAML::Node& format, const std::string& path, Field& field) const;
  Result<void> parse_limits(const YAML::Node& node, const std::string& path, Field& field) const;
  Result<void> parse_bounds(const YAML::Node& node, const std::string& path, Field& field) const;
  Result<void> parse_values(const YAML::Node& values, const std::string& path, Field& field) const;
  Result<void> parse_privacy(const YAML::Node& node, const std::string& path, Field& field) const;
  Result<void> parse_children(const YAML::Node& node, const std::string& path, int depth, Field& field) const;
  Result<std::vector<std::string>> parse_also(const YAML::Node& list, const std::string& path) const;
  Result<void> check_also(const YAML::Node& list, const std::vector<Field>& fields) const;
  Result<std::int64_t> bound(const YAML::Node& node, std::string_view key, const Field& field,
                             const std::string& path) const;

  const YamlReader& yaml_;
};

}  // namespace shoplake::contract
