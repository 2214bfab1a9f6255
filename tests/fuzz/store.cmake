pixpop_fuzz(store record MAY_USE integrity cache base)
