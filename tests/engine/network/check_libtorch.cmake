# cmake -DPROGRAM=... -DTORCH=.../libtorch.so -P check_libtorch.cmake: fails unless the program loads exactly one libc10 and one
# libtorch_cpu, both from the folder of TORCH.
file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${PROGRAM} RESOLVED_DEPENDENCIES_VAR libraries
  UNRESOLVED_DEPENDENCIES_VAR missing)
get_filename_component(folder ${TORCH} DIRECTORY)
file(REAL_PATH ${folder} folder)
foreach(part c10 torch_cpu)
  set(found ${libraries})
  list(FILTER found INCLUDE REGEX "/lib${part}\\.so[^/]*$")
  list(LENGTH found count)
  if(NOT count EQUAL 1)
    message(FATAL_ERROR "${PROGRAM} loads ${count} lib${part}.so: ${found}")
  endif()
  get_filename_component(from ${found} DIRECTORY)
  file(REAL_PATH ${from} from)
  if(NOT from STREQUAL folder)
    message(FATAL_ERROR "${PROGRAM} was linked with LibTorch of ${folder} and loads ${found}")
  endif()
endforeach()
