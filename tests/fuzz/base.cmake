pixpop_fuzz(base json)
