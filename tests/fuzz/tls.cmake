pixpop_fuzz(tls hello MAY_USE base)
if(TARGET tls_hello_fuzz)
  target_include_directories(tls_hello_fuzz PRIVATE ${PROJECT_SOURCE_DIR}/firmware/tls)
endif()
