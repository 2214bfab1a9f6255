pixpop_fuzz(slots block MAY_USE base)
