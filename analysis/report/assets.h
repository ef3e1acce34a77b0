#pragma once
// report.css and report.js, part of the library: CMake writes assets.cpp (CMakeLists.txt here).

namespace seldon::analysis::report {

extern const char* const style_sheet;
extern const char* const script;

}  // namespace seldon::analysis::report
