#include "io/env.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "base/digest.h"

namespace shoplake::io {

Result<std::string> Env::read_file(const std::string& path) {
  const auto file = SHOPLAKE_TRY(open_file(path));
  std::string bytes;
  // Sizes of special files are 0 and a file may grow meanwhile, so reading ends where the bytes end.
  std::size_t expected = static_cast<std::size_t>(SHOPLAKE_TRY(file->size())) + 1;
  while (true) {
    const std::size_t before = bytes.size();
    bytes.resize(before + expected);
    const std::size_t got = SHOPLAKE_TRY(file->read(before, expected, bytes.data() + before));
    bytes.resize(before + got);
    if (got < expected) {
      return bytes;
    }
    expected = 64 * 1024;
  }
}

Result<void> Env::write_file(const std::string& path, std::string_view bytes) {
  const std::string temporary = path + "." + new_uuid() + ".tmp";
  const auto write = [&]() -> Result<void> {
    const auto file = SHOPLAKE_TRY(create_file(temporary));
    SHOPLAKE_TRY(file->append(bytes));
    SHOPLAKE_TRY(file->sync());
    SHOPLAKE_TRY(file->close());
    SHOPLAKE_TRY(rename(temporary, path));
    return sync_directory(parent_path(path));
  };
  auto outcome = write();
  if (!outcome.ok()) {
    (void)remove_file(temporary);  // the first error is the one to tell
  }
  return outcome;
}

Result<std::vector<DirectoryEntry>> Env::list_tree(const std::string& path, const std::string& prefix) {
  std::vector<DirectoryEntry> files;
  std::vector<std::string> folders{""};  // from `path`, with a slash at the end
  while (!folders.empty()) {
    const std::string folder = std::move(folders.back());
    folders.pop_back();
    auto entries = list_directory(folder.empty() ? path : join_path(path, folder));
    if (!entries.ok()) {
      if (entries.error().kind == base::ErrorKind::not_found && !folder.empty()) {
        continue;  // it went meanwhile
      }
      return std::move(entries).error();
    }
    for (DirectoryEntry& entry : *entries) {
      entry.name = folder + entry.name;
      if (entry.is_directory) {
        entry.name.push_back('/');
        if (entry.name.starts_with(prefix) || prefix.starts_with(entry.name)) {
          folders.push_back(std::move(entry.name));
        }
      } else if (entry.name.starts_with(prefix)) {
        files.push_back(std::move(entry));
      }
    }
  }
  std::ranges::sort(files, {}, &DirectoryEntry::name);
  return files;
}

Result<void> Env::publish(const std::string& from, const std::string& to) {
  const std::string folder = parent_path(to);
  SHOPLAKE_TRY(create_directories(folder));
  SHOPLAKE_TRY(rename(from, to));
  return sync_directory(folder);
}

void Env::remove_files_quietly(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    (void)remove_file(path);
  }
}

std::string Env::staging_directory(const std::string&) { return {}; }

std::string Env::new_uuid() {
  std::array<char, 16> bytes;
  fill_random(bytes.data(), bytes.size());
  bytes[6] = static_cast<char>((static_cast<unsigned char>(bytes[6]) & 0x0f) | 0x40);
  bytes[8] = static_cast<char>((static_cast<unsigned char>(bytes[8]) & 0x3f) | 0x80);
  std::string text = base::hex({bytes.data(), bytes.size()});
  for (const int position : {8, 13, 18, 23}) {
    text.insert(static_cast<std::size_t>(position), 1, '-');
  }
  return text;
}

std::uint64_t Env::random_uint64() {
  std::array<char, 8> bytes;
  fill_random(bytes.data(), bytes.size());
  return std::bit_cast<std::uint64_t>(bytes);
}

std::string join_path(std::string_view folder, std::string_view name) {
  if (folder.empty()) {
    return std::string(name);
  }
  std::string path(folder);
  if (path.back() != '/') {
    path.push_back('/');
  }
  return path.append(name);
}

std::string parent_path(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') {
    path.remove_suffix(1);
  }
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) {
    return {};
  }
  return std::string(path.substr(0, slash == 0 ? 1 : slash));
}

std::string file_name(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') {
    path.remove_suffix(1);
  }
  return std::string(path.substr(path.rfind('/') + 1));
}

}  // namespace shoplake::io
