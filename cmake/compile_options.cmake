# What our own targets are compiled with. Nothing here reaches a project that uses the library.
#
# SPDX-License-Identifier: Apache-2.0
include(CheckPIESupported)
check_pie_supported(LANGUAGES CXX)

if(SALLYPORT_SANITIZE)
  # All objects must agree, so these are set for the whole directory tree.
  add_compile_options(-fsanitize=${SALLYPORT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  if(SALLYPORT_SANITIZE MATCHES "undefined")
    # The check of virtual tables probes memory through a pipe, and takes running out of descriptors for an error.
    add_compile_options(-fno-sanitize=vptr)
  endif()
  add_link_options(-fsanitize=${SALLYPORT_SANITIZE})
endif()

function(sallyport_compile_options target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion)
  if(SALLYPORT_WARNINGS_AS_ERRORS)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  # The code is position-independent, for whoever makes a shared library of it. GCC would then inline no function that
  # another library might replace, and none of ours is meant to be.
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fno-semantic-interposition>)
  # False alarms of GCC 12. Where it inlines only one of an Asio coroutine frame's new and delete, it takes the two for
  # a mismatch; it says of Asio's fences that ThreadSanitizer doesn't see them; it sees "text" + std::string() overlap.
  target_compile_options(${target} PRIVATE
    $<$<CXX_COMPILER_ID:GNU>:-Wno-mismatched-new-delete -Wno-tsan -Wno-restrict>)
  if(SALLYPORT_SANITIZE)
    # Another: what the sanitizers add to Boost's headers looks uninitialized to it.
    target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  endif()
  # A server that faces strangers pays for the cheap checks. Sanitizers bring stricter ones of their own, and
  # _FORTIFY_SOURCE hides calls from them.
  target_compile_definitions(${target} PRIVATE _GLIBCXX_ASSERTIONS)
  if(NOT SALLYPORT_SANITIZE)
    target_compile_options(${target} PRIVATE -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
    get_target_property(type ${target} TYPE)
    if(NOT type MATCHES "STATIC_LIBRARY|OBJECT_LIBRARY" AND CMAKE_SYSTEM_NAME STREQUAL "Linux")
      target_link_options(${target} PRIVATE LINKER:-z,relro,-z,now)
    endif()
  endif()
endfunction()

# Asio's, Qt's and the standard library's templates are most of what there is to compile, so some targets' files are
# compiled a few at a time; not more, as the compiler would need 2 GB. Files next to each other must then differ in the
# names of their anonymous namespaces. Who works on one file may rather set SALLYPORT_COMPILE_TOGETHER to OFF.
function(sallyport_compile_together target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${SALLYPORT_COMPILE_TOGETHER} UNITY_BUILD_BATCH_SIZE 4)
endfunction()
