#include "crawl/inventory.h"

#include <algorithm>

#include <fmt/format.h>

namespace shoplake::crawl {
namespace {

// Calls `visit` with each part of a path but the last.
template <typename Visit>
void each_folder(const std::string& path, const Visit& visit) {
  std::size_t begin = 0;
  for (std::size_t end = path.find('/'); end != std::string::npos; end = path.find('/', begin)) {
    visit(path.substr(begin, end - begin));
    begin = end + 1;
  }
}

bool is_partition(const std::string& folder) {
  const std::size_t equals = folder.find('=');
  return equals != std::string::npos && equals > 0;
}

std::string decoded(const std::string& text) {
  std::string plain;
  for (std::size_t index = 0; index < text.size(); ++index) {
    unsigned code = 0;
    if (text[index] == '%' && index + 2 < text.size() && std::sscanf(text.c_str() + index + 1, "%2x", &code) == 1) {
      plain.push_back(static_cast<char>(code));
      index += 2;
    } else {
      plain.push_back(text[index]);
    }
  }
  return plain;
}

// Text as a glob that means nothing but itself.
std::string escaped(const std::string& text) {
  std::string glob;
  for (const char c : text) {
    if (c == '*' || c == '?' || c == '[') {
      glob.append("[").append(1, c).append("]");
    } else {
      glob.push_back(c);
    }
  }
  return glob;
}

// ".csv", ".ndjson.gz"; empty if the name has none.
std::string ending(const std::string& name) {
  const std::size_t last = name.rfind('.');
  if (last == std::string::npos) {
    return "";
  }
  const std::size_t before = last == 0 ? std::string::npos : name.rfind('.', last - 1);
  return name.substr(last) == ".gz" && before != std::string::npos ? name.substr(before) : name.substr(last);
}

// Whether a path leads to a file that is none of the table's: temporary, or in or under a name that begins with '.' or
// '_'.
bool is_passed_over(const std::string& path) {
  return path.starts_with('.') || path.starts_with('_') || path.find("/.") != std::string::npos ||
         path.find("/_") != std::string::npos || path.ends_with(".tmp") || path.find(".tmp/") != std::string::npos;
}

}  // namespace

Result<std::vector<Object>> list_objects(io::Env& env, const std::string& folder) {
  std::vector<Object> objects;
  for (io::DirectoryEntry& file : SHOPLAKE_TRY(env.list_tree(folder))) {
    if (file.size_bytes == 0 || is_passed_over(file.name)) {
      continue;
    }
    if (objects.size() >= kObjectsMax) {
      return base::make_error(base::ErrorKind::failed, "crawl.too_many_objects",
                              fmt::format("there are more than {} objects below {}", kObjectsMax, folder),
                              "Crawl its folders one by one.");
    }
    objects.push_back({std::move(file.name), file.size_bytes, file.modified_micros, std::move(file.entity_tag)});
  }
  return objects;
}

std::vector<PartitionValue> partition_of(const std::string& path) {
  std::vector<PartitionValue> values;
  each_folder(path, [&](const std::string& folder) {
    if (is_partition(folder)) {
      const std::size_t equals = folder.find('=');
      values.push_back({folder.substr(0, equals), decoded(folder.substr(equals + 1))});
    }
  });
  return values;
}

std::string partition_folder(const std::string& path) {
  std::string folders;
  each_folder(path, [&](const std::string& folder) {
    if (is_partition(folder)) {
      folders += (folders.empty() ? "" : "/") + folder;
    }
  });
  return folders;
}

std::string pattern_of(const std::string& path) {
  std::string pattern;
  each_folder(path, [&](const std::string& folder) {
    pattern += is_partition(folder) ? escaped(folder.substr(0, folder.find('='))) + "=*/" : escaped(folder) + "/";
  });
  const std::string name = io::file_name(path);
  const std::string end = ending(name);
  // Without an ending nothing tells the objects apart from others: each by its name.
  return pattern + (end.empty() ? escaped(name) : "[!._]*" + escaped(end));
}

std::string exact_pattern(const std::string& path) { return escaped(path); }

}  // namespace shoplake::crawl
