# Finds one LibTorch and makes the target seldon::torch of it.
#
# Debian's libtorch-dev is the default. For PyPI's, set SELDON_TORCH_ROOT to the folder of the Python package, which
# holds include/ and lib/ (python3 -c 'import os, torch; print(os.path.dirname(torch.__file__))').
# find_package(Torch) is not used: with both on one machine it mixes them (PyPI's headers, Debian's libtorch.so and
# libc10.so), and PyPI's asks for the whole CUDA toolkit even where only the CPU is used. Here every library comes from
# one folder or the configuration fails.
#
# Where that LibTorch has CUDA, seldon::torch brings CUDA's runtime, the headers that LibTorch's own ask for and the
# definition SELDON_CUDA; where NCCL is there too, there is a target seldon::nccl. No compiler of CUDA is needed, and no
# GPU to build. SELDON_CUDA=OFF leaves all of it out.
set(SELDON_TORCH_ROOT "" CACHE PATH "Folder of PyPI's torch package; empty: the system's LibTorch")
option(SELDON_CUDA "Use GPUs where LibTorch has CUDA" ON)

if(TARGET seldon::torch)
  return()
endif()

if(SELDON_TORCH_ROOT)
  set(torch_hints PATHS ${SELDON_TORCH_ROOT} NO_DEFAULT_PATH)
else()
  set(torch_hints)
endif()
# Not cached: another SELDON_TORCH_ROOT must not meet the files found for the one before.
find_path(SELDON_TORCH_INCLUDE torch/csrc/autograd/autograd.h ${torch_hints} PATH_SUFFIXES include NO_CACHE)
set(torch_missing)
foreach(part torch torch_cpu c10)
  find_library(SELDON_LIB_${part} ${part} ${torch_hints} PATH_SUFFIXES lib NO_CACHE)
  if(NOT SELDON_LIB_${part})
    list(APPEND torch_missing lib${part}.so)
  endif()
endforeach()
if(NOT SELDON_TORCH_INCLUDE OR torch_missing)
  message(FATAL_ERROR "LibTorch not found (missing: headers or ${torch_missing}): install Debian's libtorch-dev, or set "
    "SELDON_TORCH_ROOT to the folder of PyPI's torch package")
endif()

# The C++ library's ABI must be the new one, as everywhere else in the program.
set(torch_config ${SELDON_TORCH_ROOT}/share/cmake/Torch/TorchConfig.cmake)
if(SELDON_TORCH_ROOT AND EXISTS ${torch_config})
  file(STRINGS ${torch_config} torch_abi REGEX "_GLIBCXX_USE_CXX11_ABI=0")
  if(torch_abi)
    message(FATAL_ERROR "${SELDON_TORCH_ROOT} was built with the old C++ ABI: take torch 2.7 or newer")
  endif()
endif()

add_library(seldon_torch INTERFACE)
add_library(seldon::torch ALIAS seldon_torch)
target_include_directories(seldon_torch SYSTEM INTERFACE
  ${SELDON_TORCH_INCLUDE} ${SELDON_TORCH_INCLUDE}/torch/csrc/api/include)
target_link_libraries(seldon_torch INTERFACE ${SELDON_LIB_torch} ${SELDON_LIB_torch_cpu} ${SELDON_LIB_c10})
# PyPI's brings headers of fmt, without its library and too new for the system's spdlog. The system's come first: by a folder
# that holds nothing else, as the rest of the system's headers may be those of another LibTorch.
if(SELDON_TORCH_ROOT AND EXISTS ${SELDON_TORCH_INCLUDE}/fmt)
  find_path(SELDON_FMT_INCLUDE fmt/core.h NO_CACHE)
  if(SELDON_FMT_INCLUDE)
    set(ahead_of_torch ${PROJECT_BINARY_DIR}/ahead-of-torch)
    file(MAKE_DIRECTORY ${ahead_of_torch})
    cmake_path(APPEND SELDON_FMT_INCLUDE fmt OUTPUT_VARIABLE fmt_folder)
    file(CREATE_LINK ${fmt_folder} ${ahead_of_torch}/fmt SYMBOLIC)
    target_include_directories(seldon_torch SYSTEM BEFORE INTERFACE ${ahead_of_torch})
  endif()
endif()
set(torch_siblings)
if(SELDON_TORCH_ROOT)
  # PyPI's libraries need those of sibling packages (nvidia/*/lib) when linking; at run time they find them alone.
  file(REAL_PATH ${SELDON_TORCH_ROOT}/.. torch_packages)
  file(GLOB torch_siblings ${torch_packages}/nvidia/*)
  foreach(folder ${SELDON_TORCH_ROOT} ${torch_siblings})
    if(IS_DIRECTORY ${folder}/lib)
      target_link_options(seldon_torch INTERFACE -Wl,-rpath-link,${folder}/lib)
    endif()
  endforeach()
endif()
# For the test that programs load what they were linked with.
set_property(TARGET seldon_torch PROPERTY SELDON_TORCH_LIBRARY ${SELDON_LIB_torch})
message(STATUS "LibTorch: ${SELDON_LIB_torch}, headers in ${SELDON_TORCH_INCLUDE}")
include(SeldonCuda)
