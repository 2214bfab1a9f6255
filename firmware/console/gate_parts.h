// What the files of the gate do for each other, file by file.
#ifndef CONSOLE_GATE_PARTS_H
#define CONSOLE_GATE_PARTS_H

#include "gate_connection.h"

// --- gate_run.c: running connections ---

// What an epoll event names: a place and its generation, or one of the gate's own descriptors.
uint64_t console_gate_tag(const struct gate_connection *connection, bool is_hatch);
void *console_gate_run(void *gate);  // a thread
// Notes events for a connection and has it run. From any thread.
void console_gate_post(struct gate_connection *connection, unsigned events);
// One of the threads, to look what there is to do.
void console_gate_wake(struct console_gate *gate);
// 0: no deadline.
void console_gate_set_deadline(struct gate_connection *connection, uint64_t at_ms);

// --- gate_listener.c: connections come ---

enum base_result console_gate_listen(struct console_gate *gate, struct base_fault *fault) BASE_CHECKED;
void console_gate_accept(struct console_gate *gate);
void console_gate_resume_accepting(struct console_gate *gate);
// Gives the place of a connection back that has closed everything.
void console_gate_leave(struct gate_connection *connection);

// --- gate_wire.c: bytes from and to the client ---

enum gate_io { GATE_IO_OK, GATE_IO_AGAIN, GATE_IO_END, GATE_IO_BROKEN };

enum gate_io console_gate_handshake(struct gate_connection *connection);
enum gate_io console_gate_read(struct gate_connection *connection, void *out, size_t capacity, size_t *got);
// Writes, or keeps what the client does not take yet. False when the client is dead.
bool console_gate_send(struct gate_connection *connection, struct base_span bytes) BASE_CHECKED;
// AGAIN while something is kept.
enum gate_io console_gate_flush(struct gate_connection *connection);
// Ends our side.
void console_gate_end_output(struct gate_connection *connection);
// Moves unused input to the scratch buffer of the running thread, or from there into memory of its own. False when
// memory is short.
void console_gate_open_input(struct gate_connection *connection);
bool console_gate_keep_input(struct gate_connection *connection) BASE_CHECKED;
void console_gate_close_wire(struct gate_connection *connection);

// --- gate_step.c: from state to state ---

// Does what can be done now. Afterwards the connection waits, or has left (fd -1 and state GATE_FREE).
void console_gate_step(struct gate_connection *connection, unsigned events);
void console_gate_enter(struct gate_connection *connection, enum gate_state state);

// --- gate_body.c ---

// Takes what has come of the body. True when the state has changed.
bool console_gate_receive(struct gate_connection *connection);
// The body's deadline may have passed.
void console_gate_judge_pace(struct gate_connection *connection);
// Lets the intake go: with a turn, so perhaps later (false). `is_given_up`: the body did not come whole.
bool console_gate_drop_intake(struct gate_connection *connection, bool is_given_up) BASE_CHECKED;

// --- gate_turns.c: who may do what now ---

// False: the connection waits, and gets GATE_EVENT_AGAIN when it has the turn.
bool console_gate_take_turn(struct gate_connection *connection);
void console_gate_end_turn(struct gate_connection *connection);
// True when others wait for a turn.
bool console_gate_is_turn_wanted(struct console_gate *gate);
enum gate_place { GATE_PLACE_TAKEN, GATE_PLACE_LATER, GATE_PLACE_NONE };
// A thread of CivetWeb: now, later (GATE_EVENT_AGAIN), or too many wait already.
enum gate_place console_gate_take_thread(struct gate_connection *connection);
void console_gate_end_thread(struct gate_connection *connection);
// Stops waiting and gives back what it has.
void console_gate_leave_queues(struct gate_connection *connection);

// --- gate_relay.c: CivetWeb answers ---

// Hands the request over. False when that can not be done.
bool console_gate_hand_over(struct gate_connection *connection) BASE_CHECKED;
// Moves bytes both ways. True when the reply is over and was sent.
bool console_gate_relay(struct gate_connection *connection);

#endif
