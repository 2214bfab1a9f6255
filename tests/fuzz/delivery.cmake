pixpop_fuzz(delivery h2 MAY_USE base http tls)
if(TARGET delivery_h2_fuzz)
  # Through the room's private headers: a session without sockets that others see, and without a thread.
  target_include_directories(delivery_h2_fuzz PRIVATE ${PROJECT_SOURCE_DIR}/firmware/delivery)
endif()
