// The protocol between those who may ask for a change of the system (pixpopd, `pixpop` on the box) and the one program
// that can make it (`pixpop-system`, root): a Unix stream socket, one request a connection.
//
// A request is one line of JSON, at most UPDATE_AGENT_MAX_LINE bytes with '\n', then for "install" the bundle's bytes,
// to the end of the stream (shutdown). Replies are lines of JSON; the last one has "result": "ok", or a result's name
// (base/result.h) with "text" and perhaps "subject". Before it may come any number of progress lines.
//
//   {"do": "status"}                       -> one line, see below
//   {"do": "install", "older": false}      -> {"phase", "done", "total"} ... {"result", "version", "slot"}
//   {"do": "choose", "slot": "B"}          -> {"result"}
//   {"do": "reboot"} {"do": "poweroff"}    -> {"result"}, then it happens
//   {"do": "rescue"}                       -> {"result"}: the next boot is the rescue system's
//   {"do": "factory-reset"}                -> {"result"}: the next boot empties the data partition
//   {"do": "network", "text": "..."}       -> {"result"}: the network's settings (board/README.md), checked, kept and
//                                             then applied, after the answer
//   {"do": "network"}                      -> {"text", "result"}: the settings as they are kept; empty: none
//
// The status: "board", "version", "floor" of what runs; "boot": another text after each boot (the kernel's boot id);
// "running": "A"; "next": "A", "B" or "rescue"; "slots": two of
// {"name", "mark": "bad" | "untried" | "good", "tries", "version"}; "health": "waiting" | "good" | "failing" | "failed"
// and "health_text" of the running slot: why not, or what is odd though it is good (another slot should run, its
// version is below the floor, the data partition is full; else empty); of the update that is or was last being
// installed "phase": "idle" | "reading" | "writing" | "checking" | "done" | "failed", "installing" (its version),
// "done" and "total" (bytes of the phase), "failure" (a text); "is_reboot_needed": another slot than the running one
// boots next.
//
// Anything else: "bad-input". One change at a time: "locked" while an update is being installed, also by the rescue
// page beside the system; the status and the network's settings are answered all the same. Without a readable memory of
// the boot loader the status is "corrupt", and has no "next", "slots", "floor" and "is_reboot_needed". An update is
// refused ("conflict") until the running slot has passed its health check: the other one may be the last that works.
// Who may ask is the kernel's answer (SO_PEERCRED): root, and the user of pixpopd; others: "forbidden".
#ifndef UPDATE_AGENT_H
#define UPDATE_AGENT_H

#include "base/json.h"
#include "base/result.h"

#define UPDATE_AGENT_SOCKET "/run/pixpop/system.sock"
enum { UPDATE_AGENT_MAX_LINE = 4096 };

// The asking side: blocking, one thread at a time, never SIGPIPE. BASE_NOT_FOUND: nobody listens (this is no
// appliance). `line` is one JSON object without its '\n'.
struct update_call;
enum base_result update_call_begin(const char *socket, const char *line, struct update_call **out,
                                   struct base_fault *fault) BASE_CHECKED;
// More of the body; waits while the other side is busy. BASE_CANCELLED: the other side has closed: read why.
enum base_result update_call_write(struct update_call *call, struct base_span bytes,
                                   struct base_fault *fault) BASE_CHECKED;
enum base_result update_call_end_body(struct update_call *call, struct base_fault *fault) BASE_CHECKED;
// The next line, parsed (destroy it); *is_last: it carries the result, which is returned as such with its text in
// `fault` (*line is set then too). `timeout_ms` of silence: BASE_TIMEOUT; 0: only what is there already. BASE_IO: the
// other side closed without a result.
enum base_result update_call_read(struct update_call *call, unsigned timeout_ms, struct base_json **line, bool *is_last,
                                  struct base_fault *fault) BASE_CHECKED;
// The text of the line that was last read, without its '\n', until the next read.
struct base_span update_call_line(const struct update_call *call);
void update_call_destroy(struct update_call **call);

// A result by its name; BASE_INTERNAL for a word that is none.
enum base_result update_result_of(const char *name);

#endif
