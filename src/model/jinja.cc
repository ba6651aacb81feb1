#include "model/jinja.h"

#include <cstddef>
#include <cstdint>
#include <utility>

// The library's C ABI; its contract stands at the same functions in jinja/src/lib.rs.
extern "C" {
struct ShoplakeJinjaText {
  std::uint8_t* data;
  std::size_t size;
};
using ShoplakeJinjaCall = void (*)(void* context, const std::uint8_t* name, std::size_t name_size,
                                   const std::uint8_t* arguments, std::size_t arguments_size, void* answer);
ShoplakeJinjaText shoplake_jinja_create(const std::uint8_t* request, std::size_t size, const void** project);
void shoplake_jinja_destroy(const void* project);
void shoplake_jinja_free_text(ShoplakeJinjaText text);
void shoplake_jinja_answer(void* answer, const std::uint8_t* data, std::size_t size);
ShoplakeJinjaText shoplake_jinja_run(const void* project, const std::uint8_t* request, std::size_t size, void* context,
                                     ShoplakeJinjaCall call);
}

namespace shoplake::model::jinja {
namespace {

const std::uint8_t* bytes(std::string_view text) { return reinterpret_cast<const std::uint8_t*>(text.data()); }
std::string_view view(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

std::string take(ShoplakeJinjaText text) {
  std::string result(view(text.data, text.size));
  shoplake_jinja_free_text(text);
  return result;
}

void ask(void* context, const std::uint8_t* name, std::size_t name_size, const std::uint8_t* arguments,
         std::size_t arguments_size, void* answer) {
  const auto& question = *static_cast<const Question*>(context);
  const std::string text = question(view(name, name_size), view(arguments, arguments_size));
  shoplake_jinja_answer(answer, bytes(text), text.size());
}

}  // namespace

Project::~Project() { shoplake_jinja_destroy(handle_); }
Project::Project(Project&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
Project& Project::operator=(Project&& other) noexcept {
  std::swap(handle_, other.handle_);
  return *this;
}

std::string Project::create(std::string_view request) {
  shoplake_jinja_destroy(std::exchange(handle_, nullptr));
  return take(shoplake_jinja_create(bytes(request), request.size(), &handle_));
}

std::string Project::run(std::string_view request, const Question& question) const {
  return take(shoplake_jinja_run(handle_, bytes(request), request.size(), const_cast<Question*>(&question), &ask));
}

}  // namespace shoplake::model::jinja
