# For a project outside this tree that builds on a build folder of this one (docs/extending.md):
#   find_package(Seldon REQUIRED PATHS <build folder>)
#   target_link_libraries(my_seldon PRIVATE seldon::seldon_cli)
# The dependencies are looked for as the rooms do it; LibTorch's place is part of seldon::seldon_torch.
set(HDF5_PREFER_PARALLEL OFF)
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
include(CMakeFindDependencyMacro)
foreach(dependency spdlog Boost ZLIB nlohmann_json CLI11)
  find_dependency(${dependency})
endforeach()
find_dependency(HDF5 COMPONENTS C)
find_dependency(MPI COMPONENTS C)

include(${CMAKE_CURRENT_LIST_DIR}/SeldonTargets.cmake)

# This project's warnings are its own affair.
get_target_property(seldon_options seldon::seldon_flags INTERFACE_COMPILE_OPTIONS)
list(FILTER seldon_options EXCLUDE REGEX "-W")
set_target_properties(seldon::seldon_flags PROPERTIES INTERFACE_COMPILE_OPTIONS "${seldon_options}")
target_compile_features(seldon::seldon_flags INTERFACE cxx_std_20)
