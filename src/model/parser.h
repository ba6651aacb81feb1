// From the files of a project to its Manifest: properties files, configuration, tests, names and dependencies.
#pragma once

#include "io/env.h"
#include "model/manifest.h"
#include "model/project.h"
#include "model/renderer.h"

namespace shoplake::model {

// Errors (kind usage or failed; each names file and line where there is one): model.yaml, model.property (a properties
// file says something that makes no sense), model.duplicate (two of one name), model.unresolved (ref() or source() of
// what does not exist), model.unsupported, model.jinja.
Result<Manifest> parse_project(io::Env& env, const Project& project, const Renderer& renderer);

}  // namespace shoplake::model
