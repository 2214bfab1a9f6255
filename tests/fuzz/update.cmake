pixpop_fuzz(update head MAY_USE base integrity slots)
pixpop_fuzz(update manifest MAY_USE base integrity slots)
