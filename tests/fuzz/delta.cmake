pixpop_fuzz(delta patch MAY_USE base integrity)
pixpop_fuzz(delta rolling MAY_USE base)
pixpop_fuzz(delta signature MAY_USE base)
