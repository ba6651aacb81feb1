// Pattern: a regular expression that a text as a whole must match, in time that grows with the text and nothing else:
// it is run as an automaton, without backtracking, so that neither a contract nor a record can hang a load.
//
// Syntax (a subset of RE2's and JSON Schema's): literals, . [a-z] [^a-z] \d \w \s \D \W \S \t \. … ( ) (?: ) | * + ?
// {n} {n,} {n,m}, ^ at the begin and $ at the end (which change nothing). A dot and a negated class take one code
// point; classes name ASCII characters. Not supported: look-around, back-references, lazy quantifiers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace shoplake::contract {

class Pattern {
 public:
  // More states than this, from {n,m} of large groups, are refused.
  static constexpr std::size_t kStatesMax = 2'000;

  // Errors: contract.pattern (kind usage) with the place of the mistake.
  static base::Result<Pattern> parse(std::string_view text);

  // Any thread; a thread that matches much keeps a Matcher.
  bool matches(std::string_view value) const;
  const std::string& text() const { return text_; }

  // Remembers which sets of states follow which, up to a bound. Belongs to one thread.
  class Matcher {
   public:
    explicit Matcher(const Pattern& pattern);
    ~Matcher();
    bool matches(std::string_view value);

   private:
    struct State;
    std::unique_ptr<State> state_;
  };

 private:
  struct Program;
  std::string text_;
  std::shared_ptr<const Program> program_;
};

}  // namespace shoplake::contract
