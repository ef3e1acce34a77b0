#pragma once
// Text in HTML and SVG.

#include <string>
#include <string_view>

namespace seldon::analysis {

/// Text that means nothing else in HTML or XML, between tags and in quoted attributes: on one line, valid
/// UTF-8, and & < > " ' as references.
std::string escaped(std::string_view text);

}  // namespace seldon::analysis
