pixpop_fuzz(archive tar MAY_USE base)
