#include "serve/version.h"

namespace shoplake::serve {

std::string shoplake_version() { return SHOPLAKE_VERSION; }

}  // namespace shoplake::serve
