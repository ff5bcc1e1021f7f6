# How every target is compiled.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
find_package(Threads REQUIRED)

add_library(bauta_flags INTERFACE)
target_include_directories(bauta_flags INTERFACE ${PROJECT_SOURCE_DIR})
# Results are the source's: a multiply-add is fused where the source says so, and nowhere else.
target_compile_options(bauta_flags INTERFACE -Wall -Wextra -Wconversion -Wno-psabi -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # False alarms in "text" + std::string, https://gcc.gnu.org/PR105651.
  target_compile_options(bauta_flags INTERFACE -Wno-restrict)
endif()
target_link_libraries(bauta_flags INTERFACE Threads::Threads)
if(BAUTA_WERROR)
  target_compile_options(bauta_flags INTERFACE -Werror)
endif()
if(BAUTA_FUZZ)
  target_compile_options(bauta_flags INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(bauta_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(BAUTA_SANITIZE)
  target_compile_options(bauta_flags INTERFACE -fsanitize=${BAUTA_SANITIZE} -fno-omit-frame-pointer
                                               -fno-sanitize-recover=all)
  target_link_options(bauta_flags INTERFACE -fsanitize=${BAUTA_SANITIZE})
endif()

# bauta_core is what the C inference library is made of: no exceptions, no type information, no third-party code.
add_library(bauta_core STATIC)
target_link_libraries(bauta_core PUBLIC bauta_flags)
target_compile_options(bauta_core PRIVATE -fno-exceptions -fno-rtti)

# The instruction sets that the CPU kernels are compiled for. `portable` is the compiler's baseline.
set(BAUTA_ISAS portable)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND BAUTA_ISAS avx2 avx512)
endif()
set(BAUTA_FLAGS_portable "")
set(BAUTA_FLAGS_avx2 -mavx2 -mfma)
set(BAUTA_FLAGS_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mprefer-vector-width=512)

# bauta_kernel(NAME): kernels/NAME: what dispatches, and what is compiled once per ISA.
function(bauta_kernel name)
  target_sources(bauta_core PRIVATE ${name}/${name}.cpp)
  foreach(isa IN LISTS BAUTA_ISAS)
    set(target bauta_${name}_${isa})
    add_library(${target} OBJECT ${name}/${name}_cpu.cpp)
    target_link_libraries(${target} PRIVATE bauta_flags)
    target_compile_definitions(${target} PRIVATE BAUTA_ISA=${isa})
    target_compile_options(${target} PRIVATE -fno-exceptions -fno-rtti ${BAUTA_FLAGS_${isa}})
    target_sources(bauta_core PRIVATE $<TARGET_OBJECTS:${target}>)
    set_property(GLOBAL APPEND PROPERTY BAUTA_OBJECTS_${isa} $<TARGET_OBJECTS:${target}>)
  endforeach()
endfunction()

# bauta_op(NAME): a kernel that has a reference.
function(bauta_op name)
  bauta_kernel(${name})
  target_sources(bauta_core PRIVATE ${name}/${name}_ref.cpp)
endfunction()

# bauta_test(NAME SOURCES... [LIBS ...]): a GoogleTest program; each of its tests is one of CTest's.
function(bauta_test name)
  cmake_parse_arguments(arg "" "" "LIBS" ${ARGN})
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE bauta_test_support ${arg_LIBS})
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 300)
endfunction()
