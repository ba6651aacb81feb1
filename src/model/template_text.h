// What a text is before it is rendered. Internal to the parser of projects.
#pragma once

#include <string>
#include <string_view>

namespace shoplake::model {

// Does it hold anything that Jinja would do: {{ … }} or {% … %}?
bool has_jinja(std::string_view text);

// Without white space around it.
std::string trimmed(const std::string& text);

}  // namespace shoplake::model
