// Whether anybody has a file open for writing: what tells a file that is complete from one whose writer only pauses.
//
// Linux answers it by a lease (fcntl(2), F_SETLEASE): a read lease is refused while a file is open or mapped for
// writing by any process of this machine. It is given back at once; a writer that opens the file in between waits those
// microseconds. File systems that others may write to behind this kernel's back (NFS, FUSE, a host's folders) cannot
// answer, nor can files of other users without CAP_LEASE.
#pragma once

#include <string>

namespace shoplake::io {

enum class Writers { none, some, unknown };

// Thread safe. `unknown` also where there is no such file.
Writers writers_of(const std::string& path);

}  // namespace shoplake::io
