pixpop_fuzz(store record MAY_USE integrity cache base)
pixpop_fuzz(store upload MAY_USE integrity cache base)
pixpop_fuzz(store ledger MAY_USE integrity cache base)
