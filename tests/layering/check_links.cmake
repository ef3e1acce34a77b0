# cmake -DPROGRAM=... -P check_links.cmake: fails if the program loads LibTorch, MPI or BLAS, itself or by a library.
file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${PROGRAM} RESOLVED_DEPENDENCIES_VAR libraries
  UNRESOLVED_DEPENDENCIES_VAR missing)
if(NOT libraries)
  message(FATAL_ERROR "${PROGRAM}: no libraries found; is it a program?")
endif()
foreach(library ${libraries} ${missing})
  if(library MATCHES "/?lib(torch|c10|mpi|openblas|blas)[^/]*$")
    message(FATAL_ERROR "${PROGRAM} loads ${library}")
  endif()
endforeach()
