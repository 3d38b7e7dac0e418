// Expert load over the steps of a run: a small heat map a layer, a row an
// expert, as HTML and SVG. Even load is blank; more and less have a colour
// each.
#pragma once

#include <string>
#include <vector>

#include "runtime/history.h"

namespace colossus::runtime {

// Nothing without points. Points whose shape differs from the last one's are
// left out: a journal may be damaged.
std::string expert_load_html(const std::vector<ExpertLoadPoint>& points);

}  // namespace colossus::runtime
