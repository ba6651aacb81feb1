// A model's contract (contract: {enforced: true}): its columns are those of the YAML file, with these types.
// Source: https://docs.getdbt.com/docs/collaborate/govern/model-contracts
#pragma once

#include <string>

#include "model/lake.h"
#include "model/manifest.h"

namespace shoplake::model {

// `sql` is the model's compiled query. Fine if the model has no enforced contract. Error model.contract (kind failed)
// lists every difference.
Result<void> check_contract(Lake& lake, engine::Session& session, const Node& node, const std::string& sql);

}  // namespace shoplake::model
