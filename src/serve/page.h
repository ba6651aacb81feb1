// A page of the dashboard in the frame that all pages have: head, title, navigation, foot. web/_frame.html is the
// frame, with {{name}} where a page says something of its own; a page begins with what it says there:
//
//   <!-- page
//   title: Alarms · shoplake
//   heading: Alarms
//   …
//   -->
//   <main>…
//
// Values are HTML. What follows the comment is {{content}}. A line of the frame that names a value which the page may
// leave out (preload), and does, is left out. The navigation's link to the page itself gets aria-current. Pure
// functions.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace shoplake::serve {

// Whether the file begins like a page; others are served as they are.
bool is_page(std::string_view text);

// `address` is the page's: "/", "/alarms.html". Errors serve.bad_page (environment): a value is missing, unknown or
// twice, or the frame has no place for the content.
base::Result<std::string> framed_page(std::string_view frame, std::string_view page, std::string_view address);

}  // namespace shoplake::serve
