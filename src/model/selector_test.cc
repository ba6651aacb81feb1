#include "model/selector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoplake::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

void add(Manifest& manifest, const std::string& name, std::vector<std::string> depends_on,
         const std::string& folder = "marts", std::vector<std::string> tags = {}) {
  Node node;
  node.name = name;
  node.package = "shop";
  node.unique_id = "model.shop." + name;
  node.fqn = {"shop", folder, name};
  node.original_file_path = "models/" + folder + "/" + name + ".sql";
  node.tags = std::move(tags);
  node.config = {{"materialized", "table"}};
  for (std::string& id : depends_on)
    node.depends_on.push_back("model.shop." + id);
  manifest.nodes[node.unique_id] = std::move(node);
}

void add_data_test(Manifest& manifest, const std::string& name, const std::vector<std::string>& of) {
  Node node;
  node.type = ResourceType::test;
  node.name = name;
  node.package = "shop";
  node.unique_id = "test.shop." + name;
  node.fqn = {"shop", "marts", name};
  node.original_file_path = "models/marts/x.yml";
  node.config = {{"materialized", "test"}};
  for (const std::string& id : of)
    node.depends_on.push_back("model.shop." + id);
  node.test = TestMetadata{"unique", {}, Json::object()};
  manifest.nodes[node.unique_id] = std::move(node);
}

// a → b → c → d, a → e, with a test of b and one of b and e.
Manifest diamond() {
  Manifest manifest;
  manifest.project_name = "shop";
  add(manifest, "a", {}, "staging", {"nightly"});
  add(manifest, "b", {"a"});
  add(manifest, "c", {"b"});
  add(manifest, "d", {"c"});
  add(manifest, "e", {"a"});
  add_data_test(manifest, "of_b", {"b"});
  add_data_test(manifest, "of_b_and_e", {"b", "e"});
  manifest.index();
  return manifest;
}

std::set<std::string> select(const Manifest& manifest, std::vector<std::string> select,
                             std::vector<std::string> exclude = {},
                             IndirectSelection indirect = IndirectSelection::empty) {
  const Result<Graph> graph = Graph::create(manifest);
  EXPECT_TRUE(graph.ok());
  const Result<std::set<std::string>> chosen =
      select_nodes(manifest, *graph, {std::move(select), std::move(exclude), indirect}, nullptr);
  EXPECT_TRUE(chosen.ok()) << (chosen.ok() ? "" : to_string(chosen.error()));
  std::set<std::string> names;
  for (const std::string& id : *chosen)
    names.insert(id.substr(id.rfind('.') + 1));
  return names;
}

TEST(Selector, GraphOperators) {
  const Manifest manifest = diamond();
  EXPECT_THAT(select(manifest, {"+c"}), UnorderedElementsAre("a", "b", "c"));
  EXPECT_THAT(select(manifest, {"1+c"}), UnorderedElementsAre("b", "c"));
  EXPECT_THAT(select(manifest, {"c+"}), UnorderedElementsAre("c", "d"));
  EXPECT_THAT(select(manifest, {"1+c+1"}), UnorderedElementsAre("b", "c", "d"));
  EXPECT_THAT(select(manifest, {"@e"}), UnorderedElementsAre("a", "e", "b", "of_b_and_e"));
}

TEST(Selector, UnionsIntersectionsExclusions) {
  const Manifest manifest = diamond();
  EXPECT_THAT(select(manifest, {"b", "e"}), UnorderedElementsAre("b", "e"));
  EXPECT_THAT(select(manifest, {"b e"}), UnorderedElementsAre("b", "e"));
  EXPECT_THAT(select(manifest, {"+d,b+"}, {"of_b of_b_and_e"}), UnorderedElementsAre("b", "c", "d"));
  EXPECT_THAT(select(manifest, {"+d"}, {"b"}), UnorderedElementsAre("a", "c", "d"));
  EXPECT_THAT(select(manifest, {}, {"tag:nightly", "test_type:data"}), UnorderedElementsAre("b", "c", "d", "e"));
}

TEST(Selector, Methods) {
  const Manifest manifest = diamond();
  EXPECT_THAT(select(manifest, {"tag:night*"}), UnorderedElementsAre("a"));
  EXPECT_THAT(select(manifest, {"path:models/staging"}), UnorderedElementsAre("a"));
  EXPECT_THAT(select(manifest, {"models/staging/a.sql"}), UnorderedElementsAre("a"));
  EXPECT_THAT(select(manifest, {"file:a.sql"}), UnorderedElementsAre("a"));
  EXPECT_THAT(select(manifest, {"shop.staging"}), UnorderedElementsAre("a"));
  EXPECT_THAT(select(manifest, {"staging.*"}), UnorderedElementsAre("a"));
  EXPECT_THAT(select(manifest, {"test_name:unique"}), UnorderedElementsAre("of_b", "of_b_and_e"));
  EXPECT_THAT(select(manifest, {"config.materialized:table,marts"}), UnorderedElementsAre("b", "c", "d", "e"));
  EXPECT_THAT(select(manifest, {"resource_type:model,*[ab]"}), UnorderedElementsAre("a", "b"));
}

TEST(Selector, TestsComeWithWhatTheyTest) {
  const Manifest manifest = diamond();
  EXPECT_THAT(select(manifest, {"b"}, {}, IndirectSelection::eager), UnorderedElementsAre("b", "of_b", "of_b_and_e"));
  EXPECT_THAT(select(manifest, {"b"}, {}, IndirectSelection::cautious), UnorderedElementsAre("b", "of_b"));
  EXPECT_THAT(select(manifest, {"b", "e"}, {}, IndirectSelection::buildable), UnorderedElementsAre("b", "e", "of_b"));
  EXPECT_THAT(select(manifest, {"b e"}, {"e"}, IndirectSelection::eager), UnorderedElementsAre("b", "of_b"));
}

TEST(Selector, SaysWhatItDoesNotKnow) {
  const Manifest manifest = diamond();
  const Result<Graph> graph = Graph::create(manifest);
  for (const char* wrong : {"state:modified", "test_type:odd", "@a+", "+"}) {
    const Result<std::set<std::string>> chosen = select_nodes(manifest, *graph, {{wrong}, {}, {}}, nullptr);
    ASSERT_FALSE(chosen.ok()) << wrong;
    EXPECT_EQ(chosen.error().code, "model.selector");
  }
  std::vector<std::string> warnings;
  EXPECT_TRUE(select_nodes(manifest, *graph, {{"nothing"}, {}, {}}, &warnings)->empty());
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("'nothing'")));
}

TEST(Graph, NamesTheCircle) {
  Manifest manifest = diamond();
  manifest.nodes.at("model.shop.b").depends_on.push_back("model.shop.d");
  const Result<Graph> graph = Graph::create(manifest);
  ASSERT_FALSE(graph.ok());
  EXPECT_EQ(graph.error().code, "model.cycle");
  EXPECT_THAT(graph.error().message, HasSubstr("model.shop.b → model.shop.c → model.shop.d → model.shop.b"));
}

TEST(Schedule, TestsOfANodeComeBeforeWhatNeedsIt) {
  const Manifest manifest = diamond();
  const Graph graph = Graph::create(manifest).value();
  const Schedule schedule = make_schedule(manifest, graph, graph.nodes(), true);
  EXPECT_THAT(schedule.waits_for.at("model.shop.c"), UnorderedElementsAre("model.shop.b", "test.shop.of_b"));
  EXPECT_EQ(schedule.order.size(), graph.nodes().size());
  EXPECT_THAT(make_schedule(manifest, graph, graph.nodes(), false).waits_for.at("model.shop.c"),
              UnorderedElementsAre("model.shop.b"));
}

TEST(Schedule, PassesThroughWhatIsNotSelected) {
  const Manifest manifest = diamond();
  const Graph graph = Graph::create(manifest).value();
  const Schedule schedule = make_schedule(manifest, graph, {"model.shop.a", "model.shop.d", "test.shop.of_b"}, true);
  EXPECT_THAT(schedule.waits_for.at("model.shop.d"), UnorderedElementsAre("model.shop.a", "test.shop.of_b"));
  EXPECT_THAT(schedule.order, ElementsAre("model.shop.a", "test.shop.of_b", "model.shop.d"));
}

}  // namespace
}  // namespace shoplake::model
