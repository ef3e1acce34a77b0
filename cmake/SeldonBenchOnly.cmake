# SELDON_BENCH_ONLY: bench_gpu and the rooms below it, with no library but LibTorch and CUDA. Some headers remain
# (Random123, Boost.Math, PEGTL, spdlog, fmt): the system's, or those of the folder SELDON_CARRIED, which `bench/gpu.py
# --carry` fills on another machine.
set(SELDON_CARRIED "" CACHE PATH "Folder of header files that bench/gpu.py --carry made; empty: the system's headers")

set(SELDON_TESTS OFF)
set(SELDON_FUZZ OFF)
if(SELDON_CARRIED)
  if(NOT EXISTS ${SELDON_CARRIED}/include/boost)
    message(FATAL_ERROR "SELDON_CARRIED=${SELDON_CARRIED} holds no include/boost: make it with bench/gpu.py --carry FOLDER")
  endif()
  target_include_directories(seldon_flags SYSTEM INTERFACE ${SELDON_CARRIED}/include)
endif()
# What the rooms would look for.
add_library(Boost::headers INTERFACE IMPORTED GLOBAL)
add_library(spdlog::spdlog INTERFACE IMPORTED GLOBAL)
target_compile_definitions(spdlog::spdlog INTERFACE SPDLOG_FMT_EXTERNAL FMT_HEADER_ONLY)
find_package(Threads REQUIRED)
target_link_libraries(spdlog::spdlog INTERFACE Threads::Threads)
