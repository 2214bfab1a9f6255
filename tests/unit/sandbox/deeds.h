// What a decoder that has been taken over would try.
#ifndef DEEDS_H
#define DEEDS_H

// Does what `word` says. 0 or more: it worked. -1: it was refused, errno says how. DEED_UNKNOWN: there is no such deed.
// Whatever the list of system calls does not name does not come back.
enum { DEED_UNKNOWN = -2 };
long deed_do(const char *word);

#endif
