// How much of a processor a thread gets where others want it too.
#pragma once

namespace shoplake::base {

// For the calling thread, and the threads that it starts later: work that can wait for those who answer and those who
// count. It gets a tenth of a processor that somebody else wants, all of one that nobody wants. Where the system
// refuses, nothing changes. Source: setpriority(2); on Linux a thread has a nice value of its own.
void make_background_thread();

}  // namespace shoplake::base
