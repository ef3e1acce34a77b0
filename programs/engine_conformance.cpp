// engine_conformance CASES.json [--data DIR]... [--variant toolkit|default]
// Runs numeric cases against the engine (docs/semantics.md, "Conformance").

#include <cstdio>

#include <CLI/CLI.hpp>

#include "programs/conformance/run.h"

int main(int argc, char** argv) {
  CLI::App app("Checks the engine against numeric cases");
  std::string cases, variant = "toolkit";
  std::vector<std::string> folders;
  app.add_option("cases", cases, "JSON file with the cases")->required();
  app.add_option("--data", folders, "folder with data files, searched with its subfolders; may be repeated");
  app.add_option("--variant", variant, "rules of trees, bounds and optimiser")
      ->check(CLI::IsMember({"toolkit", "default"}))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(seldon::ExitCode::bad_input);
  }
  try {
    using seldon::engine::Variant;
    return static_cast<int>(seldon::conformance::run(
        cases, folders, variant == "default" ? Variant::default_ : Variant::toolkit));
  } catch (const seldon::Error& error) {
    std::fprintf(stderr, "engine_conformance: error: %s\n", error.what());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "engine_conformance: internal error: %s\n", error.what());
    return static_cast<int>(seldon::ExitCode::internal);
  }
}
