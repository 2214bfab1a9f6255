pixpop_fuzz(client response)
if(TARGET client_response_fuzz)
  # The parser's parts are inside the room.
  target_include_directories(client_response_fuzz PRIVATE ${PROJECT_SOURCE_DIR}/firmware/client
    ${PROJECT_SOURCE_DIR}/firmware/base/include)
endif()
