# CUDA and NCCL for seldon::torch. Included by SeldonTorch.cmake alone.
if(NOT SELDON_CUDA)
  message(STATUS "CUDA: left out (SELDON_CUDA is OFF)")
  return()
endif()
cmake_path(GET SELDON_LIB_torch PARENT_PATH torch_folder)
foreach(part torch_cuda c10_cuda)
  find_library(SELDON_LIB_${part} ${part} PATHS ${torch_folder} NO_DEFAULT_PATH NO_CACHE)
  if(NOT SELDON_LIB_${part})
    message(STATUS "CUDA: this LibTorch has none")
    return()
  endif()
endforeach()

# Where CUDA's parts may be: packages beside LibTorch's come first, since they are what it was built with.
set(cuda_toolkits)
foreach(root "${CUDAToolkit_ROOT}" "$ENV{CUDAToolkit_ROOT}" "$ENV{CUDA_HOME}" "$ENV{CUDA_PATH}" /usr/local/cuda)
  if(root AND IS_DIRECTORY ${root})
    list(APPEND cuda_toolkits ${root} ${root}/targets/${CMAKE_SYSTEM_PROCESSOR}-linux)
  endif()
endforeach()

# seldon_find_headers(FOUND HEADERS h... IN folder...): the include folders, at most one per header, that hold them all; empty
# if one is in none.
function(seldon_find_headers found)
  cmake_parse_arguments(FIND "" "" "HEADERS;IN" ${ARGN})
  set(folders)
  foreach(header ${FIND_HEADERS})
    find_path(folder ${header} PATHS ${FIND_IN} PATH_SUFFIXES include NO_DEFAULT_PATH NO_CACHE)
    if(NOT folder)
      set(${found} "" PARENT_SCOPE)
      set(${found}_MISSING ${header} PARENT_SCOPE)
      return()
    endif()
    list(APPEND folders ${folder})
    unset(folder)
  endforeach()
  list(REMOVE_DUPLICATES folders)
  set(${found} ${folders} PARENT_SCOPE)
endfunction()

# seldon_find_needed(FOUND LIBRARY NAME): the file that the dynamic linker will load for `LIBRARY`'s dependency NAME, which it
# asks for under a name with a version, such as libcudart.so.13. Another version beside it would be a second copy in the
# process.
function(seldon_find_needed found library name)
  set(${found} "" PARENT_SCOPE)
  execute_process(COMMAND ${CMAKE_READELF} -d ${library} OUTPUT_VARIABLE dynamic COMMAND_ERROR_IS_FATAL ANY)
  if(NOT dynamic MATCHES "NEEDED[^\n]*\\[(lib${name}\\.so[.0-9]*)\\]")
    return()
  endif()
  find_file(file ${CMAKE_MATCH_1} PATHS ${torch_folder} ${torch_siblings} ${cuda_toolkits} PATH_SUFFIXES lib lib64
    NO_DEFAULT_PATH NO_CACHE)
  if(NOT file)
    find_library(file ${CMAKE_MATCH_1} NO_CACHE)
  endif()
  if(file)
    set(${found} ${file} PARENT_SCOPE)
  endif()
endfunction()

# LibTorch's headers of CUDA include these. One source for all if there is one: the parts of one version fit each other.
set(cuda_headers cuda.h cuda_runtime_api.h crt/host_defines.h cublas_v2.h cublasLt.h cusparse.h cusolverDn.h)
seldon_find_headers(SELDON_CUDA_INCLUDE HEADERS ${cuda_headers} IN ${torch_siblings})
if(NOT SELDON_CUDA_INCLUDE)
  seldon_find_headers(SELDON_CUDA_INCLUDE HEADERS ${cuda_headers} IN ${cuda_toolkits})
endif()
if(NOT SELDON_CUDA_INCLUDE)
  seldon_find_headers(SELDON_CUDA_INCLUDE HEADERS ${cuda_headers} IN ${torch_siblings} ${cuda_toolkits})
endif()
seldon_find_needed(SELDON_LIB_cudart ${SELDON_LIB_c10_cuda} cudart)
if(NOT SELDON_CUDA_INCLUDE OR NOT SELDON_LIB_cudart)
  if(SELDON_CUDA_INCLUDE)
    set(cuda_missing "its runtime library")
  else()
    set(cuda_missing "its header ${SELDON_CUDA_INCLUDE_MISSING}")
  endif()
  message(FATAL_ERROR "LibTorch in ${torch_folder} has CUDA, but ${cuda_missing} is found neither in the packages beside it "
    "nor in a CUDA toolkit. Take the LibTorch of scripts/install-pip-torch (PyPI's torch alone comes without CUDA's crt/, which "
    "`pip install nvidia-cuda-crt` brings), name a toolkit with -DCUDAToolkit_ROOT=..., or build for CPUs alone with "
    "-DSELDON_CUDA=OFF")
endif()

target_compile_definitions(seldon_torch INTERFACE SELDON_CUDA)
target_include_directories(seldon_torch SYSTEM INTERFACE ${SELDON_CUDA_INCLUDE})
# libtorch_cuda.so announces its kernels when it is loaded. A linker that keeps only what a symbol asks for would drop it,
# and LibTorch would say that there is no CUDA.
target_link_libraries(seldon_torch INTERFACE
  -Wl,--push-state,--no-as-needed,${SELDON_LIB_torch_cuda},--pop-state ${SELDON_LIB_c10_cuda} ${SELDON_LIB_cudart})
message(STATUS "CUDA: ${SELDON_LIB_cudart}, headers in ${SELDON_CUDA_INCLUDE}")

# NCCL: that of LibTorch, or any where LibTorch has none of its own.
seldon_find_needed(SELDON_LIB_nccl ${SELDON_LIB_torch_cuda} nccl)
if(NOT SELDON_LIB_nccl)
  find_library(SELDON_LIB_nccl NAMES nccl libnccl.so.2 PATHS ${torch_siblings} ${cuda_toolkits} PATH_SUFFIXES lib lib64 NO_CACHE)
endif()
if(SELDON_LIB_nccl)
  # Its header lies beside it, or where the CUDA toolkit's or the system's are.
  cmake_path(GET SELDON_LIB_nccl PARENT_PATH nccl_folder)
  cmake_path(GET nccl_folder PARENT_PATH nccl_root)
  find_path(SELDON_NCCL_INCLUDE nccl.h PATHS ${nccl_root} ${torch_siblings} ${cuda_toolkits} PATH_SUFFIXES include
    NO_DEFAULT_PATH NO_CACHE)
  find_path(SELDON_NCCL_INCLUDE nccl.h NO_CACHE)
endif()
if(NOT SELDON_LIB_nccl OR NOT SELDON_NCCL_INCLUDE)
  message(STATUS "NCCL: not found, so a trial cannot use several GPUs")
  return()
endif()
add_library(seldon_nccl INTERFACE)
add_library(seldon::nccl ALIAS seldon_nccl)
target_include_directories(seldon_nccl SYSTEM INTERFACE ${SELDON_NCCL_INCLUDE} ${SELDON_CUDA_INCLUDE})
target_link_libraries(seldon_nccl INTERFACE ${SELDON_LIB_nccl} ${SELDON_LIB_cudart})
target_compile_definitions(seldon_nccl INTERFACE SELDON_NCCL)
message(STATUS "NCCL: ${SELDON_LIB_nccl}, header in ${SELDON_NCCL_INCLUDE}")
