pixpop_fuzz(ingest multipart MAY_USE base)
