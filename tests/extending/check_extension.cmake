# Builds EXAMPLE in a fresh FOLDER against SELDON_BUILD, runs it on its config and reads what it recorded.

# Runs a command; `output` gets what it printed. Fails unless its exit code is the expected one.
function(expect code)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE err)
  if(NOT status STREQUAL code)
    message(FATAL_ERROR "exit code ${status} instead of ${code}: ${ARGN}\n${out}${err}")
  endif()
  set(output "${out}${err}" PARENT_SCOPE)
endfunction()

function(expect_match pattern)
  if(NOT output MATCHES "${pattern}")
    message(FATAL_ERROR "no match for ${pattern} in:\n${output}")
  endif()
endfunction()

file(REMOVE_RECURSE ${FOLDER})
expect(0 ${CMAKE_COMMAND} -G ${GENERATOR} -S ${EXAMPLE} -B ${FOLDER} -DSeldon_DIR=${SELDON_BUILD}
  -DCMAKE_BUILD_TYPE=${BUILD_TYPE} -DCMAKE_C_COMPILER=${CC} -DCMAKE_CXX_COMPILER=${CXX})
expect(0 ${CMAKE_COMMAND} --build ${FOLDER})

# The program without these parts knows none of them; the one with them runs to the end.
set(config ${EXAMPLE}/extension.toml)
expect(2 ${SELDON} check ${config})
expect_match("extension.toml:[0-9]+: .*small_network")
expect(0 ${FOLDER}/my_seldon run ${config} --store ${FOLDER}/extension.h5)
expect(0 ${REPORT} status ${FOLDER}/extension.h5)
expect_match("8 ended .100.0 %., complete")

# 300 of the 1000 loans are bad risks. Who calls every loan good has a balanced accuracy of .5 and errs in .3 of the
# decisions, .2 less than are allowed; 109 of 310 women and 191 of 690 men are bad risks, whose shares differ by
# .2252 less than is allowed. The network that the constraints bind must have been accepted, and be better.
expect(0 ${REPORT} export ${FOLDER}/extension.h5 --out ${FOLDER} --layout tidy)
file(STRINGS ${FOLDER}/cells.csv rows)
list(POP_FRONT rows output)
expect_match("^model,data_frac,n,trial,state,passed_safety,nsf_reason,balanced_accuracy,log_loss,g_equal_brier,")
set(majority 0)
set(solved 0)
foreach(output ${rows})
  if(output MATCHES "^majority_class,")
    expect_match("^majority_class,[^,]*,[^,]*,[01],done,True,,0[.]5,10[.][0-9]*,-0[.]2251986[0-9]*,False,,-0[.](2|19999)[0-9]*,False,")
    math(EXPR majority "${majority} + 1")
  elseif(output MATCHES "^qsa,1,1000,[01],done,True,,0[.](5[1-9]|6)")
    math(EXPR solved "${solved} + 1")
  endif()
endforeach()
if(NOT majority EQUAL 4 OR NOT solved EQUAL 2)
  message(FATAL_ERROR "${majority} records of majority_class instead of 4, ${solved} solutions of qsa instead of 2")
endif()
