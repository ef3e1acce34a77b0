# How a room, its tests and its programs are declared.
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

add_library(seldon_flags INTERFACE)
target_include_directories(seldon_flags INTERFACE ${PROJECT_SOURCE_DIR})
# No -ffast-math anywhere: records are compared bit by bit, and NaN must stay NaN.
target_compile_options(seldon_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual $<$<BOOL:${SELDON_WERROR}>:-Werror>)
if(SELDON_SANITIZE)
  target_compile_options(seldon_flags INTERFACE -fsanitize=${SELDON_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(seldon_flags INTERFACE -fsanitize=${SELDON_SANITIZE})
endif()

# seldon_room(NAME SOURCES ... [LIBRARIES ...]): the static library seldon_NAME.
function(seldon_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_library(seldon_${name} STATIC ${ROOM_SOURCES})
  target_link_libraries(seldon_${name} PUBLIC seldon_flags ${ROOM_LIBRARIES})
endfunction()

# seldon_test_room(NAME SOURCES ... [LIBRARIES ...]): one GoogleTest binary for a room, test_NAME.
function(seldon_test_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(test_${name} ${ROOM_SOURCES})
  target_link_libraries(test_${name} PRIVATE seldon_${name} ${ROOM_LIBRARIES} GTest::gtest_main GTest::gmock)
  # Where the tests find the project's own files, and the optional conformance data that only developers have.
  target_compile_definitions(test_${name} PRIVATE SELDON_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    SELDON_BINARY_DIR="${PROJECT_BINARY_DIR}")
  add_test(NAME ${name} COMMAND test_${name})
endfunction()

# What Open MPI needs to start as root, whatever its version.
set(SELDON_MPI_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 PRTE_ALLOW_RUN_AS_ROOT=1
  PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1)

# seldon_mpi_test(NAME RANKS n... SOURCES ... LIBRARIES ...): a program with its own main, run on each number of ranks. Where
# it is called MPI must have been found.
function(seldon_mpi_test name)
  cmake_parse_arguments(MPI_TEST "" "" "RANKS;SOURCES;LIBRARIES" ${ARGN})
  add_executable(test_${name} ${MPI_TEST_SOURCES})
  target_link_libraries(test_${name} PRIVATE ${MPI_TEST_LIBRARIES} GTest::gtest)
  foreach(ranks ${MPI_TEST_RANKS})
    add_test(NAME ${name}_np${ranks}
      COMMAND ${SELDON_MPIRUN} ${MPIEXEC_NUMPROC_FLAG} ${ranks} $<TARGET_FILE:test_${name}>)
    set_tests_properties(${name}_np${ranks} PROPERTIES PROCESSORS ${ranks} TIMEOUT 120
      ENVIRONMENT "${SELDON_MPI_AS_ROOT}")
  endforeach()
endfunction()
