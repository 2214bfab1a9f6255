// The name of the machine that the box is.
#ifndef CONSOLE_HOST_H
#define CONSOLE_HOST_H

enum { CONSOLE_HOST_BYTES = 65 };

// Its host name, terminated; empty when it has none.
void console_host_name(char out[CONSOLE_HOST_BYTES]);

#endif
