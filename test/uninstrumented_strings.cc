// std::string for the built libraries, in programs under ThreadSanitizer.
//
// DuckDB and Arrow call the string functions of libstdc++.so. ThreadSanitizer sees what these copy, but not the atomics
// by which the libraries' threads hand their strings on, and takes the hand-over for a race. It can be told to pass
// over the calls out of one library, but not out of libstdc++.so, where our own std::condition_variable::wait() is. So
// the libraries find these functions first, and test/tsan.supp names the library that they are in.
//
// Our own code has std::string from the headers, as it is in C++20, and keeps it to itself (cmake/no_exports.map):
// races for our strings are still seen. Not seen is what streams and std::filesystem copy inside libstdc++.so, which
// finds these functions, too.

#include <string>

template class std::basic_string<char>;
