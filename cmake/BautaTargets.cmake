# How every target is compiled.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
find_package(Threads REQUIRED)

add_library(bauta_flags INTERFACE)
target_include_directories(bauta_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_features(bauta_flags INTERFACE cxx_std_20)  # for programs of other projects, too
# Results are the source's: a multiply-add is fused where the source says so, and nowhere else.
set(BAUTA_FLAGS -Wall -Wextra -Wconversion -Wno-psabi -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # False alarms in "text" + std::string, https://gcc.gnu.org/PR105651.
  list(APPEND BAUTA_FLAGS -Wno-restrict)
endif()
target_link_libraries(bauta_flags INTERFACE Threads::Threads)
if(BAUTA_WERROR)
  list(APPEND BAUTA_FLAGS -Werror)
endif()
if(BAUTA_FUZZ)
  target_compile_options(bauta_flags INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(bauta_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(BAUTA_SANITIZE)
  # vptr asks for the type information that bauta_core is built without.
  list(APPEND BAUTA_FLAGS -fsanitize=${BAUTA_SANITIZE} -fno-sanitize=vptr -fno-omit-frame-pointer
       -fno-sanitize-recover=all)
  target_link_options(bauta_flags INTERFACE -fsanitize=${BAUTA_SANITIZE})
endif()
target_compile_options(bauta_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:${BAUTA_FLAGS}>)

# What takes time is in the libraries: commands and tests are built in about half the time without further optimisation.
set(BAUTA_PROGRAM_FLAGS $<$<NOT:$<CONFIG:Debug>>:$<$<COMPILE_LANGUAGE:CXX>:-O1>>)

# Kernels' files are named in messages as they are in the source tree; `#pragma unroll` is nvcc's.
function(bauta_compile_as_kernels target)
  target_compile_options(${target} PRIVATE -Wno-unknown-pragmas -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=)
endfunction()

# bauta_core is what the C inference library is made of: no exceptions, no type information, no third-party code.
add_library(bauta_core STATIC)
target_link_libraries(bauta_core PUBLIC bauta_flags)
target_compile_options(bauta_core PRIVATE -fno-exceptions -fno-rtti)

# What runs the .cu files beside it: on the CPU (bauta_simt) and, with the CUDA toolkit, on a GPU (bauta_cuda).
# Programs link to bauta_gpu, which holds what this build has of the two. The dispatchers in bauta_core refer to
# their tables weakly, so that they must be linked whole.
add_library(bauta_gpu INTERFACE)
if(BAUTA_HAS_SIMT)
  add_library(bauta_simt STATIC)
  target_link_libraries(bauta_simt PUBLIC bauta_core)
  bauta_compile_as_kernels(bauta_simt)
  target_link_libraries(bauta_gpu INTERFACE $<LINK_LIBRARY:WHOLE_ARCHIVE,bauta_simt>)
  target_compile_definitions(bauta_gpu INTERFACE BAUTA_HAS_SIMT)
endif()
if(BAUTA_HAS_CUDA)
  add_library(bauta_cuda STATIC)
  set_target_properties(bauta_cuda PROPERTIES CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON)
  # --fmad=false: what -ffp-contract=off is to the host's compiler, so that simt's bits are the GPU's.
  target_compile_options(bauta_cuda PRIVATE --expt-relaxed-constexpr --fmad=false -Xcompiler=-Wall,-Wextra
                                            -Xptxas=-warn-spills)
  list(TRANSFORM CMAKE_CUDA_ARCHITECTURES REPLACE "-real|-virtual" "" OUTPUT_VARIABLE architectures)
  list(TRANSFORM architectures PREPEND sm_)
  list(JOIN architectures ", " architectures)
  target_compile_definitions(bauta_cuda PRIVATE BAUTA_CUDA_ARCHITECTURES="${architectures}")
  target_link_libraries(bauta_cuda PUBLIC bauta_core CUDA::cudart_static)
  target_link_libraries(bauta_gpu INTERFACE $<LINK_LIBRARY:WHOLE_ARCHIVE,bauta_cuda>)
endif()

# What loads cuDNN and cuBLASLt, and the module that is loaded.
add_library(bauta_vendor STATIC)
target_link_libraries(bauta_vendor PUBLIC bauta_core PRIVATE ${CMAKE_DL_LIBS})
target_link_libraries(bauta_gpu INTERFACE bauta_vendor)
if(BAUTA_HAS_VENDOR)
  add_library(bauta_vendor_module MODULE)
  set_target_properties(bauta_vendor_module PROPERTIES
    PREFIX "" OUTPUT_NAME bauta_vendor LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib
    CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_include_directories(bauta_vendor_module SYSTEM PRIVATE ${BAUTA_CUDNN_INCLUDE} ${CUDAToolkit_INCLUDE_DIRS})
  target_link_libraries(bauta_vendor_module PRIVATE bauta_flags ${BAUTA_CUDNN_LIBRARY} CUDA::cublasLt)
  target_compile_definitions(bauta_vendor INTERFACE BAUTA_HAS_VENDOR)
  install(TARGETS bauta_vendor_module LIBRARY DESTINATION lib)
endif()

# The instruction sets that the CPU kernels are compiled for. `portable` is the compiler's baseline.
set(BAUTA_ISAS portable)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND BAUTA_ISAS avx2 avx512)
endif()
set(BAUTA_FLAGS_portable "")
set(BAUTA_FLAGS_avx2 -mavx2 -mfma)
set(BAUTA_FLAGS_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mprefer-vector-width=512)

# bauta_cpu_kernel(TARGET NAME ISA FLAGS...): the CPU kernels of kernels/NAME as objects for one ISA.
function(bauta_cpu_kernel target name isa)
  add_library(${target} OBJECT ${PROJECT_SOURCE_DIR}/kernels/${name}/${name}_cpu.cpp)
  target_link_libraries(${target} PRIVATE bauta_flags)
  target_compile_definitions(${target} PRIVATE BAUTA_ISA=${isa})
  target_compile_options(${target} PRIVATE -fno-exceptions -fno-rtti ${BAUTA_FLAGS_${isa}} ${ARGN})
endfunction()

# bauta_kernel(NAME): kernels/NAME: what dispatches, and what is compiled once per ISA.
function(bauta_kernel name)
  target_sources(bauta_core PRIVATE ${name}/${name}.cpp)
  foreach(isa IN LISTS BAUTA_ISAS)
    bauta_cpu_kernel(bauta_${name}_${isa} ${name} ${isa})
    target_sources(bauta_core PRIVATE $<TARGET_OBJECTS:bauta_${name}_${isa}>)
    set_property(GLOBAL APPEND PROPERTY BAUTA_OBJECTS_${isa} $<TARGET_OBJECTS:bauta_${name}_${isa}>)
  endforeach()
endfunction()

# bauta_cuda_kernels(FOLDER NAME): kernels/FOLDER/NAME.cu, for what this build has to run it on.
function(bauta_cuda_kernels folder name)
  if(BAUTA_HAS_SIMT)  # a file's language is the same for all targets of a folder: so C++ gets a file that includes it
    file(CONFIGURE OUTPUT ${name}_simt.cpp CONTENT "#include \"kernels/${folder}/${name}.cu\"\n")
    target_sources(bauta_simt PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/${name}_simt.cpp)
  endif()
  if(BAUTA_HAS_CUDA)
    target_sources(bauta_cuda PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/${name}.cu)
  endif()
endfunction()

# bauta_op(NAME): a kernel that has a reference, CUDA kernels, and tests/kernels/NAME_test.cpp.
function(bauta_op name)
  set_property(GLOBAL APPEND PROPERTY BAUTA_OPS ${name})
  bauta_kernel(${name})
  target_sources(bauta_core PRIVATE ${name}/${name}_ref.cpp)
  bauta_cuda_kernels(${name} ${name})
endfunction()

# bauta_test(NAME SOURCES... [LIBS ...] [SERIAL]): a GoogleTest program; each of its tests is one of CTest's. SERIAL: none
# runs beside another test, which might keep it from the cores for longer than it can wait.
function(bauta_test name)
  cmake_parse_arguments(arg "SERIAL" "" "LIBS" ${ARGN})
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE bauta_test_support ${arg_LIBS})
  if(BAUTA_HAS_VENDOR)
    add_dependencies(${name} bauta_vendor_module)
    set_target_properties(${name} PROPERTIES BUILD_RPATH ${PROJECT_BINARY_DIR}/lib)
  endif()
  set(timeout 300)
  if(BAUTA_SANITIZE)
    set(timeout 1800)  # under ThreadSanitizer simt takes ten times as long
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT ${timeout} RUN_SERIAL ${arg_SERIAL})
endfunction()
