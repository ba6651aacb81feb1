// The C++ side of src/model/jinja, the Rust library that holds minijinja. Requests and answers are JSON documents; the
// renderer (renderer.h) makes and reads them.
//
// Thread rule: run() may be called by many threads at once; each rendering stays on its thread.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace shoplake::model::jinja {

// A macro file of ours, embedded at build time (src/model/macros).
struct BuiltinFile {
  std::string_view path;
  std::string_view text;
};
std::span<const BuiltinFile> builtin_files();

// Answers one question of a rendering ("ref", "run_query" …): arguments and answer ({"value": …} or {"error": …}) as
// JSON. Must not throw.
using Question = std::function<std::string(std::string_view name, std::string_view arguments)>;

// The compiled macros of one project.
class Project {
 public:
  Project() = default;
  ~Project();
  Project(Project&& other) noexcept;
  Project& operator=(Project&& other) noexcept;
  Project(const Project&) = delete;
  Project& operator=(const Project&) = delete;

  // {"options": {…}, "files": [{"package","path","text"}…]} → {"macros": […]} or {"error": {…}}.
  std::string create(std::string_view request);
  // {"do": "render"|"call"|"yaml", …} → {"value": …, "found": {…}} or {"error": {…}}.
  std::string run(std::string_view request, const Question& question) const;

 private:
  const void* handle_ = nullptr;
};

}  // namespace shoplake::model::jinja
