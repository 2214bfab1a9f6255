pixpop_fuzz(ingest multipart MAY_USE base)
# Through the room's private header.
pixpop_fuzz(ingest tus_values MAY_USE base image integrity cache sandbox store)
if(TARGET ingest_tus_values_fuzz)
  target_include_directories(ingest_tus_values_fuzz PRIVATE ${PROJECT_SOURCE_DIR}/firmware/ingest)
endif()
