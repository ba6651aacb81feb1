// Whether SQL gives the same rows again as long as the relations that it reads are the same.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace shoplake::model {

// Functions of the engine (in lower case) whose answer is not a matter of their arguments alone: clocks, chance, the
// session, files. Table functions are all among them but for those that only make rows of their arguments.
const std::set<std::string, std::less<>>& unrepeatable_functions();

// False if the text names one of them anywhere, or what looks like the name of a data file. A column that is called
// like such a function makes it false too: it is never wrongly true.
bool is_repeatable(std::string_view sql);

// Whether a statement is one query, which leaves nothing behind. False where that is not plain from its first word.
bool only_reads(std::string_view sql);

}  // namespace shoplake::model
