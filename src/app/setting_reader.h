// Reads values of shoplake.yml and says, with file and line, what is wrong with them: errors home.configuration
// (usage).
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace YAML {
class Node;
}

namespace shoplake::app {

class SettingReader {
 public:
  // `file` is for messages and must outlive this.
  explicit SettingReader(const std::string& file) : file_(file) {}

  base::Error error(const YAML::Node& at, const std::string& what, std::string advice = "") const;

  using Setter = std::function<base::Result<void>(const YAML::Node& value)>;
  using Setters = std::map<std::string, Setter>;

  // A mapping of known keys, each once.
  base::Result<void> mapping(const YAML::Node& node, const std::string& what, const Setters& setters) const;
  // One word; ${NAME} is the environment's, so that secrets need not stand in the file.
  base::Result<std::string> text(const YAML::Node& node, const std::string& what) const;
  base::Result<std::vector<std::string>> texts(const YAML::Node& node, const std::string& what) const;
  base::Result<int> number(const YAML::Node& node, const std::string& what, int min, int max) const;
  base::Result<bool> flag(const YAML::Node& node, const std::string& what) const;

 private:
  const std::string& file_;
};

}  // namespace shoplake::app
