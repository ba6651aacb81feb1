#include "event/identity.h"

#include <gtest/gtest.h>

#include "base/digest.h"

namespace shoplake::event {
namespace {

std::string hash(IdentityHasher& hasher, IdentityFields fields) {
  std::string text(kIdentityLength, '\0');
  hasher.hash(fields, text.data());
  return text;
}

IdentityFields some() {
  IdentityFields fields;
  fields.stream_id = "1";
  fields.user_pseudo_id = "u";
  fields.event_name = " Page View\t";
  fields.event_timestamp = 2;
  fields.batch_page_id = 3;
  ParameterValue title;
  title.key = "title";
  title.has_key = true;
  title.text = "T";
  ParameterValue session;
  session.key = "ga_session_id";
  session.has_key = true;
  session.integer = 4;
  fields.parameters = {title, session};
  return fields;
}

// The bytes that docs/formats/event_identity.md describes, written out.
TEST(IdentityTest, CanonicalFormIsTheDocumentedOne) {
  IdentityHasher hasher(IdentityHasher::Rule::canonical);
  const std::string id = hash(hasher, some());
  const auto bytes = [](std::initializer_list<int> values) {
    std::string text;
    for (int value : values)
      text.push_back(static_cast<char>(value));
    return text;
  };
  const std::string expected = "shoplake.event/1" + bytes({1, 1, 0, 0, 0}) + "1" + bytes({1, 1, 0, 0, 0}) + "u" +  //
                               bytes({1, 4, 0, 0, 0, 0, 0, 0, 0}) +                                           // session
                               bytes({9, 0, 0, 0}) + "page_view" + bytes({2, 0, 0, 0, 0, 0, 0, 0}) +          //
                               bytes({1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0}) +                                     // batch
                               bytes({2, 0, 0, 0}) +                                                          //
                               bytes({13, 0, 0, 0}) + "ga_session_id" + bytes({2, 4, 0, 0, 0, 0, 0, 0, 0}) +  //
                               bytes({5, 0, 0, 0}) + "title" + bytes({1, 1, 0, 0, 0}) + "T";
  EXPECT_EQ(hasher.canonical_form(), expected);
  EXPECT_EQ(id, base::sha256_hex(expected));
}

TEST(IdentityTest, EveryPartCounts) {
  IdentityHasher hasher(IdentityHasher::Rule::canonical);
  const std::string id = hash(hasher, some());
  const auto differs = [&](auto change) {
    IdentityFields fields = some();
    change(fields);
    return hash(hasher, fields) != id;
  };
  EXPECT_TRUE(differs([](IdentityFields& f) { f.stream_id.reset(); }));
  EXPECT_TRUE(differs([](IdentityFields& f) { f.user_pseudo_id = ""; }));
  EXPECT_TRUE(differs([](IdentityFields& f) { f.event_timestamp = 3; }));
  EXPECT_TRUE(differs([](IdentityFields& f) { f.batch_event_index = 0; }));
  EXPECT_TRUE(differs([](IdentityFields& f) { f.parameters[0].real = 1; }));
  EXPECT_TRUE(differs([](IdentityFields& f) { f.parameters.pop_back(); }));
  EXPECT_FALSE(differs([](IdentityFields& f) { std::swap(f.parameters[0], f.parameters[1]); }));
  EXPECT_FALSE(differs([](IdentityFields& f) { f.event_name = "page_view"; }));
  EXPECT_FALSE(differs([](IdentityFields& f) { f.user_id = "account"; }));
}

TEST(IdentityTest, ManyParametersOfOneKeyInAnyOrder) {
  IdentityHasher hasher(IdentityHasher::Rule::canonical);
  IdentityFields forward = some();
  forward.parameters.clear();
  for (int i = 0; i < 200; ++i) {
    ParameterValue parameter;
    parameter.key = i % 3 == 0 ? "same_key_longer_than_eight" : "same_key";
    parameter.has_key = true;
    parameter.integer = i;
    forward.parameters.push_back(parameter);
  }
  IdentityFields backward = forward;
  std::reverse(backward.parameters.begin(), backward.parameters.end());
  EXPECT_EQ(hash(hasher, forward), hash(hasher, backward));
}

TEST(IdentityTest, ShortRule) {
  IdentityHasher hasher(IdentityHasher::Rule::user_name_time);
  EXPECT_EQ(hash(hasher, some()), base::sha256_hex("upage_view2"));
  IdentityFields fields = some();
  fields.client_event_id = "mine";
  EXPECT_NE(hash(hasher, fields), base::sha256_hex("upage_view2"));
}

}  // namespace
}  // namespace shoplake::event
