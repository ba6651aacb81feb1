#include "base/thread_priority.h"

#include <sys/resource.h>
#include <unistd.h>

namespace shoplake::base {
namespace {

constexpr int kBackgroundNice = 10;

}  // namespace

void make_background_thread() { (void)setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kBackgroundNice); }

}  // namespace shoplake::base
